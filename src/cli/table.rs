/// Rows below titles, each column as wide as its widest cell and no narrower than its title asks for.
pub(super) fn table(titles: &[(&str, usize)], rows: impl Iterator<Item = Vec<String>>) -> String {
    let first = titles.iter().map(|(title, _)| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(first).chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: Vec<_> =
        titles.iter().enumerate().map(|(at, (_, least))| (*least).max(width(at).unwrap_or(0))).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}|")).collect();
    format!("|{cells}\n")
}

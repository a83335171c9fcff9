//! The tables of a Markdown file.

/// A row of a table, with the table's head.
#[derive(Debug, Clone)]
pub struct Row {
    /// The chapter it stands in: the last heading of the second level.
    pub chapter: String,
    pub line: usize,
    head: Vec<String>,
    cells: Vec<String>,
}

impl Row {
    fn cell(&self, column: &str) -> Option<&str> {
        let at = self.head.iter().position(|name| name == column)?;
        self.cells.get(at).map(String::as_str)
    }

    /// Whether its table has that column.
    pub fn has(&self, column: &str) -> bool {
        self.head.iter().any(|name| name == column)
    }

    /// The items of a cell: what stands between commas, without backticks.
    pub fn items(&self, column: &str) -> Vec<&str> {
        let items = self.cell(column).unwrap_or_default().split(',');
        items.map(|item| item.trim().trim_matches('`')).filter(|item| !item.is_empty()).collect()
    }
}

/// The rows of all tables, without their heads.
pub fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut chapter, mut head) = (String::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("## ") {
            title.trim().clone_into(&mut chapter);
        }
        let Some(inner) = line.strip_prefix('|') else {
            head.clear();
            continue;
        };
        let cells: Vec<_> =
            inner.trim_end().trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        if head.is_empty() {
            head = cells;
        } else if !cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')) {
            rows.push(Row { chapter: chapter.clone(), line: number + 1, head: head.clone(), cells });
        }
    }
    rows
}

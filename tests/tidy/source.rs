//! Sources, with nothing in them but code.

use std::ops::Range;

/// A source file, with comments and the contents of strings blanked out.
#[derive(Debug, Clone)]
pub struct File {
    /// Below the package, with slashes.
    pub path: String,
    /// Everything.
    pub code: String,
    /// Everything but tests.
    pub shipped: String,
    /// Nothing but tests.
    pub tested: String,
}

impl File {
    pub fn new(path: &str, source: &str) -> Self {
        let code = blank(source);
        let tests = if path.starts_with("src/") { test_items(&code) } else { std::iter::once(0..code.len()).collect() };
        let mut shipped = code.clone().into_bytes();
        let mut tested = shipped.clone();
        let mut at = 0;
        for range in tests.iter().chain([&(code.len()..code.len())]) {
            wipe(&mut tested[at..range.start]);
            wipe(&mut shipped[range.clone()]);
            at = range.end;
        }
        let text = |bytes| String::from_utf8(bytes).expect("only whole characters are wiped");
        Self { path: path.to_owned(), code, shipped: text(shipped), tested: text(tested) }
    }

    /// The module of the table that it belongs to.
    pub fn module(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap_or_default();
        path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

/// Blanks everything but line ends.
fn wipe(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Blanks comments and the contents of strings and characters.
fn blank(source: &str) -> String {
    let mut bytes = source.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source.as_bytes()[at..];
        let length = comment(rest).or_else(|| literal(rest, at > 0 && is_word(source.as_bytes()[at - 1])));
        match length {
            Some(length) => {
                wipe(&mut bytes[at..at + length]);
                at += length;
            }
            None => at += 1,
        }
    }
    bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'_');
    String::from_utf8(bytes).expect("nothing but ASCII is left")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the comment that begins here.
fn comment(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of the string or character that begins here.
fn literal(rest: &[u8], follows_word: bool) -> Option<usize> {
    if !follows_word && matches!(rest, [b'r', b'"' | b'#', ..] | [b'b', b'r', b'"' | b'#', ..]) {
        let prefix = rest.iter().position(|byte| *byte != b'b' && *byte != b'r')?;
        let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(prefix + hashes) == Some(&b'"') {
            let end = [&b"\""[..], &b"#".repeat(hashes)].concat();
            let body = prefix + hashes + 1;
            let length = rest[body..].windows(end.len()).position(|window| window == end);
            return Some(length.map_or(rest.len(), |length| body + length + end.len()));
        }
    }
    match rest {
        [b'"', ..] => Some(quoted(rest, b'"')),
        [b'\'', b'\\', ..] | [b'\'', _, b'\'', ..] => Some(quoted(rest, b'\'')),
        // A character of several bytes; what is left is a lifetime.
        [b'\'', first, ..] if *first >= 0x80 => Some(quoted(rest, b'\'')),
        _ => None,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The items under `#[cfg(test)]` or `#[test]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for marker in ["#[cfg(test)]", "#[test]"] {
        for (start, _) in code.match_indices(marker) {
            if !items.iter().any(|item| item.contains(&start)) {
                items.push(start..item_end(code, start + marker.len()));
            }
        }
    }
    items.sort_by_key(|item| item.start);
    items
}

/// Where the item ends that begins here: at its closing brace, or its semicolon.
pub fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Words of the code with where they are.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

pub fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

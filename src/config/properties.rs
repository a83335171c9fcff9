//! Java `.properties` files.

/// One `key = value`, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: String,
    /// Where it begins.
    pub line: u32,
}

/// The text of a file: UTF-8, or else ISO 8859-1, which Java takes it for.
pub fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect())
}

/// Reads a whole file; like Java, it accepts any text.
pub fn parse(text: &str) -> Vec<Property> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().map(|line| line.trim_start_matches(BLANK)).enumerate();
    let mut properties = Vec::new();
    while let Some((number, first)) = lines.next() {
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while is_continued(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next);
        }
        let (key, value) = split(&logical);
        properties.push(Property { key: unescape(key), value: unescape(value), line: number as u32 + 1 });
    }
    properties
}

/// A value as it has to be written to be read again as it is.
pub fn escape_value(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    if escaped.starts_with([' ', '\t']) { format!("\\{escaped}") } else { escaped }
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || BLANK.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANK);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(BLANK))
}

// Java's escapes are UTF-16 units, so that a pair of them can be one character.
fn unescape(text: &str) -> String {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => match rest.as_str().get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok()) {
                    Some(unit) => {
                        units.push(unit);
                        rest = rest.as_str()[4..].chars();
                        continue;
                    }
                    None => 'u',
                },
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_read() {
        assert_eq!(decode("é = ü".as_bytes().to_vec()), "é = ü");
        assert_eq!(decode(b"\xe9 = \xfc".to_vec()), "é = ü");
    }

    #[test]
    fn texts_are_read_as_java_does() {
        for (text, expected) in [
            ("", &[][..]),
            ("# a = b\n ! c = d\n\n", &[]),
            ("a=b", &[("a", "b", 1)]),
            ("a : b \r\n\tc d\n e", &[("a", "b ", 1), ("c", "d", 2), ("e", "", 3)]),
            ("a = = b", &[("a", "= b", 1)]),
            ("a\\ b\\:c\\=d = x", &[("a b:c=d", "x", 1)]),
            ("a = 1,\\\n   2,\\\n\t3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]),
            ("a = x\\\\\nb = y", &[("a", "x\\", 1), ("b", "y", 2)]),
            ("a = \\u0041\\t\\u00e9\\ud83d\\ude00\\q", &[("a", "A\té😀q", 1)]),
            ("a = \\u12", &[("a", "u12", 1)]),
            ("a = x\\", &[("a", "x", 1)]),
            ("a = 1\\\n# not a comment", &[("a", "1# not a comment", 1)]),
            ("ä = ö", &[("ä", "ö", 1)]),
            ("= x", &[("", "x", 1)]),
        ] {
            let found = parse(text);
            let found: Vec<_> = found.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.line)).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}

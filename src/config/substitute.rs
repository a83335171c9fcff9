//! `${name}` and `${name:default}` in texts of configuration files.

/// Answers the value of a name, if it has one.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every `${name}`; a name without value and default becomes nothing, and what is put in is not read again.
pub fn substitute(text: &str, lookup: Lookup<'_>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        result.push_str(&rest[..start]);
        let (name, default) = match rest[start + 2..start + length].split_once(':') {
            Some((name, default)) => (name, default),
            None => (&rest[start + 2..start + length], ""),
        };
        match lookup(name.trim()) {
            Some(value) => result.push_str(&value),
            None => result.push_str(default),
        }
        rest = &rest[start + length + 1..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_once() {
        let lookup = |name: &str| match name {
            "a" => Some("1".to_owned()),
            "loop" => Some("${a}".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("", ""),
            ("plain $a {a} $", "plain $a {a} $"),
            ("${a}", "1"),
            ("x${a}y${a}z", "x1y1z"),
            ("${a:9}${b:9}${b}", "19"),
            ("${b:file:/x}", "file:/x"),
            ("${loop}", "${a}"),
            ("${a", "${a"),
            ("${}", ""),
        ] {
            assert_eq!(substitute(text, &lookup), expected, "{text}");
        }
    }
}

//! Addresses of the broker's own, which no client reaches.

use crate::core::address::Syntax;

/// What is internal wherever broker.xml does not name it otherwise. With a dot at the end, all below it is as well.
const NAMES: [&str; 3] = ["$sys.", "$.artemis.internal.", "$.activemq.internal."];

/// Names of internal addresses.
#[derive(Debug)]
pub(super) struct Internal {
    syntax: Syntax,
    names: Vec<String>,
}

impl Internal {
    /// `others` are written in `syntax`.
    pub fn new(syntax: Syntax, others: &[String]) -> Self {
        let others = others.iter().map(|name| plain(syntax, name));
        Self { syntax, names: NAMES.map(str::to_owned).into_iter().chain(others).collect() }
    }

    /// Whether the address, or everything that the pattern stands for, is internal. It does not matter whether a name
    /// has words or only looks as if.
    pub fn holds(&self, name: &str) -> bool {
        let Some(first) = name.as_bytes().first() else { return false };
        let first = if Some(*first) == self.syntax.escape { None } else { Some(*first) };
        if first.is_some_and(|first| self.names.iter().all(|name| name.as_bytes().first() != Some(&first))) {
            return false; // Nearly all are told apart here.
        }
        let name = plain(self.syntax, name);
        self.names.iter().any(|internal| match internal.strip_suffix('.') {
            Some(above) => name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            None => *internal == name,
        })
    }
}

/// The name with `.` between its words and nothing escaped, however the broker is told to write it.
fn plain(syntax: Syntax, name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        plain.push(match u8::try_from(character) {
            Ok(byte) if byte == syntax.delimiter => '.',
            Ok(byte) if Some(byte) == syntax.escape => characters.next().unwrap_or(character),
            _ => character,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(syntax: Syntax, others: &[&str], name: &str, expected: bool) {
        let others: Vec<_> = others.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(Internal::new(syntax, &others).holds(name), expected, "{name}");
    }

    #[test]
    fn internal_names_are_known_in_every_spelling() {
        let slashes = Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None };
        let management = ["activemq.management"];
        for (name, expected) in [
            ("$sys.mqtt.retain.a", true),
            ("$sys.#", true),
            ("$sys", true),
            (r"$sys\.mqtt\.retain.a", true),
            ("$SYS.broker", false),
            ("$system", false),
            ("$.artemis.internal.x", true),
            (r"$.artemis.internal", true),
            ("$.artemis", false),
            ("activemq.management", true),
            (r"activemq\.management", true),
            ("activemq.management.x", false),
            ("activemq.#", false),
            ("a", false),
            ("", false),
            (r"\", false),
        ] {
            check(Syntax::default(), &management, name, expected);
            check(slashes, &management, &name.replace('.', "/").replace('\\', ""), expected && name != r"\");
        }
        check(slashes, &management, "activemq.management", true);
        check(Syntax::default(), &["my.own."], "my.own.x", true);
        check(Syntax::default(), &["my.own."], "activemq.management", false);
    }
}

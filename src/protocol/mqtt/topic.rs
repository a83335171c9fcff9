//! Topics and filters to addresses and patterns, and back: a bijection.

use crate::core::address::Syntax;

/// Levels of a topic or filter; more is refused.
pub const LEVELS_MAX: usize = 256;

/// The translation for one configured syntax.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    core: Syntax,
    is_identity: bool,
}

impl Translation {
    pub fn new(core: Syntax) -> Self {
        let is_identity = core.escape.is_none() && (core.delimiter, core.single, core.any) == (b'/', b'+', b'#');
        Self { core, is_identity }
    }

    /// Appends the address of a topic name.
    pub fn address(&self, topic: &str, out: &mut String) {
        self.translate(topic, false, out);
    }

    /// Appends the pattern of a topic filter.
    pub fn pattern(&self, filter: &str, out: &mut String) {
        self.translate(filter, true, out);
    }

    fn translate(&self, text: &str, wildcards: bool, out: &mut String) {
        if self.is_identity {
            out.push_str(text);
            return;
        }
        out.reserve(text.len() + 8);
        for (number, level) in text.split('/').enumerate() {
            if number > 0 {
                out.push(self.core.delimiter as char);
            }
            match level {
                "+" if wildcards => out.push(self.core.single as char),
                "#" if wildcards => out.push(self.core.any as char),
                _ => self.escape(level, out),
            }
        }
    }

    fn escape(&self, level: &str, out: &mut String) {
        let is_special = |byte: &u8| self.is_special(*byte);
        if !level.as_bytes().iter().any(is_special) {
            out.push_str(level);
            return;
        }
        for character in level.chars() {
            if character.is_ascii() && self.is_special(character as u8) {
                out.push('\\');
            }
            out.push(character);
        }
    }

    fn is_special(&self, byte: u8) -> bool {
        let Syntax { delimiter, single, any, escape } = self.core;
        byte == delimiter || byte == single || byte == any || Some(byte) == escape
    }

    /// The topic of an address, or the filter of a pattern.
    pub fn topic(&self, address: &str) -> Box<str> {
        if self.is_identity {
            return address.into();
        }
        let mut out = String::with_capacity(address.len());
        for (number, word) in self.core.words(address).enumerate() {
            if number > 0 {
                out.push('/');
            }
            match word.as_bytes() {
                [byte] if *byte == self.core.single => out.push('+'),
                [byte] if *byte == self.core.any => out.push('#'),
                _ => unescape(word, &mut out),
            }
        }
        out.into()
    }
}

fn unescape(word: &str, out: &mut String) {
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        out.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(translation: &Translation, filter: &str) -> String {
        let mut out = String::new();
        translation.pattern(filter, &mut out);
        out
    }

    #[test]
    fn filters_become_patterns_of_the_configured_syntax() {
        let default = Translation::new(Syntax::default());
        let other = Translation::new(Syntax { delimiter: b'|', single: b'$', any: b'!', escape: Some(b'\\') });
        let same = Translation::new(Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None });
        for (filter, in_default, in_other) in [
            ("a/b/c", "a.b.c", "a|b|c"),
            ("a/+/#", "a.*.#", "a|$|!"),
            ("1.0/device", r"1\.0.device", "1.0|device"),
            ("/", ".", "|"),
            ("/x", ".x", "|x"),
            ("x/", "x.", "x|"),
            ("a*b", r"a\*b", "a*b"),
            (r"a\b", r"a\\b", r"a\\b"),
            ("*", r"\*", "*"),
            ("$", "$", r"\$"),
        ] {
            assert_eq!(pattern(&default, filter), in_default);
            assert_eq!(pattern(&other, filter), in_other);
            assert_eq!(pattern(&same, filter), filter);
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!['a', '/', '.', '*', '\\', '$', '|', '!', 'é']), 1..12)
            .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn topics_come_back_and_never_meet(a in text(), b in text()) {
            for core in [
                Syntax::default(),
                Syntax { delimiter: b'|', single: b'$', any: b'!', escape: Some(b'\\') },
                Syntax { delimiter: b'/', single: b'*', any: b'#', escape: Some(b'\\') },
            ] {
                let translation = Translation::new(core);
                let address = |topic: &str| { let mut out = String::new(); translation.address(topic, &mut out); out };
                prop_assert_eq!(&*translation.topic(&address(&a)), a.as_str());
                prop_assert_eq!(address(&a) == address(&b), a == b);
                prop_assert_eq!(core.words(&address(&a)).count(), a.split('/').count());
                prop_assert!(!core.has_wildcard(&address(&a)));
            }
        }
    }
}

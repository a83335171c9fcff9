//! Addresses and the wildcard syntax that structures them.

/// The characters that give structure to addresses, from `wildcard-addresses` in broker.xml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Separates words; `.` by default.
    pub delimiter: u8,
    /// A whole word that matches any one word; `*` by default.
    pub single: u8,
    /// A whole word that matches any number of words, none included; `#` by default.
    pub any: u8,
    /// Takes the meaning from the byte behind it; `None` where names are never escaped.
    pub escape: Option<u8>,
}

impl Default for Syntax {
    fn default() -> Self {
        Self { delimiter: b'.', single: b'*', any: b'#', escape: Some(b'\\') }
    }
}

/// One word of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word<'a> {
    Literal(&'a str),
    Single,
    Any,
}

impl Syntax {
    /// The words of a name, escapes kept. An empty name has one empty word.
    pub fn words<'a>(&self, name: &'a str) -> Words<'a> {
        Words { rest: Some(name), delimiter: self.delimiter, escape: self.escape }
    }

    /// The words of a pattern, wildcards recognised where they are whole words.
    pub fn pattern<'a>(&self, pattern: &'a str) -> impl Iterator<Item = Word<'a>> + Clone + use<'a> {
        let (single, any) = (self.single, self.any);
        self.words(pattern).map(move |word| match word.as_bytes() {
            [c] if *c == single => Word::Single,
            [c] if *c == any => Word::Any,
            _ => Word::Literal(word),
        })
    }

    /// Whether any word of `pattern` is a wildcard.
    pub fn has_wildcard(&self, pattern: &str) -> bool {
        self.pattern(pattern).any(|word| !matches!(word, Word::Literal(_)))
    }

    /// Whether a name, or its first word, is left out by wildcards in its place: it begins with `$`, escaped or not.
    pub fn is_reserved(&self, name: &str) -> bool {
        name.starts_with('$')
            || self
                .escape
                .is_some_and(|escape| name.strip_prefix(escape as char).is_some_and(|rest| rest.starts_with('$')))
    }

    /// Whether `name` is one of those that `pattern` stands for.
    pub fn matches(&self, pattern: &str, name: &str) -> bool {
        if pattern.as_bytes() == [self.any] {
            return true;
        }
        let pattern: Vec<_> = self.pattern(pattern).collect();
        let name: Vec<_> = self.words(name).collect();
        matches_words(&pattern, &name)
    }

    /// Whether `pattern` stands for every name that `other` stands for, which may be a pattern as well. With more than
    /// one any-words wildcard in `pattern` it may say no where that is so.
    pub fn covers(&self, pattern: &str, other: &str) -> bool {
        let pattern: Vec<_> = self.pattern(pattern).collect();
        let other: Vec<_> = self.pattern(other).collect();
        glob(&pattern, &other, |pattern, other| match pattern {
            Word::Any => true,
            Word::Single => *other != Word::Any,
            Word::Literal(_) => pattern == other,
        })
    }

    /// Whether some name is one of those of both patterns: O(words x words).
    pub fn overlaps(&self, a: &str, b: &str) -> bool {
        let (a, b): (Vec<_>, Vec<_>) = (self.pattern(a).collect(), self.pattern(b).collect());
        // Whether what is left of both, from here on, has a name in common; from the end to the beginning.
        let mut below = vec![false; b.len() + 1];
        for i in (0..=a.len()).rev() {
            let mut row = vec![false; b.len() + 1];
            for j in (0..=b.len()).rev() {
                row[j] = match (a.get(i), b.get(j)) {
                    (None, None) => true,
                    (Some(Word::Any), _) => below[j] || j < b.len() && row[j + 1],
                    (_, Some(Word::Any)) => row[j + 1] || i < a.len() && below[j],
                    (Some(x), Some(y)) => (*x == Word::Single || *y == Word::Single || x == y) && below[j + 1],
                    _ => false,
                };
            }
            below = row;
        }
        below[0]
    }

    /// Appends `name` so that it is part of one literal word of a pattern; says whether that is possible.
    pub fn push_literal(&self, name: &str, out: &mut String) -> bool {
        let Self { delimiter, single, any, escape } = *self;
        let is_special = |byte: u8| [Some(delimiter), Some(single), Some(any), escape].contains(&Some(byte));
        if name.is_empty() || escape.is_none() && name.bytes().any(is_special) {
            return false;
        }
        for character in name.chars() {
            if let Some(escape) = escape.filter(|_| character.is_ascii() && is_special(character as u8)) {
                out.push(escape as char);
            }
            out.push(character);
        }
        true
    }
}

fn matches_words(pattern: &[Word<'_>], name: &[&str]) -> bool {
    glob(pattern, name, |pattern, word| match pattern {
        Word::Any | Word::Single => true,
        Word::Literal(literal) => literal == word,
    })
}

/// Greedy match with one step back to the last any-words wildcard, as for globs: O(pattern x name), no recursion.
fn glob<'a, T>(pattern: &[Word<'a>], name: &[T], fits: impl Fn(&Word<'a>, &T) -> bool) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(Word::Any) => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some(word) => fits(word, &name[n]),
            None => false,
        };
        if step {
            p += 1;
            n += 1;
        } else if let Some((any, from)) = retry {
            retry = Some((any, from + 1));
            p = any + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|word| *word == Word::Any)
}

/// Iterator over the words of a name.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    rest: Option<&'a str>,
    delimiter: u8,
    escape: Option<u8>,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let Some(end) = self.word_end(rest) else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[end + 1..]);
        Some(&rest[..end])
    }
}

impl Words<'_> {
    fn word_end(&self, rest: &str) -> Option<usize> {
        let Some(escape) = self.escape else {
            return memchr::memchr(self.delimiter, rest.as_bytes());
        };
        let mut from = 0;
        loop {
            let at = from + memchr::memchr2(self.delimiter, escape, &rest.as_bytes()[from..])?;
            if rest.as_bytes()[at] == self.delimiter {
                return Some(at);
            }
            from = at + 2;
            if from >= rest.len() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_empty_levels_and_escapes() {
        let syntax = Syntax::default();
        let words = |name| syntax.words(name).collect::<Vec<_>>();
        assert_eq!(words(""), [""]);
        assert_eq!(words("."), ["", ""]);
        assert_eq!(words(".a..b."), ["", "a", "", "b", ""]);
        assert_eq!(words(r"1\.0.x"), [r"1\.0", "x"]);
        assert_eq!(words(r"a\\.b"), [r"a\\", "b"]);
        assert_eq!(words(r"a\"), [r"a\"]);
    }

    #[test]
    fn reserved_names_begin_with_a_dollar_sign() {
        let default = Syntax::default();
        let plain = Syntax { escape: None, ..default };
        for (name, in_default, in_plain) in [
            ("$x.y", true, true),
            (r"\$x", true, false),
            (r"\\$x", false, false),
            ("a$", false, false),
            ("", false, false),
        ] {
            assert_eq!((default.is_reserved(name), plain.is_reserved(name)), (in_default, in_plain), "{name}");
        }
    }

    #[test]
    fn wildcards_match_whole_words_only() {
        let syntax = Syntax::default();
        for (pattern, name, expected) in [
            ("a.#", "a", true),
            ("a.#", "a.b.c", true),
            ("a.#", "ab", false),
            ("#", "", true),
            ("*", "", true),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.b.c", false),
            ("a.#.c", "a.c", true),
            ("a.#.c", "a.b.c.c", true),
            ("a.#.c", "a.b.c.d", false),
            (r"1\.0.*", r"1\.0.x", true),
            ("1.*", r"1\.0.x", false),
            ("a*", "ab", false),
        ] {
            assert_eq!(syntax.matches(pattern, name), expected, "{pattern} {name}");
            assert_eq!(syntax.covers(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_overlap_where_a_name_belongs_to_both() {
        let syntax = Syntax::default();
        for (a, b, expected) in [
            ("#", "a.#", true),
            ("a.*", "a.#", true),
            ("a.#", "a", true),
            ("a.*", "a", false),
            ("*.b", "a.*", true),
            ("a.#.c", "a.b.#", true),
            ("a.b", "a.c", false),
            ("a.*.c", "a.#.d", false),
            ("*", "#", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
        ] {
            assert_eq!(syntax.overlaps(a, b), expected, "{a} overlaps {b}");
            assert_eq!(syntax.overlaps(b, a), expected, "{b} overlaps {a}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        let syntax = Syntax::default();
        for (pattern, narrower, expected) in [
            ("#", "#", true),
            ("a.#", "a.*", true),
            ("a.#", "a.*.#", true),
            ("a.*", "a.#", false),
            ("a.*", "a.*", true),
            ("a.b", "a.*", false),
            ("a.b", "a.#", false),
            ("a.#.c", "a.*.c", true),
            ("a.#.c", "a.#", false),
            ("*.b", "a.b", true),
            ("*", "#", false),
        ] {
            assert_eq!(syntax.covers(pattern, narrower), expected, "{pattern} {narrower}");
        }
    }
}

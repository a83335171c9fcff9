//! The trie under insertions, removals and walks at the same time, against a plain map.

use std::collections::{BTreeMap, BTreeSet};

use artemis_rs::core::address::{Syntax, Word};
use artemis_rs::core::trie::{Cursor, Trie};

use super::choices::Choices;

const WORDS: [&str; 6] = ["a", "b", "", "$x", "ab", "a.b"];
const STEPS_MAX: usize = 256;
const LEVELS_MAX: usize = 5;
const WALKS_MAX: usize = 4;

type Key = Vec<Word<'static>>;

/// A walk that is under way.
struct Walk {
    cursor: Cursor,
    pattern: Key,
    skips_reserved: bool,
    /// Names that were there all the time and have not been visited.
    missing: BTreeSet<Key>,
    visited: BTreeSet<Key>,
}

/// The tries and what they should hold.
struct World {
    names: Trie<Key>,
    patterns: Trie<(Key, u32)>,
    all_names: BTreeSet<Key>,
    all_patterns: BTreeMap<Key, u32>,
    walks: Vec<Walk>,
}

pub fn fuzz(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut world = World {
        names: Trie::new(u64::from(choices.byte())),
        patterns: Trie::new(7),
        all_names: BTreeSet::new(),
        all_patterns: BTreeMap::new(),
        walks: Vec::new(),
    };
    for _ in 0..STEPS_MAX {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.end();
}

/// Words by one byte each: three bits are the word, the others leave room for mutations.
fn key(choices: &mut Choices<'_>, wildcards: bool) -> Key {
    let length = 1 + choices.below(LEVELS_MAX);
    let word = |choice: u8| match choice & 7 {
        6 if wildcards => Word::Single,
        7 if wildcards => Word::Any,
        choice => Word::Literal(WORDS[usize::from(choice) % WORDS.len()]),
    };
    (0..length).map(|_| word(choices.byte())).collect()
}

fn matches(pattern: &[Word<'_>], name: &[Word<'_>]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([Word::Any, rest @ ..], _) => matches(rest, name) || !name.is_empty() && matches(pattern, &name[1..]),
        ([Word::Single, pattern @ ..], [_, name @ ..]) => matches(pattern, name),
        ([word, pattern @ ..], [first, name @ ..]) => word == first && matches(pattern, name),
        _ => false,
    }
}

/// A wildcard for any number of words stands before the end: values may be found more than once.
fn is_ambiguous(pattern: &[Word<'_>]) -> bool {
    pattern.iter().position(|word| *word == Word::Any).is_some_and(|at| at + 1 < pattern.len())
}

impl World {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0 | 1 => {
                let name = key(choices, false);
                let old = self.names.insert(name.iter().copied(), name.clone());
                assert_eq!(old.is_none(), self.all_names.insert(name));
            }
            2 => {
                let name = key(choices, false);
                let removed = self.names.remove(name.iter().copied());
                assert_eq!(removed, self.all_names.take(&name));
                for walk in &mut self.walks {
                    walk.missing.remove(&name);
                }
            }
            3 => {
                let (pattern, number) = (key(choices, true), u32::from(choices.byte()));
                let value = (pattern.clone(), number);
                let old = self.patterns.insert(pattern.iter().copied(), value).map(|(_, number)| number);
                assert_eq!(old, self.all_patterns.insert(pattern, number));
            }
            4 => {
                let pattern = key(choices, true);
                let removed = self.patterns.remove(pattern.iter().copied()).map(|(_, number)| number);
                assert_eq!(removed, self.all_patterns.remove(&pattern));
            }
            5 => self.find(&key(choices, false)),
            6 => self.begin(key(choices, true), choices.flag()),
            _ => self.walk(choices.pick(&[1, 2, 3, 1, 2, 3, 5, u8::MAX])),
        }
        assert_eq!((self.names.len(), self.patterns.len()), (self.all_names.len(), self.all_patterns.len()));
    }

    /// Patterns by name.
    fn find(&self, name: &Key) {
        assert_eq!(self.names.get(name.iter().copied()), self.all_names.get(name));
        let words: Vec<_> = name.iter().map(|word| if let Word::Literal(word) = word { *word } else { "" }).collect();
        let mut found = Vec::new();
        self.patterns.patterns_of(&words, |value| found.push(value.clone()));
        found.sort_unstable();
        if !self.all_patterns.keys().any(|pattern| is_ambiguous(pattern)) {
            assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "{found:?}");
        }
        found.dedup();
        let all = self.all_patterns.iter().map(|(pattern, number)| (pattern.clone(), *number));
        assert_eq!(found, all.filter(|(pattern, _)| matches(pattern, name)).collect::<Vec<_>>(), "{name:?}");
    }

    fn begin(&mut self, pattern: Key, skips_reserved: bool) {
        if self.walks.len() == WALKS_MAX {
            self.walk(u8::MAX);
        }
        self.names.pin();
        let cursor = Cursor::new(pattern.iter().copied(), skips_reserved.then(Syntax::default));
        let mut walk = Walk { cursor, pattern, skips_reserved, missing: BTreeSet::new(), visited: BTreeSet::new() };
        walk.missing = self.all_names.iter().filter(|name| walk.is_due(name)).cloned().collect();
        self.walks.push(walk);
    }

    /// Takes the oldest walk some steps further.
    fn walk(&mut self, steps: u8) {
        let Some(walk) = self.walks.first_mut() else { return };
        let mut budget = if steps == u8::MAX { usize::MAX } else { usize::from(steps) };
        while let Some(name) = walk.cursor.next(&self.names, &mut budget) {
            assert!(self.all_names.contains(name) && walk.is_due(name), "{name:?} by {:?}", walk.pattern);
            walk.missing.remove(name);
            assert!(walk.visited.insert(name.clone()) || is_ambiguous(&walk.pattern), "{name:?} twice");
        }
        if walk.cursor.is_finished() {
            assert!(walk.missing.is_empty(), "{:?} by {:?}", walk.missing, walk.pattern);
            self.walks.remove(0);
            self.names.unpin();
        }
    }

    /// Everything is found and taken out again.
    fn end(&mut self) {
        while !self.walks.is_empty() {
            self.walk(u8::MAX);
        }
        let mut values: Vec<_> = self.names.values().cloned().collect();
        values.sort_unstable();
        assert!(values.iter().eq(self.all_names.iter()));
        for name in std::mem::take(&mut self.all_names) {
            assert_eq!(self.names.remove(name.iter().copied()), Some(name));
        }
        for (pattern, number) in std::mem::take(&mut self.all_patterns) {
            assert_eq!(self.patterns.remove(pattern.iter().copied()), Some((pattern, number)));
        }
        assert!(self.names.is_empty() && self.patterns.is_empty());
    }
}

impl Walk {
    fn is_due(&self, name: &Key) -> bool {
        let is_reserved = matches!(name[0], Word::Literal(word) if word.starts_with('$'));
        let is_wild = !matches!(self.pattern[0], Word::Literal(_));
        !(self.skips_reserved && is_reserved && is_wild) && matches(&self.pattern, name)
    }
}

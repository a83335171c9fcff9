//! A trie of words that serves both directions: names found by a pattern, patterns found by a name.

use hashbrown::HashTable;
use smallvec::SmallVec;
use std::hash::BuildHasher;

use crate::core::address::{Syntax, Word};

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Values by name or by pattern. Cost of a look-up depends on what matches, never on what is stored.
#[derive(Debug)]
pub struct Trie<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    /// Literal children of all nodes, by parent and word.
    children: HashTable<u32>,
    hasher: foldhash::fast::FixedState,
    len: usize,
    pins: usize,
    unpruned: Vec<u32>,
}

#[derive(Debug)]
struct Node<T> {
    word: Box<str>,
    parent: u32,
    single: u32,
    any: u32,
    first_child: u32,
    next: u32,
    previous: u32,
    value: Option<T>,
}

impl<T> Node<T> {
    fn new(word: &str, parent: u32) -> Self {
        Self {
            word: word.into(),
            parent,
            single: NONE,
            any: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            value: None,
        }
    }

    fn is_bare(&self) -> bool {
        self.value.is_none() && self.single == NONE && self.any == NONE && self.first_child == NONE
    }
}

impl<T> Trie<T> {
    /// An empty trie; `seed` keeps its hash out of reach of those who choose the words.
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: vec![Node::new("", NONE)],
            free: Vec::new(),
            children: HashTable::new(),
            hasher: foldhash::fast::FixedState::with_seed(seed),
            len: 0,
            pins: 0,
            unpruned: Vec::new(),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at exactly these words.
    pub fn get<'w>(&self, words: impl Iterator<Item = Word<'w>>) -> Option<&T> {
        self.nodes[self.find(words)? as usize].value.as_ref()
    }

    /// The value at exactly these words, for change.
    pub fn get_mut<'w>(&mut self, words: impl Iterator<Item = Word<'w>>) -> Option<&mut T> {
        let node = self.find(words)?;
        self.nodes[node as usize].value.as_mut()
    }

    /// Puts a value at these words and gives back the one it replaces.
    pub fn insert<'w>(&mut self, words: impl Iterator<Item = Word<'w>>, value: T) -> Option<T> {
        let node = self.reach(words);
        let old = self.nodes[node as usize].value.replace(value);
        self.len += usize::from(old.is_none());
        old
    }

    /// The value at these words, made by `make` where there is none.
    pub fn entry<'w>(&mut self, words: impl Iterator<Item = Word<'w>>, make: impl FnOnce() -> T) -> &mut T {
        let node = self.reach(words);
        let value = &mut self.nodes[node as usize].value;
        self.len += usize::from(value.is_none());
        value.get_or_insert_with(make)
    }

    /// Takes the value at exactly these words out.
    pub fn remove<'w>(&mut self, words: impl Iterator<Item = Word<'w>>) -> Option<T> {
        let node = self.find(words)?;
        let value = self.nodes[node as usize].value.take()?;
        self.len -= 1;
        if self.pins > 0 {
            self.unpruned.push(node);
        } else {
            self.prune(node);
        }
        Some(value)
    }

    /// Visits the values of all stored patterns that match the name. Once there is a pattern with a wildcard for any
    /// number of words before its end, values can be visited more than once.
    pub fn patterns_of<'t>(&'t self, name: &[&str], mut visit: impl FnMut(&'t T)) {
        let mut stack: SmallVec<[(u32, u32); 32]> = SmallVec::new();
        stack.push((ROOT, 0));
        while let Some((at, depth)) = stack.pop() {
            let node = &self.nodes[at as usize];
            if node.any != NONE {
                self.visit_any(node.any, depth, name.len(), &mut stack, &mut visit);
            }
            let Some(word) = name.get(depth as usize) else {
                if let Some(value) = &node.value {
                    visit(value);
                }
                continue;
            };
            if node.single != NONE {
                stack.push((node.single, depth + 1));
            }
            if let Some(child) = self.child(at, word) {
                stack.push((child, depth + 1));
            }
        }
    }

    fn visit_any<'t>(
        &'t self,
        any: u32,
        depth: u32,
        words: usize,
        stack: &mut SmallVec<[(u32, u32); 32]>,
        visit: &mut impl FnMut(&'t T),
    ) {
        let node = &self.nodes[any as usize];
        if let Some(value) = &node.value {
            visit(value);
        }
        if node.single == NONE && node.any == NONE && node.first_child == NONE {
            return;
        }
        stack.extend((depth..=words as u32).map(|from| (any, from)));
    }

    fn child(&self, parent: u32, word: &str) -> Option<u32> {
        self.children
            .find(self.hash(parent, word), |&child| {
                let node = &self.nodes[child as usize];
                node.parent == parent && &*node.word == word
            })
            .copied()
    }

    fn hash(&self, parent: u32, word: &str) -> u64 {
        self.hasher.hash_one((parent, word))
    }

    fn find<'w>(&self, words: impl Iterator<Item = Word<'w>>) -> Option<u32> {
        let mut at = ROOT;
        for word in words {
            at = match word {
                Word::Literal(word) => self.child(at, word)?,
                Word::Single => self.nodes[at as usize].single,
                Word::Any => self.nodes[at as usize].any,
            };
            if at == NONE {
                return None;
            }
        }
        Some(at)
    }

    fn reach<'w>(&mut self, words: impl Iterator<Item = Word<'w>>) -> u32 {
        let mut at = ROOT;
        for word in words {
            at = match word {
                Word::Literal(word) => match self.child(at, word) {
                    Some(child) => child,
                    None => self.add_child(at, word),
                },
                Word::Single if self.nodes[at as usize].single != NONE => self.nodes[at as usize].single,
                Word::Single => {
                    let node = self.add_node("", at);
                    self.nodes[at as usize].single = node;
                    node
                }
                Word::Any if self.nodes[at as usize].any != NONE => self.nodes[at as usize].any,
                Word::Any => {
                    let node = self.add_node("", at);
                    self.nodes[at as usize].any = node;
                    node
                }
            };
        }
        at
    }

    fn add_node(&mut self, word: &str, parent: u32) -> u32 {
        let node = Node::new(word, parent);
        if let Some(slot) = self.free.pop() {
            self.nodes[slot as usize] = node;
            return slot;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    fn add_child(&mut self, parent: u32, word: &str) -> u32 {
        let child = self.add_node(word, parent);
        let first = std::mem::replace(&mut self.nodes[parent as usize].first_child, child);
        self.nodes[child as usize].next = first;
        if first != NONE {
            self.nodes[first as usize].previous = child;
        }
        let hash = self.hash(parent, word);
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.children.insert_unique(hash, child, |&other| {
            let node = &nodes[other as usize];
            hasher.hash_one((node.parent, &*node.word))
        });
        child
    }

    fn prune(&mut self, mut at: u32) {
        while at != ROOT && self.nodes[at as usize].is_bare() {
            let parent = self.nodes[at as usize].parent;
            self.unlink(at, parent);
            self.nodes[at as usize].parent = NONE;
            self.nodes[at as usize].word = "".into();
            self.free.push(at);
            at = parent;
        }
    }

    fn unlink(&mut self, at: u32, parent: u32) {
        let above = &mut self.nodes[parent as usize];
        if above.single == at {
            above.single = NONE;
            return;
        }
        if above.any == at {
            above.any = NONE;
            return;
        }
        let (next, previous) = (self.nodes[at as usize].next, self.nodes[at as usize].previous);
        if previous == NONE {
            self.nodes[parent as usize].first_child = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        let hash = self.hash(parent, &self.nodes[at as usize].word);
        if let Ok(entry) = self.children.find_entry(hash, |&child| child == at) {
            entry.remove();
        }
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().filter_map(|node| node.value.as_ref())
    }

    /// Keeps every node in its place until [`Trie::unpin`], so that a cursor stays valid across changes.
    pub fn pin(&mut self) {
        self.pins += 1;
    }

    /// Ends one [`Trie::pin`].
    pub fn unpin(&mut self) {
        debug_assert!(self.pins > 0);
        self.pins -= 1;
        if self.pins == 0 {
            for node in std::mem::take(&mut self.unpruned) {
                // A node can be listed twice, or have been freed with a child of its own.
                if self.nodes[node as usize].parent != NONE {
                    self.prune(node);
                }
            }
        }
    }
}

/// A walk over the stored names that match a pattern, one step at a time. It visits what was stored when it passes;
/// between steps the trie must be pinned.
#[derive(Debug)]
pub struct Cursor {
    pattern: Vec<OwnedWord>,
    stack: Vec<Step>,
    /// Leave out reserved words, as names in this syntax have them, where the pattern begins with a wildcard.
    reserved: Option<Syntax>,
}

#[derive(Debug)]
enum OwnedWord {
    Literal(Box<str>),
    Single,
    Any,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    node: u32,
    /// Words of the pattern used up.
    depth: u32,
    /// Below a wildcard for all the rest.
    rest: bool,
    /// The node's later siblings are still to be walked.
    siblings: bool,
}

impl Cursor {
    /// A walk from the start. With `reserved`, a leading wildcard does not stand for words that are reserved in names of
    /// that syntax.
    pub fn new<'w>(pattern: impl Iterator<Item = Word<'w>>, reserved: Option<Syntax>) -> Self {
        let pattern: Vec<_> = pattern
            .map(|word| match word {
                Word::Literal(word) => OwnedWord::Literal(word.into()),
                Word::Single => OwnedWord::Single,
                Word::Any => OwnedWord::Any,
            })
            .collect();
        let root = Step { node: ROOT, depth: 0, rest: false, siblings: false };
        let reserved = reserved.filter(|_| !matches!(pattern.first(), Some(OwnedWord::Literal(_))));
        Self { pattern, stack: vec![root], reserved }
    }

    /// Takes at most `budget` steps, lowering it, and stops at the next value. `None` with budget left is the end.
    pub fn next<'t, T>(&mut self, trie: &'t Trie<T>, budget: &mut usize) -> Option<&'t T> {
        while *budget > 0 {
            let step = self.stack.pop()?;
            *budget -= 1;
            if let Some(value) = self.walk(trie, step) {
                return Some(value);
            }
        }
        None
    }

    /// Whether the walk has come to its end.
    pub fn is_finished(&self) -> bool {
        self.stack.is_empty()
    }

    fn walk<'t, T>(&mut self, trie: &'t Trie<T>, step: Step) -> Option<&'t T> {
        let node = &trie.nodes[step.node as usize];
        if step.siblings && node.next != NONE {
            self.stack.push(Step { node: node.next, ..step });
        }
        if node.parent == ROOT && self.reserved.is_some_and(|syntax| syntax.is_reserved(&node.word)) {
            return None;
        }
        if step.rest {
            self.push_children(node.first_child, step.depth, true);
            return node.value.as_ref();
        }
        match self.pattern.get(step.depth as usize) {
            None => return node.value.as_ref(),
            Some(OwnedWord::Literal(word)) => {
                if let Some(child) = trie.child(step.node, word) {
                    self.stack.push(Step { node: child, depth: step.depth + 1, rest: false, siblings: false });
                }
            }
            Some(OwnedWord::Single) => self.push_children(node.first_child, step.depth + 1, false),
            Some(OwnedWord::Any) if step.depth as usize + 1 == self.pattern.len() => {
                self.push_children(node.first_child, step.depth + 1, true);
                return node.value.as_ref();
            }
            Some(OwnedWord::Any) => {
                self.stack.push(Step { depth: step.depth + 1, siblings: false, ..step });
                self.push_children(node.first_child, step.depth, false);
            }
        }
        None
    }

    fn push_children(&mut self, first: u32, depth: u32, rest: bool) {
        if first != NONE {
            self.stack.push(Step { node: first, depth, rest, siblings: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names_by(trie: &Trie<String>, pattern: &str, skip_reserved: bool) -> Vec<String> {
        let mut cursor = Cursor::new(Syntax::default().pattern(pattern), skip_reserved.then(Syntax::default));
        let mut found = Vec::new();
        loop {
            let mut budget = 1;
            found.extend(cursor.next(trie, &mut budget).cloned());
            if cursor.is_finished() {
                break;
            }
        }
        found.sort();
        found.dedup();
        found
    }

    fn patterns_by(trie: &Trie<String>, name: &str) -> Vec<String> {
        let words: Vec<_> = Syntax::default().words(name).collect();
        let mut found = Vec::new();
        trie.patterns_of(&words, |pattern| found.push(pattern.clone()));
        found.sort();
        found.dedup();
        found
    }

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "c", "", "$x"])
    }

    fn pattern_word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "", "$x", "*", "#"])
    }

    proptest! {
        #[test]
        fn both_directions_agree_with_a_plain_scan(
            names in prop::collection::vec(prop::collection::vec(word(), 1..5), 0..20),
            patterns in prop::collection::vec(prop::collection::vec(pattern_word(), 1..5), 1..20),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let syntax = Syntax::default();
            let mut names: Vec<String> = names.into_iter().map(|words| words.join(".")).collect();
            let mut patterns: Vec<String> = patterns.into_iter().map(|words| words.join(".")).collect();
            for list in [&mut names, &mut patterns] {
                list.sort();
                list.dedup();
            }
            let (mut by_name, mut by_pattern) = (Trie::new(1), Trie::new(2));
            for name in &names {
                by_name.insert(syntax.words(name).map(Word::Literal), name.clone());
            }
            for pattern in &patterns {
                by_pattern.insert(syntax.pattern(pattern), pattern.clone());
            }
            for index in removed {
                if names.is_empty() { break }
                let name = names.remove(index.index(names.len()));
                prop_assert_eq!(by_name.remove(syntax.words(&name).map(Word::Literal)), Some(name));
            }
            for pattern in &patterns {
                let expected: Vec<_> = names.iter().filter(|name| syntax.matches(pattern, name)).cloned().collect();
                prop_assert_eq!(names_by(&by_name, pattern, false), expected);
            }
            for name in &names {
                let expected: Vec<_> = patterns.iter().filter(|pattern| syntax.matches(pattern, name)).cloned().collect();
                prop_assert_eq!(patterns_by(&by_pattern, name), expected);
            }
            for pattern in patterns {
                by_pattern.remove(syntax.pattern(&pattern));
            }
            prop_assert!(by_pattern.is_empty() && by_pattern.free.len() + 1 == by_pattern.nodes.len());
        }
    }

    #[test]
    fn a_leading_wildcard_can_skip_reserved_words() {
        let mut trie = Trie::new(0);
        for name in ["$sys.a", "a", "b.$sys"] {
            trie.insert(Syntax::default().words(name).map(Word::Literal), name.to_owned());
        }
        assert_eq!(names_by(&trie, "#", true), ["a", "b.$sys"]);
        assert_eq!(names_by(&trie, "$sys.#", true), ["$sys.a"]);
        assert_eq!(names_by(&trie, "#.a", true), ["a"]);
        assert_eq!(names_by(&trie, "#.$sys.a", true), Vec::<String>::new());
        assert_eq!(names_by(&trie, "#.$sys.a", false), ["$sys.a"]);
    }

    #[test]
    fn a_cursor_survives_removals_while_pinned() {
        let syntax = Syntax::default();
        let mut trie = Trie::new(0);
        for name in ["a", "b", "c"] {
            trie.insert(syntax.words(name).map(Word::Literal), name.to_owned());
        }
        trie.pin();
        let mut cursor = Cursor::new(syntax.pattern("*"), None);
        let mut budget = 2;
        assert_eq!(cursor.next(&trie, &mut budget).map(String::as_str), Some("c"));
        trie.remove(syntax.words("b").map(Word::Literal));
        let mut budget = 10;
        assert_eq!(cursor.next(&trie, &mut budget).map(String::as_str), Some("a"));
        assert_eq!(cursor.next(&trie, &mut budget), None);
        trie.unpin();
        assert_eq!(trie.free.len(), 1);
    }
}

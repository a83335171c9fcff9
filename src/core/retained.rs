//! The last value of each address whose sender asked to keep it.

use std::rc::Rc;

use crate::core::address::{Syntax, Word};
use crate::core::id::{Ticket, Time};
use crate::core::message::Message;
use crate::core::trie::{Cursor, Trie};

/// A kept value.
#[derive(Debug, Clone)]
pub struct Value {
    pub message: Rc<Message>,
    /// It may be sent once this is durable.
    pub ready: Ticket,
}

/// Last values by address.
#[derive(Debug)]
pub struct Retained {
    syntax: Syntax,
    values: Trie<Value>,
    bytes: usize,
}

impl Retained {
    pub fn new(syntax: Syntax, seed: u64) -> Self {
        Self { syntax, values: Trie::new(seed), bytes: 0 }
    }

    /// Keeps a value in place of the address's last one.
    pub fn put(&mut self, value: Value) -> Option<Value> {
        let address = value.message.address.clone();
        self.bytes += value.message.size();
        let old = self.values.insert(self.syntax.words(address.name()).map(Word::Literal), value);
        self.bytes -= old.as_ref().map_or(0, |old| old.message.size());
        old
    }

    /// Forgets the address's value.
    pub fn remove(&mut self, address: &str) -> Option<Value> {
        let old = self.values.remove(self.syntax.words(address).map(Word::Literal))?;
        self.bytes -= old.message.size();
        Some(old)
    }

    pub fn get(&self, address: &str) -> Option<&Value> {
        self.values.get(self.syntax.words(address).map(Word::Literal))
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes accounted to the values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins a walk over the values whose address matches; end it with [`Retained::end`].
    pub fn begin(&mut self, pattern: &str) -> Cursor {
        self.values.pin();
        Cursor::new(self.syntax.pattern(pattern), Some(self.syntax))
    }

    /// The walk's next value that is not expired.
    pub fn next(&self, cursor: &mut Cursor, now: Time, budget: &mut usize) -> Option<&Value> {
        loop {
            let value = cursor.next(&self.values, budget)?;
            if !value.message.is_expired(now) {
                return Some(value);
            }
        }
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.values.values()
    }

    /// Ends a walk.
    pub fn end(&mut self, _cursor: Cursor) {
        self.values.unpin();
    }
}

//! Fair turns: a connection with much to say is heard piece by piece, and those with little to say in between.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::engine::ConnectionKey;

/// How much of one connection is worked on before others are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Frames, of WebSocket as well as packets.
    pub frames: usize,
    pub bytes: usize,
}

/// While others are there who say little: they wait for one share at the most.
const SMALL: Share = Share { frames: 32, bytes: 16 * 1024 };

/// Who says no more than this without a pause says little.
const LITTLE: Share = Share { frames: 4, bytes: 4 * 1024 };

/// While all who are there say much: what is read at once is written at once.
const LARGE: Share = Share { frames: 512, bytes: 128 * 1024 };

/// Turns in a row in which nobody came who said little, until shares are large.
const CALM: u32 = 32;

/// Large shares between two looks at the other sockets.
const LARGE_AT_ONCE: usize = 4;

/// Who waits for a turn, and how large a share is.
#[derive(Debug, Default)]
pub struct Turns {
    line: RefCell<VecDeque<ConnectionKey>>,
    calm: Cell<u32>,
    /// Frames from those who were not in line, since the last turn.
    others: Cell<usize>,
    /// Frames of a share while it is small.
    frames: Cell<usize>,
}

impl Turns {
    pub fn share(&self) -> Share {
        if self.is_calm() { LARGE } else { Share { frames: self.frames.get().max(SMALL.frames), ..SMALL } }
    }

    fn is_calm(&self) -> bool {
        self.calm.get() >= CALM
    }

    pub fn line_up(&self, key: ConnectionKey) {
        self.line.borrow_mut().push_back(key);
    }

    /// A connection has said all it has to say.
    pub fn note_silence(&self, spell: &Spell) {
        self.others.set(self.others.get() + spell.turn.frames);
        if spell.total.frames > 0 && spell.total.is_within(LITTLE) {
            self.calm.set(0);
        }
    }

    /// Those whose turn it is now.
    pub fn next(&self) -> Vec<ConnectionKey> {
        let mut line = self.line.borrow_mut();
        if line.is_empty() {
            return Vec::new();
        }
        let count = if self.is_calm() { LARGE_AT_ONCE.min(line.len()) } else { 1 };
        self.calm.set(self.calm.get().saturating_add(1));
        // As much as of all others together, if they are many.
        self.frames.set(self.others.take());
        line.drain(..count).collect()
    }
}

impl Share {
    pub fn is_used_up(self) -> bool {
        self.frames == 0 || self.bytes == 0
    }

    fn is_within(self, other: Self) -> bool {
        self.frames <= other.frames && self.bytes <= other.bytes
    }

    fn add(&mut self, frames: usize, bytes: usize) {
        self.frames += frames;
        self.bytes += bytes;
    }
}

/// What a connection has said without a pause.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    /// In this turn.
    turn: Share,
    total: Share,
}

impl Spell {
    pub const NONE: Self = Self { turn: Share { frames: 0, bytes: 0 }, total: Share { frames: 0, bytes: 0 } };

    pub fn add(&mut self, frames: usize, bytes: usize) {
        self.turn.add(frames, bytes);
        self.total.add(frames, bytes);
    }

    /// What is left of this turn.
    pub fn left(&self, share: Share) -> Share {
        let frames = share.frames.saturating_sub(self.turn.frames);
        Share { frames, bytes: share.bytes.saturating_sub(self.turn.bytes) }
    }

    /// The next turn begins.
    pub fn turn(&mut self) {
        self.turn = Self::NONE.turn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(frames: usize, bytes: usize) -> Spell {
        let mut spell = Spell::NONE;
        spell.add(frames, bytes);
        spell
    }

    fn take_turns(turns: &Turns, count: u32) {
        for _ in 0..count {
            turns.line_up(ConnectionKey::of(1));
            assert!(!turns.next().is_empty());
        }
    }

    #[test]
    fn shares_are_small_until_nobody_says_little_any_more() {
        let turns = Turns::default();
        take_turns(&turns, CALM - 1);
        assert_eq!(turns.share(), SMALL);
        take_turns(&turns, 1);
        assert_eq!(turns.share(), LARGE);
        turns.note_silence(&spell(LITTLE.frames + 1, 100));
        turns.note_silence(&spell(1, LITTLE.bytes + 1));
        turns.note_silence(&Spell::NONE);
        assert_eq!(turns.share(), LARGE);
        turns.note_silence(&spell(1, 10));
        assert_eq!(turns.share(), SMALL);
    }

    #[test]
    fn turns_come_in_order_and_one_by_one_while_shares_are_small() {
        let turns = Turns::default();
        let keys: Vec<_> = (0..2 + LARGE_AT_ONCE as u64).map(ConnectionKey::of).collect();
        keys.iter().for_each(|key| turns.line_up(*key));
        assert_eq!([turns.next(), turns.next()], [vec![keys[0]], vec![keys[1]]]);
        turns.calm.set(CALM);
        assert_eq!([turns.next().len(), turns.next().len()], [LARGE_AT_ONCE, 0]);
    }

    #[test]
    fn a_turn_ends_with_its_frames_or_its_bytes() {
        let mut spell = spell(30, 100);
        assert_eq!(spell.left(SMALL), Share { frames: 2, bytes: SMALL.bytes - 100 });
        spell.add(2, 0);
        assert!(spell.left(SMALL).is_used_up());
        spell.turn();
        assert_eq!(spell.left(SMALL), SMALL);
        spell.add(1, SMALL.bytes);
        assert!(spell.left(SMALL).is_used_up());
    }
}

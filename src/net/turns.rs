//! Fair turns: a connection with much to say is heard piece by piece, and those with little to say in between.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ConnectionKey;

/// How much of one connection is worked on before others are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Frames, of WebSocket as well as packets.
    pub frames: u32,
    pub bytes: u32,
    /// Of the engine's.
    pub nanoseconds: u32,
}

/// While others are there who say little: they wait for one share at the most.
const SMALL: Share = Share { frames: 32, bytes: 16 * 1024, nanoseconds: 40_000 };

/// Who says no more than this without a pause says little.
const LITTLE: Share = Share { frames: 4, bytes: 4 * 1024, nanoseconds: 40_000 };

/// While all who are there say much: what is read at once is written at once.
const LARGE: Share = Share { frames: 512, bytes: 128 * 1024, nanoseconds: 1_000_000 };

/// Turns in a row in which nobody came who said little, until shares are large.
const CALM: u32 = 32;

/// Large shares between two looks at the other sockets.
const LARGE_AT_ONCE: usize = 4;

/// Who waits for a turn, and how large a share is.
#[derive(Debug, Default)]
pub struct Turns {
    line: RefCell<VecDeque<ConnectionKey>>,
    calm: Cell<u32>,
    /// What those have said who had no need of turns, since the sockets were last looked at, and before.
    others: Cell<Share>,
    before: Cell<Share>,
}

impl Turns {
    pub fn share(&self) -> Share {
        let least = if self.is_calm() { LARGE } else { SMALL };
        let share = self.before.get().or_more(least);
        // Frames are what the time is for: a single one that takes long is no reason for others to take as long.
        Share { nanoseconds: (share.frames / least.frames).saturating_mul(least.nanoseconds), ..share }
    }

    fn is_calm(&self) -> bool {
        self.calm.get() >= CALM
    }

    pub fn line_up(&self, key: ConnectionKey) {
        self.line.borrow_mut().push_back(key);
    }

    /// A connection has said all it has to say; gives back how its next spell begins.
    pub fn note_silence(&self, spell: &Spell) -> Spell {
        if !spell.total.is_within(SMALL) {
            return if self.is_calm() { Spell::NONE } else { Spell::IN_DEBT };
        }
        let mut others = self.others.get();
        others.add(spell.total);
        self.others.set(others);
        if spell.total.frames > 0 && spell.total.is_within(LITTLE) {
            self.calm.set(0);
        }
        if spell.total == Share::NONE { *spell } else { Spell::NONE }
    }

    /// Those whose turn it is now.
    pub fn next(&self) -> Vec<ConnectionKey> {
        // A share is as much as that of all others together, if they are many.
        self.before.set(self.others.take());
        let mut line = self.line.borrow_mut();
        if line.is_empty() {
            return Vec::new();
        }
        let count = if self.is_calm() { LARGE_AT_ONCE.min(line.len()) } else { 1 };
        self.calm.set(self.calm.get().saturating_add(1));
        line.drain(..count).collect()
    }
}

impl Share {
    pub const NONE: Self = Self { frames: 0, bytes: 0, nanoseconds: 0 };

    pub fn is_used_up(self) -> bool {
        self.frames == 0 || self.bytes == 0 || self.nanoseconds == 0
    }

    /// So many frames, for which the engine took this long.
    pub fn of_frames(frames: usize, time: Duration) -> Self {
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { frames: small(frames as u128), bytes: 0, nanoseconds: small(time.as_nanos()) }
    }

    pub fn of_bytes(bytes: usize) -> Self {
        Self { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ..Self::NONE }
    }

    fn is_within(self, other: Self) -> bool {
        self.frames <= other.frames && self.bytes <= other.bytes && self.nanoseconds <= other.nanoseconds
    }

    /// Of each the larger.
    fn or_more(self, other: Self) -> Self {
        Self {
            frames: self.frames.max(other.frames),
            bytes: self.bytes.max(other.bytes),
            nanoseconds: self.nanoseconds.max(other.nanoseconds),
        }
    }

    fn add(&mut self, other: Self) {
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.nanoseconds = self.nanoseconds.saturating_add(other.nanoseconds);
    }
}

/// What a connection has said without a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// In this turn.
    turn: Share,
    total: Share,
}

impl Spell {
    pub const NONE: Self = Self { turn: Share::NONE, total: Share::NONE };

    /// Of one who has said much a moment ago: it waits for a turn first.
    const IN_DEBT: Self = Self { turn: Share { frames: u32::MAX, ..Share::NONE }, total: Share::NONE };

    pub fn add(&mut self, said: Share) {
        self.turn.add(said);
        self.total.add(said);
    }

    /// What is left of this turn.
    pub fn left(&self, share: Share) -> Share {
        Share {
            frames: share.frames.saturating_sub(self.turn.frames),
            bytes: share.bytes.saturating_sub(self.turn.bytes),
            nanoseconds: share.nanoseconds.saturating_sub(self.turn.nanoseconds),
        }
    }

    /// The next turn begins.
    pub fn turn(&mut self) {
        self.turn = Share::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(frames: u32, bytes: u32, microseconds: u32) -> Spell {
        let mut spell = Spell::NONE;
        spell.add(Share { frames, bytes, nanoseconds: 1000 * microseconds });
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
        turns.note_silence(&spell(LITTLE.frames + 1, 100, 1));
        turns.note_silence(&spell(1, LITTLE.bytes + 1, 1));
        turns.note_silence(&spell(1, 100, 1000));
        turns.note_silence(&Spell::NONE);
        assert_eq!(turns.share(), LARGE);
        turns.note_silence(&spell(1, 10, 10));
        assert_eq!(turns.share(), SMALL);
    }

    #[test]
    fn who_has_said_much_waits_for_a_turn_before_saying_more_unless_all_do() {
        let turns = Turns::default();
        assert_eq!(turns.note_silence(&spell(32, 10, 10)), Spell::NONE);
        let much = turns.note_silence(&spell(33, 10, 10));
        assert!(much.left(SMALL).is_used_up());
        assert_eq!(turns.note_silence(&much), much);
        turns.calm.set(CALM);
        assert_eq!(turns.note_silence(&spell(33, 10, 10)), Spell::NONE);
    }

    #[test]
    fn a_share_is_as_much_as_all_others_have_said() {
        let turns = Turns::default();
        turns.note_silence(&spell(2, 10, 1));
        assert!(turns.next().is_empty());
        turns.note_silence(&spell(2, 10, 1));
        for spell in [spell(32, 10, 20), spell(32, 10, 30), spell(4, 10, 40), spell(1, 10, 1000)] {
            turns.note_silence(&spell);
        }
        take_turns(&turns, 1);
        assert_eq!(turns.share(), Share { frames: 70, nanoseconds: 2 * SMALL.nanoseconds, ..SMALL });
        take_turns(&turns, 1);
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
    fn a_turn_ends_with_its_frames_its_bytes_or_its_time() {
        let mut spell = spell(30, 100, 0);
        assert_eq!(spell.left(SMALL), Share { frames: 2, bytes: SMALL.bytes - 100, ..SMALL });
        for said in [
            Share { frames: 2, ..Share::NONE },
            Share { frames: 1, bytes: SMALL.bytes, ..Share::NONE },
            Share { frames: 1, nanoseconds: SMALL.nanoseconds, ..Share::NONE },
        ] {
            spell.add(said);
            assert!(spell.left(SMALL).is_used_up());
            spell.turn();
            assert_eq!(spell.left(SMALL), SMALL);
        }
    }
}

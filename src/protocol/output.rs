//! Bytes on their way to one peer.

use bytes::Bytes;
use std::io::IoSlice;

/// Payloads from this size on are sent from where they are instead of being copied.
pub const SHARE_MIN: usize = 4096;

/// What is to be written: a buffer, and shared payloads at their places in it.
#[derive(Debug, Default)]
pub struct Output {
    buffer: Vec<u8>,
    /// Position in `buffer` before which the bytes go.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
    /// Of the front piece, already written.
    written: usize,
}

impl Output {
    /// Bytes to be written.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.shared_len - self.written
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer to append to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a payload, without a copy if it is large.
    pub fn push(&mut self, payload: &Bytes) {
        if payload.len() < SHARE_MIN {
            self.buffer.extend_from_slice(payload);
        } else {
            self.shared.push((self.buffer.len(), payload.clone()));
            self.shared_len += payload.len();
        }
    }

    /// A place to which [`Output::since`] refers.
    pub fn mark(&self) -> (usize, usize) {
        (self.buffer.len(), self.shared.len())
    }

    /// A copy of what was appended after a mark, if nothing was written out since.
    pub fn since(&self, (from, shared): (usize, usize)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = from;
        for (place, payload) in self.shared.iter().skip(shared) {
            bytes.extend_from_slice(self.buffer.get(at..*place).unwrap_or_default());
            bytes.extend_from_slice(payload);
            at = *place;
        }
        bytes.extend_from_slice(self.buffer.get(at..).unwrap_or_default());
        bytes
    }

    /// The whole in one piece, where it is in one.
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.shared.is_empty().then(|| &self.buffer[self.written..])
    }

    /// The first pieces, `most` bytes at the most, for a vectored write; gives back how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], most: usize) -> usize {
        let mut count = 0;
        let mut left = most;
        let mut at = 0;
        let mut skip = self.written;
        let mut add = |piece: &'a [u8]| {
            let piece = piece.get(skip..).unwrap_or_default();
            skip = 0;
            let piece = &piece[..piece.len().min(left)];
            if !piece.is_empty() && count < slices.len() {
                left -= piece.len();
                slices[count] = IoSlice::new(piece);
                count += 1;
            }
        };
        for (place, payload) in &self.shared {
            if *place > at {
                add(&self.buffer[at..*place]);
            }
            add(payload);
            at = *place;
        }
        if self.buffer.len() > at {
            add(&self.buffer[at..]);
        }
        count
    }

    /// Takes written bytes away from the front.
    pub fn advance(&mut self, mut written: usize) {
        if written >= self.len() {
            self.clear();
            return;
        }
        written += std::mem::take(&mut self.written);
        let mut used = 0;
        let mut pieces = 0;
        for (place, payload) in &self.shared {
            if written < place - used {
                break;
            }
            written -= place - used;
            used = *place;
            if written < payload.len() {
                break;
            }
            written -= payload.len();
            self.shared_len -= payload.len();
            pieces += 1;
        }
        let front_is_shared = self.shared.get(pieces).is_some_and(|(place, _)| *place == used);
        self.shared.drain(..pieces);
        if front_is_shared {
            self.written = written;
        } else {
            used += written;
        }
        self.buffer.drain(..used);
        for (place, _) in &mut self.shared {
            *place -= used;
        }
    }

    /// Takes everything out as one piece.
    pub fn take(&mut self) -> Bytes {
        let bytes = if self.shared.is_empty() && self.written == 0 {
            Bytes::from(std::mem::take(&mut self.buffer))
        } else {
            Bytes::from(self.since((0, 0)).split_off(self.written))
        };
        self.clear();
        bytes
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.shared.clear();
        self.shared_len = 0;
        self.written = 0;
        if self.buffer.capacity() > 16 * 1024 {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, 3, 100, SHARE_MIN, SHARE_MIN + 5]), 0..8)
    }

    proptest! {
        #[test]
        fn whatever_is_written_in_whatever_portions_arrives_in_order(
            pieces in pieces(), portions in prop::collection::vec(1usize..6000, 1..40), most in 1usize..10_000,
        ) {
            let mut out = Output::default();
            let mut expected = Vec::new();
            for (number, size) in pieces.into_iter().enumerate() {
                let payload = Bytes::from(vec![number as u8; size]);
                out.buffer().extend_from_slice(&[200 + number as u8]);
                out.push(&payload);
                expected.push(200 + number as u8);
                expected.extend_from_slice(&payload);
            }
            prop_assert_eq!(out.since((0, 0)), expected.clone());
            let mut arrived = Vec::new();
            for portion in portions {
                let mut slices = [IoSlice::new(&[]); 4];
                let count = out.slices(&mut slices, most);
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                prop_assert!(all.len() <= most && all.is_empty() == out.is_empty());
                let portion = portion.min(all.len());
                arrived.extend_from_slice(&all[..portion]);
                out.advance(portion);
                prop_assert_eq!(out.len() + arrived.len(), expected.len());
            }
            arrived.extend_from_slice(&out.take());
            prop_assert_eq!(arrived, expected);
            prop_assert!(out.is_empty());
        }
    }
}

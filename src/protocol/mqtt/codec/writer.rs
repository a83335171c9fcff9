//! The counterpart of `reader`: fields and frames into a buffer.

use super::reader::VARINT_MAX;

const SHORT_MAX: usize = 65_535;

pub fn u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub fn u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// How many bytes `varint` writes.
pub const fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

pub fn varint(out: &mut Vec<u8>, value: usize) {
    let (bytes, length) = varint_bytes(value);
    out.extend(bytes.into_iter().take(length));
}

fn varint_bytes(value: usize) -> ([u8; 4], usize) {
    debug_assert!(value <= VARINT_MAX as usize, "the caller checks sizes with encoded_len");
    let length = varint_len(value);
    let byte = |position: usize| {
        let more = if position + 1 < length { 0x80 } else { 0 };
        ((value >> (7 * position)) as u8 & 0x7F) | more
    };
    ([byte(0), byte(1), byte(2), byte(3)], length)
}

/// A length and the bytes; what exceeds the length field is cut.
pub fn binary(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.get(..SHORT_MAX).unwrap_or(value);
    u16(out, value.len() as u16);
    out.extend_from_slice(value);
}

/// A length and the text; what exceeds the length field is cut between characters.
pub fn str(out: &mut Vec<u8>, value: &str) {
    let end = value.floor_char_boundary(SHORT_MAX);
    binary(out, value.get(..end).unwrap_or(value).as_bytes());
}

/// How many bytes `str` writes.
pub fn str_len(value: &str) -> usize {
    2 + value.floor_char_boundary(SHORT_MAX)
}

/// A whole packet: first byte, remaining length, and what `body` writes.
pub fn frame(out: &mut Vec<u8>, first: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(first);
    let start = out.len();
    body(out);
    let (bytes, length) = varint_bytes(out.len() - start);
    out.splice(start..start, bytes.into_iter().take(length));
}

//! Single packets: they are read where the standard allows them, and nowhere else.

use artemis_rs::protocol::mqtt::codec::{Version, decode, frame_length};

use super::standard;

pub fn fuzz_v3(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    check(*mode, data, if mode & 2 == 0 { Version::V3 } else { Version::V4 });
}

pub fn fuzz_v5(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    check(*mode, data, Version::V5);
}

/// The frame that an input stands for: the bytes themselves, or their first byte and the rest behind its length.
pub fn frame(mode: u8, data: &[u8]) -> Option<Vec<u8>> {
    match data {
        [] => None,
        [first, body @ ..] if mode & 1 == 0 => Some(standard::frame(*first, body)),
        _ => Some(data.to_vec()),
    }
}

fn check(mode: u8, data: &[u8], version: Version) {
    let Some(frame) = frame(mode, data) else { return };
    let decoded = decode(&frame, version);
    assert_eq!(decoded.is_ok(), standard::allows(&frame, version), "{decoded:?} of {version:?} {frame:02x?}");
    if decoded.is_err() {
        return;
    }
    assert_eq!(frame_length(&frame, usize::MAX), Ok(Some(frame.len())));
    // A part of a frame is not a frame, nor is a frame with something behind it.
    for end in (0..frame.len()).rev().take(64) {
        assert!(decode(&frame[..end], version).is_err(), "{end} bytes of {frame:02x?}");
        assert!(frame_length(&frame[..end], usize::MAX).is_ok_and(|length| length.is_none_or(|length| length > end)));
    }
    assert!(decode(&[&frame[..], &[0]].concat(), version).is_err(), "{frame:02x?}");
}

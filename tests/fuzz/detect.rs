//! The protocol of a connection on the shared port.

use artemis_rs::protocol::detect::{Start, Unknown, detect};

/// What connections begin with.
const STARTS: [(&[u8], Start); 2] = [(b"\x10", Start::Mqtt), (b"GET ", Start::Http)];

fn plain(bytes: &[u8]) -> Result<Option<Start>, Unknown> {
    match STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some((_, start)) => Ok(Some(*start)),
        None if STARTS.iter().any(|(start, _)| start.starts_with(bytes)) => Ok(None),
        None => Err(Unknown),
    }
}

pub fn fuzz(data: &[u8]) {
    let mut decided = None;
    for end in 0..=data.len().min(64) {
        let found = detect(&data[..end]);
        assert_eq!(found, plain(&data[..end]), "{:?}", &data[..end]);
        // More bytes never change what is known.
        assert!(decided.is_none_or(|decided| decided == found), "{:?}", &data[..end]);
        decided = (found != Ok(None)).then_some(found);
    }
    assert_eq!(detect(data), plain(data));
}

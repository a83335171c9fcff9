//! The end of the write-ahead log after a power cut.
//!
//! RocksDB reads over what a power cut leaves of a record, with one exception: where chance has put the mark of a recycled
//! log, which is never written here, it does not come to an end. Such a log is cut off before that place.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of the blocks that records do not cross.
const BLOCK: usize = 32 * 1024;

/// Bytes before a record's content: checksum, length, kind.
const HEADER: usize = 7;

/// Kinds of records of recycled logs.
const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// A place in a log.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    log: PathBuf,
    offset: u64,
}

/// The place in the newest log of the directory at which reading it would not end.
pub fn find_stall(directory: &Path) -> io::Result<Option<Place>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).filter(|_| is_log);
        if let Some(number) = number.filter(|number| newest.as_ref().is_none_or(|(last, _)| number > last)) {
            newest = Some((number, path));
        }
    }
    let Some((_, log)) = newest else { return Ok(None) };
    let offset = stall_of(BufReader::with_capacity(BLOCK, File::open(&log)?))?;
    Ok(offset.map(|offset| Place { log, offset }))
}

/// Cuts the log off at a place.
pub fn cut(place: &Place) -> io::Result<()> {
    let log = OpenOptions::new().write(true).open(&place.log)?;
    log.set_len(place.offset)?;
    log.sync_all()
}

fn stall_of(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut start = 0;
    loop {
        block.clear();
        log.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        let mut at = 0;
        while let Some(&[_, _, _, _, low, high, kind]) = block.get(at..at + HEADER) {
            if RECYCLED.contains(&kind) {
                return Ok(Some(start + at as u64));
            }
            at += HEADER + usize::from(u16::from_le_bytes([low, high]));
        }
        if block.len() < BLOCK {
            return Ok(None);
        }
        start += BLOCK as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let mut bytes = vec![9, 9, 9, 9];
        bytes.extend(length.to_le_bytes());
        bytes.push(kind);
        bytes.resize(HEADER + usize::from(length), 5);
        bytes
    }

    #[test]
    fn only_a_header_of_a_recycled_kind_stalls() {
        let whole = [record(1, 100), record(4, 0), record(1, 7)].concat();
        assert_eq!(stall_of(&whole[..]).expect("readable"), None);
        for kind in RECYCLED {
            let damaged = [whole.clone(), record(kind, 3), record(1, 5)].concat();
            assert_eq!(stall_of(&damaged[..]).expect("readable"), Some(whole.len() as u64));
        }
        assert_eq!(stall_of(&whole[..whole.len() - 3]).expect("readable"), None);
    }

    #[test]
    fn records_begin_anew_in_each_block() {
        let mut log = record(2, (BLOCK - HEADER - 3) as u16);
        log.extend([0; 3]);
        log.extend(record(4, 10));
        assert_eq!(stall_of(&log[..]).expect("readable"), None);
        let at = log.len() as u64;
        log.extend(record(6, 1));
        assert_eq!(stall_of(&log[..]).expect("readable"), Some(at));
    }
}

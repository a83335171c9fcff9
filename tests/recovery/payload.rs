//! Payloads that say who sent them, as which, and whether they are whole.

/// What a payload says: the publisher and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    pub publisher: u16,
    pub count: u64,
}

const HEAD: usize = 2 + 8 + 4;

/// The payload with this number: publisher, count, length, filling, checksum.
pub fn payload(number: Number, filling: usize) -> Vec<u8> {
    let mut bytes = number.publisher.to_be_bytes().to_vec();
    bytes.extend(number.count.to_be_bytes());
    bytes.extend((filling as u32).to_be_bytes());
    bytes.extend((0..filling).map(|at| (at as u64).wrapping_mul(number.count + 1) as u8));
    bytes.extend(checksum(&bytes).to_be_bytes());
    bytes
}

/// The number of a payload that is whole.
pub fn number(payload: &[u8]) -> Option<Number> {
    let (bytes, sum) = payload.split_last_chunk::<4>()?;
    let length = u32::from_be_bytes(*bytes.get(HEAD - 4..)?.first_chunk()?);
    if bytes.len() != HEAD + length as usize || checksum(bytes) != u32::from_be_bytes(*sum) {
        return None;
    }
    let publisher = u16::from_be_bytes(*bytes.first_chunk()?);
    Some(Number { publisher, count: u64::from_be_bytes(*bytes[2..].first_chunk()?) })
}

/// CRC-32 as in Ethernet.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[test]
fn numbers_come_back_and_damage_is_seen() {
    assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    let sent = Number { publisher: 3, count: 77 };
    let bytes = payload(sent, 10);
    assert_eq!(number(&bytes), Some(sent));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(number(&damaged), None, "byte {at}");
        assert_eq!(number(&bytes[..at]), None, "{at} bytes");
    }
}

//! Tells a protocol by the first bytes of a connection.

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Mqtt,
    /// An HTTP request, which may upgrade to a WebSocket.
    Http,
}

/// The bytes begin nothing that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

/// What the bytes begin; `None` while they are too few to tell.
///
/// # Errors
/// It is nothing that is spoken here.
pub fn detect(bytes: &[u8]) -> Result<Option<Start>, Unknown> {
    const HTTP: [&[u8]; 1] = [b"GET "];
    match bytes {
        [] => Ok(None),
        [0x10, ..] => Ok(Some(Start::Mqtt)),
        _ if HTTP.iter().any(|method| bytes.starts_with(method)) => Ok(Some(Start::Http)),
        _ if HTTP.iter().any(|method| method.starts_with(bytes)) => Ok(None),
        _ => Err(Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        for (bytes, expected) in [
            (&b""[..], Ok(None)),
            (b"G", Ok(None)),
            (b"GET", Ok(None)),
            (b"GET / HTTP/1.1", Ok(Some(Start::Http))),
            (b"\x10", Ok(Some(Start::Mqtt))),
            (b"\x16\x03\x01", Err(Unknown)),
            (b"POST /", Err(Unknown)),
            (b"\x20\x02", Err(Unknown)),
        ] {
            assert_eq!(detect(bytes), expected, "{bytes:?}");
        }
    }
}

use std::fmt;

use aws_lc_rs::constant_time;

/// Bytes that are never printed.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves; do not log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether these are the bytes; the time taken depends on their number only.
    pub fn is(&self, bytes: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, bytes).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

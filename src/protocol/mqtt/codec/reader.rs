//! A cursor over received bytes that can fail, never overrun.

use crate::protocol::mqtt::fault::Fault;

/// The largest number a variable byte integer holds.
pub const VARINT_MAX: u32 = 268_435_455;

/// The unread rest of a packet, or of a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without reading it.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The end of the packet must be here.
    pub fn finish(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::malformed("MQTT-2.1.4")) }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::malformed("MQTT-2.1.4"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Fault::malformed("MQTT-2.1.4"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable byte integer; `None` if the bytes end before it does.
    pub fn varint_partial(&mut self) -> Result<Option<u32>, Fault> {
        let mut value = 0;
        for (position, byte) in self.rest.iter().take(4).enumerate() {
            value |= u32::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                if *byte == 0 && position > 0 {
                    return Err(Fault::malformed("MQTT-1.5.5-1")); // [MQTT-1.5.5-1]
                }
                self.take(position + 1)?;
                return Ok(Some(value));
            }
        }
        if self.rest.len() < 4 { Ok(None) } else { Err(Fault::malformed("MQTT-1.5.5")) }
    }

    pub fn varint(&mut self) -> Result<u32, Fault> {
        self.varint_partial()?.ok_or(Fault::malformed("MQTT-1.5.5"))
    }

    pub fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub fn str(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.binary()?;
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::malformed("MQTT-1.5.4-1"))?; // [MQTT-1.5.4-1]
        let has_nul = if bytes.len() < 16 { bytes.contains(&0) } else { memchr::memchr(0, bytes).is_some() };
        if has_nul {
            return Err(Fault::malformed("MQTT-1.5.4-2")); // [MQTT-1.5.4-2]
        }
        Ok(text)
    }

    /// A packet identifier, which is never 0.
    pub fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::protocol("MQTT-2.2.1-3")), // [MQTT-2.2.1-3]
            id => Ok(id),
        }
    }
}

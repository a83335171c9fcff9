//! What the standards allow in a packet, once more and in the plainest way: the codec is held against it.

use artemis_rs::protocol::mqtt::codec::Version;

/// Where properties stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Connect,
    Will,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

/// How a property's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Byte,
    Two,
    Four,
    Varint,
    Text,
    Binary,
    Pair,
}

use Place::{
    Auth, ConnAck, Connect, Disconnect, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, UnsubAck,
    Unsubscribe, Will,
};

const MESSAGE: &[Place] = &[Publish, Will];
const HANDSHAKE: &[Place] = &[Connect, ConnAck];
const ANSWERS: &[Place] = &[ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth];

/// Table 2-4 of MQTT 5.
#[rustfmt::skip]
pub const PROPERTIES: [(u8, Form, &[Place]); 27] = [
    (0x01, Form::Byte, MESSAGE),
    (0x02, Form::Four, MESSAGE),
    (0x03, Form::Text, MESSAGE),
    (0x08, Form::Text, MESSAGE),
    (0x09, Form::Binary, MESSAGE),
    (0x0B, Form::Varint, &[Publish, Subscribe]),
    (0x11, Form::Four, &[Connect, ConnAck, Disconnect]),
    (0x12, Form::Text, &[ConnAck]),
    (0x13, Form::Two, &[ConnAck]),
    (0x15, Form::Text, &[Connect, ConnAck, Auth]),
    (0x16, Form::Binary, &[Connect, ConnAck, Auth]),
    (0x17, Form::Byte, &[Connect]),
    (0x18, Form::Four, &[Will]),
    (0x19, Form::Byte, &[Connect]),
    (0x1A, Form::Text, &[ConnAck]),
    (0x1C, Form::Text, &[ConnAck, Disconnect]),
    (0x1F, Form::Text, ANSWERS),
    (0x21, Form::Two, HANDSHAKE),
    (0x22, Form::Two, HANDSHAKE),
    (0x23, Form::Two, &[Publish]),
    (0x24, Form::Byte, &[ConnAck]),
    (0x25, Form::Byte, &[ConnAck]),
    (0x26, Form::Pair, &[
        Connect, Will, ConnAck, Publish, PubAck, PubRec, PubRel, PubComp, Subscribe, SubAck, Unsubscribe, UnsubAck,
        Disconnect, Auth,
    ]),
    (0x27, Form::Four, HANDSHAKE),
    (0x28, Form::Byte, &[ConnAck]),
    (0x29, Form::Byte, &[ConnAck]),
    (0x2A, Form::Byte, &[ConnAck]),
];

const CONNACK: [u8; 22] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
    0x9C, 0x9D, 0x9F,
];
const RECEIVED: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED: [u8; 2] = [0x00, 0x92];
const GRANTED: [u8; 12] = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
const UNSUBSCRIBED: [u8; 7] = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
const DISCONNECTED: [u8; 29] = [
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];
const AUTHENTICATING: [u8; 3] = [0x00, 0x18, 0x19];

/// A packet of a first byte and what follows its length.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first], &varint(body.len() as u32)[..], body].concat()
}

pub fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

pub fn is_topic(text: &str) -> bool {
    !text.is_empty() && text.len() < 65_536 && !text.contains(['\0', '+', '#'])
}

pub fn is_filter(text: &str) -> bool {
    let levels: Vec<_> = text.split('/').collect();
    let is_level = |(number, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => number + 1 == levels.len(),
        level => !level.contains(['+', '#']),
    };
    !text.is_empty() && text.len() < 65_536 && !text.contains('\0') && levels.iter().enumerate().all(is_level)
}

/// The text of a UTF-8 encoded string.
pub fn string(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Whether a packet, from either side, may look like this.
pub fn allows(frame: &[u8], version: Version) -> bool {
    packet(frame, version).is_some()
}

fn require(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Bytes that are taken from the front.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.0.get(..length)?;
        self.0 = &self.0[length..];
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self, bytes: usize) -> Option<u32> {
        self.take(bytes).map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn varint(&mut self) -> Option<u32> {
        let length = self.0.iter().take(4).position(|byte| *byte < 128)? + 1;
        let bytes = self.take(length)?;
        let value = bytes.iter().rev().fold(0, |value, byte| value << 7 | u32::from(byte & 127));
        require(varint(value) == bytes)?;
        Some(value)
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.number(2)?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        string(self.binary()?)
    }

    fn packet_id(&mut self) -> Option<()> {
        require(self.number(2)? != 0)
    }

    fn end(&self) -> Option<()> {
        require(self.0.is_empty())
    }
}

fn packet(frame: &[u8], version: Version) -> Option<()> {
    let mut body = Cut(frame);
    let first = body.byte()?;
    require(body.varint()? as usize == body.0.len())?;
    let (kind, flags) = (first >> 4, first & 15);
    require(match kind {
        3 => flags & 6 != 6 && (flags & 6 != 0 || flags & 8 == 0),
        6 | 8 | 10 => flags == 2 || version == Version::V3 && flags == 10,
        _ => flags == 0,
    })?;
    match kind {
        1 => connect(&mut body)?,
        2 => connack(&mut body, version)?,
        3 => publish(&mut body, flags, version)?,
        4 => acknowledgement(&mut body, PubAck, &RECEIVED, version)?,
        5 => acknowledgement(&mut body, PubRec, &RECEIVED, version)?,
        6 => acknowledgement(&mut body, PubRel, &RELEASED, version)?,
        7 => acknowledgement(&mut body, PubComp, &RELEASED, version)?,
        8 => subscribe(&mut body, version)?,
        9 => suback(&mut body, version)?,
        10 => unsubscribe(&mut body, version)?,
        11 => unsuback(&mut body, version)?,
        12 | 13 => {}
        14 => reason(&mut body, Disconnect, &DISCONNECTED, version)?,
        15 if version == Version::V5 => reason(&mut body, Auth, &AUTHENTICATING, version)?,
        _ => return None,
    }
    body.end()
}

fn connect(body: &mut Cut<'_>) -> Option<()> {
    let version = match (body.text()?, body.byte()?) {
        ("MQIsdp", 3) => Version::V3,
        ("MQTT", 4) => Version::V4,
        ("MQTT", 5) => Version::V5,
        _ => return None,
    };
    let flags = body.byte()?;
    let has = |bit: u8| flags >> bit & 1 == 1;
    require(!has(0) || version == Version::V3)?;
    require(has(2) || flags & 0b0011_1000 == 0)?;
    require(has(7) || !has(6) || version == Version::V5)?;
    body.number(2)?;
    properties(body, Connect, version)?;
    body.text()?;
    if has(2) {
        require(flags >> 3 & 3 != 3)?;
        properties(body, Will, version)?;
        require(is_topic(body.text()?))?;
        body.binary()?;
    }
    // MQTT 3.1: the fields may be left out all the same.
    if has(7) && !(version == Version::V3 && body.0.is_empty()) {
        body.text()?;
    }
    if has(6) && !(version == Version::V3 && body.0.is_empty()) {
        body.binary()?;
    }
    Some(())
}

fn connack(body: &mut Cut<'_>, version: Version) -> Option<()> {
    let (flags, code) = (body.byte()?, body.byte()?);
    require(flags < 2)?;
    require(if version == Version::V5 { CONNACK.contains(&code) } else { code < 6 })?;
    require(flags == 0 || code == 0 || version == Version::V3)?;
    properties(body, ConnAck, version)
}

fn publish(body: &mut Cut<'_>, flags: u8, version: Version) -> Option<()> {
    let topic = body.text()?;
    if flags & 6 != 0 {
        body.packet_id()?;
    }
    let before = body.0;
    properties(body, Publish, version)?;
    let has_alias = version == Version::V5 && ids(before).contains(&0x23);
    require(is_topic(topic) || topic.is_empty() && has_alias)?;
    body.take(body.0.len()).map(|_| ())
}

fn acknowledgement(body: &mut Cut<'_>, at: Place, codes: &[u8], version: Version) -> Option<()> {
    body.packet_id()?;
    reason(body, at, codes, version)
}

fn reason(body: &mut Cut<'_>, at: Place, codes: &[u8], version: Version) -> Option<()> {
    if version != Version::V5 || body.0.is_empty() {
        return Some(());
    }
    require(codes.contains(&body.byte()?))?;
    if body.0.is_empty() { Some(()) } else { properties(body, at, version) }
}

fn subscribe(body: &mut Cut<'_>, version: Version) -> Option<()> {
    body.packet_id()?;
    properties(body, Subscribe, version)?;
    require(!body.0.is_empty())?;
    while !body.0.is_empty() {
        let filter = body.text()?;
        let options = body.byte()?;
        require(options & 3 != 3)?;
        if version != Version::V5 {
            require(options < 3)?;
        }
        require(options < 0x30)?;
        require(options & 4 == 0 || filter.split('/').next() != Some("$share"))?;
    }
    Some(())
}

fn suback(body: &mut Cut<'_>, version: Version) -> Option<()> {
    body.packet_id()?;
    properties(body, SubAck, version)?;
    require(!body.0.is_empty())?;
    let codes = body.take(body.0.len())?;
    require(codes.iter().all(|code| match version {
        Version::V5 => GRANTED.contains(code),
        _ => *code < 3 || *code == 0x80,
    }))
}

fn unsubscribe(body: &mut Cut<'_>, version: Version) -> Option<()> {
    body.packet_id()?;
    properties(body, Unsubscribe, version)?;
    require(!body.0.is_empty())?;
    while !body.0.is_empty() {
        body.text()?;
    }
    Some(())
}

fn unsuback(body: &mut Cut<'_>, version: Version) -> Option<()> {
    body.packet_id()?;
    if version != Version::V5 {
        return Some(());
    }
    properties(body, UnsubAck, version)?;
    require(!body.0.is_empty())?;
    let codes = body.take(body.0.len())?;
    require(codes.iter().all(|code| UNSUBSCRIBED.contains(code)))
}

fn properties(body: &mut Cut<'_>, at: Place, version: Version) -> Option<()> {
    if version != Version::V5 {
        return Some(());
    }
    let length = body.varint()?;
    let mut rest = Cut(body.take(length as usize)?);
    let mut seen = Vec::new();
    while !rest.0.is_empty() {
        let id = property(&mut rest, at)?;
        require(id == 0x26 || id == 0x0B && at == Publish || !seen.contains(&id))?;
        seen.push(id);
    }
    require(!seen.contains(&0x16) || seen.contains(&0x15))
}

fn property(rest: &mut Cut<'_>, at: Place) -> Option<u8> {
    let id = rest.byte()?;
    let (_, form, places) = PROPERTIES.iter().find(|(other, ..)| *other == id)?;
    require(places.contains(&at))?;
    match form {
        // Each of them is 0 or 1.
        Form::Byte => require(rest.byte()? < 2)?,
        Form::Two => require(rest.number(2)? != 0 || !matches!(id, 0x21 | 0x23))?,
        Form::Four => require(rest.number(4)? != 0 || id != 0x27)?,
        Form::Varint => require(rest.varint()? != 0)?,
        Form::Text => {
            let text = rest.text()?;
            // A response topic is a topic name. [MQTT-4.7.3-1]
            require(id != 0x08 || !text.is_empty() && !text.contains(['+', '#']))?;
        }
        Form::Binary => drop(rest.binary()?),
        Form::Pair => drop((rest.text()?, rest.text()?)),
    }
    Some(id)
}

/// The identifiers of properties that are known to be well-formed, their length included.
fn ids(bytes: &[u8]) -> Vec<u8> {
    let mut body = Cut(bytes);
    let length = body.varint().unwrap_or_default();
    let mut rest = Cut(body.take(length as usize).unwrap_or_default());
    std::iter::from_fn(|| property(&mut rest, Publish)).collect()
}

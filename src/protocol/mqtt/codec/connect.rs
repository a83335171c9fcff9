//! CONNECT.

use std::fmt;

use super::properties::{Properties, place};
use super::reader::Reader;
use super::{QoS, Version, header, topic, writer};
use crate::protocol::mqtt::fault::{Fault, Kind};

const RESERVED: u8 = 0x01;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_QOS: u8 = 0b11 << WILL_QOS_SHIFT;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USERNAME: u8 = 0x80;

/// A client's request to open or resume a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    pub version: Version,
    pub clean_start: bool,
    pub keep_alive: u16,
    pub client_id: &'a str,
    pub username: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub will: Option<Will<'a>>,
    pub properties: Properties<'a>,
}

/// The message to publish when its client is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let version = decode_version(reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = Properties::decode(reader, version, place::CONNECT)?;
        let client_id = reader.str()?; // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::decode(reader, flags, version)?),
        };
        // MQTT 3.1 lets a client set these flags and leave the fields out.
        let present = |flag, reader: &Reader| flags & flag != 0 && !(version == Version::V3 && reader.is_empty());
        let username = if present(USERNAME, reader) { Some(reader.str()?) } else { None }; // [MQTT-3.1.3-12]
        let password = if present(PASSWORD, reader) { Some(reader.binary()?) } else { None };
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { version, clean_start, keep_alive, client_id, username, password, will, properties })
    }

    /// Appends the packet in the version it names itself.
    pub fn encode(&self, _version: Version, out: &mut Vec<u8>) {
        writer::frame(out, header::first(header::CONNECT), |out| {
            let (name, level) = match self.version {
                Version::V3 => ("MQIsdp", 3),
                Version::V4 => ("MQTT", 4),
                Version::V5 => ("MQTT", 5),
            };
            writer::str(out, name);
            out.extend_from_slice(&[level, self.flags()]);
            writer::u16(out, self.keep_alive);
            self.properties.encode(self.version, out);
            writer::str(out, self.client_id);
            if let Some(will) = &self.will {
                will.encode(self.version, out);
            }
            if let Some(username) = self.username {
                writer::str(out, username);
            }
            if let Some(password) = self.password {
                writer::binary(out, password);
            }
        });
    }

    fn flags(&self) -> u8 {
        let bit = |set, flag| if set { flag } else { 0 };
        let will =
            self.will.map_or(0, |will| WILL | ((will.qos as u8) << WILL_QOS_SHIFT) | bit(will.retain, WILL_RETAIN));
        will | bit(self.clean_start, CLEAN_START)
            | bit(self.username.is_some(), USERNAME)
            | bit(self.password.is_some(), PASSWORD)
    }
}

impl<'a> Will<'a> {
    fn decode(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<Self, Fault> {
        let qos = QoS::try_from((flags & WILL_QOS) >> WILL_QOS_SHIFT);
        let qos = qos.map_err(|_| Fault::malformed("MQTT-3.1.2-12"))?; // [MQTT-3.1.2-12]
        let properties = Properties::decode(reader, version, place::WILL)?;
        let topic = reader.str()?; // [MQTT-3.1.3-11]
        if !topic::topic_is_valid(topic) {
            return Err(Fault::new(Kind::TopicNameInvalid, "MQTT-4.7.0-1")); // [MQTT-4.7.0-1] [MQTT-4.7.3-1]
        }
        let payload = reader.binary()?;
        Ok(Self { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
    }

    fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.encode(version, out);
        writer::str(out, self.topic);
        writer::binary(out, self.payload);
    }
}

fn decode_version(reader: &mut Reader<'_>) -> Result<Version, Fault> {
    let unsupported = |rule| Fault::new(Kind::UnsupportedVersion, rule);
    let name = reader.str()?;
    if !matches!(name, "MQTT" | "MQIsdp") {
        return Err(unsupported("MQTT-3.1.2-1")); // [MQTT-3.1.2-1]
    }
    match (name, reader.u8()?) {
        ("MQIsdp", 3) => Ok(Version::V3),
        ("MQTT", 4) => Ok(Version::V4),
        ("MQTT", 5) => Ok(Version::V5),
        _ => Err(unsupported("MQTT-3.1.2-2")), // [MQTT-3.1.2-2]
    }
}

fn check_flags(flags: u8, version: Version) -> Result<(), Fault> {
    // MQTT 3.1 leaves the bit unused, not reserved.
    if flags & RESERVED != 0 && version > Version::V3 {
        return Err(Fault::malformed("MQTT-3.1.2-3")); // [MQTT-3.1.2-3]
    }
    if flags & WILL == 0 && flags & WILL_QOS != 0 {
        return Err(Fault::malformed("MQTT-3.1.2-11")); // [MQTT-3.1.2-11]
    }
    if flags & WILL == 0 && flags & WILL_RETAIN != 0 {
        return Err(Fault::malformed("MQTT-3.1.2-13")); // [MQTT-3.1.2-13]
    }
    if flags & (USERNAME | PASSWORD) == PASSWORD && version < Version::V5 {
        return Err(Fault::malformed("MQTT-3.1.2-22")); // [MQTT-3.1.2-22] of MQTT 3.1.1
    }
    Ok(())
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.map(|_| "..."))
            .field("will", &self.will)
            .field("properties", &self.properties)
            .finish()
    }
}

impl fmt::Debug for Will<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

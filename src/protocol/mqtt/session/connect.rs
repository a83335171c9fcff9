//! CONNECT to CONNACK.

use bytes::Bytes;
use std::rc::Rc;

use super::inbound::is_reserved;
use super::owed::Item;
use super::{MqttSession, Stage};
use crate::core::id::Ticket;
use crate::core::message::Posting;
use crate::protocol::mqtt::codec::{ConnAck, Connect, Properties, Property, Version, topic_is_valid};
use crate::protocol::mqtt::convert;
use crate::protocol::mqtt::fault::{Fault, Kind, ReasonCode};
use crate::protocol::{Admitted, Authenticate, Context, Denial, Ended, Expiry, Open, Request, Will, WillNotice};

/// The first byte of a CONNECT.
pub const FIRST: u8 = 0x10;

/// Characters of a client id in MQTT 3.1.
const V3_CLIENT_ID_MAX: usize = 23;

/// What a CONNECT asks for, until its session is open.
#[derive(Debug)]
pub struct Connecting {
    clean: bool,
    expiry: Expiry,
    announce_expiry: bool,
    will: Option<Will>,
    /// Seconds that count, and whether the client has to be told.
    keep_alive: u16,
    announce_keep_alive: bool,
    /// The id that the broker chose for a client without one.
    assigned: Option<Rc<str>>,
    wants_response_information: bool,
}

/// The version a CONNECT names, as far as it can be told before it is decoded.
pub fn version_of(frame: &[u8]) -> Option<Version> {
    if frame.first()? >> 4 != 1 {
        return None;
    }
    let header = 1 + frame.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0)? + 1;
    // [MQTT-3.1.2-2] Of MQTT 3.1.1: any level that is not known is answered with its return code.
    frame.get(header..)?.starts_with(b"\x00\x04MQTT\x05").then_some(Version::V5)
}

impl MqttSession {
    pub(super) fn connect(
        &mut self,
        packet: &Connect<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Request<'static>>, Fault> {
        self.version = packet.version;
        if packet.version != Version::V5 {
            self.inbound.lift_maximum();
        }
        // A refusal keeps to it too. [MQTT-3.1.2-24]
        let maximum = packet.properties.iter().find_map(|property| match property {
            Property::MaximumPacketSize(bytes) => Some(bytes as usize),
            _ => None,
        });
        self.outbound.packet_max = maximum.unwrap_or(self.outbound.packet_max);
        let mut client_id = packet.client_id.to_owned();
        let assigned = client_id.is_empty();
        if assigned && !packet.clean_start && packet.version != Version::V5 || !self.accepts(packet) {
            let fault = Fault::new(Kind::ClientIdentifier, "MQTT-3.1.3-8"); // [MQTT-3.1.3-8]
            return self.reject(fault, cx);
        }
        if assigned {
            client_id = assigned_client_id(cx); // [MQTT-3.1.3-6]
        }
        self.client_id = client_id.as_str().into();
        let mut connecting = match self.connecting(packet) {
            Err(fault) if fault.kind == Kind::NotAuthorized => return self.reject(fault, cx),
            result => result?,
        };
        connecting.assigned = assigned.then(|| self.client_id.clone());
        let mut has_method = false;
        for property in packet.properties.iter() {
            match property {
                Property::AuthenticationMethod(_) => has_method = true,
                Property::ReceiveMaximum(maximum) => self.outbound.window_max = usize::from(maximum),
                Property::TopicAliasMaximum(maximum) => self.outbound.set_alias_maximum(maximum),
                Property::RequestProblemInformation(wanted) => self.wants_reasons = wanted,
                Property::RequestResponseInformation(wanted) => connecting.wants_response_information = wanted,
                _ => {}
            }
        }
        if let Some(elsewhere) = &self.limits.elsewhere {
            let kind = if elsewhere.permanently { Kind::ServerMoved } else { Kind::UseAnotherServer };
            return self.reject(Fault::new(kind, "MQTT-4.11"), cx);
        }
        if has_method {
            return self.reject(Fault::new(Kind::BadAuthenticationMethod, "MQTT-4.12.0-1"), cx); // [MQTT-4.12.0-1]
        }
        if self.connack(&connecting, false).len() > self.outbound.packet_max {
            return self.reject(Fault::new(Kind::PacketTooLarge, "MQTT-3.1.2-24"), cx); // [MQTT-3.1.2-24]
        }
        let will = connecting.will.as_ref().map(|will| WillNotice {
            address: (&*will.posting.address).into(),
            guarantee: will.posting.guarantee,
            retain: will.posting.retain,
        });
        self.stage = Stage::Authenticating(Box::new(connecting));
        Ok(Some(Request::Authenticate(Box::new(Authenticate {
            will,
            client_id,
            username: packet.username.map(str::to_owned),
            password: packet.password.map(<[u8]>::to_vec),
            protocol: if packet.version == Version::V5 { "MQTT5" } else { "MQTT" },
        }))))
    }

    fn accepts(&self, packet: &Connect<'_>) -> bool {
        let characters = packet.client_id.chars().count();
        (packet.version != Version::V3 || (1..=V3_CLIENT_ID_MAX).contains(&characters))
            && self.limits.bounds.client_id_bytes.admits(packet.client_id.len() as u64)
    }

    fn connecting(&mut self, packet: &Connect<'_>) -> Result<Connecting, Fault> {
        let asked = packet.properties.iter().find_map(|property| match property {
            Property::SessionExpiry(seconds) => Some(Expiry(seconds)),
            _ => None,
        });
        let limits = &self.limits;
        let (expiry, announce_expiry) = limits.expiry(packet.version, asked, packet.clean_start);
        self.may_outlive = expiry != Expiry::AT_DISCONNECT || asked.is_some_and(|asked| asked != expiry);
        self.outbound.window_max = usize::from(limits.in_flight_maximum);
        let (keep_alive, announce_keep_alive) = limits.keep_alive.agree(packet.version, packet.keep_alive);
        let will = packet.will.as_ref().map(|will| self.will(will)).transpose()?;
        Ok(Connecting {
            clean: packet.clean_start,
            expiry,
            announce_expiry,
            will,
            keep_alive,
            announce_keep_alive,
            assigned: None,
            wants_response_information: false,
        })
    }

    fn will(&self, will: &crate::protocol::mqtt::codec::Will<'_>) -> Result<Will, Fault> {
        if !topic_is_valid(will.topic) || !self.limits.bounds.admits_topic(will.topic) {
            return Err(Fault::new(Kind::TopicNameInvalid, "MQTT-4.7.3"));
        }
        if is_reserved(will.topic) {
            return Err(Fault::new(Kind::NotAuthorized, "MQTT-3.1.4-2"));
        }
        self.limits.admit(will.qos, will.retain, ["MQTT-3.2.2-12", "MQTT-3.2.2-13"])?; // [MQTT-3.2.2-12] [MQTT-3.2.2-13]
        let mut address = String::new();
        self.limits.translation.address(will.topic, &mut address);
        self.limits.bounds.check_properties(will.properties)?;
        let parts = convert::parts(will.properties);
        if self.limits.checks_payloads && !parts.payload_is_as_said(will.payload) {
            return Err(Fault::new(Kind::PayloadFormatInvalid, "MQTT-3.1.3.2.3"));
        }
        let lifetime_s = self.limits.message_expiry_s(self.version, parts.expiry_s);
        Ok(Will {
            posting: Posting {
                address: address.into(),
                payload: Bytes::copy_from_slice(will.payload),
                properties: parts.forwarded,
                guarantee: convert::guarantee(will.qos),
                retain: will.retain,
                lifetime_ms: lifetime_s.map(|seconds| u64::from(seconds) * 1000),
            },
            delay_ms: u64::from(parts.will_delay_s) * 1000,
        })
    }

    fn reject(&mut self, fault: Fault, cx: &mut Context<'_>) -> Result<Option<Request<'static>>, Fault> {
        // In the versions before 5 a fault in reading CONNECT is not answered, a refusal is.
        if self.version != Version::V5 {
            self.refuse(&fault, cx);
        }
        Err(fault)
    }

    /// Writes a CONNACK that lets nobody in.
    pub(super) fn refuse(&mut self, fault: &Fault, cx: &mut Context<'_>) {
        if self.version != Version::V5 {
            let refusal = ConnAck { code: fault.return_code(), ..ConnAck::default() };
            return refusal.encode(self.version, cx.out.buffer());
        }
        let mut reference = Vec::new();
        if let Some(elsewhere) = &self.limits.elsewhere {
            Property::ServerReference(&elsewhere.reference).encode(&mut reference);
        }
        let words = [&*reference, &self.reason_string(fault)].concat();
        // [MQTT-3.2.2-6] [MQTT-3.2.2-19]
        self.write_explained(&words, cx, |properties, out| {
            ConnAck { session_present: false, code: fault.reason().0, properties }.encode(Version::V5, out);
        });
    }

    pub(super) fn deny(&mut self, denial: Denial, cx: &mut Context<'_>) -> Ended {
        self.refuse(&Self::denial(denial), cx);
        Ended { why: "not let in", abnormal: true }
    }

    pub(super) fn authenticated(
        &mut self,
        result: Result<Admitted, Denial>,
        cx: &mut Context<'_>,
    ) -> Result<Request<'static>, Ended> {
        let admitted = result.map_err(|denial| self.deny(denial, cx))?;
        if let Some(client_id) = &admitted.client_id {
            self.client_id = client_id.as_str().into();
        }
        let stage = std::mem::replace(&mut self.stage, Stage::New);
        let Stage::Authenticating(mut connecting) = stage else {
            return Err(Ended { why: "authenticated without having asked", abnormal: true });
        };
        self.narrow(&admitted, &mut connecting);
        let silence_ms = u64::from(connecting.keep_alive) * 1500; // [MQTT-3.1.2-22]
        let open = Open {
            client_id: self.client_id.clone(),
            clean: connecting.clean,
            expiry: connecting.expiry,
            will: connecting.will.take(),
            silence_ms,
            may_take_over: self.limits.may_take_over,
        };
        self.stage = Stage::Opening(connecting);
        Ok(Request::Open(Box::new(open)))
    }

    /// Holds the client to limits of its own.
    fn narrow(&mut self, admitted: &Admitted, connecting: &mut Connecting) {
        if let Some(bytes) = admitted.packet_bytes {
            let mut own = (*self.limits).clone();
            own.maximum_packet_size = Some(own.maximum_packet_size.map_or(bytes, |most| most.min(bytes)).max(1));
            self.limits = own.into();
        }
        if let Some(count) = admitted.in_flight {
            self.outbound.window_max = self.outbound.window_max.min(usize::from(count.max(1)));
        }
        if let Some(expiry) = admitted.expiry_s.map(Expiry).filter(|most| connecting.expiry.0 > most.0) {
            connecting.expiry = expiry;
            connecting.announce_expiry = self.version == Version::V5;
        }
    }

    pub(super) fn opened(&mut self, present: bool, ticket: Ticket) {
        let Stage::Opening(connecting) = std::mem::replace(&mut self.stage, Stage::Open) else { return };
        let bytes = self.connack(&connecting, present);
        let token = self.owed.push(Item::later());
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, ticket);
    }

    /// The CONNACK that lets the client in.
    fn connack(&self, connecting: &Connecting, present: bool) -> Vec<u8> {
        let (mut bytes, mut properties) = (Vec::new(), Vec::new());
        if self.version == Version::V5 {
            self.announce(connecting, &mut properties);
        }
        ConnAck {
            // [MQTT-3.2.2-2] [MQTT-3.2.2-3] MQTT 3.1 knows no such flag.
            session_present: present && self.version != Version::V3,
            code: ReasonCode::SUCCESS.0,
            properties: Properties::from_encoded_unchecked(&properties),
        }
        .encode(self.version, &mut bytes);
        bytes
    }

    fn announce(&self, connecting: &Connecting, out: &mut Vec<u8>) {
        if connecting.announce_expiry {
            Property::SessionExpiry(connecting.expiry.0).encode(out);
        }
        self.limits.announce(out);
        if let Some(client_id) = &connecting.assigned {
            // By this id the client comes back, even if a security manager has made another of it.
            Property::AssignedClientId(client_id).encode(out); // [MQTT-3.1.3-7] [MQTT-3.2.2-16]
        }
        if let Some(basis) = self.limits.response_information.as_ref().filter(|_| connecting.wants_response_information)
        {
            Property::ResponseInformation(basis).encode(out); // [MQTT-3.1.2-28]
        }
        if connecting.announce_keep_alive {
            Property::ServerKeepAlive(connecting.keep_alive).encode(out); // [MQTT-3.2.2-21]
        }
    }
}

fn assigned_client_id(cx: &mut Context<'_>) -> String {
    let (high, low) = (cx.scratch.random(), cx.scratch.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        (low >> 48) & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}

//! One MQTT client's connection, from CONNECT to its end. Sans-IO: packets in, requests and bytes out.

mod connect;
mod inbound;
mod limits;
mod outbound;
mod owed;
mod subscribe;

use std::rc::Rc;

use crate::core::id::Ticket;
use crate::protocol::mqtt::codec::{self, AckKind, Disconnect, Packet, Properties, Property, Version};
use crate::protocol::mqtt::fault::{Fault, Kind, ReasonCode};
use crate::protocol::mqtt::trace;
use crate::protocol::{
    Closing, Context, Delivered, Delivery, Denial, Ended, Event, Expiry, InFlight, Outcome, Request, Saved, Session,
};
use connect::Connecting;
use inbound::Inbound;
pub use limits::{Elsewhere, KeepAlive, Limits};
use outbound::Outbound;
use owed::{Item, Owed};

/// Bytes of a packet before the client is let in: the largest CONNECT without properties.
const CONNECT_MAX: usize = 384 * 1024;

/// A client's connection.
#[derive(Debug)]
pub struct MqttSession {
    limits: Rc<Limits>,
    stage: Stage,
    version: Version,
    client_id: Rc<str>,
    /// Its session may outlive the connection.
    may_outlive: bool,
    /// The client asked to be spared reason strings and user properties on failures.
    wants_reasons: bool,
    owed: Owed,
    inbound: Inbound,
    outbound: Outbound,
}

#[derive(Debug)]
enum Stage {
    New,
    Authenticating(Box<Connecting>),
    Opening(Box<Connecting>),
    Open,
}

impl MqttSession {
    pub fn new(limits: Rc<Limits>) -> Self {
        Self {
            inbound: Inbound::new(&limits),
            outbound: Outbound::default(),
            limits,
            stage: Stage::New,
            version: Version::V4,
            client_id: "".into(),
            may_outlive: false,
            wants_reasons: true,
            owed: Owed::default(),
        }
    }

    fn packet_limit(&self) -> usize {
        match self.stage {
            Stage::Open => self.limits.maximum_packet_size.map_or(usize::MAX, |bytes| bytes as usize),
            // No client can know the acceptor's limit before it is let in.
            _ => CONNECT_MAX,
        }
    }

    /// Tells the peer what it did wrong, as its version allows, and ends.
    fn fail(&mut self, fault: Fault, cx: &mut Context<'_>) -> Ended {
        tracing::debug!(client = &*self.client_id, %fault, "connection ended for a fault of the client");
        match self.stage {
            Stage::Open => self.write_disconnect(&fault, cx),
            // [MQTT-3.1.4-1] A CONNECT that cannot be read is not answered before MQTT 5.
            _ if fault.kind == Kind::UnsupportedVersion || self.version == Version::V5 => self.refuse(&fault, cx),
            _ => {}
        }
        Ended { why: fault.rule, abnormal: true }
    }

    fn write_disconnect(&mut self, fault: &Fault, cx: &mut Context<'_>) {
        // [MQTT-3.2.0-1] Nothing comes before CONNACK.
        if self.version == Version::V5 && !self.owed.holds_the_first() {
            let words = self.reason_string(fault);
            self.write_explained(&words, cx, |properties, out| {
                Disconnect { reason: fault.reason(), properties }.encode(Version::V5, out);
            }); // [MQTT-3.14.2-3]
        }
    }

    /// What went wrong, in words, as properties.
    fn reason_string(&self, fault: &Fault) -> Vec<u8> {
        let mut properties = Vec::new();
        if self.limits.explains {
            Property::ReasonString(&fault.to_string()).encode(&mut properties);
        }
        properties
    }

    /// Writes a packet: with an explanation as far as the client takes packets of that size, else without.
    fn write_explained(&self, words: &[u8], cx: &mut Context<'_>, encode: impl Fn(Properties<'_>, &mut Vec<u8>)) {
        let mut bytes = Vec::new();
        for properties in [words, &[]] {
            bytes.clear();
            encode(Properties::from_encoded_unchecked(properties), &mut bytes);
            if bytes.len() <= self.outbound.packet_max {
                return cx.out.buffer().extend_from_slice(&bytes);
            }
        }
    }

    fn dispatch<'f>(&mut self, frame: &'f [u8], cx: &mut Context<'_>) -> Result<Option<Request<'f>>, Fault> {
        let version = match self.stage {
            Stage::New => connect::version_of(frame).unwrap_or(self.version),
            _ => self.version,
        };
        self.version = version;
        if codec::is_from_server(frame) {
            return Err(Fault::protocol("MQTT-4.13.1-1")); // unread: nothing in it could make it right
        }
        let packet = codec::decode(frame, version).map_err(|fault| match (&self.stage, fault.kind) {
            // [MQTT-3.1.0-2] A second CONNECT is wrong whatever version it names.
            (Stage::Open, Kind::UnsupportedVersion) => Fault::protocol("MQTT-3.1.0-2"),
            _ => fault,
        })?;
        trace::received(&self.client_id, &packet, frame.len());
        match (&self.stage, packet) {
            (Stage::New, Packet::Connect(packet)) => self.connect(&packet, cx),
            (Stage::New, _) => Err(Fault::protocol("MQTT-3.1.0-1")), // [MQTT-3.1.0-1]
            (Stage::Open, packet) => self.open_packet(packet, cx),
            // Nothing is read from the connection while its CONNECT is worked on.
            (Stage::Authenticating(_) | Stage::Opening(_), _) => Err(Fault::protocol("MQTT-3.1.2-30")),
        }
    }

    fn open_packet<'f>(&mut self, packet: Packet<'f>, cx: &mut Context<'_>) -> Result<Option<Request<'f>>, Fault> {
        match packet {
            Packet::Publish(packet) => self.publish(&packet, cx),
            Packet::PubAck(packet) => self.outbound.acknowledged(packet.packet_id),
            Packet::PubRec(packet) => self.received_by_client(packet.packet_id, packet.reason, cx),
            Packet::PubRel(packet) => Ok(Some(self.released_by_client(packet.packet_id))),
            Packet::PubComp(packet) => self.outbound.completed(packet.packet_id),
            Packet::Subscribe(packet) => self.subscribe(&packet).map(Some),
            Packet::Unsubscribe(packet) => self.unsubscribe(&packet).map(Some),
            Packet::PingReq => {
                self.pong(cx);
                Ok(None)
            }
            Packet::Disconnect(packet) => self.disconnect(&packet).map(Some),
            Packet::Connect(_) => Err(Fault::protocol("MQTT-3.1.0-2")), // [MQTT-3.1.0-2]
            Packet::Auth(_) => Err(Fault::protocol("MQTT-4.12.0-7")),   // [MQTT-4.12.0-7] no method was agreed on
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(Fault::protocol("MQTT-4.13.1-1"))
            }
        }
    }

    /// Answers a PINGREQ, behind a CONNACK that may still be owed.
    fn pong(&mut self, cx: &mut Context<'_>) {
        if !self.owed.holds_the_first() {
            Packet::PingResp.encode(self.version, cx.out.buffer()); // [MQTT-3.12.4-1]
            return;
        }
        let mut bytes = Vec::new();
        Packet::PingResp.encode(self.version, &mut bytes);
        let token = self.owed.push(Item::later());
        self.owed.set_bytes(token, bytes);
        self.owed.answer(token, Ticket::NONE);
    }

    fn received_by_client(
        &mut self,
        id: u16,
        reason: ReasonCode,
        cx: &mut Context<'_>,
    ) -> Result<Option<Request<'static>>, Fault> {
        if reason.is_error() {
            return self.outbound.rejected(id); // [MQTT-4.4.0-2]
        }
        let Some(delivery) = self.outbound.received(id)? else {
            let is_known = self.outbound.is_released(id);
            let reason = if is_known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
            let token = self.owed.push(Item::ack(AckKind::PubRel, id, reason));
            self.owed.answer(token, Ticket::NONE);
            self.write_owed(cx);
            return Ok(None);
        };
        let token = self.owed.push(Item::ack(AckKind::PubRel, id, ReasonCode::SUCCESS)); // [MQTT-4.3.3-4]
        Ok(Some(Request::Settle { delivery, handle: id, outcome: Outcome::Received, token: Some(token) }))
    }

    fn disconnect(&mut self, packet: &Disconnect<'_>) -> Result<Request<'static>, Fault> {
        let mut expiry = None;
        for property in packet.properties.iter() {
            match property {
                Property::SessionExpiry(seconds) if !self.may_outlive && seconds != 0 => {
                    return Err(Fault::protocol("MQTT-3.14.2.2.2"));
                }
                Property::SessionExpiry(seconds) => expiry = Some(self.limits.bounded(Expiry(seconds))),
                Property::ServerReference(_) => return Err(Fault::protocol("MQTT-3.14.2.2.5")),
                _ => {}
            }
        }
        // [MQTT-3.14.4-3]
        Ok(Request::Close { expiry, will: packet.reason != ReasonCode::SUCCESS })
    }

    fn write_owed(&mut self, cx: &mut Context<'_>) {
        while let Some(item) = self.owed.next(cx.committed) {
            if item.ends_inbound {
                self.inbound.finished();
            }
            let room = if self.explains_acks() { self.outbound.packet_max } else { 0 };
            item.encode(self.version, room, cx.out.buffer());
        }
    }

    /// Whether failures that leave the connection open are explained.
    fn explains_acks(&self) -> bool {
        self.limits.explains && self.wants_reasons // [MQTT-3.1.2-29]
    }

    fn closing(&mut self, closing: Closing, cx: &mut Context<'_>) {
        let kind = match closing {
            Closing::TakenOver => Kind::SessionTakenOver, // [MQTT-3.1.4-3]
            Closing::ShuttingDown => Kind::ServerShuttingDown,
            Closing::Silent => Kind::KeepAliveTimeout, // [MQTT-3.1.2-22]
            Closing::Slow => Kind::QuotaExceeded,
            Closing::Administrative => Kind::AdministrativeAction,
            Closing::NotAuthorized => Kind::NotAuthorized,
            Closing::TimeOver => Kind::MaximumConnectTime,
            Closing::Fault => Kind::Implementation,
        };
        if matches!(self.stage, Stage::Open) {
            self.write_disconnect(&Fault::new(kind, ""), cx);
        }
    }

    fn take_event(&mut self, event: Event, cx: &mut Context<'_>) -> Result<Option<Request<'static>>, Ended> {
        match event {
            Event::Authenticated(result) => return self.authenticated(result, cx).map(Some),
            Event::Opened { present, received, ticket } => {
                self.inbound.restore(received);
                self.opened(present, ticket);
            }
            Event::NotOpened(denial) => return Err(self.deny(denial, cx)),
            Event::Published { token, result, ticket } => self.published(token, result, ticket)?,
            Event::Dropped(refusal) => self.dropped(refusal)?,
            Event::Subscribed { token, results, ticket } => self.subscribed(token, &results, ticket),
            Event::Unsubscribed { token, results, ticket } => self.unsubscribed(token, &results, ticket),
            Event::Settled { token, ticket } | Event::Released { token, ticket } => self.owed.answer(token, ticket),
            Event::Elided { token } => self.owed.answer(token, Ticket::NONE),
            Event::Committed => {}
            Event::Resume { handle, ticket } => {
                self.outbound.resume(handle);
                let token = self.owed.push(Item::ack(AckKind::PubRel, handle, ReasonCode::SUCCESS));
                self.owed.answer(token, ticket);
            }
            Event::Close(closing) => {
                self.closing(closing, cx);
                return Ok(None);
            }
        }
        self.write_owed(cx);
        Ok(None)
    }
}

impl Session for MqttSession {
    fn frame_length(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Option<usize>, Ended> {
        let from = cx.out.mark();
        let is_first = matches!(self.stage, Stage::New);
        let checked = match input.first() {
            Some(first) if is_first && *first != connect::FIRST => Err(Fault::protocol("MQTT-3.1.0-1")), // [MQTT-3.1.0-1]
            _ => codec::frame_length(input, self.packet_limit()),
        };
        checked.map_err(|fault| {
            if fault.kind == Kind::PacketTooLarge {
                self.limits.bounds.packet_bytes.refuse();
            }
            let ended = self.fail(fault, cx);
            trace::sent(&self.client_id, self.version, cx.out, from);
            ended
        })
    }

    fn receive<'f>(&mut self, frame: &'f [u8], cx: &mut Context<'_>) -> Result<Option<Request<'f>>, Ended> {
        let from = cx.out.mark();
        let result = self.dispatch(frame, cx).map_err(|fault| self.fail(fault, cx));
        trace::sent(&self.client_id, self.version, cx.out, from);
        result
    }

    fn notify(&mut self, event: Event, cx: &mut Context<'_>) -> Result<Option<Request<'static>>, Ended> {
        let from = cx.out.mark();
        let result = self.take_event(event, cx);
        trace::sent(&self.client_id, self.version, cx.out, from);
        result
    }

    fn deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) -> Delivered {
        let from = cx.out.mark();
        let translation = self.limits.translation;
        let delivered = self.outbound.deliver(delivery, self.version, translation, cx);
        trace::sent(&self.client_id, self.version, cx.out, from);
        delivered
    }

    fn window(&self) -> usize {
        if matches!(self.stage, Stage::Open) { self.outbound.window() } else { 0 }
    }

    fn reserve(&mut self) -> Option<u16> {
        self.outbound.reserve()
    }

    fn unreserve(&mut self, handle: u16) {
        self.outbound.unreserve(handle);
    }

    fn save(&mut self) -> Saved {
        Saved { received: self.inbound.save(), in_flight: self.outbound.save() }
    }
}

impl MqttSession {
    /// The CONNACK code of a refusal.
    fn denial(denial: Denial) -> Fault {
        match denial {
            Denial::BadCredentials => Fault::new(Kind::BadCredentials, "MQTT-3.1.4-2"),
            Denial::NotAuthorized => Fault::new(Kind::NotAuthorized, "MQTT-3.1.4-2"),
            Denial::InvalidClientId => Fault::new(Kind::ClientIdentifier, "MQTT-3.1.3-8"),
            Denial::Banned => Fault::new(Kind::Banned, "MQTT-3.1.4-2"),
            Denial::InUse => Fault::new(Kind::Unspecified, "MQTT-3.1.4-2"),
            Denial::Unavailable => Fault::new(Kind::ServerUnavailable, "MQTT-3.1.4-2"),
            Denial::Busy => Fault::new(Kind::ServerBusy, "MQTT-3.1.4-2"),
            Denial::QuotaExceeded => Fault::new(Kind::QuotaExceeded, "MQTT-3.1.4-2"),
            Denial::TooOften => Fault::new(Kind::ConnectionRateExceeded, "MQTT-3.1.4-2"),
        }
    }
}

/// Ordered by when they were sent.
fn in_order(mut in_flight: Vec<(u64, InFlight)>) -> Vec<InFlight> {
    in_flight.sort_unstable_by_key(|(order, _)| *order);
    in_flight.into_iter().map(|(_, in_flight)| in_flight).collect()
}

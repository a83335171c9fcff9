//! A blocking MQTT 5 client that does what it is told and nothing else: no acknowledgement leaves by itself.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{
    self, Ack, Connect, Disconnect, Packet, Properties, Property, Publish, QoS, SubscribeOptions, Version,
};
use artemis_rs::protocol::mqtt::fault::ReasonCode;

/// Silence after which an expected packet is given up.
const PATIENCE: Duration = Duration::from_secs(20);
const FRAME_MAX: usize = 256 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// The connection ended where a packet was to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What a client says in its CONNECT.
#[derive(Debug, Clone)]
pub struct Login {
    client_id: String,
    clean: bool,
    expiry: u32,
    receive_maximum: u16,
    will: Option<(Message, u32)>,
}

impl Login {
    /// A client whose state lasts.
    pub fn durable(client_id: &str) -> Self {
        Self { client_id: client_id.into(), clean: false, expiry: u32::MAX, receive_maximum: u16::MAX, will: None }
    }

    /// A client whose state ends with its connection.
    pub fn fleeting(client_id: &str) -> Self {
        Self { clean: true, expiry: 0, ..Self::durable(client_id) }
    }

    /// Begins without the state of before.
    pub fn clean(self) -> Self {
        Self { clean: true, ..self }
    }

    /// Seconds the state outlives the connection.
    pub fn expiry(self, expiry: u32) -> Self {
        Self { expiry, ..self }
    }

    /// Messages with a guarantee that may be under way to the client.
    pub fn receive_maximum(self, receive_maximum: u16) -> Self {
        Self { receive_maximum, ..self }
    }

    /// A message for when the client is gone, and seconds until then.
    pub fn will(self, will: Message, delay: u32) -> Self {
        Self { will: Some((will, delay)), ..self }
    }

    fn encode(&self) -> Vec<u8> {
        let properties =
            encoded(&[Property::SessionExpiry(self.expiry), Property::ReceiveMaximum(self.receive_maximum)]);
        let delay = self.will.as_ref().map(|(_, delay)| encoded(&[Property::WillDelay(*delay)])).unwrap_or_default();
        let will = self.will.as_ref().map(|(will, _)| codec::Will {
            topic: &will.topic,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: Properties::from_encoded_unchecked(&delay),
        });
        let connect = Connect {
            version: Version::V5,
            clean_start: self.clean,
            keep_alive: 0,
            client_id: &self.client_id,
            username: None,
            password: None,
            will,
            properties: Properties::from_encoded_unchecked(&properties),
        };
        let mut out = Vec::new();
        connect.encode(Version::V5, &mut out);
        out
    }
}

/// A PUBLISH in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub packet_id: u16,
    pub dup: bool,
    pub retain: bool,
    /// Seconds until it expires.
    pub expiry: Option<u32>,
}

impl Message {
    /// A message of QoS 0.
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        let (topic, payload) = (topic.into(), payload.as_ref().into());
        Self { topic, payload, qos: QoS::AtMostOnce, packet_id: 0, dup: false, retain: false, expiry: None }
    }

    /// A message of QoS 1 with this packet id.
    pub fn at_least_once(topic: &str, payload: impl AsRef<[u8]>, packet_id: u16) -> Self {
        Self { qos: QoS::AtLeastOnce, packet_id, ..Self::new(topic, payload) }
    }

    /// A message of QoS 2 with this packet id.
    pub fn exactly_once(topic: &str, payload: impl AsRef<[u8]>, packet_id: u16) -> Self {
        Self { qos: QoS::ExactlyOnce, packet_id, ..Self::new(topic, payload) }
    }

    /// The same, sent again.
    pub fn again(&self) -> Self {
        Self { dup: true, ..self.clone() }
    }

    /// The same, to be retained.
    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    /// The same with a lifetime in seconds.
    pub fn expires(self, seconds: u32) -> Self {
        Self { expiry: Some(seconds), ..self }
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    fn decoded(packet: &Publish<'_>) -> Self {
        let expiry = packet.properties.iter().find_map(|property| match property {
            Property::MessageExpiry(seconds) => Some(seconds),
            _ => None,
        });
        Self {
            topic: packet.topic.into(),
            payload: packet.payload.into(),
            qos: packet.qos,
            packet_id: packet.packet_id,
            dup: packet.dup,
            retain: packet.retain,
            expiry,
        }
    }
}

/// A packet from the broker; the numbers are packet ids and reason codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    ConnAck { present: bool, code: u8 },
    Publish(Message),
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubRel(u16, u8),
    PubComp(u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(u8),
}

impl Incoming {
    fn decode(frame: &[u8]) -> Self {
        match codec::decode(frame, Version::V5).expect("a packet of MQTT 5") {
            Packet::ConnAck(packet) => Self::ConnAck { present: packet.session_present, code: packet.code },
            Packet::Publish(packet) => Self::Publish(Message::decoded(&packet)),
            Packet::PubAck(packet) => Self::PubAck(packet.packet_id, packet.reason.0),
            Packet::PubRec(packet) => Self::PubRec(packet.packet_id, packet.reason.0),
            Packet::PubRel(packet) => Self::PubRel(packet.packet_id, packet.reason.0),
            Packet::PubComp(packet) => Self::PubComp(packet.packet_id, packet.reason.0),
            Packet::SubAck(packet) => Self::SubAck(packet.packet_id, packet.codes.into()),
            Packet::UnsubAck(packet) => Self::UnsubAck(packet.packet_id, packet.codes.into()),
            Packet::PingResp => Self::PingResp,
            Packet::Disconnect(packet) => Self::Disconnect(packet.reason.0),
            other => panic!("a broker does not send {other:?}"),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    used: usize,
    /// Packets that came while another was waited for.
    earlier: VecDeque<Incoming>,
    /// Whether the broker knew the client.
    pub present: bool,
}

impl Client {
    /// Connects, and fails where there is no broker or none any more.
    pub fn connect(address: SocketAddr, login: &Login) -> Result<Self, Closed> {
        let mut client = Self::begin(address, login)?;
        match client.receive()? {
            Incoming::ConnAck { present, code: 0 } => client.present = present,
            other => panic!("{login:?} was answered by {other:?}"),
        }
        Ok(client)
    }

    /// Connects.
    #[track_caller]
    pub fn open(address: SocketAddr, login: &Login) -> Self {
        Self::connect(address, login).expect("a connection")
    }

    /// Sends a CONNECT whose answer is left to be received.
    pub fn begin(address: SocketAddr, login: &Login) -> Result<Self, Closed> {
        let stream = TcpStream::connect(address).map_err(|_| Closed)?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream, input: Vec::new(), used: 0, earlier: VecDeque::new(), present: false };
        client.write(&login.encode())?;
        Ok(client)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.stream.write_all(bytes).map_err(|_| Closed)
    }

    /// Sends a packet.
    pub fn send(&mut self, packet: &Packet<'_>) -> Result<(), Closed> {
        let mut out = Vec::new();
        packet.encode(Version::V5, &mut out);
        self.write(&out)
    }

    /// Sends a message and does not wait for anything.
    pub fn publish(&mut self, message: &Message) -> Result<(), Closed> {
        let properties = message.expiry.map(|seconds| encoded(&[Property::MessageExpiry(seconds)])).unwrap_or_default();
        self.send(&Packet::Publish(Publish {
            dup: message.dup,
            qos: message.qos,
            retain: message.retain,
            topic: &message.topic,
            packet_id: message.packet_id,
            properties: Properties::from_encoded_unchecked(&properties),
            payload: &message.payload,
        }))
    }

    pub fn puback(&mut self, id: u16) -> Result<(), Closed> {
        self.send(&Packet::PubAck(Ack::success(id)))
    }

    pub fn pubrec(&mut self, id: u16) -> Result<(), Closed> {
        self.send(&Packet::PubRec(Ack::success(id)))
    }

    pub fn pubrel(&mut self, id: u16) -> Result<(), Closed> {
        self.send(&Packet::PubRel(Ack::success(id)))
    }

    pub fn pubcomp(&mut self, id: u16) -> Result<(), Closed> {
        self.send(&Packet::PubComp(Ack::success(id)))
    }

    /// Asks for a subscription and does not wait for the answer.
    pub fn send_subscribe(&mut self, id: u16, filter: &str, qos: QoS) -> Result<(), Closed> {
        let mut out = Vec::new();
        let filters = [(filter, SubscribeOptions::new(qos))];
        codec::encode_subscribe(id, Properties::default(), &filters, Version::V5, &mut out);
        self.write(&out)
    }

    /// Asks for a subscription's end and does not wait for the answer.
    pub fn send_unsubscribe(&mut self, id: u16, filter: &str) -> Result<(), Closed> {
        let mut out = Vec::new();
        codec::encode_unsubscribe(id, Properties::default(), &[filter], Version::V5, &mut out);
        self.write(&out)
    }

    /// The next packet.
    pub fn receive(&mut self) -> Result<Incoming, Closed> {
        match self.earlier.pop_front() {
            Some(incoming) => Ok(incoming),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Incoming, Closed> {
        loop {
            let rest = &self.input[self.used..];
            let length = codec::frame_length(rest, FRAME_MAX).expect("a frame");
            if let Some(length) = length.filter(|length| *length <= rest.len()) {
                let incoming = Incoming::decode(&rest[..length]);
                self.used += length;
                return Ok(incoming);
            }
            self.input.drain(..self.used);
            self.used = 0;
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), Closed> {
        let length = self.input.len();
        self.input.resize(length + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[length..]);
        self.input.truncate(length + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came for {PATIENCE:?}"),
            Err(_) => Err(Closed),
        }
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub fn next(&mut self) -> Incoming {
        self.receive().expect("a packet")
    }

    /// The next packet, which has to be this one.
    #[track_caller]
    pub fn expect(&mut self, expected: Incoming) {
        assert_eq!(self.next(), expected);
    }

    /// The next packet, which has to be a message.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        match self.next() {
            Incoming::Publish(message) => message,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// The first packet that `wanted` takes; what comes before it is received later.
    pub fn wait(&mut self, wanted: impl Fn(&Incoming) -> bool) -> Result<Incoming, Closed> {
        if let Some(at) = self.earlier.iter().position(&wanted) {
            return self.earlier.remove(at).ok_or(Closed);
        }
        loop {
            let incoming = self.read()?;
            if wanted(&incoming) {
                return Ok(incoming);
            }
            self.earlier.push_back(incoming);
        }
    }

    /// Subscribes.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.send_subscribe(1, filter, qos).expect("a connection");
        let answer = self.wait(|incoming| matches!(incoming, Incoming::SubAck(..)));
        assert_eq!(answer, Ok(Incoming::SubAck(1, vec![qos as u8])));
    }

    /// Publishes a message with a guarantee and sees it through to its end.
    #[track_caller]
    pub fn deliver(&mut self, message: &Message) {
        let id = message.packet_id;
        self.publish(message).expect("a connection");
        let is_received = message.qos == QoS::ExactlyOnce;
        let answer = self.wait(|incoming| match incoming {
            Incoming::PubRec(got, _) => is_received && *got == id,
            Incoming::PubAck(got, _) => !is_received && *got == id,
            _ => false,
        });
        assert!(matches!(answer, Ok(Incoming::PubRec(_, 0..0x80) | Incoming::PubAck(_, 0..0x80))), "{answer:?}");
        if is_received {
            self.release(id);
        }
    }

    /// Sends PUBREL and waits for its answer.
    #[track_caller]
    pub fn release(&mut self, id: u16) {
        self.pubrel(id).expect("a connection");
        self.wait(|incoming| matches!(incoming, Incoming::PubComp(got, _) if *got == id)).expect("PUBCOMP");
    }

    /// Makes sure that the broker has handled all that was sent; what it answered is received later.
    #[track_caller]
    pub fn ping(&mut self) {
        self.send(&Packet::PingReq).expect("a connection");
        self.wait(|incoming| *incoming == Incoming::PingResp).expect("a connection");
    }

    /// All that has come so far, the answers to what was sent included.
    #[track_caller]
    pub fn so_far(&mut self) -> Vec<Incoming> {
        self.ping();
        self.earlier.drain(..).collect()
    }

    /// Whether nothing has come yet.
    pub fn is_silent(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.earlier.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Takes leave and waits until the broker has closed the connection.
    #[track_caller]
    pub fn disconnect(mut self) {
        let packet = Disconnect { reason: ReasonCode::SUCCESS, properties: Properties::default() };
        self.send(&Packet::Disconnect(packet)).expect("a connection");
        while self.read().is_ok() {}
    }
}

fn encoded(properties: &[Property<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    properties.iter().for_each(|property| property.encode(&mut out));
    out
}

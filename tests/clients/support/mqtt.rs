//! An MQTT client that sends and shows packets as they are.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{
    Ack, ConnAck, Connect, Disconnect, Packet, Properties, Property, Publish, QoS, SubscribeOptions, Version, decode,
    encode_subscribe, frame_length,
};
use artemis_rs::protocol::mqtt::fault::ReasonCode;

use super::process::PATIENCE;

/// A connection on which packets are sent and received one by one.
pub struct Client {
    stream: TcpStream,
    version: Version,
    input: Vec<u8>,
}

/// What a CONNECT says.
#[derive(Clone)]
pub struct Hello<'a> {
    pub version: Version,
    pub client_id: &'a str,
    pub clean: bool,
    pub keep_alive: u16,
    pub credentials: Option<(&'a str, &'a str)>,
    pub properties: Vec<Property<'a>>,
}

/// A received packet.
pub struct Frame {
    bytes: Vec<u8>,
    version: Version,
}

impl<'a> Hello<'a> {
    /// A clean session with a keep alive of 60 s.
    pub fn new(version: Version, client_id: &'a str) -> Self {
        Self { version, client_id, clean: true, keep_alive: 60, credentials: None, properties: Vec::new() }
    }

    /// A session that is kept.
    pub fn kept(mut self) -> Self {
        self.clean = false;
        if self.version == Version::V5 {
            self.properties.push(Property::SessionExpiry(600));
        }
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub fn property(mut self, property: Property<'a>) -> Self {
        self.properties.push(property);
        self
    }

    /// Connects and returns the CONNACK, whatever it says.
    #[track_caller]
    pub fn ask(&self, port: u16) -> (Client, Frame) {
        let mut client = Client::open(port, self.version);
        let mut properties = Vec::new();
        for property in &self.properties {
            property.encode(&mut properties);
        }
        client.send(&Packet::Connect(Connect {
            version: self.version,
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            client_id: self.client_id,
            username: self.credentials.map(|(name, _)| name),
            password: self.credentials.map(|(_, password)| password.as_bytes()),
            will: None,
            properties: Properties::from_encoded_unchecked(&properties),
        }));
        let answer = client.next();
        (client, answer)
    }

    /// Connects and is let in.
    #[track_caller]
    pub fn connect(&self, port: u16) -> Client {
        let (client, answer) = self.ask(port);
        assert_eq!(answer.connack().code, 0);
        client
    }
}

impl Client {
    /// A connection on which nothing has been sent.
    pub fn open(port: u16, version: Version) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, version, input: Vec::new() }
    }

    #[track_caller]
    pub fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes);
        self.send_bytes(&bytes);
    }

    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next packet.
    #[track_caller]
    pub fn next(&mut self) -> Frame {
        self.next_or_end().expect("a packet, not the end of the connection")
    }

    /// The next packet, or nothing where the broker has closed the connection.
    #[track_caller]
    pub fn next_or_end(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = frame_length(&self.input, usize::MAX).unwrap()
                && length <= self.input.len()
            {
                let rest = self.input.split_off(length);
                let bytes = std::mem::replace(&mut self.input, rest);
                return Some(Frame { bytes, version: self.version });
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// Says goodbye, and waits until the broker has heard it.
    #[track_caller]
    pub fn leave(mut self) {
        self.send(&Packet::Disconnect(Disconnect { reason: ReasonCode::SUCCESS, properties: Properties::default() }));
        while self.next_or_end().is_some() {}
    }

    /// Whether nothing comes for a while, not even the end.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        if !self.input.is_empty() {
            return false;
        }
        self.stream.set_read_timeout(Some(time)).unwrap();
        let result = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Subscribes to one filter and returns the code of the answer.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, qos: QoS) -> u8 {
        let mut bytes = Vec::new();
        let options = SubscribeOptions::new(qos);
        encode_subscribe(1, Properties::default(), &[(filter, options)], self.version, &mut bytes);
        self.stream.write_all(&bytes).unwrap();
        let answer = self.next();
        match answer.packet() {
            Packet::SubAck(packet) => packet.codes[0],
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        self.ask_to_publish(topic, payload, retain);
    }

    /// Publishes with QoS 1 and returns the reason code of the answer.
    #[track_caller]
    pub fn ask_to_publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> u8 {
        self.send(&Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain,
            topic,
            packet_id: 1,
            properties: Properties::default(),
            payload,
        }));
        let answer = self.next();
        match answer.packet() {
            Packet::PubAck(packet) => packet.reason.0,
            other => panic!("expected PUBACK, got {other:?}"),
        }
    }

    /// The topic and payload of the next message, which is acknowledged.
    #[track_caller]
    pub fn message(&mut self) -> (String, Vec<u8>) {
        let frame = self.next();
        self.acknowledge(&frame);
        let Packet::Publish(packet) = frame.packet() else { panic!("expected PUBLISH, got {:?}", frame.packet()) };
        (packet.topic.to_owned(), packet.payload.to_vec())
    }

    /// Acknowledges a message of QoS 1.
    #[track_caller]
    pub fn acknowledge(&mut self, frame: &Frame) {
        if let Packet::Publish(Publish { qos: QoS::AtLeastOnce, packet_id, .. }) = frame.packet() {
            let (reason, properties) = (ReasonCode::SUCCESS, Properties::default());
            self.send(&Packet::PubAck(Ack { packet_id, reason, properties }));
        }
    }
}

impl Frame {
    #[track_caller]
    pub fn packet(&self) -> Packet<'_> {
        decode(&self.bytes, self.version).unwrap()
    }

    #[track_caller]
    pub fn connack(&self) -> ConnAck<'_> {
        match self.packet() {
            Packet::ConnAck(packet) => packet,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    /// The reason code of a DISCONNECT.
    #[track_caller]
    pub fn disconnect_reason(&self) -> u8 {
        match self.packet() {
            Packet::Disconnect(packet) => packet.reason.0,
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
    }
}

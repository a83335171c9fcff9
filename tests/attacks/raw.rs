//! Bytes and sockets of those who mean no good.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{
    self, Connect, Packet, Properties, Property, Publish, QoS, SubscribeOptions, Version, Will,
};

/// How long a broker may take to close a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// A CONNECT of MQTT 5 with a clean start.
pub fn connect(client_id: &str) -> Vec<u8> {
    connect_with(client_id, None, &[])
}

/// A CONNECT of MQTT 5 with a retained will for this topic, and properties.
pub fn connect_with(client_id: &str, will: Option<(&str, &[u8])>, properties: &[Property<'_>]) -> Vec<u8> {
    let properties = encoded(properties);
    let will = will.map(|(topic, payload)| Will {
        topic,
        payload,
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Properties::default(),
    });
    bytes(&Packet::Connect(Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        client_id,
        username: None,
        password: None,
        will,
        properties: Properties::from_encoded_unchecked(&properties),
    }))
}

/// A PUBLISH.
pub fn publish(topic: &str, qos: QoS, packet_id: u16, payload: &[u8], properties: &[Property<'_>]) -> Vec<u8> {
    let properties = encoded(properties);
    let properties = Properties::from_encoded_unchecked(&properties);
    bytes(&Packet::Publish(Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload }))
}

/// A SUBSCRIBE of QoS 0.
pub fn subscribe(packet_id: u16, filters: &[String]) -> Vec<u8> {
    let options = SubscribeOptions::new(QoS::AtMostOnce);
    let filters: Vec<_> = filters.iter().map(|filter| (filter.as_str(), options)).collect();
    let mut out = Vec::new();
    codec::encode_subscribe(packet_id, Properties::default(), &filters, Version::V5, &mut out);
    out
}

pub fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(Version::V5, &mut out);
    out
}

fn encoded(properties: &[Property<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    properties.iter().for_each(|property| property.encode(&mut out));
    out
}

/// An attacker's connection.
#[derive(Debug)]
pub struct Socket(TcpStream);

impl Socket {
    /// Connects and sends; what the broker does about it is not waited for.
    pub fn send_first(address: SocketAddr, first: &[u8]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut socket = Self(stream);
        socket.send(first);
        socket
    }

    /// Connects as this client and waits until it is let in.
    pub fn enter(address: SocketAddr, connect: &[u8]) -> Self {
        let mut socket = Self::send_first(address, connect);
        let answer = socket.packet();
        assert_eq!((answer[0], answer[3]), (0x20, 0), "{answer:x?}");
        socket
    }

    /// Sends what the broker still takes.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The next packet from the broker; nothing where the connection is over.
    pub fn packet(&mut self) -> Vec<u8> {
        let mut packet = Vec::new();
        loop {
            if let Ok(Some(length)) = codec::frame_length(&packet, usize::MAX) {
                let mut rest = vec![0; length - packet.len()];
                return match self.0.read_exact(&mut rest) {
                    Ok(()) => [packet, rest].concat(),
                    Err(_) => Vec::new(),
                };
            }
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(1) => packet.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came for {PATIENCE:?}"),
                _ => return Vec::new(),
            }
        }
    }

    /// Waits for a packet of this type and gives it back; the connection must not end before.
    pub fn await_type(&mut self, first: u8) -> Vec<u8> {
        loop {
            let packet = self.packet();
            assert!(!packet.is_empty(), "the connection is over");
            if packet[0] & 0xF0 == first {
                return packet;
            }
        }
    }

    /// Waits until the broker has closed the connection; the reason code of its DISCONNECT comes back, if it sent one.
    #[track_caller]
    pub fn end(mut self) -> Option<u8> {
        let mut reason = None;
        loop {
            match self.packet().as_slice() {
                [] => return reason,
                [0xE0, _, code, ..] => reason = Some(*code),
                _ => {}
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }
}

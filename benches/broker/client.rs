//! A bare MQTT client: packets as bytes, nothing kept but a partial frame.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub const PAYLOAD: usize = 64;

/// How a client connects.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    pub v5: bool,
}

/// A connected client.
pub struct Client {
    pub socket: TcpStream,
}

/// A received packet.
pub enum Packet<'a> {
    Publish { qos: u8, id: [u8; 2], payload: &'a [u8] },
    PubAck,
    PubRec([u8; 2]),
    PubRel([u8; 2]),
    PubComp,
    Other,
}

impl Client {
    /// Connects and waits for the answer.
    pub fn connect(port: u16, id: &str, clean: bool, dialect: Dialect) -> io::Result<Self> {
        let mut socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(&connect(id, clean, dialect))?;
        read_packet(&mut socket, 0x20)?;
        Ok(Self { socket })
    }

    /// Subscribes and waits for the answer.
    pub fn subscribe(&mut self, filter: &str, qos: u8, dialect: Dialect) -> io::Result<()> {
        let mut body = vec![0, 1];
        if dialect.v5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.push(qos);
        self.socket.write_all(&frame(0x82, &body))?;
        read_packet(&mut self.socket, 0x90)
    }

    /// Takes its leave.
    pub fn disconnect(mut self) -> io::Result<()> {
        self.socket.write_all(&[0xE0, 0])
    }
}

pub fn connect(id: &str, clean: bool, dialect: Dialect) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([if dialect.v5 { 5 } else { 4 }, if clean { 2 } else { 0 }, 0, 0]);
    if dialect.v5 && clean {
        body.push(0);
    } else if dialect.v5 {
        body.extend([5, 0x11, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    text(&mut body, id);
    frame(0x10, &body)
}

/// A PUBLISH to copy from, and the places of its packet id and payload.
pub fn publish(topic: &str, qos: u8, dialect: Dialect) -> (Vec<u8>, usize, usize) {
    let mut body = Vec::new();
    text(&mut body, topic);
    let id = body.len() + 2;
    if qos > 0 {
        body.extend([0, 0]);
    }
    if dialect.v5 {
        body.push(0);
    }
    let payload = body.len() + 2;
    body.resize(body.len() + PAYLOAD, 0);
    assert!(body.len() < 128, "one byte tells the length");
    (frame(0x30 | qos << 1, &body), id, payload)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let more = left > 127;
        out.push((left & 127) as u8 | u8::from(more) << 7);
        left >>= 7;
        if !more {
            break;
        }
    }
    out.extend(body);
    out
}

/// The length of a frame's fixed header and of the whole.
pub fn frame_length(input: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (at, byte) in input.iter().enumerate().skip(1).take(4) {
        length |= usize::from(byte & 127) << (7 * (at - 1));
        if byte & 128 == 0 {
            let head = at + 1;
            return (head + length <= input.len()).then_some((head, head + length));
        }
    }
    None
}

pub fn parse(frame: &[u8], head: usize, dialect: Dialect) -> Packet<'_> {
    let id = || [frame[head], frame[head + 1]];
    match frame[0] >> 4 {
        3 => {
            let qos = frame[0] >> 1 & 3;
            let mut at = head + 2 + usize::from(u16::from_be_bytes([frame[head], frame[head + 1]]));
            let mut id = [0, 0];
            if qos > 0 {
                id = [frame[at], frame[at + 1]];
                at += 2;
            }
            if dialect.v5 {
                at += 1 + usize::from(frame[at]);
            }
            Packet::Publish { qos, id, payload: &frame[at..] }
        }
        4 => Packet::PubAck,
        5 => Packet::PubRec(id()),
        6 => Packet::PubRel(id()),
        7 => Packet::PubComp,
        _ => Packet::Other,
    }
}

/// Reads one whole packet, byte by byte where it has to be, and checks its type.
pub fn read_packet(socket: &mut TcpStream, first: u8) -> io::Result<()> {
    let mut head = [0; 2];
    socket.read_exact(&mut head)?;
    let mut body = vec![0; usize::from(head[1])];
    socket.read_exact(&mut body)?;
    let refused = first == 0x20 && body.get(1) != Some(&0) || first == 0x90 && body.last().is_none_or(|code| *code > 2);
    if head[0] != first || refused {
        return Err(io::Error::other(format!("{first:#x} was expected, came {:#x} {body:?}", head[0])));
    }
    Ok(())
}

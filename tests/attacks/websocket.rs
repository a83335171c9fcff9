//! WebSocket clients that mean no good.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use artemis_rs::protocol::mqtt::codec::{Packet, QoS};

use crate::mqtt::{Client, Login};
use crate::raw::{bytes, connect, publish};
use crate::siege::Siege;

const MASK: [u8; 4] = [1, 2, 3, 4];

fn open(siege: &Siege, extra: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(siege.broker.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n{extra}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).unwrap())
}

/// A masked frame of up to 125 bytes.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode, 0x80 | payload.len() as u8];
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Whether the broker ends the connection, whatever it says before.
fn ends(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn cve_2026_27571_nothing_is_inflated() {
    let siege = Siege::new("deflate", "", "");
    siege.lay(16, |_| {
        let (stream, answer) = open(&siege, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert!(answer.starts_with("HTTP/1.1 101") && !answer.to_lowercase().contains("deflate"), "{answer}");
        // A frame that says it is compressed.
        let mut stream = stream;
        let mut bytes = frame(2, &connect("c"));
        bytes[0] |= 0x40;
        stream.write_all(&bytes).unwrap();
        assert!(ends(stream));
    });
}

#[test]
fn cve_2026_27889_lengths_of_frames_that_cannot_be() {
    let siege = Siege::new("frames", "", "");
    siege.lay(32, |_| {
        let length = |bytes: &[u8]| [&[0x82, 0xFF][..], bytes, &MASK].concat();
        let long_ping = [&[0x89, 0xFE, 0x01, 0x00][..], &MASK, &[0; 256]].concat();
        for bytes in [length(&[0xFF; 8]), length(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]), long_ping, frame(3, b"x")] {
            let (mut stream, _) = open(&siege, "");
            stream.write_all(&bytes).unwrap();
            assert!(ends(stream), "{:x?}", &bytes[..10]);
        }
    });
}

#[test]
fn cve_2026_25627_lengths_of_packets_and_frames_that_differ() {
    let siege = Siege::new("mixed", "", "");
    siege.lay(32, |_| {
        let whole = connect("c");
        // A packet in frames of one byte each is whole.
        let (mut stream, _) = open(&siege, "");
        let pieces: Vec<u8> = whole.chunks(1).flat_map(|piece| frame(2, piece)).collect();
        stream.write_all(&pieces).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!((answer[0], answer[2]), (0x82, 0x20));
        // A packet that is longer than it says ends with what it says; what follows is no packet.
        let (mut stream, _) = open(&siege, "");
        let (mut short, mut long) = (whole.clone(), whole.clone());
        short[1] -= 1;
        long[1] += 1;
        stream.write_all(&frame(2, &short)).unwrap();
        assert!(ends(stream));
        let (mut stream, _) = open(&siege, "");
        stream.write_all(&frame(2, &[&long[..], b"x"].concat())).unwrap();
        assert!(ends(stream));
    });
}

#[test]
fn who_says_very_much_in_one_frame_is_answered_in_between() {
    let siege = Siege::new("one-frame", "", "");
    let mut witness = Client::open(siege.broker.address, &Login::fleeting("witness"));
    witness.subscribe("amid", QoS::AtMostOnce);
    let pings = bytes(&Packet::PingReq).repeat(50_000);
    let amid = publish("amid", QoS::AtMostOnce, 0, b"now", &[]);
    let all = [&connect("talker")[..], &pings, &amid, &pings, &pings].concat();
    let (mut stream, _) = open(&siege, "");
    // A mask of zeros leaves what is said as it is.
    stream.write_all(&[0x82, 0xFF]).unwrap();
    stream.write_all(&(all.len() as u64).to_be_bytes()).unwrap();
    stream.write_all(&[0; 4]).unwrap();
    stream.write_all(&all).unwrap();
    assert_eq!(witness.message().text(), "now");
    stream.set_nonblocking(true).unwrap();
    let mut answers = vec![0; 1000];
    stream.read_exact(&mut answers).expect("answers to what was said before");
}

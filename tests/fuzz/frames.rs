//! A stream of packets, cut into pieces anywhere, is the stream in one piece.

use artemis_rs::engine::Options;
use artemis_rs::protocol::mqtt::codec::frame_length;

use super::choices::Choices;
use super::node::{Node, limits};

/// The first bytes choose the pieces, the rest is the stream.
pub fn fuzz(data: &[u8]) {
    let mut choices = Choices::new(data);
    let sizes: Vec<usize> = choices.bytes(4).iter().map(|size| 1 + usize::from(*size) % 32).collect();
    let limit = choices.pick(&[usize::MAX, 2, 64, 300]);
    let stream = choices.rest();
    let pieces = pieces(stream, &sizes);
    split(stream, &pieces, limit);
    assert_eq!(answers(&[stream]), answers(&pieces));
}

fn pieces<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((*size).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// The ends of the frames and the fault that ends them are the same, and known as soon as the bytes tell.
fn split(stream: &[u8], pieces: &[&[u8]], limit: usize) {
    let mut whole = Vec::new();
    let mut rest = stream;
    let fault = loop {
        match frame_length(rest, limit) {
            Ok(Some(length)) if length <= rest.len() => {
                assert!(length >= 2 && length <= limit);
                whole.push(length);
                rest = &rest[length..];
            }
            Ok(_) => break None,
            Err(fault) => break Some(fault),
        }
    };
    let (mut frames, mut buffer, mut found) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match frame_length(&buffer, limit) {
                Ok(Some(length)) if length <= buffer.len() => {
                    buffer.drain(..length);
                    frames.push(length);
                }
                Ok(_) => break,
                Err(fault) => {
                    assert!(found.is_none_or(|found| found == fault), "more bytes make another fault");
                    found = Some(fault);
                    break;
                }
            }
        }
    }
    assert_eq!((frames, found), (whole, fault));
}

/// What a broker sends, and whether it ends the connection.
fn answers(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut node = Node::new(Options::default, limits());
    let link = node.connect();
    node.is_busy = true;
    for piece in pieces {
        node.send(link, piece);
    }
    node.pump();
    assert_eq!(node.engine.counters().faults, 0);
    (node.take(link), node.is_over(link))
}

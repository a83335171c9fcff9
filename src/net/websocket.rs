//! A WebSocket connection: frames carry the same bytes as a socket, with borders that mean nothing.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::acceptor::Acceptor;
use super::gate::Place;
use super::link::Link;
use super::prefixed::Prefixed;
use super::reactor::Reactor;
use super::transport::Stream;
use super::turns::Share;
use crate::engine::{ConnectionKey, Peer};
use crate::protocol::mqtt::codec::frame_length;

/// Subprotocols that are spoken.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Bytes of each of a connection's WebSocket buffers.
const BUFFER: usize = 4 * 1024;

/// Bytes of one frame from the peer.
const FRAME_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one frame to the peer.
const PIECE_MAX: usize = 32 * 1024;

/// Bytes from a peer before anyone is let in: the HTTP request, and the largest CONNECT in small frames.
const UNADMITTED_MAX: usize = 512 * 1024;

/// How long a peer's closing frame is waited for.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<Prefixed<Stream>>;

/// What the connection's task woke up for.
enum Woken {
    Message(Option<Message>),
    /// Output, or the end, or input may be worked on again.
    Told,
}

/// Serves a connection that began with an HTTP request.
pub async fn run(
    reactor: Rc<Reactor>,
    acceptor: Rc<Acceptor>,
    peer: Rc<Peer>,
    stream: Stream,
    first: Bytes,
    place: Place,
) {
    let limit = Duration::from_millis(if acceptor.handshake_ms == 0 { 10_000 } else { acceptor.handshake_ms });
    let allowance = Rc::new(Cell::new(UNADMITTED_MAX));
    let accepting = accept(Prefixed::new(first, stream, allowance.clone()), acceptor.message_max);
    let Ok(Some(socket)) = tokio::time::timeout(limit, Box::pin(accepting)).await else {
        tracing::debug!(remote = peer.address, "no WebSocket handshake");
        return;
    };
    let link = Rc::new(Link::other());
    let key = reactor.connect((acceptor.session)(), peer, link.clone());
    let mut socket = socket;
    let code = serve(&reactor, key, &link, &mut socket, &allowance).await;
    reactor.disconnect(key);
    // A peer that does not answer the closing frame is not waited for longer.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, close(socket, code)).await;
    drop(place);
}

async fn accept(stream: Prefixed<Stream>, message_max: usize) -> Option<Socket> {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(PIECE_MAX)
        .max_write_buffer_size(4 * PIECE_MAX)
        .max_message_size(Some(message_max))
        .max_frame_size(Some(message_max.min(FRAME_MAX)));
    tokio_tungstenite::accept_hdr_async_with_config(stream, choose_subprotocol, Some(config)).await.ok()
}

/// Echoes the first subprotocol that is spoken here. A client that names none is served as well, as Artemis does; one
/// that names only others is told so by the absence of the header.
#[expect(clippy::result_large_err, reason = "the signature is the library's")]
fn choose_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    let mut known = offered.filter_map(|offer| SUBPROTOCOLS.iter().find(|spoken| **spoken == offer));
    if let Some(chosen) = known.next() {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen)); // [MQTT-6.0.0-4]
    }
    Ok(response)
}

/// Exchanges closing frames, whoever sent the first.
async fn close(mut socket: Socket, code: Option<CloseCode>) {
    if let Some(code) = code {
        let frame = CloseFrame { code, reason: "".into() };
        if socket.close(Some(frame)).await.is_err() {
            return;
        }
    }
    while let Some(Ok(_)) = socket.next().await {}
}

/// Serves until the end; gives back the code to close with, unless the peer has closed.
async fn serve(
    reactor: &Rc<Reactor>,
    key: ConnectionKey,
    link: &Link,
    socket: &mut Socket,
    allowance: &Cell<usize>,
) -> Option<CloseCode> {
    let mut left = BytesMut::new();
    loop {
        if reactor.is_open(key) {
            allowance.set(usize::MAX);
        }
        if reactor.share_left(link).is_used_up() {
            reactor.wait_turn(key, link).await;
        }
        // What was answered leaves before more is worked on.
        if !left.is_empty() && !reactor.has_output(key) && !reactor.is_waiting(key) {
            let used = reactor.receive(key, link, &left);
            let _ = left.split_to(used);
            if reactor.share_left(link).is_used_up() {
                continue;
            }
        }
        match poll_fn(|cx| poll(reactor, key, link, socket, cx)).await {
            Woken::Message(Some(Message::Binary(bytes))) => {
                link.count(Share { frames: 1, ..Share::of_bytes(bytes.len()) });
                left.extend_from_slice(&bytes); // [MQTT-6.0.0-2]
            }
            Woken::Message(Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                link.count(Share { frames: 1, ..Share::NONE });
            }
            Woken::Message(Some(Message::Text(_))) => return Some(CloseCode::Unsupported), // [MQTT-6.0.0-1]
            Woken::Message(Some(Message::Close(_)) | None) => return None,
            Woken::Told => {
                link.take_paused();
                if reactor.output_length(key) > PIECE_MAX {
                    reactor.wait_turn(key, link).await;
                }
                let output = reactor.take_output(key);
                if !send(reactor, key, link, socket, output).await {
                    return None;
                }
                if link.is_finished() && !reactor.has_output(key) {
                    return Some(CloseCode::Normal);
                }
            }
        }
    }
}

/// Sends each packet in frames of its own, since some clients look for one packet in a frame only (Paho C 1.3 leaves the
/// others until more comes); false if the peer is gone, or given up.
async fn send(reactor: &Rc<Reactor>, key: ConnectionKey, link: &Link, socket: &mut Socket, mut output: Bytes) -> bool {
    let sending = async {
        while !output.is_empty() {
            let length = frame_length(&output, usize::MAX).ok().flatten().unwrap_or(output.len());
            let mut packet = output.split_to(length.min(output.len()));
            while !packet.is_empty() {
                let piece = packet.split_to(packet.len().min(PIECE_MAX));
                if reactor.share_left(link).is_used_up() {
                    reactor.wait_turn(key, link).await;
                }
                link.count(Share::of_bytes(piece.len()));
                socket.feed(Message::Binary(piece)).await?;
            }
        }
        socket.flush().await
    };
    let mut sending = pin!(sending);
    let sent = poll_fn(|cx| {
        link.remember(cx.waker());
        if link.is_abandoned() {
            return Poll::Ready(false);
        }
        sending.as_mut().poll(cx).map(|result| result.is_ok())
    });
    sent.await
}

fn poll(
    reactor: &Reactor,
    key: ConnectionKey,
    link: &Link,
    socket: &mut Socket,
    cx: &mut std::task::Context<'_>,
) -> Poll<Woken> {
    link.remember(cx.waker());
    if link.is_finished() || reactor.has_output(key) {
        return Poll::Ready(Woken::Told);
    }
    if reactor.is_waiting(key) {
        link.mark_paused();
        return Poll::Pending;
    }
    if link.take_paused() {
        return Poll::Ready(Woken::Told);
    }
    match socket.poll_next_unpin(cx) {
        Poll::Pending => {
            reactor.note_silence(link);
            Poll::Pending
        }
        Poll::Ready(message) => Poll::Ready(Woken::Message(message.and_then(Result::ok))),
    }
}

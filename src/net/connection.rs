//! One TCP connection: its socket read into the shared buffer, its output written as the reactor says.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;

use super::acceptor::Acceptor;
use super::gate::Place;
use super::link::Link;
use super::reactor::Reactor;
use super::transport::{ReadHalf, Stream};
use super::turns::Share;
use super::websocket;
use crate::engine::{ConnectionKey, Peer};
use crate::protocol::detect::{Start, detect};

/// How long, and for how many reads, a peer that was sent away may go on sending.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);
const LEAVE_READS_MAX: usize = 1024;

/// What the socket's task woke up for.
enum Woken {
    /// So many bytes are in the shared buffer; none is the end.
    Read(io::Result<usize>),
    /// Bytes left over may be worked on again.
    Resumed,
    /// The engine has ended the connection.
    Ended,
}

/// Serves a connection from its first byte to its end. One that begins with an HTTP request goes on as a WebSocket.
pub async fn run(reactor: Rc<Reactor>, acceptor: Rc<Acceptor>, peer: Rc<Peer>, stream: Stream, place: Place) {
    let (mut read, write) = stream.split();
    let link = Rc::new(Link::socket(write));
    let key = reactor.connect((acceptor.session)(), peer.clone(), link.clone());
    let first = first_bytes(&reactor, key, &link, &mut read).await;
    match first {
        Some((Start::Mqtt, first)) => {
            let mut accounted = 0;
            let is_sent_away = read_all(&reactor, key, &link, &mut read, first, &mut accounted).await;
            reactor.account(key, &mut accounted, 0);
            reactor.disconnect(key);
            if is_sent_away {
                take_leave(&mut read, link).await;
            }
            drop(place);
        }
        Some((Start::Http, first)) => {
            reactor.disconnect(key);
            let write = Rc::into_inner(link).and_then(Link::into_write_half);
            if let Some(stream) = write.and_then(|write| read.reunite(write)) {
                let socket = websocket::run(reactor, acceptor, peer, stream, first.into(), place);
                tokio::task::spawn_local(socket);
            }
        }
        None => {
            tracing::debug!(remote = peer.address, "connection closed: it speaks nothing that is known here");
            reactor.disconnect(key);
        }
    }
}

/// Reads until it is clear what the peer speaks.
async fn first_bytes(
    reactor: &Reactor,
    key: ConnectionKey,
    link: &Link,
    read: &mut ReadHalf,
) -> Option<(Start, Vec<u8>)> {
    let mut first = Vec::new();
    loop {
        match poll_fn(|cx| poll(reactor, key, link, read, cx)).await {
            Woken::Resumed => {}
            Woken::Ended | Woken::Read(Ok(0)) | Woken::Read(Err(_)) => return None,
            Woken::Read(Ok(count)) => {
                first.extend_from_slice(&reactor.buffer.borrow()[..count]);
                if let Some(start) = detect(&first).ok()? {
                    return Some((start, first));
                }
            }
        }
    }
}

/// Works on what is read until the end; says whether the engine made it, not the peer.
async fn read_all(
    reactor: &Rc<Reactor>,
    key: ConnectionKey,
    link: &Link,
    read: &mut ReadHalf,
    mut left: Vec<u8>,
    accounted: &mut usize,
) -> bool {
    let mut is_offered = false;
    loop {
        if reactor.share_left(link).is_used_up() {
            reactor.wait_turn(key, link).await;
            is_offered = false;
        }
        if !left.is_empty() && !is_offered && !reactor.is_waiting(key) {
            let used = reactor.receive(key, link, &left);
            left.drain(..used);
            shrink(&mut left);
            if reactor.share_left(link).is_used_up() {
                continue;
            }
        }
        is_offered = true;
        if (*accounted > 0 || !left.is_empty()) && !reactor.account(key, accounted, left.len()) {
            tracing::debug!("connection closed: too much is held before anyone is let in");
            return false;
        }
        let woken = poll_fn(|cx| poll(reactor, key, link, read, cx)).await;
        match woken {
            Woken::Ended => return true,
            Woken::Resumed => is_offered = false,
            Woken::Read(Ok(0)) | Woken::Read(Err(_)) => return false,
            Woken::Read(Ok(count)) => work(reactor, key, link, &mut left, count),
        }
    }
}

/// Lets the last words arrive: a socket that is closed with input unread takes them back, and breaks what the peer is
/// still sending.
async fn take_leave(read: &mut ReadHalf, link: Rc<Link>) {
    let Some(mut write) = Rc::into_inner(link).and_then(Link::into_write_half) else { return };
    // In a box of its own: it is no part of every connection's future.
    let leave = Box::pin(async {
        poll_fn(|cx| write.poll_shutdown(cx)).await?;
        let mut bytes = [0; 4096];
        for _ in 0..LEAVE_READS_MAX {
            let mut buffer = ReadBuf::new(&mut bytes);
            poll_fn(|cx| read.poll_read(cx, &mut buffer)).await?;
            if buffer.filled().is_empty() {
                break;
            }
        }
        io::Result::Ok(())
    });
    let _ = tokio::time::timeout(LEAVE_PATIENCE, leave).await;
}

/// Works through what is left over and what was read into the shared buffer.
fn work(reactor: &Reactor, key: ConnectionKey, link: &Link, left: &mut Vec<u8>, count: usize) {
    let buffer = reactor.buffer.borrow();
    let read = &buffer[..count];
    if left.is_empty() {
        let used = reactor.receive(key, link, read);
        left.extend_from_slice(&read[used..]);
    } else {
        left.extend_from_slice(read);
        let used = reactor.receive(key, link, left);
        left.drain(..used);
        shrink(left);
    }
}

/// An idle connection keeps no buffer.
fn shrink(left: &mut Vec<u8>) {
    if left.is_empty() {
        *left = Vec::new();
    }
}

fn poll(reactor: &Reactor, key: ConnectionKey, link: &Link, read: &mut ReadHalf, cx: &mut Context<'_>) -> Poll<Woken> {
    link.remember(cx.waker());
    if link.is_blocked()
        && let Some(write) = link.write_half()
    {
        while let Poll::Ready(ready) = write.poll_write_ready(cx) {
            if ready.is_err() {
                return Poll::Ready(Woken::Ended);
            }
            reactor.write_again(key);
            if !link.is_blocked() {
                break;
            }
        }
    }
    if link.is_finished() {
        return Poll::Ready(Woken::Ended);
    }
    if reactor.is_waiting(key) {
        link.mark_paused();
        return Poll::Pending;
    }
    if link.take_paused() {
        return Poll::Ready(Woken::Resumed);
    }
    let share = reactor.share_left(link);
    if share.is_used_up() {
        return Poll::Ready(Woken::Resumed);
    }
    let mut shared = reactor.buffer.borrow_mut();
    let most = shared.len().min(share.bytes as usize);
    let mut buffer = ReadBuf::new(&mut shared[..most]);
    let result = read.poll_read(cx, &mut buffer);
    link.count(Share::of_bytes(buffer.filled().len()));
    if result.is_pending() {
        reactor.note_silence(link);
    }
    if read.is_behind() && !link.is_blocked() {
        link.mark_blocked();
        cx.waker().wake_by_ref();
    }
    result.map(|result| Woken::Read(result.map(|()| buffer.filled().len())))
}

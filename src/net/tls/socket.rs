//! A TCP socket under the records of TLS.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

use crate::engine::guard::contain;
use crate::net::transport::Written;
use crate::protocol::output::Output;

/// Pieces of one vectored write.
const SLICES: usize = 64;

/// Bytes of records that are worked through before others have their turn, whatever is in them.
const TURN_MAX: usize = 64 * 1024;

/// A connection on which the handshake is made.
#[derive(Debug)]
pub struct TlsSocket {
    socket: TcpStream,
    session: ServerConnection,
    turn: usize,
    /// What reading met behind bytes that were to be delivered first.
    broken: Option<io::Error>,
    /// The session has met a fault of its own, and is not touched any more.
    is_faulty: bool,
}

impl TlsSocket {
    pub fn new(socket: TcpStream, session: ServerConnection) -> Self {
        Self { socket, session, turn: 0, broken: None, is_faulty: false }
    }

    /// Reads what the records hold, as much as fits; nothing is the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        loop {
            let is_end = self.take_plaintext(buffer)?;
            if is_end || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let has_some = buffer.filled().len() > before;
            if self.turn >= TURN_MAX {
                self.turn = 0;
                if has_some {
                    return Poll::Ready(Ok(()));
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.poll_records(cx) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(error)) if has_some => self.broken = Some(error),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            self.turn = 0;
            return if has_some { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
    }

    /// Takes out what is decrypted; true at the end of the stream.
    fn take_plaintext(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        while buffer.remaining() > 0 {
            match self.session.reader().read(buffer.initialize_unfilled()) {
                Ok(0) => return Ok(true),
                Ok(count) => buffer.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The peer has gone without a goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Reads some records and works through them.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut source = Source { socket: &mut self.socket, cx };
        match self.session.read_tls(&mut source) {
            Ok(count) => self.turn += count.max(1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        let processed = contain(|| self.session.process_new_packets().map(drop)).ok_or_else(|| {
            self.is_faulty = true;
            io::Error::other("a fault of the broker")
        })?;
        // An alert, or an answer of TLS's own.
        let flushed = self.flush();
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Poll::Ready(flushed.map(drop))
    }

    /// Encrypts and writes what the socket takes, `most` bytes at the most.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn write(&mut self, out: &mut Output, most: usize) -> io::Result<Written> {
        let mut left = most;
        loop {
            if !self.flush()? {
                return Ok(Written::Blocked);
            }
            if out.is_empty() {
                return Ok(Written::All);
            }
            if left == 0 {
                return Ok(Written::Part);
            }
            let count = match out.contiguous() {
                Some(bytes) => self.session.writer().write(&bytes[..bytes.len().min(left)])?,
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let count = out.slices(&mut slices, left);
                    self.session.writer().write_vectored(&slices[..count])?
                }
            };
            out.advance(count);
            left -= count;
        }
    }

    /// Writes encrypted records; true if none are left.
    fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Sink(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether records wait for the socket.
    pub fn is_behind(&self) -> bool {
        self.session.wants_write()
    }

    /// Whether the socket takes more.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    fn poll_flush_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.flush()? {
            ready!(self.socket.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TlsSocket {
    fn drop(&mut self) {
        if self.is_faulty {
            return;
        }
        self.session.send_close_notify();
        // A peer that takes nothing more does not get this either.
        let _ = self.flush();
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        TlsSocket::poll_read(self.get_mut(), cx, buffer)
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_flush_records(cx))?;
        let count = this.session.writer().write(bytes)?;
        this.flush()?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_records(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.session.send_close_notify();
        ready!(this.poll_flush_records(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

/// Where records come from.
struct Source<'s, 'c, 'w> {
    socket: &'s mut TcpStream,
    cx: &'c mut Context<'w>,
}

impl Read for Source<'_, '_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        match Pin::new(&mut *self.socket).poll_read(self.cx, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Where records go.
struct Sink<'s>(&'s TcpStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The two directions of a connection's socket, plain or TLS.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::tls::TlsSocket;
use crate::protocol::output::Output;

/// Pieces of one vectored write.
const SLICES: usize = 64;

/// What became of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    All,
    /// As much as was asked for.
    Part,
    /// What the socket took.
    Blocked,
}

/// A socket as a whole.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

/// What is read from.
pub enum ReadHalf {
    Plain(OwnedReadHalf),
    Tls(Rc<RefCell<Box<TlsSocket>>>),
}

/// What is written to, at any time.
pub enum WriteHalf {
    Plain(OwnedWriteHalf),
    Tls(Rc<RefCell<Box<TlsSocket>>>),
}

impl Stream {
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Plain(read), WriteHalf::Plain(write))
            }
            Self::Tls(socket) => {
                let shared = Rc::new(RefCell::new(socket));
                (ReadHalf::Tls(shared.clone()), WriteHalf::Tls(shared))
            }
        }
    }
}

impl ReadHalf {
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(half) => Pin::new(half).poll_read(cx, buffer),
            Self::Tls(socket) => socket.borrow_mut().poll_read(cx, buffer),
        }
    }

    /// Whether reading has left something to be written: answers of TLS's own.
    pub fn is_behind(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(socket) => socket.borrow().is_behind(),
        }
    }

    /// The whole again; `None` if the other half is of another socket.
    pub fn reunite(self, write: WriteHalf) -> Option<Stream> {
        match (self, write) {
            (Self::Plain(read), WriteHalf::Plain(write)) => read.reunite(write).ok().map(Stream::Plain),
            (Self::Tls(socket), WriteHalf::Tls(other)) => {
                drop(other);
                Rc::into_inner(socket).map(|socket| Stream::Tls(socket.into_inner()))
            }
            _ => None,
        }
    }
}

impl WriteHalf {
    /// Writes what the socket takes, `most` bytes at the most.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn write(&self, out: &mut Output, most: usize) -> io::Result<Written> {
        match self {
            Self::Plain(half) => write_plain(half, out, most),
            Self::Tls(socket) => socket.borrow_mut().write(out, most),
        }
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(half) => half.as_ref().poll_write_ready(cx),
            Self::Tls(socket) => socket.borrow().poll_write_ready(cx),
        }
    }

    /// Ends this direction, with the farewell that TLS has.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(&mut **socket.borrow_mut()).poll_shutdown(cx),
        }
    }
}

fn write_plain(half: &OwnedWriteHalf, out: &mut Output, most: usize) -> io::Result<Written> {
    let mut left = most;
    while !out.is_empty() {
        if left == 0 {
            return Ok(Written::Part);
        }
        let written = match out.contiguous() {
            Some(bytes) => half.try_write(&bytes[..bytes.len().min(left)]),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = out.slices(&mut slices, left);
                half.try_write_vectored(&slices[..count])
            }
        };
        match written {
            Ok(count) => {
                out.advance(count);
                left -= count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Written::Blocked),
            Err(error) => return Err(error),
        }
    }
    Ok(Written::All)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn no_more_is_written_than_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_read, write) = Stream::Plain(stream).split();
        let mut out = Output::default();
        out.buffer().extend_from_slice(&[1; 10]);
        out.push(&Bytes::from(vec![2; 10_000]));
        assert_eq!((write.write(&mut out, 4_000).unwrap(), out.len()), (Written::Part, 6_010));
        assert_eq!((write.write(&mut out, 6_010).unwrap(), out.len()), (Written::All, 0));
        out.buffer().extend_from_slice(&[3; 100]);
        assert_eq!((write.write(&mut out, 60).unwrap(), out.len()), (Written::Part, 40));
    }
}

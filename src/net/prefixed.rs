//! A stream whose first bytes were already read.

use bytes::{Buf, Bytes};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives the bytes read before, then those of the stream, as many as are allowed.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Bytes,
    stream: S,
    allowance: Rc<Cell<usize>>,
}

impl<S> Prefixed<S> {
    /// Reading fails once `allowance` bytes were read; whoever shares it can raise it.
    pub fn new(prefix: Bytes, stream: S, allowance: Rc<Cell<usize>>) -> Self {
        Self { prefix, stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.allowance.get() == 0 {
            return Poll::Ready(Err(io::Error::other("more than is taken before anyone is let in")));
        }
        if self.prefix.is_empty() {
            let before = buf.filled().len();
            let result = Pin::new(&mut self.stream).poll_read(cx, buf);
            self.allowance.set(self.allowance.get().saturating_sub(buf.filled().len() - before));
            return result;
        }
        let count = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..count]);
        self.prefix.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

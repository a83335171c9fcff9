//! The control socket.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::Reactor;
use super::acceptor::ACCEPT_PAUSE;
use crate::management::control::{QUESTION_MAX, answer};

/// Conversations at a time.
const CONVERSATIONS_MAX: usize = 8;

/// How long a conversation may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Reactor {
    /// Answers questions at a socket with this path, readable by the broker's user only through its directory.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open_control(self: &Rc<Self>, path: &Path) -> io::Result<()> {
        if path.exists() {
            // The data directory is locked: what is there was left behind.
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        let reactor = self.clone();
        tokio::task::spawn_local(async move {
            let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let reactor = reactor.clone();
                        tokio::task::spawn_local(async move {
                            // A peer that is slow to ask or to read is given up.
                            let _ = tokio::time::timeout(PATIENCE, converse(reactor, stream)).await;
                            drop(place);
                        });
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        });
        Ok(())
    }
}

async fn converse(reactor: Rc<Reactor>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read.take(QUESTION_MAX as u64));
    let mut line = Vec::new();
    while read.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
        let answer = answer(&reactor.engine.borrow(), || reactor.limit_reports(), &line);
        let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
        bytes.push(b'\n');
        if write.write_all(&bytes).await.is_err() {
            return;
        }
        line.clear();
        read.get_mut().set_limit(QUESTION_MAX as u64);
    }
}

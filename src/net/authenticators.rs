//! Threads that ask the security manager: hashing and slow answers hold up neither the engine nor each other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that waits for a thread. There can be more than authentications under way where threads are blocked for long.
const WAITING_MAX: usize = 1024;

/// A pool of threads.
#[derive(Debug)]
pub struct Authenticators {
    sender: Sender<Work>,
}

impl Authenticators {
    /// Starts `threads` of them; they end when this is dropped.
    ///
    /// # Errors
    /// A thread or its runtime cannot be made.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (sender, receiver) = channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let receiver = receiver.clone();
            let name = format!("authentication-{number}");
            std::thread::Builder::new().name(name).spawn(move || runtime.block_on(serve(receiver)))?;
        }
        Ok(Self { sender })
    }

    /// Has `work` done by a thread that is free for it; false if too much waits for one already.
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        self.sender.try_send(Box::pin(work)).is_ok()
    }
}

/// Takes work as it comes; what waits for something remote leaves the thread to others.
async fn serve(receiver: Arc<Mutex<Receiver<Work>>>) {
    loop {
        let work = receiver.lock().await.recv().await;
        match work {
            Some(work) => drop(tokio::task::spawn(work)),
            None => return,
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread::current;

    use super::{Authenticators, WAITING_MAX};

    #[test]
    fn work_is_done_elsewhere_and_waits_for_nothing_remote() {
        let pool = Authenticators::start(1).expect("a thread");
        let (sender, receiver) = channel();
        let (_never, silent) = tokio::sync::oneshot::channel::<()>();
        let of = |name: &'static str| {
            let sender = sender.clone();
            async move { sender.send((name, current().id())).expect("a receiver") }
        };
        let (slow, fast) = (of("slow"), of("fast"));
        assert!(pool.run(async {
            let _ = silent.await;
            slow.await;
        }));
        assert!(pool.run(fast));
        let (name, thread) = receiver.recv().expect("an answer");
        assert_eq!(name, "fast");
        assert_ne!(thread, current().id());
    }

    #[test]
    fn what_waits_for_a_blocked_thread_is_bounded() {
        let pool = Authenticators::start(1).expect("a thread");
        let (begun, has_begun) = channel();
        let (release, blocked) = channel::<()>();
        assert!(pool.run(async move {
            begun.send(()).expect("a receiver");
            // As a security manager does that computes for ever.
            let _ = blocked.recv();
        }));
        has_begun.recv().expect("a blocked thread");
        let taken = (0..2 * WAITING_MAX).filter(|_| pool.run(async {})).count();
        assert_eq!(taken, WAITING_MAX);
        drop(release);
    }
}

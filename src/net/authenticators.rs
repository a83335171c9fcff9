//! Threads that ask the security manager: hashing and slow answers hold up neither the engine nor each other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A pool of threads. Who gives it work bounds how much that is.
#[derive(Debug)]
pub struct Authenticators {
    sender: UnboundedSender<Work>,
}

impl Authenticators {
    /// Starts `threads` of them; they end when this is dropped.
    ///
    /// # Errors
    /// A thread or its runtime cannot be made.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let receiver = receiver.clone();
            let name = format!("authentication-{number}");
            std::thread::Builder::new().name(name).spawn(move || runtime.block_on(serve(receiver)))?;
        }
        Ok(Self { sender })
    }

    /// Has `work` done by a thread that is free for it.
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        // The receivers live as long as this does.
        let _ = self.sender.send(Box::pin(work));
    }
}

/// Takes work as it comes; what waits for something remote leaves the thread to others.
async fn serve(receiver: Arc<Mutex<UnboundedReceiver<Work>>>) {
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

    use super::*;

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
        pool.run(async {
            let _ = silent.await;
            slow.await;
        });
        pool.run(fast);
        let (name, thread) = receiver.recv().expect("an answer");
        assert_eq!(name, "fast");
        assert_ne!(thread, current().id());
    }
}

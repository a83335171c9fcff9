use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use std::{io, mem};

use super::levels::SERVER;
use super::line;

const LINES_MAX: u64 = 8192;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const KEPT_BYTES: usize = 64 * 1024;
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

/// The way of lines to the thread that writes them: at most 8192 lines and 8 MiB wait, further ones are dropped and
/// counted.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

/// Owner of the writing thread; dropping it writes what waits and ends the thread.
#[derive(Debug)]
pub(super) struct LineWriter {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    written: Condvar,
}

/// `pushed` and `written` count lines since the start.
#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    pushed: u64,
    taken: u64,
    written: u64,
    dropped: u64,
    dropped_told: u64,
    closed: bool,
}

impl Lines {
    /// Hands over one line with its newline; waits for other threads that do the same, for nothing else.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.0.state();
        let full = state.pushed - state.taken >= LINES_MAX || state.waiting.len() + line.len() > BYTES_MAX;
        if full || state.closed {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        state.pushed += 1;
        drop(state);
        self.0.work.notify_one();
    }
}

impl LineWriter {
    /// Starts a thread that gives whole lines to `sink`, many at a time.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn spawn(sink: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let lines = Lines(Arc::clone(&shared));
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_all(sink))?;
        Ok(Self { lines, thread: Some(thread) })
    }

    /// A way to the thread.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Number of lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared().state().dropped
    }

    /// Waits until all lines pushed before are written, for at most 10 seconds; whether they are.
    pub fn flush(&self) -> bool {
        let state = self.shared().state();
        let target = state.pushed;
        let waited = self.shared().written.wait_timeout_while(state, FLUSH_PATIENCE, |state| state.written < target);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    fn shared(&self) -> &Shared {
        &self.lines.0
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let flushed = self.flush();
        self.shared().state().closed = true;
        self.shared().work.notify_one();
        if let (true, Some(thread)) = (flushed, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut sink: impl FnMut(&[u8])) {
        let mut lines = Vec::new();
        while self.take(&mut lines) {
            sink(&lines);
            self.finish(&mut lines);
        }
    }

    /// Takes all waiting lines, and one about dropped ones; false once nothing waits and the log is closed.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.work.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, lines);
        state.taken = state.pushed;
        let dropped = state.dropped - state.dropped_told;
        state.dropped_told = state.dropped;
        drop(state);
        if dropped > 0 {
            lines.extend_from_slice(about_dropped(dropped).as_bytes());
        }
        !lines.is_empty()
    }

    fn finish(&self, lines: &mut Vec<u8>) {
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
        let mut state = self.state();
        state.written = state.taken;
        drop(state);
        self.written.notify_all();
    }
}

fn about_dropped(count: u64) -> String {
    let mut line = String::new();
    line::head(&mut line, SystemTime::now(), tracing::Level::WARN, SERVER);
    line + format!("{count} log lines were dropped here: they came faster than they could be written\n").as_str()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    /// A writer whose sink waits for `permits` before each write; its first write has begun.
    fn stopped() -> (LineWriter, Sender<()>, Receiver<Vec<u8>>) {
        let (permits, permitted) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let sink = move |lines: &[u8]| {
            let _ = begin.send(());
            let _ = permitted.recv();
            let _ = sender.send(lines.to_vec());
        };
        let writer = LineWriter::spawn(sink).unwrap();
        writer.lines().push(b"first\n");
        begun.recv().unwrap();
        (writer, permits, written)
    }

    fn finish(writer: LineWriter, permits: Sender<()>, written: &Receiver<Vec<u8>>) -> String {
        drop(permits);
        drop(writer);
        String::from_utf8(written.try_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn lines_over_the_count_are_dropped_and_told() {
        let (writer, permits, written) = stopped();
        for _ in 0..LINES_MAX + 3 {
            writer.lines().push(b"x\n");
        }
        assert_eq!(writer.dropped(), 3);
        let text = finish(writer, permits, &written);
        assert_eq!(text.lines().filter(|line| *line == "x").count() as u64, LINES_MAX);
        let last = text.lines().last().unwrap();
        assert!(last.contains(" WARN  [") && last.contains("] 3 log lines were dropped here"), "{last}");
    }

    #[test]
    fn lines_over_the_bytes_are_dropped_and_room_comes_back() {
        let (writer, permits, written) = stopped();
        let large = vec![b'x'; BYTES_MAX / 2 + 1];
        writer.lines().push(&large);
        writer.lines().push(&large);
        assert_eq!(writer.dropped(), 1);
        for _ in 0..2 {
            permits.send(()).unwrap();
        }
        assert!(writer.flush());
        writer.lines().push(&large);
        assert_eq!(writer.dropped(), 1);
        let text = finish(writer, permits, &written);
        assert_eq!(text.bytes().filter(|byte| *byte == b'x').count(), 2 * large.len());
    }

    #[test]
    fn flush_waits_until_the_line_is_written() {
        let (sender, written) = mpsc::channel();
        let writer = LineWriter::spawn(move |lines| drop(sender.send(lines.to_vec()))).unwrap();
        for number in 0..100 {
            writer.lines().push(format!("{number}\n").as_bytes());
            assert!(writer.flush());
            assert_eq!(written.try_recv().unwrap(), format!("{number}\n").into_bytes());
        }
    }

    #[test]
    fn dropping_the_writer_writes_what_waits() {
        let (writer, permits, written) = stopped();
        let late = writer.lines();
        writer.lines().push(b"second\n");
        assert_eq!(finish(writer, permits, &written), "first\nsecond\n");
        late.push(b"after the end\n");
        assert!(written.try_recv().is_err());
    }
}

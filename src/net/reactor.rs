//! The engine among its sockets: who is told what when, and when what is written.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Sleep};

use super::link::Link;
use super::outflow::Outflow;
use super::refusals::Refusals;
use super::transport::Written;
use super::turns::{Share, Turns};
use super::{Authenticators, Clock, authentication};
use crate::core::id::{Ticket, Time};
use crate::core::limit::Limit;
use crate::engine::{ConnectionKey, Engine, LimitReport, Peer, UserLimits};
use crate::protocol::Session;
use crate::security::SecurityManager;
use crate::store::{Completion, Journal};

/// Bytes read from one socket at a time.
const READ_MAX: usize = 256 * 1024;

/// Rounds of writing in one tick: a client that is written to can take more, and so on.
const ROUNDS_MAX: usize = 4;

/// Bytes that all connections together may hold before anyone is let in on them.
const UNADMITTED_MAX: u64 = 64 * 1024 * 1024;

/// How long the last bytes to clients are waited for at the end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How long one write of the journal may take before it is told, and before the broker gives up.
const SLOW_MS: u64 = 10_000;
const STUCK_MS: u64 = 120_000;
const STUCK: &str = "a write has not come to an end for two minutes";

/// Why the reactor came to its end.
#[derive(Debug)]
pub enum Stopped {
    /// It was told to.
    Asked,
    /// The journal failed: nothing that is not durable yet may be acknowledged any more.
    Journal(String),
}

/// Whether somebody has found the journal to lag behind, and waits for it to catch up.
#[derive(Debug, Default)]
struct Overload(Cell<bool>);

impl Overload {
    fn note(&self, is_overloaded: bool) {
        self.0.set(self.0.get() || is_overloaded);
    }

    /// Whether those who wait may go on, however that came about: a batch that was taken, or records that are not needed.
    fn has_ended(&self, is_overloaded: bool) -> bool {
        !is_overloaded && self.0.replace(false)
    }
}

/// The engine, its sockets and its journal.
pub struct Reactor {
    pub(super) engine: RefCell<Engine>,
    journal: RefCell<Option<Box<dyn Journal>>>,
    links: RefCell<Vec<Option<Rc<Link>>>>,
    pub(super) buffer: RefCell<Box<[u8]>>,
    pub(super) security: Arc<dyn SecurityManager>,
    pub(super) authenticators: Authenticators,
    pub(super) authenticating: Rc<Limit>,
    pub(super) refusals: RefCell<Refusals>,
    /// Since when the journal writes a batch, and whether it was said that this takes long.
    writing: Cell<Option<(Time, bool)>>,
    /// Bytes read from connections on which nobody is let in yet.
    unadmitted: Rc<Limit>,
    /// By acceptor.
    limits: RefCell<Vec<(Rc<str>, Rc<Limit>)>>,
    turns: Turns,
    overload: Overload,
    outflow: Outflow,
    wake: Notify,
    is_woken: Cell<bool>,
    is_stopping: Cell<bool>,
    clock: Clock,
}

impl Reactor {
    pub fn new(
        engine: Engine,
        journal: Option<Box<dyn Journal>>,
        security: Arc<dyn SecurityManager>,
        authenticators: Authenticators,
        clock: Clock,
    ) -> Rc<Self> {
        Rc::new(Self {
            engine: RefCell::new(engine),
            journal: RefCell::new(journal),
            links: RefCell::default(),
            buffer: RefCell::new(vec![0; READ_MAX].into()),
            security,
            authenticators,
            authenticating: Rc::new(Limit::new("authentications at a time", authentication::AUTHENTICATIONS_MAX)),
            refusals: RefCell::new(Refusals::new(clock.now())),
            writing: Cell::new(None),
            unadmitted: Rc::new(Limit::new("bytes held before anyone is let in", UNADMITTED_MAX)),
            limits: RefCell::default(),
            turns: Turns::default(),
            overload: Overload::default(),
            outflow: Outflow::default(),
            wake: Notify::new(),
            is_woken: Cell::new(false),
            is_stopping: Cell::new(false),
            clock,
        })
    }

    pub(super) fn connect(&self, session: Box<dyn Session>, peer: Rc<Peer>, link: Rc<Link>) -> ConnectionKey {
        let key = self.engine.borrow_mut().connect(self.clock.now(), session, peer);
        let mut links = self.links.borrow_mut();
        if links.len() <= key.index() {
            links.resize(key.index() + 1, None);
        }
        links[key.index()] = Some(link);
        self.wake();
        key
    }

    /// Gives input to the engine, as much as the connection's turn allows; the answer leaves with the tick.
    pub(super) fn receive(&self, key: ConnectionKey, link: &Link, input: &[u8]) -> usize {
        let most = self.share_left(link).frames;
        let begun = std::time::Instant::now();
        let (used, frames) = self.engine.borrow_mut().receive_some(self.clock.at(begun), key, input, most as usize);
        link.count(Share::of_frames(frames, begun.elapsed()));
        self.wake();
        used
    }

    /// What is left of a connection's turn.
    pub(super) fn share_left(&self, link: &Link) -> Share {
        link.spell.get().left(self.turns.share())
    }

    /// The peer has nothing more to say for now.
    pub(super) fn note_silence(&self, link: &Link) {
        link.spell.set(self.turns.note_silence(&link.spell.get()));
    }

    /// Waits for the connection's next turn.
    pub(super) async fn wait_turn(self: &Rc<Self>, key: ConnectionKey, link: &Link) {
        link.is_in_line.set(true);
        self.turns.line_up(key);
        self.wake();
        poll_fn(|cx| {
            link.remember(cx.waker());
            if link.is_in_line.get() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let mut spell = link.spell.get();
        spell.turn();
        link.spell.set(spell);
        // Those who said little have been heard meanwhile, and are answered first.
        self.flush();
    }

    /// Lets go on whose turn it is; says whether there were any.
    fn give_turns(&self) -> bool {
        let next = self.turns.next();
        let links = self.links.borrow();
        for link in next.iter().filter_map(|key| links.get(key.index())?.as_ref()) {
            link.is_in_line.set(false);
            link.wake();
        }
        !next.is_empty()
    }

    pub(super) fn disconnect(&self, key: ConnectionKey) {
        let mut engine = self.engine.borrow_mut();
        engine.disconnect(self.clock.now(), key);
        engine.forget(key);
        self.links.borrow_mut()[key.index()] = None;
        self.wake();
    }

    /// Whether no more connections are taken.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    pub(super) fn is_waiting(&self, key: ConnectionKey) -> bool {
        let engine = self.engine.borrow();
        self.overload.note(engine.is_overloaded());
        engine.is_waiting(key)
    }

    /// Accounts for what a connection holds back, if nobody is let in on it yet; false if all of them hold too much.
    pub(super) fn account(&self, key: ConnectionKey, accounted: &mut usize, held: usize) -> bool {
        let counts = if self.engine.borrow().is_open(key) { 0 } else { held };
        self.unadmitted.give(*accounted as u64);
        self.unadmitted.add(counts as u64);
        *accounted = counts;
        counts == 0 || self.unadmitted.admits(self.unadmitted.current())
    }

    /// Lets operators see the limits of an acceptor, or of all where it has no name.
    pub(super) fn show_limits<'l>(&self, acceptor: &str, limits: impl Iterator<Item = &'l Rc<Limit>>) {
        let mut shown = self.limits.borrow_mut();
        for limit in limits {
            if !shown.iter().any(|(_, other)| Rc::ptr_eq(other, limit)) {
                shown.push((acceptor.into(), limit.clone()));
            }
        }
    }

    /// Other limits of users hold from now on.
    pub fn set_user_limits(&self, limits: UserLimits) {
        self.engine.borrow_mut().set_user_limits(limits);
    }

    /// All that is bounded, with its counts.
    pub(super) fn limit_reports(&self) -> Vec<LimitReport> {
        let own = [&self.unadmitted, &self.authenticating];
        let mut reports: Vec<_> = own.into_iter().map(|limit| LimitReport::of("", limit)).collect();
        reports.extend(self.engine.borrow().limit_reports());
        reports.extend(self.limits.borrow().iter().map(|(acceptor, limit)| LimitReport::of(acceptor, limit)));
        reports
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// There is something to write, or to look at.
    pub(super) fn wake(&self) {
        if !self.is_woken.replace(true) {
            self.wake.notify_one();
        }
    }

    /// Lets a connection's task go on.
    pub(super) fn resume(&self, key: ConnectionKey) {
        if let Some(Some(link)) = self.links.borrow().get(key.index()) {
            link.wake();
        }
    }

    /// The socket takes more.
    pub(super) fn write_again(&self, key: ConnectionKey) {
        self.write(key);
        self.wake();
    }

    fn write(&self, key: ConnectionKey) {
        let link = self.links.borrow().get(key.index()).cloned().flatten();
        let mut engine = self.engine.borrow_mut();
        let Some(link) = link else { return };
        let is_ended = engine.is_ended(key);
        link.is_abandoned.set(engine.is_abandoned(key));
        let Some(out) = engine.output(key) else { return };
        match &link.write {
            Some(half) => {
                let before = out.len();
                let written = half.write(out, self.outflow.share(before));
                self.outflow.count(key, before - out.len(), matches!(written, Ok(Written::Part)));
                link.is_blocked.set(matches!(written, Ok(Written::Blocked)));
                // Under TLS the last records may still wait.
                let is_over = matches!(written, Ok(Written::All)) || out.is_empty() && link.is_abandoned.get();
                if written.is_err() || is_ended && is_over {
                    link.is_finished.set(true);
                }
                if link.is_blocked.get() || link.is_finished.get() || link.is_paused.get() {
                    link.wake();
                }
            }
            None => {
                link.is_finished.set(is_ended);
                link.wake();
            }
        }
        engine.written(key);
    }

    pub(super) fn is_open(&self, key: ConnectionKey) -> bool {
        self.engine.borrow().is_open(key)
    }

    pub(super) fn has_output(&self, key: ConnectionKey) -> bool {
        self.output_length(key) > 0
    }

    pub(super) fn output_length(&self, key: ConnectionKey) -> usize {
        self.engine.borrow_mut().output(key).map_or(0, |out| out.len())
    }

    /// Takes the output of a connection that writes itself.
    pub(super) fn take_output(&self, key: ConnectionKey) -> bytes::Bytes {
        let mut engine = self.engine.borrow_mut();
        let bytes = engine.output(key).map(crate::protocol::output::Output::take).unwrap_or_default();
        engine.written(key);
        drop(engine);
        self.wake();
        bytes
    }

    /// Runs until it is told to stop, or the journal fails.
    pub async fn run(
        self: &Rc<Self>,
        mut completions: UnboundedReceiver<Completion>,
        stop: impl Future<Output = ()>,
    ) -> Stopped {
        let mut stop = pin!(stop);
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            self.set_alarm(sleep.as_mut());
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(completion) = completions.recv() => {
                    if let Err(error) = self.complete(completion) {
                        return Stopped::Journal(error);
                    }
                }
                () = self.wake.notified() => {}
                () = &mut sleep => {}
            }
            self.is_woken.set(false);
            self.tick();
            if self.is_stuck() {
                return Stopped::Journal(STUCK.to_owned());
            }
            if self.give_turns() || self.engine.borrow().has_more() || self.engine.borrow().has_touched() {
                self.wake();
                tokio::task::yield_now().await;
            }
        }
        self.stop(&mut completions).await
    }

    fn set_alarm(&self, sleep: std::pin::Pin<&mut Sleep>) {
        let due = [self.engine.borrow_mut().next_due(), self.writing_is_slow_at()].into_iter().flatten().min();
        let at = due.map_or_else(|| Instant::now() + Duration::from_secs(3600), |due| self.clock.instant(due).into());
        if sleep.deadline() != at {
            sleep.reset(at);
        }
    }

    fn writing_is_slow_at(&self) -> Option<Time> {
        self.writing.get().map(|(since, is_told)| since.after(if is_told { STUCK_MS } else { SLOW_MS }))
    }

    /// Whether the journal has given no sign for too long; told once before.
    fn is_stuck(&self) -> bool {
        let Some((since, is_told)) = self.writing.get() else { return false };
        let waited = self.clock.now().since(since);
        if waited >= SLOW_MS && !is_told {
            tracing::error!("AMQ222010: the journal has been writing for {} s: is the disk well?", waited / 1000);
            self.writing.set(Some((since, true)));
        }
        waited >= STUCK_MS
    }

    fn complete(&self, completion: Completion) -> Result<(), String> {
        match completion {
            Completion::Committed { ticket, batch } => {
                self.writing.set(None);
                self.engine.borrow_mut().committed(self.clock.now(), Ticket(ticket), batch);
                Ok(())
            }
            Completion::Failed { error } => Err(error),
        }
    }

    fn tick(self: &Rc<Self>) {
        self.engine.borrow_mut().advance(self.clock.now());
        self.flush();
    }

    /// Writes what is to be written.
    fn flush(self: &Rc<Self>) {
        for _ in 0..ROUNDS_MAX {
            let touched = self.engine.borrow_mut().take_touched();
            if touched.is_empty() {
                break;
            }
            for key in &touched {
                self.write(*key);
            }
            self.engine.borrow_mut().give_touched(touched);
        }
        self.outflow.next(|key| self.engine.borrow_mut().write_later(key));
        let authentications = self.engine.borrow_mut().take_authentications();
        for request in authentications {
            authentication::begin(self, request);
        }
        self.commit();
    }

    fn commit(&self) {
        let batch = self.engine.borrow_mut().take_batch();
        if self.overload.has_ended(self.engine.borrow().is_overloaded()) {
            for link in self.links.borrow().iter().flatten() {
                link.wake();
            }
        }
        if let (Some((ticket, batch)), Some(journal)) = (batch, &mut *self.journal.borrow_mut()) {
            self.writing.set(Some((self.clock.now(), false)));
            journal.append(ticket.0, batch);
        }
    }

    /// Says goodbye to all, writes what there is to write, closes the journal.
    async fn stop(self: &Rc<Self>, completions: &mut UnboundedReceiver<Completion>) -> Stopped {
        self.is_stopping.set(true);
        self.engine.borrow_mut().shut_down(self.clock.now());
        let patience = Instant::now() + STOP_PATIENCE;
        loop {
            self.tick();
            if self.give_turns() || self.engine.borrow().has_touched() {
                self.wake();
                tokio::task::yield_now().await;
            }
            if self.is_stuck() {
                return Stopped::Journal(STUCK.to_owned());
            }
            if !self.engine.borrow().is_writing() && (self.is_all_written() || Instant::now() > patience) {
                break;
            }
            tokio::select! {
                Some(completion) = completions.recv() => {
                    if let Err(error) = self.complete(completion) {
                        return Stopped::Journal(error);
                    }
                }
                () = self.wake.notified() => self.is_woken.set(false),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        match self.journal.borrow_mut().take().map(Journal::close) {
            Some(Err(error)) => Stopped::Journal(error.to_string()),
            _ => Stopped::Asked,
        }
    }

    fn is_all_written(&self) -> bool {
        self.links.borrow().iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_the_journal_goes_on_once_and_by_any_end_of_it() {
        let overload = Overload::default();
        assert!(!overload.has_ended(false));
        overload.note(true);
        overload.note(false);
        assert_eq!([true, false, false].map(|is| overload.has_ended(is)), [false, true, false]);
    }
}

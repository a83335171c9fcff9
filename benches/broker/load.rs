//! Closed-loop traffic through a broker, counted and checked.

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::client::{Client, Dialect, Packet, frame_length, parse, publish};

const READ_MAX: usize = 256 * 1024;

/// Who publishes to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each publisher to a subscriber of its own.
    Pairs,
    /// Each publisher to all subscribers.
    FanOut,
    /// Each publisher on a topic of its own, each subscriber to all.
    FanIn,
    /// Subscribers of one group.
    Share,
}

/// A scenario's traffic.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    pub publishers: usize,
    pub subscribers: usize,
    pub layout: Layout,
    pub qos: u8,
    /// Messages of one publisher that are not yet acknowledged and delivered.
    pub window: u64,
    /// Subscribers keep their sessions.
    pub durable: bool,
}

struct Publisher {
    frame: Vec<u8>,
    id_at: usize,
    payload_at: usize,
    sent: u64,
    acknowledged: u64,
    deliveries: u64,
    is_dirty: bool,
    since: Instant,
}

/// What was seen since the last look.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub delivered: u64,
    pub repeated: u64,
    pub disordered: u64,
    pub latencies: Vec<u32>,
}

/// One end of a connection, as the load sees it.
struct Link {
    socket: OwnedWriteHalf,
    out: Vec<u8>,
    is_blocked: bool,
    is_touched: bool,
}

/// All clients of a scenario, on one thread.
pub struct Load {
    state: RefCell<State>,
    wake: Notify,
    is_woken: Cell<bool>,
}

/// What they have sent and seen.
pub struct State {
    traffic: Traffic,
    dialect: Dialect,
    links: Vec<Link>,
    publishers: Vec<Publisher>,
    /// By subscriber and publisher: the number that comes next.
    expected: Vec<Vec<u64>>,
    buffer: Vec<u8>,
    dirty: Vec<usize>,
    touched: Vec<usize>,
    is_publishing: bool,
    failure: Option<io::Error>,
    /// Links from here on are those of subscribers; those between the publishers' and here have taken their leave.
    first_subscriber: usize,
    pub limit: u64,
    pub seen: Seen,
}

impl Load {
    /// Connects everybody.
    pub fn open(port: u16, traffic: Traffic, dialect: Dialect) -> io::Result<Rc<Self>> {
        let state = State {
            traffic,
            dialect,
            links: Vec::new(),
            publishers: Vec::new(),
            expected: vec![vec![0; traffic.publishers]; traffic.subscribers],
            buffer: vec![0; READ_MAX],
            dirty: Vec::new(),
            touched: Vec::new(),
            is_publishing: true,
            failure: None,
            first_subscriber: traffic.publishers,
            limit: u64::MAX,
            seen: Seen::default(),
        };
        let load = Rc::new(Self { state: RefCell::new(state), wake: Notify::new(), is_woken: Cell::new(false) });
        for number in 0..traffic.publishers {
            let publisher = Publisher::new(number, traffic, dialect);
            load.state().publishers.push(publisher);
            load.add(Client::connect(port, &format!("publisher-{number}"), true, dialect)?)?;
        }
        for number in 0..traffic.subscribers {
            let id = format!("subscriber-{number}");
            let mut client = Client::connect(port, &id, !traffic.durable, dialect)?;
            client.subscribe(&traffic.filter(number), traffic.qos, dialect)?;
            load.add(client)?;
        }
        load.state().mark_all();
        Ok(load)
    }

    pub fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    fn add(self: &Rc<Self>, client: Client) -> io::Result<()> {
        client.socket.set_nonblocking(true)?;
        let (read, socket) = TcpStream::from_std(client.socket)?.into_split();
        let mut state = self.state();
        let number = state.links.len();
        state.links.push(Link { socket, out: Vec::new(), is_blocked: false, is_touched: false });
        tokio::task::spawn_local(self.clone().read(number, read));
        Ok(())
    }

    async fn read(self: Rc<Self>, number: usize, mut socket: OwnedReadHalf) {
        let mut partial = Vec::new();
        loop {
            let result = poll_fn(|cx| {
                let mut state = self.state.borrow_mut();
                let mut buffer = ReadBuf::new(&mut state.buffer);
                buffer.put_slice(&partial);
                Pin::new(&mut socket).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            });
            let result = result.await;
            let mut state = self.state();
            match result {
                Ok(filled) if filled > partial.len() => state.input(number, filled, &mut partial),
                _ if (state.traffic.publishers..state.first_subscriber).contains(&number) => return,
                Ok(_) => state.failure = Some(io::Error::other("the broker has closed a connection")),
                Err(error) => state.failure = Some(error),
            }
            let has_failed = state.failure.is_some();
            drop(state);
            self.wake();
            if has_failed {
                return;
            }
        }
    }

    fn wake(&self) {
        if !self.is_woken.replace(true) {
            self.wake.notify_one();
        }
    }

    /// Runs until `is_done` or for a time, which is looked at after a pause of a tenth of a second.
    pub async fn run(self: &Rc<Self>, time: Duration, is_done: impl Fn(&mut State) -> bool) -> io::Result<()> {
        let end = Instant::now() + time;
        let timer = self.clone();
        let alarm = tokio::task::spawn_local(async move {
            while Instant::now() < end {
                tokio::time::sleep((end - Instant::now()).min(Duration::from_millis(100))).await;
                timer.wake();
            }
        });
        while Instant::now() < end && !is_done(&mut self.state()) {
            self.turn()?;
            self.wake.notified().await;
            self.is_woken.set(false);
        }
        alarm.abort();
        Ok(())
    }

    /// Publishes no more and waits for what is under way; gives back what is missing.
    pub async fn drain(self: &Rc<Self>) -> io::Result<u64> {
        self.state().is_publishing = false;
        let mut last = None;
        loop {
            let deliveries = self.state().deliveries();
            if last.replace(deliveries) == Some(deliveries) {
                break;
            }
            self.run(Duration::from_secs(2), |state| state.deliveries() >= state.owed()).await?;
        }
        let state = self.state();
        Ok(state.owed().saturating_sub(state.deliveries()))
    }

    /// Refills windows and writes.
    fn turn(self: &Rc<Self>) -> io::Result<()> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        while let Some(number) = state.dirty.pop() {
            state.refill(number);
        }
        while let Some(number) = state.touched.pop() {
            let link = &mut state.links[number];
            link.is_touched = false;
            if link.write()? {
                tokio::task::spawn_local(self.clone().wait_for_room(number));
            }
        }
        Ok(())
    }

    async fn wait_for_room(self: Rc<Self>, number: usize) {
        // What fails here fails at the next write too.
        let _ = poll_fn(|cx| self.state.borrow().links[number].socket.as_ref().poll_write_ready(cx)).await;
        let mut state = self.state();
        state.links[number].is_blocked = false;
        state.touch(number);
        drop(state);
        self.wake();
    }

    /// Ends the subscribers' connections without ending their sessions; nothing is published meanwhile.
    pub async fn leave_subscribers(self: &Rc<Self>) -> io::Result<()> {
        self.say_goodbye();
        self.run(Duration::from_millis(200), |_| false).await
    }

    fn say_goodbye(&self) {
        let mut state = self.state();
        state.limit = 0;
        for number in state.first_subscriber..state.links.len() {
            state.links[number].out.extend_from_slice(&[0xE0, 0]);
            state.touch(number);
        }
        state.first_subscriber = state.links.len();
    }

    /// Brings them back.
    pub fn return_subscribers(self: &Rc<Self>, port: u16) -> io::Result<()> {
        let (count, dialect) = {
            let state = self.state();
            (state.traffic.subscribers, state.dialect)
        };
        for number in 0..count {
            self.add(Client::connect(port, &format!("subscriber-{number}"), false, dialect)?)?;
        }
        Ok(())
    }
}

impl Traffic {
    fn filter(&self, number: usize) -> String {
        match self.layout {
            Layout::Pairs => format!("bench/{number}/value"),
            Layout::FanOut => "bench/0/value".to_owned(),
            Layout::FanIn => "bench/#".to_owned(),
            Layout::Share => "$share/group/bench/#".to_owned(),
        }
    }
}

impl Publisher {
    fn new(number: usize, traffic: Traffic, dialect: Dialect) -> Self {
        let topic = match traffic.layout {
            Layout::FanOut => "bench/0/value".to_owned(),
            _ => format!("bench/{number}/value"),
        };
        let (mut frame, id_at, payload_at) = publish(&topic, traffic.qos, dialect);
        frame[payload_at..payload_at + 4].copy_from_slice(&(number as u32).to_be_bytes());
        let (sent, acknowledged, deliveries, is_dirty, since) = (0, 0, 0, false, Instant::now());
        Self { frame, id_at, payload_at, sent, acknowledged, deliveries, is_dirty, since }
    }
}

impl Link {
    /// Writes what the socket takes; gives back whether it has to wait for room.
    fn write(&mut self) -> io::Result<bool> {
        let mut written = 0;
        while written < self.out.len() && !self.is_blocked {
            match self.socket.try_write(&self.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        Ok(self.is_blocked)
    }
}

impl State {
    fn receivers(&self) -> u64 {
        match self.traffic.layout {
            Layout::Pairs | Layout::Share => 1,
            Layout::FanOut | Layout::FanIn => self.traffic.subscribers as u64,
        }
    }

    /// Deliveries that have to come for all that was sent.
    pub fn owed(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.sent).sum::<u64>() * self.receivers()
    }

    pub fn deliveries(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.deliveries).sum()
    }

    pub fn acknowledged(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.acknowledged).sum()
    }

    fn refill(&mut self, number: usize) {
        let receivers = if self.traffic.subscribers == 0 { 0 } else { self.receivers() };
        let publisher = &mut self.publishers[number];
        publisher.is_dirty = false;
        if !self.is_publishing {
            return;
        }
        let mut done = publisher.deliveries.checked_div(receivers).unwrap_or(publisher.sent);
        if self.traffic.qos > 0 {
            done = done.min(publisher.acknowledged);
        }
        let link = &mut self.links[number];
        let before = link.out.len();
        while publisher.sent - done < self.traffic.window && publisher.sent < self.limit {
            let id = (publisher.sent % 65_535 + 1) as u16;
            if self.traffic.qos > 0 {
                publisher.frame[publisher.id_at..publisher.id_at + 2].copy_from_slice(&id.to_be_bytes());
            }
            let at = publisher.payload_at + 4;
            publisher.frame[at..at + 8].copy_from_slice(&publisher.sent.to_be_bytes());
            link.out.extend_from_slice(&publisher.frame);
            publisher.sent += 1;
        }
        if self.traffic.window == 1 {
            publisher.since = Instant::now();
        }
        if link.out.len() > before {
            self.touch(number);
        }
    }

    fn touch(&mut self, number: usize) {
        let link = &mut self.links[number];
        if !link.is_touched && !link.is_blocked {
            link.is_touched = true;
            self.touched.push(number);
        }
    }

    fn mark(&mut self, publisher: usize) {
        if !std::mem::replace(&mut self.publishers[publisher].is_dirty, true) {
            self.dirty.push(publisher);
        }
    }

    /// Looks at all windows again, after a change of the limit.
    pub fn mark_all(&mut self) {
        for number in 0..self.publishers.len() {
            self.mark(number);
        }
    }

    /// Works through what is in the buffer.
    fn input(&mut self, number: usize, filled: usize, partial: &mut Vec<u8>) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while let Some((head, length)) = frame_length(&buffer[at..filled]) {
            self.take(number, parse(&buffer[at..at + length], head, self.dialect));
            at += length;
        }
        partial.clear();
        partial.extend_from_slice(&buffer[at..filled]);
        self.buffer = buffer;
        if !self.links[number].out.is_empty() {
            self.touch(number);
        }
    }

    fn take(&mut self, number: usize, packet: Packet<'_>) {
        match packet {
            Packet::Publish { qos, id, payload } => {
                let out = &mut self.links[number].out;
                match qos {
                    1 => out.extend_from_slice(&[0x40, 2, id[0], id[1]]),
                    2 => out.extend_from_slice(&[0x50, 2, id[0], id[1]]),
                    _ => {}
                }
                self.delivered(number - self.first_subscriber, payload);
            }
            Packet::PubAck | Packet::PubComp if number < self.traffic.publishers => {
                self.publishers[number].acknowledged += 1;
                self.mark(number);
            }
            Packet::PubRec(id) => self.links[number].out.extend_from_slice(&[0x62, 2, id[0], id[1]]),
            Packet::PubRel(id) => self.links[number].out.extend_from_slice(&[0x70, 2, id[0], id[1]]),
            _ => {}
        }
    }

    fn delivered(&mut self, subscriber: usize, payload: &[u8]) {
        let publisher = u32::from_be_bytes(payload[..4].try_into().expect("four bytes")) as usize;
        let sequence = u64::from_be_bytes(payload[4..12].try_into().expect("eight bytes"));
        let next = &mut self.expected[subscriber][publisher];
        if sequence < *next {
            self.seen.repeated += 1;
        } else if sequence > *next && self.traffic.layout != Layout::Share {
            self.seen.disordered += 1;
        }
        *next = sequence + 1;
        self.seen.delivered += 1;
        self.publishers[publisher].deliveries += 1;
        if self.traffic.window == 1 {
            self.seen.latencies.push(self.publishers[publisher].since.elapsed().as_nanos() as u32);
        }
        self.mark(publisher);
    }
}

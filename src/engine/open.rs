//! A client is let in: it takes its place, new or from before.

use super::Engine;
use super::connection::ConnectionKey;
use super::pace::Allowance;
use super::permit::Narrowness;
use super::rights::Rights;
use super::timer::Timer;
use crate::core::id::{ConsumerKey, Ticket};
use crate::protocol::{Closing, Denial, Event, Open};

impl Engine {
    pub(super) fn open_client(&mut self, connection: ConnectionKey, open: Open) {
        if self.connections[connection.index()].principal.is_none() {
            // Nobody is let in whom no security manager has named.
            return self.notify(connection, Event::NotOpened(Denial::NotAuthorized));
        }
        if self.has_to_wait(&open.client_id) {
            return self.keep_waiting(connection, open);
        }
        if let Err(denial) = self.check_will(connection, &open) {
            return self.notify(connection, Event::NotOpened(denial));
        }
        let mut found = self.by_id.get(&open.client_id).copied();
        if let Err(denial) = self.check_connections(connection, found) {
            return self.notify(connection, Event::NotOpened(denial));
        }
        if let Some(key) = found {
            if let Err(denial) = self.make_way(connection, key, &open) {
                return self.notify(connection, Event::NotOpened(denial));
            }
            // A client whose state ended with its connection is not there any more.
            found = self.by_id.get(&open.client_id).copied();
        }
        if let Some(key) = found
            && (open.clean || self.clients[key.index()].is_gone(self.now))
        {
            self.end_client(key);
            found = None;
        }
        if found.is_none() && !self.bounds.clients.admits(self.sessions() as u64 + 1) {
            return self.notify(connection, Event::NotOpened(Denial::QuotaExceeded));
        }
        self.take_back_will(connection, &open);
        let present = found.is_some();
        // A session that has ended must not come back with a crash once the client was told that it is new.
        let ticket = self.ended.get(&open.client_id).copied().unwrap_or_default();
        let key = found.unwrap_or_else(|| self.add_client(open.client_id.clone(), open.expiry));
        let silence_ms = open.silence_ms;
        let received = self.attach(connection, key, open);
        self.remove_stranger(connection);
        self.set_silence(connection, silence_ms);
        self.limit_connect_time(connection);
        if ticket > self.open.committed() {
            let queue = self.clients[key.index()].queue;
            self.queue(queue).hold = ticket;
            self.hold(queue);
            self.await_ticket(connection, ticket);
        }
        if let Some(waits) = received.iter().map(|(_, waits)| *waits).filter(|waits| *waits != Ticket(u64::MAX)).max() {
            self.await_ticket(connection, waits);
        }
        self.notify(connection, Event::Opened { present, received, ticket });
        if self.connections[connection.index()].client == Some(key) {
            self.dispatch_client(key);
        }
    }

    /// Ends the connection that holds the client id, if the newcomer may take its place.
    fn make_way(&mut self, connection: ConnectionKey, key: ConsumerKey, open: &Open) -> Result<(), Denial> {
        let client = &self.clients[key.index()];
        if client.is_gone(self.now) {
            return Ok(());
        }
        let newcomer = self.connections[connection.index()].principal.as_ref();
        let owner = &client.rights.principal;
        if self.options.security.is_some() && newcomer.is_none_or(|newcomer| !newcomer.may_take_from(owner)) {
            self.bounds.connects_denied.refuse();
            return Err(Denial::NotAuthorized);
        }
        let Some(holder) = client.connection else { return Ok(()) };
        if !open.may_take_over {
            return Err(Denial::InUse);
        }
        self.kick(holder, Closing::TakenOver, true);
        Ok(())
    }

    fn limit_connect_time(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key.index()];
        if let Some(ms) = connection.peer.terms.connected_max_ms {
            let ends = self.now.after(ms);
            self.set_timer(ends, Timer::ConnectTime(key, connection.number, ends));
        }
    }

    fn attach(&mut self, connection: ConnectionKey, key: ConsumerKey, open: Open) -> Vec<(u16, Ticket)> {
        let holder = &mut self.connections[connection.index()];
        holder.client = Some(key);
        let limit = holder.principal.as_deref().map(|principal| self.options.user_limits.of(principal));
        let (limit, terms) = (limit.unwrap_or_default(), &holder.peer.terms);
        let messages = limit.messages_per_second.or(terms.messages_per_second);
        holder.allowance = Allowance::new(messages, limit.bytes_per_second.or(terms.bytes_per_second), self.now);
        let mut open = open;
        if let (Some(will), Some(most)) = (&mut open.will, terms.will_delay_max_ms) {
            will.delay_ms = will.delay_ms.min(most);
        }
        // Its subscriptions count for whoever has it now.
        let queues = self.clients[key.index()].subscriptions.len() as i64;
        self.count_use(key, 0, -queues);
        let holder = &mut self.connections[connection.index()];
        let client = &mut self.clients[key.index()];
        client.connection = Some(connection);
        if let Some(principal) = holder.principal.take() {
            client.rights = Rights::of(*principal, client.client_id.clone());
            client.narrowness = Narrowness::default();
        }
        self.count_use(key, 1, queues);
        let client = &mut self.clients[key.index()];
        client.left = None;
        client.expiry = open.expiry;
        client.will = open.will;
        client.will_due = None;
        let received = std::mem::take(&mut client.received);
        self.write_client(key);
        self.write_will(key);
        received
    }
}

//! Wills: sent when their client is gone, at once or after a delay, and across a failure of the broker.

use std::rc::Rc;

use super::Engine;
use super::client::publisher;
use super::connection::ConnectionKey;
use super::rights::Rights;
use super::timer::Timer;
use crate::core::id::{ConsumerKey, Time};
use crate::core::message::{Guarantee, Posting};
use crate::protocol::{Expiry, Open, Will};
use crate::store::record::{ClientRecord, Key, OwnerRecord, Trailing, WillRecord};

/// Wills sent in one tick, so that a crowd that leaves at once stops nobody else.
const WILLS_PER_TICK: usize = 256;

/// Seconds of their rate that wills may use at once.
const BURST_S: u64 = 1;

/// A will whose time has come.
#[derive(Debug)]
pub(super) struct DueWill {
    posting: Posting,
    /// The number of its client, which need not be there any more.
    id: u64,
    client_id: Rc<str>,
    rights: Rights,
    /// The journal knows it.
    is_recorded: bool,
    /// It has to wait since too many are sent at once.
    is_late: bool,
}

/// A will that goes out.
pub(super) struct SentWill {
    id: u64,
    client_id: Rc<str>,
    is_recorded: bool,
}

/// A will that a failure of the broker has left over; its client may come back and take it away.
#[derive(Debug)]
pub(super) struct LeftWill {
    pub will: Will,
    pub id: u64,
    pub rights: Rights,
    pub due: Time,
    /// Its client was connected when the broker failed.
    pub was_connected: bool,
}

impl Engine {
    /// The client has lost its connection: its will is sent now, or when its delay or its state ends.
    pub(super) fn arrange_will(&mut self, key: ConsumerKey) {
        let now = self.now;
        let client = &mut self.clients[key.index()];
        let Some(will) = &client.will else {
            return self.forget_will(key);
        };
        let mut due = now.after(will.delay_ms);
        if let Some(ends) = client.expiry.ends(now) {
            due = due.min(ends); // [MQTT-3.1.2-8]
        }
        if due <= now {
            return self.send_will_now(key);
        }
        client.will_due = Some(due);
        let id = client.id;
        self.set_timer(due, Timer::Will(key, id));
        self.write_will(key);
    }

    /// The will goes out with this tick or one of the next.
    pub(super) fn send_will_now(&mut self, key: ConsumerKey) {
        let client = &mut self.clients[key.index()];
        client.will_due = None;
        let Some(will) = client.will.take() else { return };
        let is_recorded = std::mem::take(&mut client.has_will_record);
        let (id, client_id, rights) = (client.id, client.client_id.clone(), client.rights.clone());
        let is_late = false;
        self.queue_will(DueWill { posting: will.posting, id, client_id, rights, is_recorded, is_late });
    }

    fn queue_will(&mut self, will: DueWill) {
        self.due_wills.push_back(will);
        if self.wills_are_late {
            self.hold_wills_back();
        }
    }

    /// Counts the wills that have to wait.
    fn hold_wills_back(&mut self) {
        for will in self.due_wills.iter_mut().rev().take_while(|will| !will.is_late) {
            will.is_late = true;
            self.bounds.wills.add(1);
            self.bounds.wills.refuse();
        }
    }

    /// Some of the wills that had to wait may go now.
    pub(super) fn send_late_wills(&mut self) {
        self.wills_are_late = false;
    }

    pub(super) fn send_due_will(&mut self, key: ConsumerKey, id: u64, now: Time) {
        let Some(client) = self.clients.get(key.index()).filter(|client| client.id == id) else { return };
        match client.will_due {
            Some(due) if due <= now => self.send_will_now(key),
            Some(due) => self.set_timer(due, Timer::Will(key, id)),
            None => {}
        }
    }

    /// Whether wills can be sent in the next tick.
    pub(super) fn has_due_wills(&self) -> bool {
        !self.due_wills.is_empty() && !self.wills_are_late && !self.routings.are_busy()
    }

    /// Sends wills whose time has come: a tick's share of them, within their rate.
    pub(super) fn send_wills(&mut self) {
        for _ in 0..WILLS_PER_TICK {
            if !self.has_due_wills() || self.routings.are_enough(self.options.receivers_per_tick) {
                return;
            }
            if !self.will_rate.try_take(BURST_S, self.now) {
                self.wills_are_late = true;
                self.hold_wills_back();
                self.timers.set(self.now.after(1), Timer::LateWills);
                return;
            }
            let Some(will) = self.due_wills.pop_front() else { return };
            self.send_will(will);
        }
    }

    /// Sends every will whose time has come.
    pub(super) fn send_all_wills(&mut self) {
        while let Some(will) = self.due_wills.pop_front() {
            self.send_will(will);
            self.finish_routing();
        }
    }

    fn send_will(&mut self, will: DueWill) {
        self.bounds.wills.give(u64::from(will.is_late));
        let DueWill { posting, id, client_id, mut rights, is_recorded, .. } = will;
        let publisher = publisher(&client_id);
        if let Some(sent) = self.post(posting, publisher, &mut rights, SentWill { id, client_id, is_recorded }) {
            self.forget_sent_will(&sent);
        }
    }

    /// A will has gone out.
    pub(super) fn forget_sent_will(&mut self, will: &SentWill) {
        // A client that is back has put its new will where this one was.
        let place = self.by_id.get(&will.client_id).map(|key| &self.clients[key.index()]);
        let is_replaced = place.is_some_and(|client| client.id == will.id && client.has_will_record);
        if will.is_recorded && !is_replaced {
            self.open.write_lazily(|batch| batch.delete_record(&Key::will(will.id)));
        }
    }

    pub(super) fn forget_will(&mut self, key: ConsumerKey) {
        let client = &mut self.clients[key.index()];
        if std::mem::take(&mut client.has_will_record) {
            let id = client.id;
            self.open.write_lazily(|batch| batch.delete_record(&Key::will(id)));
        }
    }

    /// Keeps a will that means something durable, so that it is sent even if the broker fails first.
    pub(super) fn write_will(&mut self, key: ConsumerKey) {
        let client = &self.clients[key.index()];
        let means_something = |will: &Will| will.posting.retain || will.posting.guarantee > Guarantee::AtMostOnce;
        let Some(will) = client.will.as_ref().filter(|will| means_something(will)) else {
            return self.forget_will(key);
        };
        let record = WillRecord {
            client_id: (&*client.client_id).into(),
            owner: Trailing(OwnerRecord {
                user: client.user().into(),
                roles: client.rights.principal.roles().iter().map(|role| role.as_str().into()).collect(),
                rights: client.rights.record(),
            }),
            posting: will.posting.clone(),
            delay_ms: will.delay_ms,
            due: client.will_due.map(|due| due.0),
        };
        let (id, is_durable) = (client.id, client.is_durable);
        let put = |batch: &mut crate::store::Batch| batch.put_record(&Key::will(id), &record);
        if is_durable {
            // A delayed will is all that is left of its client.
            self.open.write(put);
        } else {
            self.open.write_lazily(put);
        }
        self.clients[key.index()].has_will_record = self.open.is_durable();
    }

    /// A will comes back from the journal: it is sent no sooner than its client had time to return.
    pub(super) fn restore_will(&mut self, id: u64, record: WillRecord) {
        let client_id: Rc<str> = (&*record.client_id).into();
        let grace = self.now.after(self.options.will_grace_ms);
        let delayed = record.due.map_or_else(|| self.now.after(record.delay_ms), Time);
        let client = self.by_id.get(&client_id).map(|key| &self.clients[key.index()]);
        let client = client.filter(|client| client.id == id);
        let ends = match client {
            Some(client) => client.left.and_then(|left| client.expiry.ends(left)),
            None => Expiry::AT_DISCONNECT.ends(self.now),
        };
        let rights = match client {
            Some(client) => client.rights.clone(),
            None => owner_rights(record.owner.0, client_id.clone()),
        };
        let due = ends.map_or(delayed, |ends| delayed.min(ends)).max(grace);
        self.next_client = self.next_client.max(id + 1);
        let left = LeftWill {
            will: Will { posting: record.posting, delay_ms: record.delay_ms },
            id,
            rights,
            due,
            was_connected: record.due.is_none(),
        };
        self.set_timer(due, Timer::LeftWill(client_id.clone()));
        if let Some(older) = self.left_wills.insert(client_id.clone(), left) {
            // A newer client has its id: its state had ended, and only its will had not gone out.
            self.send_left_will(client_id, older);
        }
    }

    /// A client is back after a failure of the broker: what it left behind is not sent, unless its delay was running
    /// and it gives up the session that could have stopped it.
    pub(super) fn take_back_will(&mut self, connection: ConnectionKey, open: &Open) {
        if self.left_wills.is_empty() {
            return;
        }
        let Some(left) = self.left_wills.get(&open.client_id) else { return };
        let newcomer = self.connections[connection.index()].principal.as_ref();
        let owner = &left.rights.principal;
        if self.options.security.is_some() && newcomer.is_none_or(|newcomer| !newcomer.may_take_from(owner)) {
            return;
        }
        let Some(left) = self.left_wills.remove(&open.client_id) else { return };
        if left.was_connected || !open.clean {
            self.open.write_lazily(|batch| batch.delete_record(&Key::will(left.id)));
        } else {
            self.send_left_will(open.client_id.clone(), left);
        }
    }

    pub(super) fn send_due_left_will(&mut self, client_id: Rc<str>) {
        let Some(left) = self.left_wills.get(&client_id) else { return };
        if left.due > self.now {
            return self.set_timer(left.due, Timer::LeftWill(client_id));
        }
        if let Some(left) = self.left_wills.remove(&client_id) {
            self.send_left_will(client_id, left);
        }
    }

    fn send_left_will(&mut self, client_id: Rc<str>, left: LeftWill) {
        let LeftWill { will, id, rights, .. } = left;
        let (posting, is_recorded, is_late) = (will.posting, true, false);
        self.queue_will(DueWill { posting, id, client_id, rights, is_recorded, is_late });
    }
}

/// The rights of a client of which only the will is left.
fn owner_rights(owner: OwnerRecord, client_id: Rc<str>) -> Rights {
    let OwnerRecord { user, roles, rights } = owner;
    let name = (&*client_id).into();
    let its =
        ClientRecord { client_id: name, owner: user, roles, queue: 0, expiry: 0, left: None, rights: Trailing(rights) };
    Rights::restored(&its, client_id)
}

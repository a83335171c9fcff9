//! Wills: sent when their client is gone, at once or after a delay.

use super::Engine;
use super::rights::Rights;
use super::timer::Timer;
use crate::core::id::{ConsumerKey, Time};
use crate::core::message::{Guarantee, Posting};
use crate::protocol::Expiry;
use crate::store::record::{Key, WillRecord};

/// Seconds of their rate that wills may use at once.
const BURST_S: u64 = 1;

/// A will that has to wait since too many are sent at once.
#[derive(Debug)]
pub(super) struct LateWill {
    posting: Posting,
    publisher: u64,
    rights: Rights,
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

    pub(super) fn send_will_now(&mut self, key: ConsumerKey) {
        let client = &mut self.clients[key.index()];
        client.will_due = None;
        let Some(will) = client.will.take() else { return };
        let (id, is_durable) = (client.id, client.is_durable);
        let (posting, mut rights) = (will.posting, client.rights.clone());
        if self.late_wills.is_empty() && self.will_rate.try_take(BURST_S, self.now) {
            self.post(posting, id, &mut rights);
        } else {
            self.hold_will_back(LateWill { posting, publisher: id, rights });
        }
        if is_durable {
            self.open.write_lazily(|batch| batch.delete_record(&Key::will(id)));
        }
    }

    fn hold_will_back(&mut self, will: LateWill) {
        if self.late_wills.is_empty() {
            self.timers.set(self.now.after(1), Timer::LateWills);
        }
        self.bounds.wills.add(1);
        self.bounds.wills.refuse();
        self.late_wills.push_back(will);
    }

    pub(super) fn send_late_wills(&mut self) {
        while !self.late_wills.is_empty() && self.will_rate.try_take(BURST_S, self.now) {
            let Some(mut will) = self.late_wills.pop_front() else { return };
            self.bounds.wills.give(1);
            self.post(will.posting, will.publisher, &mut will.rights);
        }
        if !self.late_wills.is_empty() {
            self.timers.set(self.now.after(1), Timer::LateWills);
        }
    }

    pub(super) fn send_due_will(&mut self, key: ConsumerKey, id: u64, now: Time) {
        let Some(client) = self.clients.get(key.index()).filter(|client| client.id == id) else { return };
        match client.will_due {
            Some(due) if due <= now => self.send_will_now(key),
            Some(due) => self.set_timer(due, Timer::Will(key, id)),
            None => {}
        }
    }

    fn forget_will(&mut self, key: ConsumerKey) {
        let client = &self.clients[key.index()];
        if client.is_durable {
            let id = client.id;
            self.open.write_lazily(|batch| batch.delete_record(&Key::will(id)));
        }
    }

    /// Keeps a will that means something durable, so that it is sent even if the broker fails first.
    pub(super) fn write_will(&mut self, key: ConsumerKey) {
        let client = &self.clients[key.index()];
        if !client.is_durable || client.expiry == Expiry::AT_DISCONNECT {
            return;
        }
        let id = client.id;
        match &client.will {
            Some(will) if will.posting.retain || will.posting.guarantee > Guarantee::AtMostOnce => {
                let record = WillRecord {
                    client_id: (&*client.client_id).into(),
                    posting: will.posting.clone(),
                    delay_ms: will.delay_ms,
                    due: client.will_due.map(|due| due.0),
                };
                // A delayed will is all that is left of its client.
                self.open.write(|batch| batch.put_record(&Key::will(id), &record));
            }
            _ => {
                self.open.write_lazily(|batch| batch.delete_record(&Key::will(id)));
            }
        }
    }
}

//! Who may connect to an acceptor now: how many at a time, in all and from one address, and how often.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::core::id::Time;
use crate::core::limit::{Limit, Rate};

/// Seconds of its rate that an acceptor, or an address, may use at once.
const BURST_S: u64 = 5;

/// Addresses remembered; beyond that, new ones are not counted one by one.
const ADDRESSES_MAX: usize = 65_536;

/// What an acceptor is told of how many may connect. `None` is any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct GateOptions {
    /// Connections at a time.
    pub connections_max: Option<u64>,
    /// Connections at a time from one address, as for the rate: of IPv6 one network of 64 bits, of this machine none.
    pub per_address_max: Option<u64>,
    /// Connections a second.
    pub rate: Option<u64>,
    /// Connections a second from one address.
    pub per_address_rate: Option<u64>,
}

/// The counts of one acceptor.
#[derive(Debug)]
pub struct Gate {
    options: GateOptions,
    connections: Rc<Limit>,
    per_address: Rc<Limit>,
    rates: Rc<Limit>,
    address_rates: Rc<Limit>,
    rate: Cell<Option<Rate>>,
    addresses: RefCell<HashMap<IpAddr, Seen>>,
}

#[derive(Debug)]
struct Seen {
    connections: u64,
    rate: Option<Rate>,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub enum Entrance {
    In(Place),
    /// It is told that there are too many a second.
    TooOften(Place),
    /// It is closed without a word.
    Out,
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub struct Place {
    gate: Rc<Gate>,
    total: Rc<Limit>,
    address: Option<IpAddr>,
}

impl Gate {
    pub fn new(options: GateOptions, now: Time) -> Self {
        let limit = |name, max: Option<u64>| Rc::new(Limit::new(name, max.unwrap_or(u64::MAX)));
        Self {
            options,
            connections: limit("connections", options.connections_max),
            per_address: limit("connections from one address", options.per_address_max),
            rates: limit("connections a second", options.rate),
            address_rates: limit("connections a second from one address", options.per_address_rate),
            rate: Cell::new(options.rate.map(|rate| Rate::new(rate, BURST_S, now))),
            addresses: RefCell::default(),
        }
    }

    /// What operators see.
    pub fn limits(&self) -> [Rc<Limit>; 4] {
        [&self.connections, &self.per_address, &self.rates, &self.address_rates].map(Clone::clone)
    }

    /// Decides about a connection that comes from `remote`; `total` counts those of all acceptors.
    pub fn enter(self: &Rc<Self>, remote: IpAddr, total: &Rc<Limit>, now: Time) -> Entrance {
        let address = counted(remote).filter(|_| self.counts_addresses());
        if !total.take(1) {
            return Entrance::Out;
        }
        if !self.connections.take(1) {
            total.give(1);
            return Entrance::Out;
        }
        let mut place = Place { gate: self.clone(), total: total.clone(), address: None };
        let mut is_on_time = self.is_on_time(now);
        if let Some(address) = address {
            let mut addresses = self.addresses.borrow_mut();
            if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
                addresses.retain(|_, seen| seen.is_known(now));
            }
            if addresses.len() < ADDRESSES_MAX || addresses.contains_key(&address) {
                let rate = || self.options.per_address_rate.map(|rate| Rate::new(rate, BURST_S, now));
                let seen = addresses.entry(address).or_insert_with(|| Seen { connections: 0, rate: rate() });
                if !self.per_address.admits(seen.connections + 1) {
                    drop(addresses);
                    return Entrance::Out;
                }
                seen.connections += 1;
                place.address = Some(address);
                if seen.rate.as_mut().is_some_and(|rate| !rate.try_take(BURST_S, now)) {
                    self.address_rates.refuse();
                    is_on_time = false;
                }
            }
        }
        if is_on_time { Entrance::In(place) } else { Entrance::TooOften(place) }
    }

    fn counts_addresses(&self) -> bool {
        self.options.per_address_max.is_some() || self.options.per_address_rate.is_some()
    }

    fn is_on_time(&self, now: Time) -> bool {
        let Some(mut rate) = self.rate.get() else { return true };
        let is_on_time = rate.try_take(BURST_S, now);
        self.rate.set(Some(rate));
        if !is_on_time {
            self.rates.refuse();
        }
        is_on_time
    }
}

impl Seen {
    fn is_known(&self, now: Time) -> bool {
        self.connections > 0 || self.rate.is_some_and(|rate| !rate.is_rested(BURST_S, now))
    }
}

/// The address that a peer counts for; none for this machine.
fn counted(remote: IpAddr) -> Option<IpAddr> {
    match remote.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
        address => Some(address),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.total.give(1);
        self.gate.connections.give(1);
        let Some(address) = self.address else { return };
        let mut addresses = self.gate.addresses.borrow_mut();
        if let Some(seen) = addresses.get_mut(&address) {
            seen.connections -= 1;
            if seen.connections == 0 && seen.rate.is_none() {
                addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000);

    fn gate(options: GateOptions) -> (Rc<Gate>, Rc<Limit>) {
        (Rc::new(Gate::new(options, NOW)), Rc::new(Limit::new("all", 100)))
    }

    fn enter(gate: &(Rc<Gate>, Rc<Limit>), remote: &str, now: Time) -> Entrance {
        gate.0.enter(remote.parse().unwrap(), &gate.1, now)
    }

    fn place(admission: Entrance) -> Option<Place> {
        match admission {
            Entrance::In(place) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn places_come_back() {
        let gate = gate(GateOptions { connections_max: Some(1), ..GateOptions::default() });
        let first = place(enter(&gate, "192.0.2.1", NOW));
        assert!(first.is_some() && matches!(enter(&gate, "192.0.2.2", NOW), Entrance::Out));
        drop(first);
        assert!(place(enter(&gate, "192.0.2.1", NOW)).is_some());
        assert_eq!((gate.1.current(), gate.0.connections.refused()), (0, 1));
    }

    #[test]
    fn an_address_has_only_so_many_and_this_machine_any_number() {
        let gate = gate(GateOptions { per_address_max: Some(2), ..GateOptions::default() });
        let held: Vec<_> = ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|remote| place(enter(&gate, remote, NOW)))
            .into();
        assert!(held.iter().all(Option::is_some));
        assert!(["192.0.2.1", "2001:db8::3"].iter().all(|remote| place(enter(&gate, remote, NOW)).is_none()));
        let own: Vec<_> = (0..9).map(|_| place(enter(&gate, "127.0.0.1", NOW))).collect();
        assert!(own.iter().all(Option::is_some));
        drop((held, own));
        assert_eq!((gate.1.current(), gate.0.addresses.borrow().len(), gate.0.per_address.refused()), (0, 0, 2));
    }

    #[test]
    fn too_many_a_second_are_told_so() {
        let gate = gate(GateOptions { rate: Some(2), per_address_rate: Some(1), ..GateOptions::default() });
        let in_time = |remote, count: usize, now| {
            (0..count).filter(|_| matches!(enter(&gate, remote, now), Entrance::In(_))).count()
        };
        assert_eq!(in_time("192.0.2.1", 6, NOW), 5);
        assert_eq!(in_time("127.0.0.1", 9, NOW), 4);
        assert_eq!(in_time("127.0.0.1", 9, NOW.after(1000)), 2);
        assert_eq!((gate.0.address_rates.refused(), gate.0.rates.refused()), (1, 12));
    }
}

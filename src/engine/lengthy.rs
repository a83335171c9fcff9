//! SUBSCRIBE and UNSUBSCRIBE of many filters, a few at a time, so that others do not wait for all of them.

use std::vec::IntoIter;

use super::Engine;
use super::connection::ConnectionKey;
use crate::core::id::ConsumerKey;
use crate::core::message::Guarantee;
use crate::protocol::{Refusal, Subscription, SubscriptionName, Token};

/// Filters in one go.
const FILTERS: usize = 4;

/// What a client has asked for, and what became of it so far.
#[derive(Debug)]
pub(super) enum Lengthy {
    Subscribe { token: Token, rest: IntoIter<Subscription>, results: Vec<Result<Guarantee, Refusal>> },
    Unsubscribe { token: Token, rest: IntoIter<SubscriptionName>, results: Vec<Result<bool, Refusal>> },
}

impl Lengthy {
    fn is_done(&self) -> bool {
        match self {
            Self::Subscribe { rest, .. } => rest.len() == 0,
            Self::Unsubscribe { rest, .. } => rest.len() == 0,
        }
    }
}

impl Engine {
    pub(super) fn subscribe(&mut self, key: ConnectionKey, token: Token, subscriptions: Vec<Subscription>) {
        let results = Vec::with_capacity(subscriptions.len());
        self.go_on(key, Lengthy::Subscribe { token, rest: subscriptions.into_iter(), results });
    }

    pub(super) fn unsubscribe(&mut self, key: ConnectionKey, token: Token, names: Vec<SubscriptionName>) {
        let results = Vec::with_capacity(names.len());
        self.go_on(key, Lengthy::Unsubscribe { token, rest: names.into_iter(), results });
    }

    /// Goes on with one of those that are under way.
    pub(super) fn go_on_with_lengthy(&mut self) {
        while let Some((key, number)) = self.lengthy.pop_front() {
            let current = self.connections.get_mut(key.index()).filter(|connection| connection.number == number);
            let Some(lengthy) = current.and_then(|connection| connection.lengthy.take()) else { continue };
            self.go_on(key, *lengthy);
            if !self.is_lengthy(key) {
                self.listen_again(key);
            }
            return;
        }
    }

    fn is_lengthy(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.index()).is_some_and(|connection| connection.lengthy.is_some())
    }

    fn go_on(&mut self, key: ConnectionKey, mut lengthy: Lengthy) {
        let Some(client) = self.connections[key.index()].client else { return };
        self.work_on(key, client, &mut lengthy);
        if !lengthy.is_done() {
            let connection = &mut self.connections[key.index()];
            connection.lengthy = Some(Box::new(lengthy));
            let number = connection.number;
            return self.lengthy.push_back((key, number));
        }
        match lengthy {
            Lengthy::Subscribe { token, results, .. } => self.subscribed(key, client, token, results),
            Lengthy::Unsubscribe { token, results, .. } => self.unsubscribed(key, client, token, results),
        }
    }

    fn work_on(&mut self, key: ConnectionKey, client: ConsumerKey, lengthy: &mut Lengthy) {
        match lengthy {
            Lengthy::Subscribe { rest, results, .. } => {
                for wanted in rest.take(FILTERS) {
                    results.push(self.subscribe_one(key, client, &wanted));
                }
            }
            Lengthy::Unsubscribe { rest, results, .. } => {
                for name in rest.take(FILTERS) {
                    results.push(self.unsubscribe_one(key, client, &name));
                }
            }
        }
    }
}

//! What the journal holds: one typed key and value for each thing that outlives the process.

use bytes::Bytes;

use super::{Batch, JournalError};
use crate::core::message::{Guarantee, Posting, Properties};

/// First byte of a key; recovery reads the kinds in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Alive = b'a',
    Queue = b'b',
    Client = b'c',
    Subscription = b'd',
    Message = b'm',
    Entry = b'n',
    Outgoing = b'o',
    Received = b'p',
    Retained = b'r',
    Will = b'w',
}

/// A client's state.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientRecord {
    pub client_id: Box<str>,
    /// The user it belongs to.
    pub owner: Box<str>,
    pub roles: Vec<Box<str>>,
    pub queue: u64,
    /// Seconds it outlives its connection; `u32::MAX` is for ever.
    pub expiry: u32,
    /// Milliseconds since 1970; `None` while connected.
    pub left: Option<u64>,
    pub rights: Trailing<RightsRecord>,
}

/// What a client may do beside its roles, and by whose word it has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RightsRecord {
    pub rules: Vec<NamedRule>,
    /// Whether its roles are not those of its login modules.
    pub has_own_roles: bool,
    /// Login modules, and the user each has let in.
    pub vouchers: Vec<(Box<str>, Box<str>)>,
    /// Whether it stands for nobody in particular.
    pub is_anonymous: bool,
}

/// Name of a permission, whether it is allowed, and the pattern of the addresses.
pub type NamedRule = (Box<str>, (bool, Box<str>));

/// What earlier versions did not write: it is last, and empty where it is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trailing<T>(pub T);

/// A subscription: of a client if `group` is absent, of the client as member of a group otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionRecord {
    pub pattern: Box<str>,
    pub group: Option<Box<str>>,
    pub guarantee: Guarantee,
    pub keep_retain: bool,
    pub exclude_own: bool,
    pub tags: Vec<u32>,
    /// Not all last values that it asked for are sent yet.
    pub replaying: bool,
}

/// A message's body, shared by the entries that refer to it.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRecord {
    pub posting: Posting,
    pub publisher: u64,
    pub expires: Option<u64>,
}

/// A message's place in a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryRecord {
    pub message: u64,
    pub guarantee: Guarantee,
    pub keep_retain: bool,
    pub retained: bool,
    pub tags: Vec<u32>,
}

/// A delivery with a number: sent, or received by the client and not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingRecord {
    pub queue: u64,
    pub sequence: u64,
    pub order: u64,
    pub released: bool,
}

/// A client's will.
#[derive(Debug, Clone, PartialEq)]
pub struct WillRecord {
    pub client_id: Box<str>,
    pub posting: Posting,
    pub delay_ms: u64,
    /// When it is to be sent; `None` while its client is connected.
    pub due: Option<u64>,
    pub owner: Trailing<OwnerRecord>,
}

/// The user that a will is sent for, and what it may do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnerRecord {
    pub user: Box<str>,
    pub roles: Vec<Box<str>>,
    pub rights: RightsRecord,
}

/// The journal's last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AliveRecord {
    pub at: u64,
}

/// Queue records name what is not a client's own queue: the group and pattern of a shared one, or a declared name.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRecord {
    pub group: Option<Box<str>>,
    /// The pattern of a group's binding, or the declared queue's name.
    pub name: Box<str>,
}

/// A key: its kind and the numbers or names that tell it from others of the kind.
#[derive(Debug, Clone)]
pub struct Key(Vec<u8>);

impl Key {
    pub fn alive() -> Self {
        Self(vec![Kind::Alive as u8])
    }

    pub fn queue(id: u64) -> Self {
        Self::of(Kind::Queue, &[id])
    }

    pub fn client(id: u64) -> Self {
        Self::of(Kind::Client, &[id])
    }

    pub fn subscription(client: u64, group: Option<&str>, pattern: &str) -> Self {
        let mut key = Self::of(Kind::Subscription, &[client]);
        if let Some(group) = group {
            key.0.extend_from_slice(group.as_bytes());
        }
        // No pattern and no group holds this byte.
        key.0.push(0xFF);
        key.0.extend_from_slice(pattern.as_bytes());
        key
    }

    pub fn message(id: u64) -> Self {
        Self::of(Kind::Message, &[id])
    }

    pub fn entry(queue: u64, sequence: u64) -> Self {
        Self::of(Kind::Entry, &[queue, sequence])
    }

    pub fn outgoing(client: u64, handle: u16) -> Self {
        Self::of(Kind::Outgoing, &[client, u64::from(handle)])
    }

    pub fn received(client: u64, handle: u16) -> Self {
        Self::of(Kind::Received, &[client, u64::from(handle)])
    }

    pub fn retained(address: &str) -> Self {
        let mut key = Self(vec![Kind::Retained as u8]);
        key.0.extend_from_slice(address.as_bytes());
        key
    }

    pub fn will(client: u64) -> Self {
        Self::of(Kind::Will, &[client])
    }

    fn of(kind: Kind, numbers: &[u64]) -> Self {
        let mut key = vec![kind as u8];
        key.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        Self(key)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number behind the kind, and the one behind that.
    pub fn numbers(key: &[u8]) -> (u64, u64) {
        let number =
            |from: usize| key.get(from..).and_then(|rest| rest.first_chunk()).map_or(0, |n| u64::from_be_bytes(*n));
        (number(1), number(9))
    }
}

/// Deletes all keys of one kind that begin with a number.
pub fn delete_all(batch: &mut Batch, kind: Kind, number: u64) {
    let from = Key::of(kind, &[number]);
    match number.checked_add(1) {
        Some(next) => batch.delete_range(from.as_bytes(), Key::of(kind, &[next]).as_bytes()),
        None => batch.delete_range(from.as_bytes(), &[kind as u8 + 1]),
    }
}

/// A value that is written to and read from bytes.
pub trait Value: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// # Errors
    /// The bytes are not such a value.
    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged>;

    /// # Errors
    /// The bytes are not such a value, or more than one.
    fn from_bytes(bytes: &[u8]) -> Result<Self, JournalError> {
        let mut reader = Reader(bytes);
        let value = Self::read(&mut reader);
        value
            .and_then(|value| if reader.0.is_empty() { Ok(value) } else { Err(Damaged) })
            .map_err(|_| JournalError::Record(format!("a {} cannot be read", std::any::type_name::<Self>())))
    }
}

/// Bytes that are no record.
#[derive(Debug, Clone, Copy)]
pub struct Damaged;

/// Bytes still to be read.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = u32::read(self)?;
        self.take(length as usize)
    }
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Value for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
                let bytes = input.take(size_of::<Self>())?;
                Ok(Self::from_le_bytes(bytes.try_into().map_err(|_| Damaged)?))
            }
        })*
    };
}

number!(u8, u16, u32, u64);

impl Value for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        match u8::read(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged),
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u32).write(out);
    out.extend_from_slice(bytes);
}

impl Value for Box<str> {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        std::str::from_utf8(input.bytes()?).map(Into::into).map_err(|_| Damaged)
    }
}

impl Value for Box<[u8]> {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        input.bytes().map(Into::into)
    }
}

impl Value for Bytes {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        input.bytes().map(Self::copy_from_slice)
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        bool::read(input)?.then(|| T::read(input)).transpose()
    }
}

impl<T: Value> Value for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        T::read(input).map(Self::new)
    }
}

/// A list of values other than bytes.
impl<T: Value> Value for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        for value in self {
            value.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        let count = u32::read(input)?;
        (0..count).map(|_| T::read(input)).collect()
    }
}

impl<T: Value + Default> Value for Trailing<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        if input.0.is_empty() { Ok(Self::default()) } else { T::read(input).map(Self) }
    }
}

impl<A: Value, B: Value> Value for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok((A::read(input)?, B::read(input)?))
    }
}

impl Value for Guarantee {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u8).write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
        Self::try_from(u8::read(input)?).map_err(|_| Damaged)
    }
}

macro_rules! record {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl Value for $type {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }

            fn read(input: &mut Reader<'_>) -> Result<Self, Damaged> {
                Ok(Self { $($field: Value::read(input)?),* })
            }
        }
    };
}

record!(Properties { payload_is_text, content_type, reply_to, correlation, user });
record!(Posting { address, payload, properties, guarantee, retain, lifetime_ms });
record!(ClientRecord { client_id, owner, roles, queue, expiry, left, rights });
record!(RightsRecord { rules, has_own_roles, vouchers, is_anonymous });
record!(SubscriptionRecord { pattern, group, guarantee, keep_retain, exclude_own, tags, replaying });
record!(MessageRecord { posting, publisher, expires });
record!(EntryRecord { message, guarantee, keep_retain, retained, tags });
record!(OutgoingRecord { queue, sequence, order, released });
record!(WillRecord { client_id, posting, delay_ms, due, owner });
record!(OwnerRecord { user, roles, rights });
record!(AliveRecord { at });
record!(QueueRecord { group, name });

impl Batch {
    /// Puts a record.
    pub fn put_record(&mut self, key: &Key, value: &impl Value) {
        self.put_with(key.as_bytes(), |out| value.write(out));
    }

    /// Deletes a record.
    pub fn delete_record(&mut self, key: &Key) {
        self.delete(key.as_bytes());
    }
}

#[cfg(test)]
mod tests;

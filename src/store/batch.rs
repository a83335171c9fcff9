const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;
const TAG_BYTES: usize = 1;
const LENGTH_BYTES: usize = 4;

/// Operations that become durable together or not at all, packed in one reusable buffer.
///
/// Later operations win over earlier ones. Keys and values are shorter than 4 GiB; keys are not empty and do not
/// begin with byte 0, which belongs to the journal itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    packed: Vec<u8>,
    count: usize,
}

/// One operation of a [`Batch`], borrowed from its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// The key has this value from now on.
    Put { key: &'a [u8], value: &'a [u8] },
    /// The key is gone; it need not exist.
    Delete { key: &'a [u8] },
    /// Every key at or after `from` and before `to` is gone.
    DeleteRange { from: &'a [u8], to: &'a [u8] },
}

impl Batch {
    /// An empty batch that has allocated nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a put of `value` under `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.put_with(key, |buffer| buffer.extend_from_slice(value));
    }

    /// Appends a put whose value `write` appends to the batch's own buffer; `write` must not touch what is there.
    pub fn put_with(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.begin(PUT, key);
        let start = self.packed.len();
        self.packed.extend_from_slice(&[0; LENGTH_BYTES]);
        write(&mut self.packed);
        let length = self.packed.len() - start - LENGTH_BYTES;
        self.packed[start..start + LENGTH_BYTES].copy_from_slice(&packed_length(length));
    }

    /// Appends a delete of `key`.
    pub fn delete(&mut self, key: &[u8]) {
        self.begin(DELETE, key);
    }

    /// Appends a delete of every key at or after `from` and before `to`; nothing happens when `from >= to`.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        if from >= to {
            return;
        }
        self.begin(DELETE_RANGE, from);
        self.push(to);
    }

    /// Whether the batch holds no operation.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Size of the packed operations in bytes.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// Removes all operations and keeps the buffer.
    pub fn clear(&mut self) {
        self.packed.clear();
        self.count = 0;
    }

    /// The operations in the order in which they were appended.
    pub fn iter(&self) -> Ops<'_> {
        Ops { rest: &self.packed }
    }

    fn begin(&mut self, tag: u8, key: &[u8]) {
        debug_assert!(key.first().is_some_and(|first| *first != 0), "reserved key {key:?}");
        self.packed.push(tag);
        self.push(key);
        self.count += 1;
    }

    fn push(&mut self, field: &[u8]) {
        self.packed.reserve(LENGTH_BYTES + field.len());
        self.packed.extend_from_slice(&packed_length(field.len()));
        self.packed.extend_from_slice(field);
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Op<'a>;
    type IntoIter = Ops<'a>;

    fn into_iter(self) -> Ops<'a> {
        self.iter()
    }
}

/// Iterator over the operations of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    rest: &'a [u8],
}

impl<'a> Ops<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.take(LENGTH_BYTES)?.try_into().ok()?;
        self.take(u32::from_le_bytes(length) as usize)
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        let tag = self.take(TAG_BYTES)?;
        let key = self.field()?;
        match tag {
            [PUT] => Some(Op::Put { key, value: self.field()? }),
            [DELETE_RANGE] => Some(Op::DeleteRange { from: key, to: self.field()? }),
            _ => Some(Op::Delete { key }),
        }
    }
}

fn packed_length(length: usize) -> [u8; LENGTH_BYTES] {
    debug_assert!(u32::try_from(length).is_ok(), "field of {length} bytes");
    (length as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back_in_order() {
        let mut batch = Batch::new();
        batch.put(b"a", b"1");
        batch.delete(b"b");
        batch.delete_range(b"c", b"d");
        batch.put_with(b"e", |buffer| buffer.extend_from_slice(b"22"));
        batch.put(b"f", b"");
        let expected = [
            Op::Put { key: b"a", value: b"1" },
            Op::Delete { key: b"b" },
            Op::DeleteRange { from: b"c", to: b"d" },
            Op::Put { key: b"e", value: b"22" },
            Op::Put { key: b"f", value: b"" },
        ];
        assert_eq!(batch.iter().collect::<Vec<_>>(), expected);
        assert_eq!(batch.len(), expected.len());
    }

    #[test]
    fn an_inverted_range_is_no_operation() {
        let mut batch = Batch::new();
        batch.delete_range(b"d", b"c");
        batch.delete_range(b"c", b"c");
        assert!(batch.is_empty());
        assert_eq!(batch.bytes(), 0);
    }

    #[test]
    fn clear_keeps_the_buffer() {
        let mut batch = Batch::new();
        batch.put(b"a", &[7; 1000]);
        let capacity = batch.packed.capacity();
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(batch.iter().next(), None);
        assert_eq!(batch.packed.capacity(), capacity);
    }
}

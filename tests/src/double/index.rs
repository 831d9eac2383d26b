//! Where the events stand: small enough that twenty million of them fit beside other work.
//!
//! An event costs eight bytes for its position and four in its stream; a stream costs its name and some forty bytes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::record::{checksum, narrow, wide};

/// The end that a deleted stream is truncated before, and the revision of a tombstone.
pub(super) const NEVER: u64 = 9_223_372_036_854_775_807;

/// What the metadata of a stream limits it to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// `$tb`: the first revision that may still be read.
    pub(super) before: u64,
    /// `$maxCount`.
    pub(super) count: Option<u64>,
}

impl Limits {
    /// Reads stream metadata; `$maxAge` and access lists are not played.
    pub(super) fn parse(data: &[u8]) -> Self {
        let metadata: Value = serde_json::from_slice(data).unwrap_or_default();
        Self {
            before: metadata.get("$tb").and_then(Value::as_u64).unwrap_or(0),
            count: metadata.get("$maxCount").and_then(Value::as_u64),
        }
    }
}

/// A stream as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// The log numbers of its events, by revision.
    pub(super) numbers: &'a [u32],
    /// The first revision that may still be read.
    pub(super) first: u64,
    pub(super) tombstoned: bool,
}

impl View<'_> {
    /// How many events were ever appended.
    pub(super) fn length(&self) -> u64 {
        wide(self.numbers.len())
    }

    /// Deleted so that it can come back.
    pub(super) fn softly_deleted(&self) -> bool {
        self.first == NEVER
    }
}

#[derive(Debug, Default)]
enum Numbers {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl Numbers {
    fn push(&mut self, number: u32) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(number),
            Self::One(first) => Self::Many(vec![first, number]),
            Self::Many(mut numbers) => {
                numbers.push(number);
                Self::Many(numbers)
            }
        };
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

/// The names of all streams, in one text.
#[derive(Debug, Default)]
struct Names {
    text: String,
    ends: Vec<u64>,
    /// By checksum; a checksum that is taken by another name is counted up.
    ids: HashMap<u64, u32>,
}

impl Names {
    fn name(&self, id: u32) -> &str {
        let id = usize::try_from(id).unwrap();
        let start = if id == 0 { 0 } else { narrow(self.ends[id - 1]) };
        &self.text[start..narrow(self.ends[id])]
    }

    /// The id of a name, or the place in the table where it belongs.
    fn find(&self, name: &str) -> Result<u32, u64> {
        let mut place = checksum(name.as_bytes());
        while let Some(id) = self.ids.get(&place) {
            if self.name(*id) == name {
                return Ok(*id);
            }
            place = place.wrapping_add(1);
        }
        Err(place)
    }

    fn intern(&mut self, name: &str) -> u32 {
        self.find(name).unwrap_or_else(|place| {
            let id = u32::try_from(self.ends.len()).unwrap();
            self.text.push_str(name);
            self.ends.push(wide(self.text.len()));
            self.ids.insert(place, id);
            id
        })
    }
}

/// The index of a file.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The positions of all events in log order; the place in it is the event's log number.
    positions: Vec<u64>,
    /// The log numbers that a scavenge has removed.
    gone: HashSet<u32>,
    names: Names,
    streams: Vec<Numbers>,
    limits: HashMap<u32, Limits>,
    tombstones: HashSet<u32>,
}

impl Index {
    /// Adds the next event of the log.
    pub(super) fn add(&mut self, position: u64, stream: &str, revision: u64, data: &[u8]) {
        let number = u32::try_from(self.positions.len()).unwrap();
        self.positions.push(position);
        let id = self.names.intern(stream);
        if usize::try_from(id).unwrap() == self.streams.len() {
            self.streams.push(Numbers::None);
        }
        if revision == NEVER {
            self.tombstones.insert(id);
        } else {
            self.streams[usize::try_from(id).unwrap()].push(number);
        }
        if let Some(of) = stream.strip_prefix("$$") {
            let of = self.names.intern(of);
            if usize::try_from(of).unwrap() == self.streams.len() {
                self.streams.push(Numbers::None);
            }
            self.limits.insert(of, Limits::parse(data));
        }
    }

    /// How many events were ever appended.
    pub(super) fn events(&self) -> usize {
        self.positions.len()
    }

    /// How many streams there are.
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Where an event stands, unless a scavenge has removed it.
    pub(super) fn position(&self, number: u32) -> Option<u64> {
        if self.gone.contains(&number) {
            return None;
        }
        self.positions.get(usize::try_from(number).unwrap()).copied()
    }

    /// The log number of the event at a position, or of the first one behind it.
    pub(super) fn number(&self, position: u64) -> Result<usize, usize> {
        self.positions.binary_search(&position)
    }

    /// A stream; none when nothing was ever appended to it.
    pub(super) fn view(&self, stream: &str) -> Option<View<'_>> {
        let id = self.names.find(stream).ok()?;
        let numbers = self.streams[usize::try_from(id).unwrap()].as_slice();
        let tombstoned = self.tombstones.contains(&id);
        if numbers.is_empty() && !tombstoned {
            return None;
        }
        Some(View { numbers, first: self.first(id), tombstoned })
    }

    fn first(&self, id: u32) -> u64 {
        let length = wide(self.streams[usize::try_from(id).unwrap()].as_slice().len());
        let mut limits = self.limits.get(&id).copied().unwrap_or_default();
        if limits.count.is_none() && self.names.name(id).starts_with("$$") {
            limits.count = Some(1);
        }
        limits.before.max(limits.count.map_or(0, |count| length.saturating_sub(count)))
    }

    /// Removes every event that its stream does not show any more.
    pub(super) fn scavenge(&mut self) {
        let mut gone = HashSet::new();
        for (id, numbers) in self.streams.iter().enumerate() {
            let id = u32::try_from(id).unwrap();
            let first = if self.tombstones.contains(&id) { NEVER } else { self.first(id) };
            let before = usize::try_from(first).unwrap().min(numbers.as_slice().len());
            gone.extend(&numbers.as_slice()[..before]);
        }
        self.gone = gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(events: &[(&str, u64, &str)]) -> Index {
        let mut index = Index::default();
        for (place, (stream, revision, data)) in events.iter().enumerate() {
            index.add(wide(place) * 10 + 36, stream, *revision, data.as_bytes());
        }
        index
    }

    #[test]
    fn streams_are_told_apart_and_grow() {
        let index = index(&[("a-1", 0, ""), ("b-1", 0, ""), ("a-1", 1, ""), ("a-1", 2, "")]);
        assert_eq!(index.view("a-1").unwrap().numbers, [0, 2, 3]);
        assert_eq!(index.view("b-1").unwrap().numbers, [1]);
        assert!(index.view("a").is_none());
        assert_eq!((index.number(56), index.number(57)), (Ok(2), Err(3)));
        assert_eq!((index.events(), index.streams()), (4, 2));
    }

    #[test]
    fn metadata_hides_what_lies_before() {
        let cases = [(r#"{"$tb":1}"#, 1), (r#"{"$maxCount":1}"#, 2), (r#"{"$tb":1,"$maxCount":2}"#, 1), ("{}", 0)];
        for (metadata, first) in cases {
            let index = index(&[("a-1", 0, ""), ("a-1", 1, ""), ("a-1", 2, ""), ("$$a-1", 0, metadata)]);
            assert_eq!(index.view("a-1").unwrap().first, first, "{metadata}");
        }
        let deleted = index(&[("a-1", 0, ""), ("$$a-1", 0, r#"{"$tb":9223372036854775807}"#)]);
        assert!(deleted.view("a-1").unwrap().softly_deleted());
    }

    #[test]
    fn metadata_that_stands_before_its_stream_is_not_a_stream() {
        let index = index(&[("$$a-1", 0, r#"{"$maxCount":1}"#)]);
        assert!(index.view("a-1").is_none());
    }

    #[test]
    fn a_scavenge_removes_what_is_hidden() {
        let mut index =
            index(&[("a-1", 0, ""), ("a-1", 1, ""), ("b-1", 0, ""), ("$$a-1", 0, r#"{"$tb":1}"#), ("b-1", NEVER, "")]);
        index.scavenge();
        let left: Vec<u32> = (0..5).filter(|number| index.position(*number).is_some()).collect();
        assert_eq!(left, [1, 3, 4]);
    }
}

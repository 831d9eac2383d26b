//! How events stand in the double's file: frames of one append each, with a checksum, written in one go.
//!
//! A frame that is not whole is the torn tail of a process that was killed; its append was never acknowledged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use uuid::Uuid;

/// What a file of the double begins with.
pub(super) const MAGIC: &[u8; 16] = b"baycase-double-1";
/// The bytes before the events of a frame: what it is, how many events, how many bytes, their checksum.
pub(super) const FRAME_HEAD: usize = 20;
/// The kind of a frame that holds events.
pub(super) const EVENTS: u32 = 0x5645_4253;
/// The kind of a frame that says that a scavenge was done here.
pub(super) const SCAVENGED: u32 = 0x4143_4253;

const EVENT_HEAD: usize = 45;
const JSON: u8 = 1;
const SPLIT: u8 = 2;

/// The number of an index or a length, as it is written.
pub(super) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

/// A number that was written, as an index or a length.
pub(super) fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// An event about to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh<'a> {
    pub(super) stream: &'a str,
    pub(super) revision: u64,
    pub(super) id: Uuid,
    pub(super) kind: &'a str,
    pub(super) json: bool,
    /// Told with a commit position that is not its prepare position, as transactions of the old protocol were.
    pub(super) split: bool,
    pub(super) metadata: &'a [u8],
    pub(super) data: &'a [u8],
}

impl<'a> Fresh<'a> {
    /// An event that the server writes by itself.
    pub(super) fn own(stream: &'a str, revision: u64, id: Uuid, kind: &'a str, data: &'a [u8]) -> Self {
        Self { stream, revision, id, kind, json: !data.is_empty(), split: false, metadata: b"", data }
    }
}

/// An event as it was read from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// The prepare position: where it stands in the file.
    pub(super) position: u64,
    pub(super) commit: u64,
    pub(super) revision: u64,
    /// Ticks of 100 ns since 1970.
    pub(super) created: u64,
    pub(super) id: Uuid,
    pub(super) json: bool,
    pub(super) stream: Bytes,
    pub(super) kind: Bytes,
    pub(super) metadata: Bytes,
    pub(super) data: Bytes,
}

impl Stored {
    /// The name of its stream.
    pub(super) fn stream(&self) -> &str {
        std::str::from_utf8(&self.stream).unwrap()
    }

    /// The type of the event.
    pub(super) fn kind(&self) -> &str {
        std::str::from_utf8(&self.kind).unwrap()
    }

    /// Reads an event whose bytes are whole, its length among them.
    pub(super) fn parse(position: u64, mut bytes: Bytes) -> Self {
        bytes.advance(4);
        let flags = bytes.get_u8();
        let revision = bytes.get_u64_le();
        let created = bytes.get_u64_le();
        let id = Uuid::from_u128(bytes.get_u128_le());
        let stream = usize::from(bytes.get_u16_le());
        let kind = usize::from(bytes.get_u16_le());
        let metadata = usize::try_from(bytes.get_u32_le()).unwrap();
        Self {
            position,
            commit: if flags & SPLIT == 0 { position } else { position + 1 },
            revision,
            created,
            id,
            json: flags & JSON != 0,
            stream: bytes.split_to(stream),
            kind: bytes.split_to(kind),
            metadata: bytes.split_to(metadata),
            data: bytes,
        }
    }
}

/// A checksum that finds torn writes; it guards against nothing else.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    sum
}

/// The bytes of a frame that will stand at `at`, and the positions of its events.
pub(super) fn frame(kind: u32, events: &[Fresh<'_>], created: u64, at: u64) -> (Vec<u8>, Vec<u64>) {
    let mut body = Vec::new();
    let mut positions = Vec::new();
    for event in events {
        positions.push(at + wide(FRAME_HEAD + body.len()));
        let texts = event.stream.len() + event.kind.len() + event.metadata.len() + event.data.len();
        body.put_u32_le(u32::try_from(EVENT_HEAD + texts).unwrap());
        body.put_u8(u8::from(event.json) * JSON + u8::from(event.split) * SPLIT);
        body.put_u64_le(event.revision);
        body.put_u64_le(created);
        body.put_u128_le(event.id.as_u128());
        body.put_u16_le(u16::try_from(event.stream.len()).unwrap());
        body.put_u16_le(u16::try_from(event.kind.len()).unwrap());
        body.put_u32_le(u32::try_from(event.metadata.len()).unwrap());
        body.put_slice(event.stream.as_bytes());
        body.put_slice(event.kind.as_bytes());
        body.put_slice(event.metadata);
        body.put_slice(event.data);
    }
    let mut bytes = Vec::with_capacity(FRAME_HEAD + body.len());
    bytes.put_u32_le(kind);
    bytes.put_u32_le(u32::try_from(events.len()).unwrap());
    bytes.put_u32_le(u32::try_from(body.len()).unwrap());
    bytes.put_u64_le(checksum(&body));
    bytes.put_slice(&body);
    (bytes, positions)
}

/// A piece of the file in memory, moved on as events are asked for.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a File,
    at: u64,
    bytes: Bytes,
    /// How much is read at a time: much when neighbours will be asked for, little when they will not.
    ahead: usize,
}

impl<'a> Window<'a> {
    /// A window that has read nothing yet.
    pub(super) fn new(file: &'a File, ahead: usize) -> Self {
        Self { file, at: 0, bytes: Bytes::new(), ahead }
    }

    /// The event at a position that the index has given out.
    pub(super) fn event(&mut self, position: u64) -> io::Result<Stored> {
        let mut skip = position.checked_sub(self.at).map_or(usize::MAX, narrow);
        if skip.saturating_add(4) > self.bytes.len() {
            self.fill(position, self.ahead)?;
            skip = 0;
        }
        let length = usize::try_from(self.bytes.slice(skip..).get_u32_le()).unwrap();
        if skip + length > self.bytes.len() {
            self.fill(position, length.max(self.ahead))?;
            skip = 0;
        }
        Ok(Stored::parse(position, self.bytes.slice(skip..skip + length)))
    }

    fn fill(&mut self, at: u64, wanted: usize) -> io::Result<()> {
        let mut buffer = vec![0; wanted];
        let mut filled = 0;
        while filled < wanted {
            let read = self.file.read_at(&mut buffer[filled..], at + wide(filled))?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        buffer.truncate(filled);
        if filled < EVENT_HEAD {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("no event at {at}")));
        }
        self.at = at;
        self.bytes = Bytes::from(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("frames");
        let large = vec![7; 10_000];
        let event = |revision, data| Fresh {
            stream: "filing-ä",
            revision,
            id: Uuid::from_u128((u128::from(revision) << 100) + 5),
            kind: "filing.received",
            json: revision != 1,
            split: revision == 2,
            metadata: b"{}",
            data,
        };
        let events = [event(0, b"null".as_slice()), event(1, large.as_slice()), event(2, b"".as_slice())];
        let (bytes, positions) = frame(EVENTS, &events, 99, 1_000);
        let mut padded = vec![0; 1_000];
        padded.extend_from_slice(&bytes);
        std::fs::write(&path, &padded).unwrap();
        let file = File::open(&path).unwrap();
        for ahead in [64, 4_096, 100_000] {
            let mut window = Window::new(&file, ahead);
            for (event, position) in events.iter().zip(&positions).chain(events.iter().zip(&positions).rev()) {
                let stored = window.event(*position).unwrap();
                assert_eq!((stored.stream(), stored.kind()), (event.stream, event.kind));
                assert_eq!((stored.revision, stored.id, stored.json), (event.revision, event.id, event.json));
                assert_eq!((&*stored.metadata, &*stored.data, stored.created), (event.metadata, event.data, 99));
                assert_eq!((stored.position, stored.commit != stored.position), (*position, event.split));
            }
        }
    }

    #[test]
    fn a_changed_byte_changes_the_checksum() {
        let bytes: Vec<u8> = (0..=255).collect();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 0x10;
            assert_ne!(checksum(&changed), checksum(&bytes), "at {index}");
        }
    }
}

//! The double's log: one append-only file, an index in memory, and the rules by which a server takes appends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use prost::bytes::{Buf as _, Bytes};
use tokio::sync::watch;
use uuid::Uuid;

use super::index::{Index, NEVER, View};
use super::record::{EVENTS, FRAME_HEAD, Fresh, MAGIC, SCAVENGED, Stored, Window, checksum, frame, narrow, wide};

/// How far back an append without a revision is recognised as a repetition.
const REMEMBERED: u64 = 1_024;
/// Where servers write about themselves.
const STATS: &str = "$stats-127.0.0.1:2113";
/// How much is read at a time where no neighbour will be asked for.
const ONE_EVENT: usize = 4 * 1024;

/// What the writer expects of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Any,
    NoStream,
    Exists,
    At(u64),
}

/// An event that is proposed.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) json: bool,
    pub(super) split: bool,
    pub(super) metadata: Bytes,
    pub(super) data: Bytes,
}

/// What came of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Appended {
        last: u64,
        position: u64,
    },
    /// The same events stood there already; no position when the last of them cannot be read any more.
    Repeated {
        last: u64,
        position: Option<u64>,
    },
    /// Nothing was proposed.
    Nothing {
        current: Option<u64>,
    },
    Wrong {
        current: Option<u64>,
    },
    Deleted,
    /// Some of the events stand there already and others do not.
    Corrupted,
}

enum Decision {
    Append { revives: bool },
    Answer(Outcome),
}

/// The log.
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    kept: RwLock<Kept>,
    events: watch::Sender<usize>,
    fsync: bool,
    noise: u32,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) index: Index,
    end: u64,
    pub(super) appends: u64,
}

impl Store {
    /// Opens a file or makes it, and cuts what a killed process left half written.
    pub(super) fn open(path: &Path, fsync: bool, noise: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        if length < wide(MAGIC.len()) {
            file.set_len(0)?;
            file.write_all_at(MAGIC, 0)?;
        } else {
            let mut magic = [0; MAGIC.len()];
            file.read_exact_at(&mut magic, 0)?;
            if magic != *MAGIC {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file of the protocol double"));
            }
        }
        let (index, end) = load(&file, length)?;
        file.set_len(end)?;
        let events = watch::Sender::new(index.events());
        Ok(Self { file, kept: RwLock::new(Kept { index, end, appends: 0 }), events, fsync, noise })
    }

    /// What is known of the file, held still.
    pub(super) fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_for_writing(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events there are; it moves when there are more.
    pub(super) fn events(&self) -> watch::Receiver<usize> {
        self.events.subscribe()
    }

    /// A window on the file that reads `ahead` bytes at a time.
    pub(super) fn window(&self, ahead: usize) -> Window<'_> {
        Window::new(&self.file, ahead)
    }

    /// Appends by a server's rules. What it answers has been written.
    pub(super) fn append(&self, stream: &str, expected: Expected, proposals: &[Proposal]) -> io::Result<Outcome> {
        let mut kept = self.kept_for_writing();
        kept.appends += 1;
        if self.noise > 0 && kept.appends.is_multiple_of(u64::from(self.noise)) {
            self.write_stats(&mut kept)?;
        }
        let revives = match self.decide(&kept, stream, expected, proposals)? {
            Decision::Answer(outcome) => return Ok(outcome),
            Decision::Append { revives } => revives,
        };
        let first = kept.index.view(stream).map_or(0, |view| view.length());
        if revives {
            self.write_metadata(&mut kept, stream, &format!("{{\"$tb\":{first}}}"))?;
        }
        let revisions = first..;
        let fresh: Vec<Fresh<'_>> = proposals.iter().zip(revisions).map(|(one, at)| one.fresh(stream, at)).collect();
        let positions = self.commit(&mut kept, &fresh)?;
        let last = first + wide(proposals.len()) - 1;
        Ok(Outcome::Appended { last, position: *positions.last().unwrap() })
    }

    /// Writes stream metadata as a client would.
    pub(super) fn set_metadata(&self, stream: &str, metadata: &str) -> io::Result<u64> {
        self.write_metadata(&mut self.kept_for_writing(), stream, metadata)
    }

    /// Deletes a stream for ever; the position of the tombstone, or none when it had one already.
    pub(super) fn tombstone(&self, stream: &str) -> io::Result<Option<u64>> {
        let mut kept = self.kept_for_writing();
        if kept.index.view(stream).is_some_and(|view| view.tombstoned) {
            return Ok(None);
        }
        let id = derived_id(&kept);
        let event = Fresh::own(stream, NEVER, id, "$streamDeleted", b"");
        Ok(self.commit(&mut kept, &[event])?.pop())
    }

    /// Removes what streams do not show any more; a server does this when it is told to.
    pub(super) fn scavenge(&self) -> io::Result<()> {
        let mut kept = self.kept_for_writing();
        let (bytes, _positions) = frame(SCAVENGED, &[], 0, kept.end);
        self.write(&mut kept, &bytes)?;
        kept.index.scavenge();
        Ok(())
    }

    /// Every event that was ever appended to a stream.
    pub(super) fn everything_of(&self, stream: &str) -> io::Result<Vec<Stored>> {
        let positions: Vec<u64> = {
            let kept = self.kept();
            let numbers = kept.index.view(stream).map(|view| view.numbers).unwrap_or_default();
            numbers.iter().filter_map(|number| kept.index.position(*number)).collect()
        };
        let mut window = self.window(ONE_EVENT);
        positions.into_iter().map(|position| window.event(position)).collect()
    }

    fn decide(&self, kept: &Kept, stream: &str, expected: Expected, proposals: &[Proposal]) -> io::Result<Decision> {
        let none = View { numbers: &[], first: 0, tombstoned: false };
        let view = kept.index.view(stream).unwrap_or(none);
        let current = view.length().checked_sub(1);
        let answer = |outcome| Ok(Decision::Answer(outcome));
        if view.tombstoned {
            return answer(Outcome::Deleted);
        }
        if expected == Expected::Exists {
            if view.softly_deleted() {
                return answer(Outcome::Deleted);
            }
            if current.is_none() && kept.index.view(&format!("$${stream}")).is_none() {
                return answer(Outcome::Wrong { current });
            }
        }
        if proposals.is_empty() {
            return answer(Outcome::Nothing { current });
        }
        let next = match expected {
            Expected::NoStream => 0,
            Expected::At(revision) => revision + 1,
            Expected::Any | Expected::Exists => {
                self.find(kept, view, proposals[0].id)?.unwrap_or_else(|| view.length())
            }
        };
        if next == view.length() {
            return Ok(Decision::Append { revives: view.softly_deleted() });
        }
        if next > view.length() {
            return answer(Outcome::Wrong { current });
        }
        for (proposal, revision) in proposals.iter().zip(next..) {
            if self.id_at(kept, view, revision)? == Some(proposal.id) {
                continue;
            }
            if revision > next {
                return answer(Outcome::Corrupted);
            }
            if expected == Expected::NoStream && view.softly_deleted() {
                return Ok(Decision::Append { revives: true });
            }
            return answer(Outcome::Wrong { current });
        }
        let last = next + wide(proposals.len()) - 1;
        let position = view.numbers.get(narrow(last)).and_then(|number| kept.index.position(*number));
        answer(Outcome::Repeated { last, position })
    }

    /// Where an event stands among the newest of its stream.
    fn find(&self, kept: &Kept, view: View<'_>, id: Uuid) -> io::Result<Option<u64>> {
        for revision in view.length().saturating_sub(REMEMBERED)..view.length() {
            if self.id_at(kept, view, revision)? == Some(id) {
                return Ok(Some(revision));
            }
        }
        Ok(None)
    }

    fn id_at(&self, kept: &Kept, view: View<'_>, revision: u64) -> io::Result<Option<Uuid>> {
        let number = view.numbers.get(narrow(revision));
        let Some(position) = number.and_then(|number| kept.index.position(*number)) else { return Ok(None) };
        Ok(Some(self.window(ONE_EVENT).event(position)?.id))
    }

    fn write_metadata(&self, kept: &mut Kept, stream: &str, metadata: &str) -> io::Result<u64> {
        let of = format!("$${stream}");
        let revision = kept.index.view(&of).map_or(0, |view| view.length());
        let event = Fresh::own(&of, revision, derived_id(kept), "$metadata", metadata.as_bytes());
        Ok(*self.commit(kept, &[event])?.last().unwrap())
    }

    /// What no client of ours wrote stands among the events of every server.
    fn write_stats(&self, kept: &mut Kept) -> io::Result<()> {
        let revision = kept.index.view(STATS).map_or(0, |view| view.length());
        let event = Fresh::own(STATS, revision, derived_id(kept), "$statsCollected", b"{\"proc-id\":1}");
        self.commit(kept, &[event]).map(|_positions| ())
    }

    fn commit(&self, kept: &mut Kept, events: &[Fresh<'_>]) -> io::Result<Vec<u64>> {
        let micros = u64::try_from(api::clock::now().timestamp_micros()).unwrap_or(0);
        let (bytes, positions) = frame(EVENTS, events, micros * 10, kept.end);
        self.write(kept, &bytes)?;
        for (event, position) in events.iter().zip(&positions) {
            kept.index.add(*position, event.stream, event.revision, event.data);
        }
        self.events.send_replace(kept.index.events());
        Ok(positions)
    }

    fn write(&self, kept: &mut Kept, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, kept.end)?;
        if self.fsync {
            self.file.sync_data()?;
        }
        kept.end += wide(bytes.len());
        Ok(())
    }
}

impl Proposal {
    fn fresh<'a>(&'a self, stream: &'a str, revision: u64) -> Fresh<'a> {
        Fresh {
            stream,
            revision,
            id: self.id,
            kind: &self.kind,
            json: self.json,
            split: self.split,
            metadata: &self.metadata,
            data: &self.data,
        }
    }
}

/// An id for an event of the server's own: no other event will stand where it stands.
fn derived_id(kept: &Kept) -> Uuid {
    Uuid::from_u128(u128::from(kept.end))
}

/// Reads every whole frame of a file; where the last one ends.
fn load(file: &File, length: u64) -> io::Result<(Index, u64)> {
    let mut index = Index::default();
    let mut end = wide(MAGIC.len());
    if length <= end {
        return Ok((index, end));
    }
    let mut reader = BufReader::with_capacity(1 << 20, file);
    reader.read_exact(&mut [0; MAGIC.len()])?;
    let mut body = Vec::new();
    while length - end >= wide(FRAME_HEAD) {
        let mut head = [0; FRAME_HEAD];
        reader.read_exact(&mut head)?;
        let mut head = head.as_slice();
        let (kind, events, bytes, sum) = (head.get_u32_le(), head.get_u32_le(), head.get_u32_le(), head.get_u64_le());
        if length - end < wide(FRAME_HEAD) + u64::from(bytes) {
            break;
        }
        body.resize(usize::try_from(bytes).unwrap(), 0);
        reader.read_exact(&mut body)?;
        if checksum(&body) != sum {
            break;
        }
        match kind {
            EVENTS => add(&mut index, &body, events, end + wide(FRAME_HEAD)),
            SCAVENGED => index.scavenge(),
            _ => break,
        }
        end += wide(FRAME_HEAD) + u64::from(bytes);
    }
    Ok((index, end))
}

fn add(index: &mut Index, body: &[u8], events: u32, at: u64) {
    let mut skip = 0;
    for _ in 0..events {
        let length = usize::try_from((&body[skip..]).get_u32_le()).unwrap();
        let event = Stored::parse(at + wide(skip), Bytes::copy_from_slice(&body[skip..skip + length]));
        index.add(event.position, event.stream(), event.revision, &event.data);
        skip += length;
    }
}

#[cfg(test)]
mod tests;

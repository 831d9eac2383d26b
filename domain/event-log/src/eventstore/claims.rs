//! What the servers remember of commands: who claimed one, and where those of a copied log stand.
//!
//! The servers have no table of commands. Before its events are appended, a command is claimed on a stream of its own:
//! whoever sends it again finds the claim, and looks whether its events stand on the stream that it names. A claim
//! alone binds nobody, because its writer may have been refused or may be gone; the events do. They carry the command
//! and the digest of its body, and those are what counts.

use std::collections::BTreeMap;

use domain::envelope::{CommandDigest, Revision};
use domain::id::{CommandId, StreamId};
use serde::{Deserialize, Serialize};

use super::filter::TECHNICAL_PREFIX;
use super::wire::unhex;
use crate::digest::hex;
use crate::port::Expected;

/// The type of a claim.
pub(super) const CLAIMED: &str = "baycase.command-claimed";
/// The type of an event that names commands of a copied log.
pub(super) const COPIED: &str = "baycase.commands-copied";
/// Bytes of commands in one event of a bucket: a tenth of what the servers take at once.
const COPIED_BYTES_MAX: usize = 100_000;

/// The stream that a command is claimed on.
pub(super) fn claim_stream(command: CommandId) -> String {
    format!("{TECHNICAL_PREFIX}command-{}", command.as_uuid().simple())
}

/// The stream of a bucket of copied commands.
pub(super) fn copied_stream(bucket: u16) -> String {
    format!("{TECHNICAL_PREFIX}commands-{bucket:04x}")
}

/// The bucket that a command of a copied log stands in: the last four hexadecimal digits of its id, which are the most
/// random ones of every version of UUID. The first four of version 7 are a time.
#[must_use]
pub fn copied_bucket(command: CommandId) -> u16 {
    match *command.as_uuid().as_bytes() {
        [.., high, low] => u16::from_be_bytes([high, low]),
    }
}

/// What one writer was about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) digest: CommandDigest,
    pub(super) stream: StreamId,
    pub(super) expected: Expected,
}

#[derive(Serialize, Deserialize)]
struct ClaimText {
    digest: String,
    stream: StreamId,
    expected: Option<u64>,
}

impl Claim {
    /// The claim as JSON.
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        let (digest, stream) = (hex(&self.digest.0), self.stream.clone());
        serde_json::to_string(&ClaimText { digest, stream, expected: after(self.expected).map(Revision::get) })
    }

    /// Reads a claim; `None` when the bytes are none.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let ClaimText { digest, stream, expected } = serde_json::from_slice(data).ok()?;
        let expected = expected.map_or(Expected::NoStream, |revision| Expected::At(Revision::new(revision)));
        Some(Self { digest: CommandDigest(unhex(&digest)?), stream, expected })
    }
}

/// The revision behind which an append that expects this puts its events.
pub(super) const fn after(expected: Expected) -> Option<Revision> {
    match expected {
        Expected::NoStream => None,
        Expected::At(revision) => Some(revision),
    }
}

/// Whether whoever reads these claims finds what `ours` is about to write: one of them names the same body and stream,
/// and a place not behind ours.
pub(super) fn covers(claims: &[Claim], ours: &Claim) -> bool {
    claims.iter().any(|claim| {
        claim.digest == ours.digest && claim.stream == ours.stream && after(claim.expected) <= after(ours.expected)
    })
}

/// Where the events of a claimed command may stand: each stream once, the one claimed last first, and from which
/// revision on.
pub(super) fn places(claims: &[Claim]) -> Vec<(StreamId, Option<Revision>)> {
    let mut places: Vec<(StreamId, Option<Revision>)> = Vec::new();
    for claim in claims.iter().rev() {
        let from = after(claim.expected);
        match places.iter_mut().find(|(stream, _)| *stream == claim.stream) {
            Some((_, earliest)) => *earliest = from.min(*earliest),
            None => places.push((claim.stream.clone(), from)),
        }
    }
    places
}

/// A command of a log that was copied, and where its events stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedCommand {
    pub command: CommandId,
    pub digest: CommandDigest,
    pub stream: StreamId,
    pub first: Revision,
    pub last: Revision,
}

/// The commands of a bucket by their ids.
pub(super) type CopiedBucket = BTreeMap<CommandId, CopiedCommand>;

type CopiedText = (CommandId, String, StreamId, u64, u64);

/// The commands as JSON arrays, none of them too long for one event.
pub(super) fn copied_texts(commands: &[CopiedCommand]) -> Result<Vec<String>, serde_json::Error> {
    let mut texts: Vec<String> = Vec::new();
    let mut open = String::new();
    for CopiedCommand { command, digest, stream, first, last } in commands {
        let entry: CopiedText = (*command, hex(&digest.0), stream.clone(), first.get(), last.get());
        let entry = serde_json::to_string(&entry)?;
        if !open.is_empty() && open.len() + entry.len() > COPIED_BYTES_MAX {
            texts.push(format!("[{open}]"));
            open.clear();
        }
        if !open.is_empty() {
            open.push(',');
        }
        open.push_str(&entry);
    }
    if !open.is_empty() {
        texts.push(format!("[{open}]"));
    }
    Ok(texts)
}

/// Reads the commands of one event; `None` when the bytes are none.
pub(super) fn read_copied(data: &[u8]) -> Option<Vec<CopiedCommand>> {
    let texts: Vec<CopiedText> = serde_json::from_slice(data).ok()?;
    texts
        .into_iter()
        .map(|(command, digest, stream, first, last)| {
            let digest = CommandDigest(unhex(&digest)?);
            Some(CopiedCommand { command, digest, stream, first: Revision::new(first), last: Revision::new(last) })
        })
        .collect()
}

/// Puts the commands of a bucket in order.
pub(super) fn by_id(commands: Vec<CopiedCommand>) -> CopiedBucket {
    commands.into_iter().map(|command| (command.command, command)).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::digest::command_digest;

    fn claim(body: &str, stream: &str, expected: Option<u64>) -> Claim {
        Claim {
            digest: command_digest(body.as_bytes()),
            stream: StreamId::parse(stream).unwrap(),
            expected: expected.map_or(Expected::NoStream, |revision| Expected::At(Revision::new(revision))),
        }
    }

    #[test]
    fn a_claim_is_read_as_it_was_written() {
        for claim in [claim("a", "filing-1", None), claim("b", "unit-x.y", Some(0)), claim("", "a-b", Some(u64::MAX))] {
            assert_eq!(Claim::read(claim.text().unwrap().as_bytes()), Some(claim));
        }
        let text = claim("a", "filing-1", None).text().unwrap();
        let digest = hex(&command_digest(b"a").0);
        assert_eq!(text, format!(r#"{{"digest":"{digest}","stream":"filing-1","expected":null}}"#));
        for wrong in ["", "{}", r#"{"digest":"00","stream":"filing-1","expected":1}"#, "null"] {
            assert_eq!(Claim::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_claim_covers_what_comes_later_on_its_stream() {
        let there = [claim("a", "filing-1", Some(3)), claim("b", "filing-2", None)];
        assert!(covers(&there, &claim("a", "filing-1", Some(3))));
        assert!(covers(&there, &claim("a", "filing-1", Some(9))));
        assert!(covers(&there, &claim("b", "filing-2", Some(0))));
        assert!(!covers(&there, &claim("a", "filing-1", Some(2))), "an earlier place would not be looked at");
        assert!(!covers(&there, &claim("a", "filing-1", None)));
        assert!(!covers(&there, &claim("a", "filing-2", Some(9))), "another body");
        assert!(!covers(&there, &claim("b", "filing-1", Some(9))), "another body");
        assert!(!covers(&[], &claim("a", "filing-1", None)));
    }

    #[test]
    fn every_claimed_stream_is_looked_at_from_its_earliest_place() {
        let stream = |name| StreamId::parse(name).unwrap();
        let there = [
            claim("a", "filing-1", Some(3)),
            claim("a", "filing-2", Some(1)),
            claim("b", "filing-1", Some(8)),
            claim("a", "filing-2", None),
        ];
        let expected = vec![(stream("filing-2"), None), (stream("filing-1"), Some(Revision::new(3)))];
        assert_eq!(places(&there), expected);
        assert!(places(&[]).is_empty());
    }

    #[test]
    fn a_bucket_is_named_by_the_end_of_the_id() {
        let id = CommandId::from_uuid(Uuid::parse_str("018f0000-0000-7000-8000-0000000a0bcd").unwrap());
        assert_eq!(copied_bucket(id), 0x0bcd);
        assert_eq!(copied_stream(copied_bucket(id)), "baycase.commands-0bcd");
        assert_eq!(claim_stream(id), "baycase.command-018f00000000700080000000000a0bcd");
    }

    #[test]
    fn copied_commands_are_cut_into_events_and_read_again() {
        let commands: Vec<CopiedCommand> = (0..2_000_u64)
            .map(|number| CopiedCommand {
                command: CommandId::derived(&[&number.to_string()]),
                digest: command_digest(&number.to_be_bytes()),
                stream: StreamId::parse("complaint-0123456789abcdef").unwrap(),
                first: Revision::new(number),
                last: Revision::new(number + 2),
            })
            .collect();
        let texts = copied_texts(&commands).unwrap();
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= COPIED_BYTES_MAX + 2));
        let read: Vec<CopiedCommand> = texts.iter().flat_map(|text| read_copied(text.as_bytes()).unwrap()).collect();
        assert_eq!(read, commands);
        assert!(copied_texts(&[]).unwrap().is_empty());
        assert_eq!(read_copied(b"[[1]]"), None);
        assert_eq!(by_id(commands).len(), 2_000);
    }
}

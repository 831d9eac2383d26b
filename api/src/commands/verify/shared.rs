//! The check of a log that several nodes share: every event as it is read, and the orders that the log promises.
//!
//! What the file's check looks at beyond that is EventStoreDB's own to keep: its chunks, its indexes. That recording
//! times go up is promised by one writer, and a shared log has several.

use std::collections::HashMap;

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::digest::{ContentDigest, DIGEST_BYTES, LogDigest, event_digest};
use event_log::port::ReadError;
use event_log::verify::{Decode, FINDINGS_MAX, Finding, VerifyReport};
use serde::de::IgnoredAny;

use crate::log::AnyReader;

/// Events that are read at once; fewer around one that cannot be read.
const PAGE_EVENTS: u32 = 8_192;

/// Checks everything up to the newest event of the moment it is called; `progress` is told which position is done, of
/// which. Memory: the name of each stream, and a hundred bytes. Blocks.
///
/// # Errors
/// The log cannot be reached. What is wrong with it is a finding, not an error.
pub(super) fn verify(
    reader: &mut AnyReader,
    decode: &Decode<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, ReadError> {
    let head = reader.head_blocking()?;
    let bound = head.map_or(0, Position::get);
    let mut walk = Walk::new(decode);
    let mut limit = PAGE_EVENTS;
    while walk.last < head {
        let page = match reader.read_all_blocking(walk.last, limit) {
            Ok(page) => page,
            // Somewhere in this page: closer, until it is the next one.
            Err(ReadError::Damaged { .. }) if limit > 1 => {
                limit /= 2;
                continue;
            }
            Err(ReadError::Damaged { position, what }) if Some(Position::new(position)) > walk.last => {
                walk.damaged(Position::new(position), what);
                limit = PAGE_EVENTS;
                continue;
            }
            Err(ReadError::Fault(fault)) if !fault.passes_by_itself() => {
                walk.incomplete = true;
                walk.find(None, format!("nothing behind position {} can be read: {fault}", number(walk.last)));
                break;
            }
            Err(error) => return Err(error),
        };
        if page.events.is_empty() {
            walk.incomplete = true;
            walk.find(None, format!("nothing behind position {} is given, up to {bound}", number(walk.last)));
            break;
        }
        for event in page.events.iter().filter(|event| Some(event.position) <= head) {
            walk.event(event);
        }
        // What was appended since is not looked at.
        walk.last = walk.last.max(page.events.last().map(|last| last.position));
        progress(number(walk.last).min(bound), bound);
    }
    Ok(walk.into_report(head))
}

fn number(position: Option<Position>) -> u64 {
    position.map_or(0, Position::get)
}

/// What is known of a stream so far.
struct Stream {
    /// Its newest revision; `None` where an event of it may be among those that cannot be read.
    newest: Option<Revision>,
    /// Over its events.
    digest: LogDigest,
}

struct Walk<'a> {
    decode: &'a Decode<'a>,
    last: Option<Position>,
    streams: HashMap<StreamId, Stream>,
    /// Some event could not be read, so a stream may seem to begin later than it does.
    incomplete: bool,
    events: u64,
    digest: LogDigest,
    findings: Vec<Finding>,
    findings_total: u64,
}

impl<'a> Walk<'a> {
    fn new(decode: &'a Decode<'a>) -> Self {
        Self {
            decode,
            last: None,
            streams: HashMap::new(),
            incomplete: false,
            events: 0,
            digest: LogDigest::new(),
            findings: Vec::new(),
            findings_total: 0,
        }
    }

    fn find(&mut self, event: Option<&RecordedEvent>, what: String) {
        self.add(Finding {
            position: event.map(|event| event.position),
            stream: event.map(|event| event.stream.clone()),
            revision: event.map(|event| event.revision.get()),
            what,
        });
    }

    fn add(&mut self, finding: Finding) {
        self.findings_total = self.findings_total.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// An event that cannot be read is passed by, and what it was is not known.
    fn damaged(&mut self, position: Position, what: &str) {
        self.add(Finding { position: Some(position), stream: None, revision: None, what: what.to_owned() });
        self.last = Some(position);
        self.incomplete = true;
        self.streams.values_mut().for_each(|stream| stream.newest = None);
    }

    fn event(&mut self, event: &RecordedEvent) {
        self.events = self.events.saturating_add(1);
        let digest = event_digest(event);
        self.digest.push(&digest);
        if Some(event.position) <= self.last {
            self.find(Some(event), format!("it stands behind position {}", number(self.last)));
        }
        self.last = self.last.max(Some(event.position));
        self.order(event, &digest);
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&event.payload) {
            self.find(Some(event), format!("its payload is not JSON: {error}"));
        } else if let Err(what) = (self.decode)(event) {
            self.find(Some(event), format!("it cannot be decoded: {what}"));
        }
        if let Err(error) = event.meta() {
            self.find(Some(event), format!("its metadata cannot be read: {error}"));
        }
    }

    fn order(&mut self, event: &RecordedEvent, digest: &[u8; DIGEST_BYTES]) {
        let before = if let Some(stream) = self.streams.get_mut(&event.stream) {
            stream.digest.push(digest);
            Some(stream.newest.replace(event.revision))
        } else {
            let mut stream = Stream { newest: Some(event.revision), digest: LogDigest::new() };
            stream.digest.push(digest);
            self.streams.insert(event.stream.clone(), stream);
            None
        };
        let expected = match before {
            Some(Some(newest)) => newest.next(),
            None if !self.incomplete => Revision::FIRST,
            Some(None) | None => return,
        };
        if event.revision != expected {
            self.find(Some(event), format!("its revision should be {expected}"));
        }
    }

    /// The digest of what the log holds, whatever its order; `None` when some of that could not be read.
    fn content_digest(&self) -> Option<[u8; DIGEST_BYTES]> {
        if self.incomplete {
            return None;
        }
        let mut streams: Vec<(&str, &Stream)> =
            self.streams.iter().map(|(name, stream)| (name.as_str(), stream)).collect();
        streams.sort_unstable_by_key(|(name, _)| *name);
        let mut digest = ContentDigest::new();
        streams.iter().for_each(|(name, stream)| digest.push(name, &stream.digest));
        Some(digest.value())
    }

    fn into_report(self, head: Option<Position>) -> VerifyReport {
        VerifyReport {
            events: self.events,
            streams: u64::try_from(self.streams.len()).unwrap_or(u64::MAX),
            head,
            log_digest: self.digest.value(),
            content_digest: self.content_digest(),
            findings: self.findings,
            findings_total: self.findings_total,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event_log::blocking::BlockingReader;
    use event_log::contract::fixture::{Scene, ticking_stamp};
    use event_log::memory::MemoryLog;
    use event_log::port::{EventLog, Expected};
    use tokio::runtime::Handle;

    use super::*;

    async fn filled() -> Arc<dyn EventLog> {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(ticking_stamp()));
        let scene = Scene::new(log.as_ref(), "verify").await;
        log.append(scene.append("a", Expected::NoStream, "1", &["1", "2"])).await.unwrap();
        log.append(scene.append("b", Expected::NoStream, "2", &["[]"])).await.unwrap();
        log.append(scene.append("a", Expected::At(Revision::new(1)), "3", &["3"])).await.unwrap();
        log
    }

    async fn verified(log: Arc<dyn EventLog>, decode: fn(&RecordedEvent) -> Result<(), String>) -> VerifyReport {
        let mut reader = AnyReader::Port(BlockingReader::new(log, Handle::current()));
        tokio::task::spawn_blocking(move || verify(&mut reader, &decode, &mut |_, _| {}).unwrap()).await.unwrap()
    }

    fn readable(_: &RecordedEvent) -> Result<(), String> {
        Ok(())
    }

    fn not_two(event: &RecordedEvent) -> Result<(), String> {
        if &*event.payload == "2" { Err("why".to_owned()) } else { Ok(()) }
    }

    #[tokio::test]
    async fn a_sound_log_has_its_numbers_and_no_findings() {
        let log = filled().await;
        let report = verified(Arc::clone(&log), readable).await;
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.events, report.streams, report.head), (4, 2, Some(Position::new(4))));
        let mut digest = LogDigest::new();
        for event in log.read_all(None, 9).await.unwrap().events {
            digest.push(&event_digest(&event));
        }
        assert_eq!(report.log_digest, digest.value());
    }

    #[tokio::test]
    async fn an_empty_log_is_sound() {
        let report = verified(Arc::new(MemoryLog::new(ticking_stamp())), readable).await;
        assert!(report.is_sound() && report.head.is_none() && report.events == 0);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_told_with_its_place() {
        let report = verified(filled().await, not_two).await;
        assert_eq!(report.findings_total, 1);
        assert_eq!((report.findings[0].position, report.findings[0].revision), (Some(Position::new(2)), Some(1)));
        assert!(report.findings[0].what.contains("why"));
    }

    #[test]
    fn another_order_of_streams_is_another_order_digest_and_the_same_content_digest() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let events = runtime.block_on(async { filled().await.read_all(None, 9).await.unwrap().events });
        let [first, second, other, third] = <[RecordedEvent; 4]>::try_from(events).unwrap();
        let digests = |walked: &[&RecordedEvent]| {
            let mut walk = Walk::new(&readable);
            walked.iter().for_each(|event| walk.event(event));
            let report = walk.into_report(None);
            (report.log_digest, report.content_digest.unwrap())
        };
        let here = digests(&[&first, &second, &other, &third]);
        let elsewhere = digests(&[&other, &first, &second, &third]);
        assert_ne!(here.0, elsewhere.0);
        assert_eq!(here.1, elsewhere.1);
        assert_ne!(here.1, digests(&[&first, &second, &third]).1);

        let mut walk = Walk::new(&readable);
        walk.event(&first);
        walk.damaged(second.position, "torn");
        assert_eq!(walk.into_report(None).content_digest, None, "what cannot be read is in no digest");
    }

    #[test]
    fn gaps_repetitions_and_damage_are_findings() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let events = runtime.block_on(async { filled().await.read_all(None, 9).await.unwrap().events });
        let [first, second, other, third] = <[RecordedEvent; 4]>::try_from(events).unwrap();
        let found = |walked: &[&RecordedEvent]| {
            let mut walk = Walk::new(&readable);
            walked.iter().for_each(|event| walk.event(event));
            walk.into_report(None).findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
        };
        assert_eq!(found(&[&first, &second, &other, &third]), [""; 0]);
        assert_eq!(found(&[&first, &other, &third]), ["its revision should be 1"]);
        assert_eq!(found(&[&second]), ["its revision should be 0"]);
        let twice = found(&[&first, &first]);
        assert_eq!(twice, ["it stands behind position 1", "its revision should be 1"]);

        let mut walk = Walk::new(&readable);
        walk.event(&first);
        walk.damaged(second.position, "torn");
        walk.event(&other);
        walk.event(&third);
        let report = walk.into_report(None);
        assert_eq!((report.findings_total, report.findings[0].what.as_str()), (1, "torn"));
    }
}

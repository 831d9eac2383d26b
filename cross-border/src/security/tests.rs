//! What the journal holds after what came to the door.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use event_log::memory::MemoryLog;
use event_log::port::{Appended, Page, ReadError};
use tokio::sync::watch;

use super::*;

/// A clock that the test turns, in seconds after an arbitrary minute.
#[derive(Debug, Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    /// 2026-05-20T23:59:00 in UTC+8.
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new("2026-05-20T15:59:00Z".parse::<DateTime<Utc>>().unwrap().timestamp())))
    }

    fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> Now {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || DateTime::from_timestamp(seconds.load(Ordering::Relaxed), 0).unwrap())
    }
}

/// A log that can be made to refuse.
struct Moody {
    log: MemoryLog,
    refuses: AtomicBool,
}

#[async_trait]
impl EventLog for Moody {
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(AppendError::DiskFull);
        }
        self.log.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.log.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.log.read_all(after, limit).await
    }

    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        self.log.find_command(command).await
    }

    async fn head(&self) -> Result<Option<Position>, ReadError> {
        self.log.head().await
    }

    fn appended(&self) -> watch::Receiver<Option<Position>> {
        self.log.appended()
    }
}

struct Door {
    clock: Clock,
    log: Arc<Moody>,
    journal: SecurityJournal,
}

fn door(per_minute: u32) -> Door {
    let clock = Clock::new();
    let log = Arc::new(Moody { log: MemoryLog::new(clock.now()), refuses: AtomicBool::new(false) });
    let journal = SecurityJournal::new(Arc::clone(&log) as Arc<dyn EventLog>, clock.now(), per_minute);
    Door { clock, log, journal }
}

fn refused(code: &str) -> Refused {
    Refused { code: code.to_owned(), what: "a message was posted".to_owned(), ..Refused::default() }
}

/// Every record with the stream it lies in.
async fn records(log: &dyn EventLog) -> Vec<(String, Refusal)> {
    let page = log.read_all(None, 1_000).await.unwrap();
    page.events
        .iter()
        .map(|event| {
            let SecurityEvent::Refused(refusal) =
                SecurityEvent::decode(&event.kind, event.schema, &event.payload).unwrap();
            (event.stream.to_string(), refusal)
        })
        .collect()
}

#[tokio::test]
async fn a_refusal_lies_in_the_stream_of_its_local_day() {
    let Door { clock, log, journal } = door(PER_MINUTE);
    journal.record(refused("BAD_SIGNATURE")).await;
    clock.forward(60);
    journal.record(refused("BAD_SIGNATURE")).await;
    journal.record(refused("UNKNOWN_KEY")).await;
    let streams: Vec<(String, String)> =
        records(log.as_ref()).await.into_iter().map(|(stream, refusal)| (stream, refusal.code)).collect();
    let expected = [
        ("security-20260520", "BAD_SIGNATURE"),
        ("security-20260521", "BAD_SIGNATURE"),
        ("security-20260521", "UNKNOWN_KEY"),
    ];
    assert_eq!(streams, expected.map(|(stream, code)| (stream.to_owned(), code.to_owned())));
    let page = log.read_all(None, 1).await.unwrap();
    let meta = page.events[0].meta().unwrap();
    assert_eq!((&*meta.actor, meta.unit.as_str()), ("system", "system"));
}

#[tokio::test]
async fn a_flood_is_counted_and_the_next_record_says_so() {
    let Door { clock, log, journal } = door(2);
    for _ in 0..5 {
        journal.record(refused("BAD_SIGNATURE")).await;
    }
    journal.record(refused("UNKNOWN_KEY")).await;
    clock.forward(60);
    journal.record(refused("BAD_SIGNATURE")).await;
    let counts: Vec<(String, u64)> =
        records(log.as_ref()).await.into_iter().map(|(_, refusal)| (refusal.code, refusal.suppressed)).collect();
    let expected = [("BAD_SIGNATURE", 0), ("BAD_SIGNATURE", 0), ("UNKNOWN_KEY", 0), ("BAD_SIGNATURE", 3)];
    assert_eq!(counts, expected.map(|(code, suppressed)| (code.to_owned(), suppressed)));
}

#[tokio::test]
async fn a_flood_that_stops_is_told_once_its_minute_is_over() {
    let Door { clock, log, journal } = door(2);
    for _ in 0..5 {
        journal.record(refused("BAD_SIGNATURE")).await;
    }
    journal.settle().await;
    assert_eq!(records(log.as_ref()).await.len(), 2, "the minute still runs");
    // The minute ends with the local day; what was refused stays in its own.
    clock.forward(60);
    journal.settle().await;
    journal.settle().await;
    let kept = records(log.as_ref()).await;
    let told: Vec<(&str, u64)> = kept.iter().map(|(stream, refusal)| (stream.as_str(), refusal.suppressed)).collect();
    assert_eq!(told, [("security-20260520", 0), ("security-20260520", 0), ("security-20260520", 2)]);
    // Nothing is told twice.
    journal.record(refused("BAD_SIGNATURE")).await;
    let kept = records(log.as_ref()).await;
    assert_eq!((kept[3].0.as_str(), kept[3].1.suppressed), ("security-20260521", 0));
}

#[tokio::test]
async fn what_is_told_late_and_not_taken_is_told_by_the_next() {
    let Door { clock, log, journal } = door(1);
    for _ in 0..3 {
        journal.record(refused("BAD_SIGNATURE")).await;
    }
    clock.forward(60);
    log.refuses.store(true, Ordering::Relaxed);
    journal.settle().await;
    log.refuses.store(false, Ordering::Relaxed);
    journal.settle().await;
    let kept = records(log.as_ref()).await;
    assert_eq!(kept.iter().map(|(_, refusal)| refusal.suppressed).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn what_the_log_does_not_take_is_counted_into_the_next_record() {
    let Door { log, journal, .. } = door(PER_MINUTE);
    log.refuses.store(true, Ordering::Relaxed);
    journal.record(refused("BAD_SIGNATURE")).await;
    journal.record(refused("BAD_SIGNATURE")).await;
    log.refuses.store(false, Ordering::Relaxed);
    journal.record(refused("BAD_SIGNATURE")).await;
    let kept = records(log.as_ref()).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1.suppressed, 2);
}

#[tokio::test]
async fn two_journals_on_one_log_do_not_stand_in_each_others_way() {
    let Door { clock, log, journal } = door(PER_MINUTE);
    let other = SecurityJournal::new(Arc::clone(&log) as Arc<dyn EventLog>, clock.now(), PER_MINUTE)
        .in_the_name_of(UnitId::parse("gd-council").unwrap());
    for _ in 0..3 {
        journal.record(refused("BAD_SIGNATURE")).await;
        other.record(refused("BAD_SIGNATURE")).await;
    }
    assert_eq!(records(log.as_ref()).await.len(), 6);
    let page = log.read_all(None, 10).await.unwrap();
    assert_eq!(page.events[5].meta().unwrap().unit.as_str(), "gd-council");
}

#[tokio::test]
async fn what_a_stranger_sends_is_cut_to_its_limits() {
    let Door { log, journal, .. } = door(PER_MINUTE);
    let long = "长".repeat(WHAT_CHARS_MAX + 1);
    journal
        .record(Refused {
            code: long.clone(),
            partner: None,
            key: Some(format!("\u{202e}{long}")),
            what: long.clone(),
            digest: None,
            request_id: Some(long),
        })
        .await;
    let (_, kept) = records(log.as_ref()).await.remove(0);
    assert_eq!(kept.code.chars().count(), CODE_CHARS_MAX);
    assert_eq!(kept.what.chars().count(), WHAT_CHARS_MAX);
    assert_eq!(kept.request_id.unwrap().chars().count(), REQUEST_ID_CHARS_MAX);
    let key = kept.key.unwrap();
    assert!(key.chars().count() == CODE_CHARS_MAX && key.starts_with(' '));
}

//! The journal of refused attempts (安全日志): who was turned away at the partners' door, when and why.
//!
//! It lies in the log like everything else, one stream for each local day. Whoever floods the door must not flood the
//! log: of each code a bounded number is recorded in a minute, and the next record says how many were not. When none
//! follows, the newest of those that were only counted is recorded once their minute is over.

pub(crate) mod clip;
pub mod event;
mod gauge;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::day::local_day;
use domain::decider::{Context, Happened};
use domain::id::{CommandId, StreamId, UnitId};
use domain::wire::Stored;
use event_log::causes::with_causes;
use event_log::digest::command_digest;
use event_log::execute::{Issue, new_events};
use event_log::port::{Append, AppendError, CommandRef, EventLog, Expected};
use projections::Now;
use thiserror::Error;
use tracing::{error, warn};

use self::clip::clip;
pub use self::event::{Refusal, SecurityEvent};
use self::gauge::{Counted, Gauge, Owed, Passed};
use crate::exchange::Digest;
use crate::partner::PartnerId;

/// The part of the stream name before the hyphen.
pub const CATEGORY: &str = "security";
/// Records of one code in a minute, unless it is said otherwise.
pub const PER_MINUTE: u32 = 60;
/// Longest code and longest name of a key in characters; what is longer is cut.
pub const CODE_CHARS_MAX: usize = 64;
/// Longest text in characters; what is longer is cut.
pub const WHAT_CHARS_MAX: usize = 200;
/// Longest id of a request in characters; what is longer is cut.
pub const REQUEST_ID_CHARS_MAX: usize = 128;

/// Who the events are recorded by.
const ACTOR: &str = "system";
/// In whose name, unless it is said otherwise.
const UNIT: &str = "system";
/// How often an append is tried anew after a conflict: only another process can have been faster.
const APPEND_ATTEMPTS_MAX: u32 = 8;

/// One refused attempt. Texts are cut to their limits and freed of characters that nobody sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// The code that the caller is answered with.
    pub code: String,
    /// The partner, as far as its key or its certificate says so.
    pub partner: Option<PartnerId>,
    /// The id of the key that the caller named.
    pub key: Option<String>,
    /// What was tried, in words of ours; never what stood in it.
    pub what: String,
    /// SHA-256 of the body.
    pub digest: Option<Digest>,
    pub request_id: Option<String>,
}

impl Refused {
    fn record(self, suppressed: u64) -> Refusal {
        let Self { code, partner, key, what, digest, request_id } = self;
        Refusal {
            code: clip(&code, CODE_CHARS_MAX),
            partner,
            key: key.map(|key| clip(&key, CODE_CHARS_MAX)),
            what: clip(&what, WHAT_CHARS_MAX),
            digest,
            request_id: request_id.map(|id| clip(&id, REQUEST_ID_CHARS_MAX)),
            suppressed,
        }
    }
}

/// The journal. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct SecurityJournal {
    log: Arc<dyn EventLog>,
    now: Now,
    unit: UnitId,
    gauge: Arc<Mutex<Gauge>>,
    /// Where the stream of the day stands, as far as we know. Held while appending: one after the other.
    tail: Arc<tokio::sync::Mutex<Tail>>,
}

/// The end of one stream.
#[derive(Debug, Clone)]
struct Tail {
    stream: StreamId,
    expected: Expected,
}

/// Why a refusal is not in the journal.
#[derive(Debug, Error)]
enum JournalError {
    #[error("the event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the log refused the append")]
    Append(#[source] AppendError),
    #[error("others kept appending to the journal")]
    Busy,
}

impl SecurityJournal {
    /// A journal in `log` that records at most `per_minute` refusals of one code in a minute, and at least one.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, now: Now, per_minute: u32) -> Self {
        let tail = Tail { stream: stream_of(local_day(now())), expected: Expected::NoStream };
        Self {
            log,
            now,
            unit: UnitId::parse(UNIT).expect("a lower-case word names a unit"),
            gauge: Arc::new(Mutex::new(Gauge::new(per_minute))),
            tail: Arc::new(tokio::sync::Mutex::new(tail)),
        }
    }

    /// The same, with events in the name of `unit`.
    #[must_use]
    pub fn in_the_name_of(self, unit: UnitId) -> Self {
        Self { unit, ..self }
    }

    /// Records a refusal, or counts it. A caller is never kept from its answer: what the log does not take is logged
    /// with its cause, and counted into the next record.
    pub async fn record(&self, refused: Refused) {
        let now = (self.now)();
        let code = clip(&refused.code, CODE_CHARS_MAX);
        let passed = self.gauge().pass(&code, Counted { refused, at: now });
        match passed {
            Passed::Record(owed) => self.keep(&code, owed).await,
            Passed::Count { first: true } => {
                warn!(refusal.code = %code, "Too many refusals of `{code}` in a minute: the rest are only counted");
            }
            Passed::Count { first: false } => {}
        }
    }

    /// Records what the minutes that are over left only counted: of each code its newest refusal, at its own time, with
    /// the number of those before it. To be called about once in a minute.
    pub async fn settle(&self) {
        let owed = self.gauge().settle((self.now)());
        for (code, owed) in owed {
            self.keep(&code, owed).await;
        }
    }

    async fn keep(&self, code: &str, owed: Owed) {
        let refusal = owed.counted.refused.clone().record(owed.suppressed);
        if let Err(failure) = self.append(refusal, owed.counted.at).await {
            self.gauge().owe(code, owed);
            error!(refusal.code = %code, "A refusal of `{code}` could not be recorded: {}", with_causes(&failure));
        }
    }

    async fn append(&self, refusal: Refusal, now: DateTime<Utc>) -> Result<(), JournalError> {
        let event = SecurityEvent::Refused(refusal);
        let body = event.encode().map_err(JournalError::Encode)?;
        let happened = [Happened { at: now, event }];
        let stream = stream_of(local_day(now));
        let mut tail = self.tail.lock().await;
        if tail.stream != stream {
            *tail = Tail { stream: stream.clone(), expected: Expected::NoStream };
        }
        for _ in 0..APPEND_ATTEMPTS_MAX {
            let place = format!("{:?}", tail.expected);
            let command = CommandRef {
                id: CommandId::derived_at(now, &[CATEGORY, stream.as_str(), &place, &body]),
                digest: command_digest(body.as_bytes()),
            };
            let ctx = Context {
                now,
                unit: &self.unit,
                actor: ACTOR,
                calendar: WorkingCalendar::mainland(),
                rules: RuleTable::builtin(),
            };
            let events =
                new_events(&stream, command.id, &Issue::default(), &ctx, &happened).map_err(JournalError::Encode)?;
            let expected = tail.expected;
            match self.log.append(Append { stream: stream.clone(), expected, command, events }).await {
                Ok(appended) => {
                    tail.expected = Expected::At(appended.last_revision);
                    if !appended.repeated {
                        return Ok(());
                    }
                    // Another process recorded the same at the same moment: this is one more of it.
                }
                Err(AppendError::Conflict { actual, .. }) => {
                    tail.expected = actual.map_or(Expected::NoStream, Expected::At);
                }
                Err(failure) => return Err(JournalError::Append(failure)),
            }
        }
        Err(JournalError::Busy)
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SecurityJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityJournal").field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// The stream of one local day (UTC+8).
fn stream_of(day: NaiveDate) -> StreamId {
    let name = format!("{CATEGORY}-{}", day.format("%Y%m%d"));
    StreamId::parse(&name).expect("a category and a date name a stream")
}

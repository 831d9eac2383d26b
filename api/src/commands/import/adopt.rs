//! Adopting the histories: first all of them are compared with what is stored, then what is new is appended.
//!
//! Nothing is appended before every case has been checked. Between the two nobody else writes a log in a file, whose
//! lock is held; what other nodes append meanwhile to a shared log refuses the case that it concerns.

use chrono::{DateTime, Utc};
use domain::complaint::history::Adopt;
use domain::complaint::{Act, Complaint, ComplaintCommand, ComplaintEvent, Rejection};
use domain::decider::{Context, Decider, Happened, fold};
use domain::envelope::{NewEvent, Revision};
use domain::id::CommandId;
use domain::wire::{Stored, WireError};
use event_log::digest::command_digest;
use event_log::execute::{self, Issue, new_events};
use event_log::port::{
    APPEND_BYTES_MAX, Append, AppendError, CommandRef, Expected, READ_EVENTS_MAX, ReadError, append_bytes,
};
use event_log::sqlite::BulkError;
use indicatif::ProgressBar;
use thiserror::Error;

use super::history::{self, HistoryError};
use super::mapping::Mapping;
use super::rejects::{Bad, RejectError, Rejects};
use super::rows::{CaseRows, Cases};
use crate::log::{AnyReader, OpenedLog, TakesMany as _};

/// Events after which a transaction is large enough.
const BATCH_EVENTS: usize = 8_192;

/// Why the histories could not be adopted.
#[derive(Debug, Error)]
pub(super) enum AdoptError {
    #[error(transparent)]
    Reject(#[from] RejectError),
    #[error("case `{number}` can no longer be adopted; what was appended before it stays")]
    Case {
        number: String,
        #[source]
        source: CaseError,
    },
    #[error("what is stored of case `{number}` cannot be read")]
    Read {
        number: String,
        #[source]
        source: ReadError,
    },
    #[error("a stored event of case `{number}` cannot be read")]
    Wire {
        number: String,
        #[source]
        source: WireError,
    },
    #[error("an event of case `{number}` cannot be written as JSON")]
    Encode {
        number: String,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "case `{number}` could not be appended; what was appended before it stays, and the import can be run again"
    )]
    Append {
        number: String,
        #[source]
        source: AppendError,
    },
    #[error("a batch could not be appended; what was appended before it stays, and the import can be run again")]
    Bulk(#[source] BulkError),
}

/// Why one case cannot be adopted.
#[derive(Debug, Error)]
pub(super) enum CaseError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(
        "it differs at event {event} from what is stored: there `{stored}` at {stored_at}, in the file `{found}` at {found_at}"
    )]
    Differs {
        event: usize,
        stored: &'static str,
        stored_at: DateTime<Utc>,
        found: &'static str,
        found_at: DateTime<Utc>,
    },
    #[error(
        "what is new of it has {bytes} bytes, more than the {APPEND_BYTES_MAX} of one append; import a file with its earlier rows first"
    )]
    TooLarge { bytes: usize },
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// What becomes of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// It was left out for a bad row, or because it cannot be adopted.
    Rejected,
    /// All of it is stored already.
    Unchanged,
    /// So many of its events are stored, and the others are to be appended.
    Append { stored: usize },
}

/// What every step needs.
#[derive(Clone, Copy)]
pub(super) struct Adoption<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) cases: &'a Cases,
    pub(super) ctx: Context<'a>,
}

impl Adoption<'_> {
    /// Checks every case against the log, which may be missing yet; one plan for each case, in order.
    ///
    /// # Errors
    /// A case cannot be adopted and none are collected, or the log cannot be read.
    pub(super) fn check(
        self,
        mut stored: Option<&mut AnyReader>,
        rejects: &mut Rejects,
        bar: &ProgressBar,
    ) -> Result<Vec<Plan>, AdoptError> {
        let mut plans = Vec::with_capacity(self.cases.cases.len());
        for case in &self.cases.cases {
            bar.inc(1);
            if case.rejected {
                plans.push(Plan::Rejected);
                continue;
            }
            match self.check_case(case, stored.as_deref_mut())? {
                Ok(plan) => plans.push(plan),
                Err(error) => {
                    plans.push(Plan::Rejected);
                    rejects.take(bad_case(case, &error))?;
                }
            }
        }
        Ok(plans)
    }

    fn check_case(
        &self,
        case: &CaseRows,
        reader: Option<&mut AnyReader>,
    ) -> Result<Result<Plan, CaseError>, AdoptError> {
        let history = match history::build(case, self.mapping, &self.cases.units) {
            Ok(history) => history,
            Err(error) => return Ok(Err(error.into())),
        };
        let stored = match reader {
            Some(reader) => self.stored(case, reader)?,
            None => Vec::new(),
        };
        for (event, (stored, found)) in stored.iter().zip(&history).enumerate() {
            if stored != found {
                return Ok(Err(CaseError::Differs {
                    event,
                    stored: stored.event.kind().0,
                    stored_at: stored.at,
                    found: found.event.kind().0,
                    found_at: found.at,
                }));
            }
        }
        // What was done since to an adopted case stands behind its history and is left alone.
        if stored.len() >= history.len() {
            return Ok(Ok(Plan::Unchanged));
        }
        let stored = stored.len();
        let happened = match self.decide(history, stored) {
            Ok(happened) => happened,
            Err(rejection) => return Ok(Err(CaseError::Rejected(rejection))),
        };
        let bytes = append_bytes(&self.events(case, stored, &happened)?.1);
        Ok(if bytes > APPEND_BYTES_MAX { Err(CaseError::TooLarge { bytes }) } else { Ok(Plan::Append { stored }) })
    }

    /// What is stored of a case.
    fn stored(&self, case: &CaseRows, reader: &mut AnyReader) -> Result<Vec<Happened<ComplaintEvent>>, AdoptError> {
        let number = || case.number.to_string();
        let stream = history::complaint(self.mapping, &case.number).stream();
        let mut stored = Vec::new();
        let mut after = None;
        loop {
            let page = reader
                .read_stream_blocking(&stream, after, READ_EVENTS_MAX)
                .map_err(|source| AdoptError::Read { number: number(), source })?;
            let Some(last) = page.last() else { return Ok(stored) };
            after = Some(last.revision);
            for event in &page {
                let happened = execute::read(event).map_err(|source| AdoptError::Wire { number: number(), source })?;
                stored.push(happened);
            }
        }
    }

    /// The events behind the stored ones, as the decider allows them.
    fn decide(
        &self,
        history: Vec<Happened<ComplaintEvent>>,
        stored: usize,
    ) -> Result<Vec<Happened<ComplaintEvent>>, Rejection> {
        let state = fold::<Complaint>(history.iter().take(stored));
        let act = Act::Adopt(Box::new(Adopt { history, stored }));
        Complaint::decide(&state, ComplaintCommand { at: None, act }, &self.ctx)
    }

    /// Appends what is planned; answers how many events that were.
    ///
    /// # Errors
    /// The log cannot be written. Running the import again goes on where it stopped.
    pub(super) async fn append(self, plans: &[Plan], log: &OpenedLog, bar: &ProgressBar) -> Result<u64, AdoptError> {
        let mut appended = 0;
        let mut batch = Vec::new();
        let mut events = 0;
        for (case, plan) in self.cases.cases.iter().zip(plans) {
            let Plan::Append { stored } = plan else { continue };
            let append = self.append_of(case, *stored)?;
            events += append.events.len();
            batch.push((case, append));
            if events >= BATCH_EVENTS {
                appended += send(log, std::mem::take(&mut batch), bar).await?;
                events = 0;
            }
        }
        if !batch.is_empty() {
            appended += send(log, batch, bar).await?;
        }
        Ok(appended)
    }

    fn append_of(&self, case: &CaseRows, stored: usize) -> Result<Append, AdoptError> {
        let failed = |source: CaseError| AdoptError::Case { number: case.number.to_string(), source };
        let history = history::build(case, self.mapping, &self.cases.units).map_err(|error| failed(error.into()))?;
        let happened = self.decide(history, stored).map_err(|error| failed(error.into()))?;
        let (id, events) = self.events(case, stored, &happened)?;
        let stream = history::complaint(self.mapping, &case.number).stream();
        let digest = command_digest(&body(&events));
        let expected = match stored.checked_sub(1).and_then(|last| u64::try_from(last).ok()) {
            Some(last) => Expected::At(Revision::new(last)),
            None => Expected::NoStream,
        };
        Ok(Append { stream, expected, command: CommandRef { id, digest }, events })
    }

    /// The events behind the stored ones as they are appended, and the command that appends them.
    fn events(
        &self,
        case: &CaseRows,
        stored: usize,
        happened: &[Happened<ComplaintEvent>],
    ) -> Result<(CommandId, Vec<NewEvent>), AdoptError> {
        let stream = history::complaint(self.mapping, &case.number).stream();
        let id = CommandId::derived(&["import", &self.mapping.system, &case.number, &stored.to_string()]);
        let events = new_events(&stream, id, &Issue::default(), &self.ctx, happened)
            .map_err(|source| AdoptError::Encode { number: case.number.to_string(), source })?;
        Ok((id, events))
    }
}

/// The canonical body of the command: what happened, when, in order.
fn body(events: &[NewEvent]) -> Vec<u8> {
    let mut body = Vec::new();
    for event in events {
        let at = event.occurred_at.timestamp_micros().to_be_bytes();
        let schema = event.schema.to_be_bytes();
        for part in [event.kind.as_bytes(), &schema, &at, event.payload.as_bytes()] {
            body.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            body.extend_from_slice(part);
        }
    }
    body
}

async fn send(log: &OpenedLog, batch: Vec<(&CaseRows, Append)>, bar: &ProgressBar) -> Result<u64, AdoptError> {
    let mut sent = Vec::with_capacity(batch.len());
    let mut appends = Vec::with_capacity(batch.len());
    for (case, append) in batch {
        sent.push((case, append.events.len()));
        appends.push(append);
    }
    let answers = log.append_many(appends).await.map_err(AdoptError::Bulk)?;
    let mut appended = 0;
    for ((case, events), answer) in sent.into_iter().zip(answers) {
        let answer = answer.map_err(|source| AdoptError::Append { number: case.number.to_string(), source })?;
        let events = if answer.repeated { 0 } else { u64::try_from(events).unwrap_or(u64::MAX) };
        appended += events;
        bar.inc(1);
    }
    Ok(appended)
}

fn bad_case(case: &CaseRows, error: &CaseError) -> Bad {
    let line = match error {
        CaseError::History(error) => error.line(),
        CaseError::Differs { .. } | CaseError::TooLarge { .. } | CaseError::Rejected(_) => None,
    };
    Bad {
        line: line.unwrap_or(case.line),
        case: Some(case.number.to_string()),
        column: None,
        reason: error.to_string(),
        row: None,
    }
}

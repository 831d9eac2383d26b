//! One event and what the case is behind it.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use domain::complaint::state::RunningClock;
use domain::complaint::{Action, Case};
use domain::day::local_day;
use domain::envelope::{Metadata, RecordedEvent};
use domain::id::ComplaintId;
use serde_json::{Value, json};

use super::super::Failure;
use crate::graphql::history::mask;

/// Seconds that the local time is ahead of UTC.
const AHEAD_OF_UTC: i32 = 8 * 3_600;

/// One event and what the case is behind it.
#[derive(Debug)]
pub(super) struct Step<'e> {
    event: &'e RecordedEvent,
    meta: Metadata,
    case: Option<Case>,
}

impl<'e> Step<'e> {
    /// # Errors
    /// The stored metadata cannot be read.
    pub(super) fn new(event: &'e RecordedEvent, case: Option<Case>) -> Result<Self, Failure> {
        Ok(Self { event, meta: event.meta()?, case })
    }

    /// The case behind the event; `None` before its registration.
    pub(super) const fn case(&self) -> Option<&Case> {
        self.case.as_ref()
    }

    pub(super) fn to_text(&self) -> String {
        let Self { event, meta, case } = self;
        let mut lines = vec![
            format!("#{} {}  {}", event.revision, local(event.occurred_at), event.kind),
            format!(
                "    by {} for {}, recorded {} at position {}",
                meta.actor,
                meta.unit,
                local(event.recorded_at),
                event.position
            ),
        ];
        let Some(case) = case else {
            lines.push("    not registered at that moment".to_owned());
            return lines.join("\n");
        };
        let outcome = case.stage.outcome().map(|outcome| format!(" ({outcome})")).unwrap_or_default();
        let waiting = if case.waiting { ", waiting" } else { "" };
        let handler = case.handler.as_deref().unwrap_or("nobody");
        lines.push(format!(
            "    stage {}{outcome}{waiting}, round {}, with {}, handled by {handler}",
            case.stage, case.round, case.custody
        ));
        if let Some(deadline) = case.source.as_ref().and_then(|source| source.deadline) {
            lines.push(format!("    deadline of the source {}", local(deadline)));
        }
        lines.extend(case.clocks.iter().map(|clock| format!("    clock {}", clock_text(clock, event.occurred_at))));
        let allowed: Vec<&str> = case.allowed().into_iter().map(|action| action.code()).collect();
        lines.push(format!("    allowed {}", allowed.join(", ")));
        lines.join("\n")
    }

    pub(super) fn to_json(&self, id: ComplaintId) -> Value {
        let Self { event, meta, case } = self;
        // What the log holds is JSON, or the event could not have been read.
        let mut data: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        mask(&mut data);
        json!({
            "case": id.to_string(),
            "revision": event.revision.get(),
            "position": event.position.get(),
            "kind": event.kind,
            "schema": event.schema,
            "occurredAt": instant(event.occurred_at),
            "recordedAt": instant(event.recorded_at),
            "actor": meta.actor,
            "unit": meta.unit.as_str(),
            "onBehalfOf": meta.on_behalf_of,
            "data": data,
            "state": case.as_ref().map(|case| state(case, event.occurred_at)),
        })
    }
}

fn state(case: &Case, at: DateTime<Utc>) -> Value {
    let clocks: Vec<Value> = case.clocks.iter().map(|clock| clock_json(clock, at)).collect();
    let allowed: Vec<&str> = case.allowed().into_iter().map(Action::code).collect();
    json!({
        "number": case.number,
        "stage": case.stage.code(),
        "outcome": case.stage.outcome().map(|outcome| outcome.code()),
        "round": case.round,
        "custody": case.custody.as_str(),
        "handler": case.handler,
        "waiting": case.waiting,
        "closedLate": case.closed_late,
        "urged": case.urged,
        "sourceDeadline": case.source.as_ref().and_then(|source| source.deadline).map(instant),
        "clocks": clocks,
        "allowed": allowed,
    })
}

fn clock_text(clock: &RunningClock, at: DateTime<Utc>) -> String {
    let terms = &clock.terms;
    let mut text = format!("{} since {}, due {}", terms.rule, terms.started_on, terms.due_legal);
    if terms.due_strict != terms.due_legal {
        text.push_str(&format!(" (by the letter {})", terms.due_strict));
    }
    if terms.provisional {
        text.push_str(", PROVISIONAL");
    }
    if clock.extended_by > 0 {
        text.push_str(&format!(", extended by {}", clock.extended_by));
    }
    match (clock.met, clock.stopped_on()) {
        (Some((on, late)), _) => text.push_str(&format!(", met on {on}{}", if late { ", LATE" } else { "" })),
        (None, Some(on)) => text.push_str(&format!(", stands still since {on}")),
        (None, None) if clock.is_exceeded_on(local_day(at)) => text.push_str(", EXCEEDED"),
        (None, None) => {}
    }
    text
}

fn clock_json(clock: &RunningClock, at: DateTime<Utc>) -> Value {
    json!({
        "clock": clock.terms.rule.as_str(),
        "startedOn": clock.terms.started_on,
        "dueStrict": clock.terms.due_strict,
        "dueLegal": clock.terms.due_legal,
        "provisional": clock.terms.provisional,
        "extendedBy": clock.extended_by,
        "stoppedOn": clock.stopped_on(),
        "metOn": clock.met.map(|(on, _)| on),
        "metLate": clock.met.map(|(_, late)| late),
        "exceeded": clock.is_exceeded_on(local_day(at)),
    })
}

/// The local time (UTC+8), to the second.
fn local(at: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(AHEAD_OF_UTC) {
        Some(zone) => at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => instant(at),
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

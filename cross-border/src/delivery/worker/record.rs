//! The worker's commands on the stream of a delivery.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use domain::clock::RuleTable;
use domain::decider::Context;
use domain::envelope::Position;
use domain::id::{CommandId, EventId};
use event_log::digest::command_digest;
use event_log::execute::{Done, ExecuteError, Issue, execute};
use event_log::port::CommandRef;

use crate::council::{Council, SYSTEM_ACTOR};
use crate::delivery::{Delivery, DeliveryCommand, FailureCode, Lease, Rejection};
use crate::index::OutboxRow;

pub(super) type RecordError = ExecuteError<Rejection>;

/// Tells two leases of one process from each other that are asked for in the same microsecond.
static LEASES: AtomicU64 = AtomicU64::new(0);

/// A lease that was given, and the event that gave it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) lease: Lease,
    /// Attempts since the message was issued or re-driven, this one included.
    pub(super) attempts: u32,
    /// When the first of them began.
    pub(super) tried_since: DateTime<Utc>,
    pub(super) position: Position,
    event: EventId,
}

/// Takes or prolongs the lease of a delivery.
pub(super) async fn lease(
    council: &Council,
    row: &OutboxRow,
    holder: &str,
    until: DateTime<Utc>,
) -> Result<Held, RecordError> {
    let now = council.moment();
    let stream = row.delivery.stream();
    let number = LEASES.fetch_add(1, Ordering::Relaxed).to_string();
    let delivery = row.delivery.to_string();
    let id = CommandId::derived_at(now, &["delivery-lease", &delivery, holder, &now.to_rfc3339(), &number]);
    let command = CommandRef { id, digest: command_digest(id.as_uuid().as_bytes()) };
    let body = DeliveryCommand::Lease { holder: holder.to_owned(), until };
    let done = record(council, row, command, Issue::default(), body).await?;
    // The state right behind our own event; nothing but a lease can stand there.
    let lease = done.state.lease().cloned().ok_or(ExecuteError::NothingToDo)?;
    let Delivery { attempts, tried_since, .. } = done.state;
    let tried_since = tried_since.unwrap_or(now);
    Ok(Held { lease, attempts, tried_since, position: done.position, event: id.event(&stream, 0) })
}

/// Carries out what a lease led to: once, however often it is asked.
pub(super) async fn follow(
    council: &Council,
    row: &OutboxRow,
    held: &Held,
    step: &str,
    body: DeliveryCommand,
) -> Result<Done<Delivery>, RecordError> {
    let command = CommandRef { id: held.event.command(step), digest: command_digest(held.event.as_uuid().as_bytes()) };
    let issue = Issue { causation: Some(held.event), ..Issue::default() };
    record(council, row, command, issue, body).await
}

/// Records that somebody was told of a delivery that was given up. Two workers that tell of the same record it once.
pub(super) async fn alarm(council: &Council, row: &OutboxRow) -> Result<Done<Delivery>, RecordError> {
    let ended_at = row.ended_at.map(|at| at.timestamp_micros().to_string()).unwrap_or_default();
    let command = own(&["delivery-alarm", &row.delivery.to_string(), &ended_at, &row.alarms.to_string()]);
    record(council, row, command, Issue::default(), DeliveryCommand::Alarm).await
}

/// Gives a delivery up that cannot be tried. Two workers that find out the same record it once.
pub(super) async fn give_up(
    council: &Council,
    row: &OutboxRow,
    code: FailureCode,
) -> Result<Done<Delivery>, RecordError> {
    let since = row.since.timestamp_micros().to_string();
    let command = own(&["delivery-give-up", &row.delivery.to_string(), code.code(), &since]);
    record(council, row, command, Issue::default(), DeliveryCommand::GiveUp { code }).await
}

/// Sets a delivery going again because what it was given up for is over.
pub(super) async fn redrive(council: &Council, row: &OutboxRow) -> Result<Done<Delivery>, RecordError> {
    let ended_at = row.ended_at.map(|at| at.timestamp_micros().to_string()).unwrap_or_default();
    let command = own(&["delivery-take-up", &row.delivery.to_string(), &ended_at]);
    record(council, row, command, Issue::default(), DeliveryCommand::Redrive).await
}

/// Whether nothing was recorded because it is so already, or is otherwise by now.
pub(super) fn is_overtaken(error: &RecordError) -> bool {
    matches!(
        error,
        ExecuteError::NothingToDo | ExecuteError::Rejected(Rejection::Delivered | Rejection::Dead | Rejection::NotDead)
    )
}

fn own(parts: &[&str]) -> CommandRef {
    CommandRef { id: CommandId::derived(parts), digest: command_digest(parts.join("\n").as_bytes()) }
}

/// Carries out a command on the delivery of a row, in the name of the council whose referral it is.
pub(super) async fn record(
    council: &Council,
    row: &OutboxRow,
    command: CommandRef,
    issue: Issue,
    body: DeliveryCommand,
) -> Result<Done<Delivery>, RecordError> {
    let ctx = Context {
        now: council.moment(),
        unit: &row.council,
        actor: SYSTEM_ACTOR,
        calendar: council.place().calendar(),
        rules: RuleTable::builtin(),
    };
    execute::<Delivery>(council.log.as_ref(), &row.delivery.stream(), command, &issue, None, &ctx, body).await
}

//! From folded streams to rows, inside one transaction.

use std::collections::BTreeSet;

use domain::id::{ComplaintId, SubjectId};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::column::{days, micros, signed};
use super::error::IndexError;
use super::fold::{Batch, FoldedReferral, Issued, Recorded};
use crate::delivery::{Delivery, Phase};
use crate::exchange::{DeliveryId, Side};
use crate::referral::{ReferralId, Stage, Transfer};

const PUT_REFERRAL: &str = "
INSERT OR REPLACE INTO referral (
    number, id, shared, direction, partner, council, complaint, subject, purpose, stage, detail, reference,
    drafted_at, sent_at, last_act_at, outcome, next_step, next_due, revision, position,
    segment, origin_count, target_count, owes_recall, owes_answer, awaits_receipt, kept_to, held
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28
)";
const PUT_STEP: &str = "
INSERT INTO step (referral, step, council, started_on, due, provisional, met_on, reminders, escalated)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const PUT_EVIDENCE: &str = "
INSERT INTO evidence (referral, digest, partner, owed, announced) VALUES (?1, ?2, ?3, ?4, ?5)";
const PUT_TRANSFER: &str = "
INSERT OR REPLACE INTO transfer (position, referral, council, partner, year, subject, sensitive)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// As a message is when nothing has happened to its delivery.
const PUT_MESSAGE: &str = "
INSERT OR REPLACE INTO outbox (
    position, delivery, referral, shared, partner, council, sequence, kind, digest,
    issued_at, since, state, attempts, next_at, alarms, waits
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 'pending', 0, ?10, 0, 0)";
/// The moments at which nothing else is known are those at which the message was issued.
const SET_DELIVERY: &str = "
UPDATE outbox SET
    since = coalesce(?2, issued_at), state = ?3, attempts = ?4, next_at = coalesce(?5, ?2, issued_at),
    lease_until = ?6, holder = ?7, last_code = ?8, last_status = ?9, last_detail = ?10,
    alarms = ?11, alarmed_at = ?12, ended_at = ?13, delivered_by = ?14, waits = 0, due_at = NULL
WHERE delivery = ?1";
/// Of each referral only the first message that is not delivered may be tried. One whose text was erased before it was
/// delivered, or may not leave any more, never will be, and those behind it do not wait for it: the partner keeps them,
/// and sees what is missing.
const SETTLE: &str = "
UPDATE outbox SET
    waits = coalesce(sequence > head.first, 0),
    due_at = CASE WHEN sequence = head.first AND state IN ('pending', 'leased') THEN next_at END
FROM (
    SELECT min(sequence) AS first FROM outbox
    WHERE referral = ?1 AND state <> 'delivered' AND NOT (state = 'dead' AND last_code IN ('erased', 'lapsed'))
) AS head
WHERE referral = ?1 AND state <> 'delivered'";

/// Writes all rows that a stretch of the log changes.
///
/// # Errors
/// The store refused.
pub(super) fn batch(conn: &Connection, batch: &Batch) -> Result<(), IndexError> {
    let mut unsettled = BTreeSet::new();
    for referral in &batch.referrals {
        put_referral(conn, referral)?;
        for recorded in &referral.recorded {
            put_transfer(conn, referral, recorded)?;
        }
        for issued in &referral.issued {
            put_message(conn, referral, issued)?;
            unsettled.insert(referral.id.as_uuid());
        }
        if referral.transfer.never_left() {
            take_back(conn, referral.id)?;
        }
    }
    for (id, delivery) in &batch.deliveries {
        set_delivery(conn, *id, delivery)?;
        unsettled.extend(referrals_of(conn, *id)?);
    }
    for referral in unsettled {
        conn.prepare_cached(SETTLE)?.execute([referral.as_bytes()])?;
    }
    Ok(())
}

fn put_referral(conn: &Connection, folded: &FoldedReferral) -> Result<(), IndexError> {
    let FoldedReferral { id, transfer, .. } = folded;
    let drafted = &transfer.drafted;
    let shared = transfer.shared();
    let next = transfer.running().min_by_key(|(step, clock)| (clock.by, *step));
    conn.prepare_cached(PUT_REFERRAL)?.execute(params![
        signed(folded.number.get()),
        id.as_uuid().as_bytes(),
        shared.as_uuid().as_bytes(),
        drafted.direction.code(),
        drafted.partner.as_str(),
        drafted.council.as_str(),
        drafted.complaint.map(ComplaintId::as_uuid).map(Uuid::into_bytes),
        transfer.subject().map(SubjectId::as_uuid).map(Uuid::into_bytes),
        drafted.purpose.code(),
        transfer.stage.code(),
        detail(transfer.stage),
        transfer.reference.as_deref(),
        micros(transfer.drafted_at),
        folded.sent_at.map(micros),
        micros(transfer.last_act_at),
        transfer.outcome.map(|outcome| outcome.code()),
        next.map(|(step, _)| step.code()),
        next.map(|(_, clock)| days(clock.by)),
        signed(folded.revision.get()),
        signed(folded.position.get()),
        transfer.segment.digest(shared).as_str(),
        transfer.segment.count(Side::Origin),
        transfer.segment.count(Side::Target),
        transfer.recall_is_due() || transfer.is_to_be_withheld(),
        transfer.owes_recall_answer(),
        transfer.is_outbound() && transfer.stage.has_left() && !transfer.delivered,
        transfer.kept_to().map(days),
        transfer.erasure.held.is_some(),
    ])?;
    put_steps(conn, *id, transfer)?;
    put_evidence(conn, *id, transfer)
}

/// The code inside the stage.
const fn detail(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::InProgress(progress) => Some(progress.code()),
        Stage::OutcomeReported(outcome) | Stage::Closed(outcome) => Some(outcome.code()),
        Stage::Returned(code) => Some(code.code()),
        Stage::Recalled { erased: Some(true), .. } => Some("erased"),
        Stage::Recalled { erased: Some(false), .. } => Some("kept"),
        Stage::Recalled { erased: None, .. }
        | Stage::Drafted
        | Stage::ConsentCaptured
        | Stage::Assessed
        | Stage::Sealed
        | Stage::Sent
        | Stage::Delivered
        | Stage::Acknowledged => None,
    }
}

fn put_steps(conn: &Connection, id: ReferralId, transfer: &Transfer) -> Result<(), IndexError> {
    let id = id.as_uuid().into_bytes();
    conn.prepare_cached("DELETE FROM step WHERE referral = ?1")?.execute([id])?;
    for (step, clock) in &transfer.clocks {
        conn.prepare_cached(PUT_STEP)?.execute(params![
            id,
            step.code(),
            clock.council.code(),
            days(clock.started_on),
            days(clock.by),
            clock.provisional,
            clock.met_on.map(days),
            clock.reminders,
            clock.escalated,
        ])?;
    }
    Ok(())
}

fn put_evidence(conn: &Connection, id: ReferralId, transfer: &Transfer) -> Result<(), IndexError> {
    let id = id.as_uuid().into_bytes();
    conn.prepare_cached("DELETE FROM evidence WHERE referral = ?1")?.execute([id])?;
    let partner = transfer.drafted.partner.as_str();
    for (digest, evidence) in &transfer.evidence {
        let owed = transfer.owes_file(digest);
        if owed || transfer.awaits_file(digest) {
            let mut put = conn.prepare_cached(PUT_EVIDENCE)?;
            put.execute(params![id, digest.as_str(), partner, owed, evidence.announced])?;
        }
    }
    Ok(())
}

fn put_transfer(conn: &Connection, referral: &FoldedReferral, recorded: &Recorded) -> Result<(), IndexError> {
    let drafted = &referral.transfer.drafted;
    conn.prepare_cached(PUT_TRANSFER)?.execute(params![
        signed(recorded.position.get()),
        referral.id.as_uuid().as_bytes(),
        drafted.council.as_str(),
        drafted.partner.as_str(),
        recorded.year,
        recorded.subject.as_uuid().as_bytes(),
        recorded.sensitive,
    ])?;
    Ok(())
}

/// Nothing of a referral that ended before it left is brought anywhere or told of as given up, and nothing counts as
/// sent.
fn take_back(conn: &Connection, id: ReferralId) -> Result<(), IndexError> {
    let id = id.as_uuid().into_bytes();
    conn.prepare_cached("DELETE FROM outbox WHERE referral = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM transfer WHERE referral = ?1")?.execute([id])?;
    Ok(())
}

fn put_message(conn: &Connection, referral: &FoldedReferral, issued: &Issued) -> Result<(), IndexError> {
    let drafted = &referral.transfer.drafted;
    let entry = &issued.entry;
    conn.prepare_cached(PUT_MESSAGE)?.execute(params![
        signed(issued.position.get()),
        entry.delivery.as_uuid().as_bytes(),
        referral.id.as_uuid().as_bytes(),
        referral.transfer.shared().as_uuid().as_bytes(),
        drafted.partner.as_str(),
        drafted.council.as_str(),
        entry.sequence,
        entry.kind.code(),
        entry.digest.as_str(),
        micros(issued.recorded_at),
    ])?;
    Ok(())
}

fn set_delivery(conn: &Connection, id: DeliveryId, delivery: &Delivery) -> Result<(), IndexError> {
    let lease = delivery.lease();
    let last = delivery.last.as_ref();
    let (last_code, delivered_by) = match &delivery.phase {
        Phase::Dead { code, .. } => (Some(*code), None),
        Phase::Delivered { by, .. } => (last.map(|last| last.code), Some(*by)),
        Phase::Pending { .. } | Phase::Leased(_) => (last.map(|last| last.code), None),
    };
    let ended_at = delivery.ended_at();
    conn.prepare_cached(SET_DELIVERY)?.execute(params![
        id.as_uuid().as_bytes(),
        delivery.redriven_at.map(micros),
        delivery.state().code(),
        delivery.attempts,
        delivery.next_at().or(ended_at).map(micros),
        lease.map(|lease| micros(lease.until)),
        lease.map(|lease| lease.holder.as_str()),
        last_code.map(|code| code.code()),
        last.and_then(|last| last.status),
        last.and_then(|last| last.detail.as_deref()),
        delivery.alarms,
        delivery.alarmed_at.map(micros),
        ended_at.map(micros),
        delivered_by.map(|by| by.code()),
    ])?;
    Ok(())
}

/// The referrals whose order a delivery belongs to: one, or none while its message is not issued.
fn referrals_of(conn: &Connection, id: DeliveryId) -> Result<Vec<Uuid>, IndexError> {
    let mut statement = conn.prepare_cached("SELECT referral FROM outbox WHERE delivery = ?1")?;
    let found = statement.query_map([id.as_uuid().as_bytes()], |row| row.get(0).map(Uuid::from_bytes))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

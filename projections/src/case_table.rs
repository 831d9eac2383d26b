//! The table of cases: from a case in memory to its row and back.

use domain::clock::ClockKind;
use domain::complaint::Stage;
use domain::complaint::vocabulary::Outcome;
use domain::id::{ComplaintId, FilingId, SubjectId};
use domain::money::{Currency, Money};
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::case::{CaseState, Fields};
use crate::error::ApplyError;
use crate::register::Register;
use crate::track::codec;

/// The stored number of a closed stage; the open ones are below it.
pub(crate) const STAGE_CLOSED: u8 = 7;

const UPSERT: &str = "
INSERT INTO case_row (
    key, id, number, filing, channel, category, region, intake, custody, city, handler,
    stage, outcome, round, registered_at, closed_at, closed_late, recovered, currency, respondent, uscc,
    next_due, due_rule, provisional, overdue_from, urged, imported, subject, revision, position, last_event_at, track
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
    ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32
) ON CONFLICT (key) DO UPDATE SET
    custody = excluded.custody, city = excluded.city, handler = excluded.handler,
    stage = excluded.stage, outcome = excluded.outcome, round = excluded.round,
    closed_at = excluded.closed_at, closed_late = excluded.closed_late,
    recovered = excluded.recovered, currency = excluded.currency,
    next_due = excluded.next_due, due_rule = excluded.due_rule, provisional = excluded.provisional,
    overdue_from = excluded.overdue_from, urged = excluded.urged,
    revision = excluded.revision, position = excluded.position, last_event_at = excluded.last_event_at,
    track = excluded.track";

const FIND: &str = "
SELECT key, number, filing, channel, category, region, intake, custody, handler, stage, outcome, round,
    registered_at, closed_at, closed_late, recovered, currency, respondent, uscc, imported, urged, subject,
    revision, position, last_event_at, track
FROM case_row WHERE id = ?1";

/// The number and the outcome that a stage is stored as.
pub(crate) const fn stage_code(stage: Stage) -> (u8, Option<u8>) {
    match stage {
        Stage::AtIntake => (0, None),
        Stage::Dispatched => (1, None),
        Stage::Received => (2, None),
        Stage::Accepted => (3, None),
        Stage::Mediating => (4, None),
        Stage::Ended(outcome) => (5, Some(outcome as u8)),
        Stage::NotAccepted => (6, None),
        Stage::Closed(outcome) => (STAGE_CLOSED, Some(outcome as u8)),
    }
}

/// The stage behind stored numbers.
pub(crate) fn stage_of(code: u8, outcome: Option<u8>) -> Option<Stage> {
    let outcome = outcome.and_then(|outcome| Outcome::ALL.get(usize::from(outcome)).copied());
    match (code, outcome) {
        (0, _) => Some(Stage::AtIntake),
        (1, _) => Some(Stage::Dispatched),
        (2, _) => Some(Stage::Received),
        (3, _) => Some(Stage::Accepted),
        (4, _) => Some(Stage::Mediating),
        (5, Some(outcome)) => Some(Stage::Ended(outcome)),
        (6, _) => Some(Stage::NotAccepted),
        (STAGE_CLOSED, Some(outcome)) => Some(Stage::Closed(outcome)),
        _ => None,
    }
}

/// Writes a case's row, new or not.
pub(crate) fn write(conn: &Connection, state: &CaseState, register: &Register) -> rusqlite::Result<()> {
    let fields = &state.fields;
    let (stage, outcome) = stage_code(fields.stage);
    let due = state.next_due();
    conn.prepare_cached(UPSERT)?.execute(params![
        state.key,
        state.id.as_uuid().as_bytes(),
        &*fields.number,
        fields.filing.as_uuid().as_bytes(),
        fields.channel as u8,
        fields.category as u8,
        fields.region.number(),
        fields.intake,
        fields.custody,
        register.city(fields.custody),
        fields.handler,
        stage,
        outcome,
        fields.round,
        fields.registered_at,
        fields.closed_at,
        fields.closed_late,
        fields.recovered.map(Money::minor),
        fields.recovered.map(|money| money.currency() as u8),
        fields.respondent.as_deref(),
        fields.uscc.as_deref(),
        due.map(|due| due.day),
        due.and_then(|due| due.clock).map(|clock| clock as u8),
        due.is_some_and(|due| due.provisional),
        due.map(|due| due.overdue_from),
        fields.urged,
        fields.imported,
        fields.subject.map(|subject| *subject.as_uuid().as_bytes()),
        fields.revision.cast_signed(),
        fields.position.cast_signed(),
        fields.last_event_at,
        codec::encode(&state.track),
    ])?;
    Ok(())
}

/// Reads a case back; what it contributes is for the caller to work out.
///
/// # Errors
/// The table cannot be read, or the row is damaged.
pub(crate) fn find(conn: &Connection, id: ComplaintId) -> Result<Option<CaseState>, ApplyError> {
    let mut statement = conn.prepare_cached(FIND)?;
    let found = statement.query_row([id.as_uuid().as_bytes()], |row| state_of(id, row)).optional()?;
    match found {
        None => Ok(None),
        Some(None) => Err(ApplyError::Damaged { case: id }),
        Some(found) => Ok(found),
    }
}

/// The key of a case.
pub(crate) fn key_of(conn: &Connection, id: ComplaintId) -> rusqlite::Result<Option<u32>> {
    let mut statement = conn.prepare_cached("SELECT key FROM case_row WHERE id = ?1")?;
    statement.query_row([id.as_uuid().as_bytes()], |row| row.get(0)).optional()
}

/// An id kept as its sixteen bytes.
pub(crate) fn uuid_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// One of the domain's closed lists, kept as its place in it.
pub(crate) fn listed<T: Copy>(list: &[T], place: u8) -> Option<T> {
    list.get(usize::from(place)).copied()
}

/// A region kept as its number.
pub(crate) fn region_from(number: u32) -> Option<RegionCode> {
    RegionCode::parse(&number.to_string()).ok()
}

/// An amount kept as its minor units and the place of its currency.
pub(crate) fn money_from(minor: Option<i64>, currency: Option<u8>) -> Option<Money> {
    let currency = listed(&[Currency::Cny, Currency::Hkd, Currency::Mop], currency?)?;
    Money::new(minor?, currency).ok()
}

/// The clock kept as its place in [`ClockKind::ALL`].
pub(crate) fn clock_from(place: Option<u8>) -> Option<ClockKind> {
    listed(&ClockKind::ALL, place?)
}

fn state_of(id: ComplaintId, row: &Row<'_>) -> rusqlite::Result<Option<CaseState>> {
    let (channel, category): (u8, u8) = (row.get(3)?, row.get(4)?);
    let channel = listed(Channel::ALL, channel);
    let category = listed(Category::ALL, category);
    let region = region_from(row.get(5)?);
    let stage = stage_of(row.get(9)?, row.get(10)?);
    let track = codec::decode(row.get_ref(25)?.as_blob()?);
    let subject: Option<[u8; 16]> = row.get(21)?;
    let (Some(channel), Some(category), Some(region), Some(stage), Some(track)) =
        (channel, category, region, stage, track)
    else {
        return Ok(None);
    };
    let fields = Fields {
        number: row.get(1)?,
        filing: FilingId::from_uuid(uuid_at(row, 2)?),
        channel,
        category,
        region,
        intake: row.get(6)?,
        custody: row.get(7)?,
        handler: row.get(8)?,
        stage,
        round: row.get(11)?,
        registered_at: row.get(12)?,
        closed_at: row.get(13)?,
        closed_late: row.get(14)?,
        recovered: money_from(row.get(15)?, row.get(16)?),
        respondent: row.get(17)?,
        uscc: row.get(18)?,
        imported: row.get(19)?,
        urged: row.get(20)?,
        subject: subject.map(|bytes| SubjectId::from_uuid(Uuid::from_bytes(bytes))),
        revision: row.get::<_, i64>(22)?.cast_unsigned(),
        position: row.get::<_, i64>(23)?.cast_unsigned(),
        last_event_at: row.get(24)?,
    };
    Ok(Some(CaseState { key: row.get(0)?, id, fields, track, entries: Vec::new(), dirty: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_read_back() {
        let ended = Outcome::ALL.iter().flat_map(|outcome| [Stage::Ended(*outcome), Stage::Closed(*outcome)]);
        let others = [
            Stage::AtIntake,
            Stage::Dispatched,
            Stage::Received,
            Stage::Accepted,
            Stage::Mediating,
            Stage::NotAccepted,
        ];
        for stage in ended.chain(others) {
            let (code, outcome) = stage_code(stage);
            assert_eq!(stage_of(code, outcome), Some(stage));
            assert_eq!(code == STAGE_CLOSED, matches!(stage, Stage::Closed(_)));
        }
        assert_eq!(stage_of(5, None), None);
        assert_eq!(stage_of(8, Some(0)), None);
    }

    #[test]
    fn places_are_those_of_the_lists() {
        for (place, channel) in Channel::ALL.iter().enumerate() {
            assert_eq!(*channel as usize, place);
        }
        for (place, category) in Category::ALL.iter().enumerate() {
            assert_eq!(*category as usize, place);
        }
        for (place, clock) in ClockKind::ALL.iter().enumerate() {
            assert_eq!(*clock as usize, place);
        }
        for (place, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, place);
        }
    }
}

//! Matters of filings that led to no complaint.

use domain::envelope::Position;
use domain::filing::RegistrationObstacle;
use domain::id::FilingId;
use domain::region::RegionCode;
use uuid::Uuid;

use super::kit::{Kit, Log, hour, region, unit};
use crate::{QueryError, ReadModels, Scope, UnregisteredRow, rebuild};

fn filing(number: u128) -> FilingId {
    FilingId::from_uuid(Uuid::from_u128(number))
}

fn fail(log: &mut Log, number: u128, item: u16, taken_in_by: &str) {
    let payload =
        format!(r#"{{"item":{item},"number":"{number}-C{item}","unit":"{taken_in_by}","obstacle":"command-reused"}}"#);
    log.foreign(filing(number).stream().as_str(), "filing.registration-failed", hour(1, 9), &payload);
}

fn retry(log: &mut Log, number: u128, item: u16) {
    let payload = format!(r#"{{"item":{item}}}"#);
    log.foreign(filing(number).stream().as_str(), "filing.registration-retried", hour(2, 9), &payload);
}

fn settle(log: &mut Log, number: u128, item: u16) {
    let payload = format!(r#"{{"item":{item},"reason":"registered-otherwise"}}"#);
    log.foreign(filing(number).stream().as_str(), "filing.registration-settled", hour(2, 9), &payload);
}

/// Three matters fail; the second is tried again, and fails again.
fn log() -> Log {
    let mut log = Log::with_units();
    fail(&mut log, 1, 1, "gz-th");
    fail(&mut log, 1, 2, "gz-th");
    fail(&mut log, 2, 1, "sz-ft");
    retry(&mut log, 1, 2);
    fail(&mut log, 1, 2, "gz-th");
    log
}

fn province() -> Scope {
    Scope::Region(RegionCode::GUANGDONG)
}

fn numbers(models: &ReadModels, scope: &Scope) -> Vec<String> {
    let page = models.unregistered(scope, None, 10).unwrap();
    assert!(!page.has_more);
    page.rows.into_iter().map(|row| row.number).collect()
}

#[test]
fn those_of_ones_area_are_listed_the_longest_waiting_first() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    assert_eq!(numbers(&models, &province()), ["1-C1", "2-C1", "1-C2"]);
    assert_eq!(numbers(&models, &Scope::Region(region("440100"))), ["1-C1", "1-C2"]);
    assert_eq!(numbers(&models, &Scope::Unit(unit("sz"))), ["2-C1"]);
    assert!(numbers(&models, &Scope::Unit(unit("gz-th-1"))).is_empty());
    let page = models.unregistered(&Scope::Unit(unit("sz-ft")), None, 1).unwrap();
    let expected = UnregisteredRow {
        filing: filing(2),
        item: 1,
        number: "2-C1".to_owned(),
        unit: unit("sz-ft"),
        obstacle: RegistrationObstacle::CommandReused,
        at: hour(1, 9),
        position: Position::new(9),
    };
    assert_eq!((page.rows, page.has_more), (vec![expected], false));
}

#[test]
fn pages_follow_each_other() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 100);
    let first = models.unregistered(&province(), None, 2).unwrap();
    assert_eq!((first.rows.len(), first.has_more, first.end), (2, true, Some(first.rows[1].position)));
    let rest = models.unregistered(&province(), first.end, 2).unwrap();
    assert_eq!((rest.rows.len(), rest.has_more, rest.rows[0].number.as_str()), (1, false, "1-C2"));
    for limit in [0, 1_001] {
        assert!(matches!(models.unregistered(&province(), None, limit), Err(QueryError::PageSize { .. })));
    }
}

#[test]
fn a_page_ends_where_enough_was_looked_at_and_the_next_goes_on_there() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 100);
    let scope = Scope::Unit(unit("sz-ft"));
    // Another unit's matter comes first, and another one last.
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = models.unregistered_among(&scope, after, 10, 1).unwrap();
        assert!(page.end > after, "it goes on");
        found.extend(page.rows.into_iter().map(|row| row.number));
        (after, pages) = (page.end, pages + 1);
        if !page.has_more {
            break;
        }
    }
    assert_eq!((found, pages), (vec!["2-C1".to_owned()], 3));
    // A full page ends at its last row, though what follows was looked at.
    let page = models.unregistered_among(&scope, None, 1, 10).unwrap();
    assert_eq!((page.has_more, page.end), (false, Some(page.rows[0].position)));
}

#[test]
fn what_is_settled_is_out_of_the_list_for_good() {
    let kit = Kit::new();
    let mut log = log();
    let models = kit.filled("m.sqlite", &log.events, 3);
    settle(&mut log, 1, 1);
    models.apply(&log.events).unwrap();
    assert_eq!(models.unregistered_count(), 2);
    assert_eq!(numbers(&models, &province()), ["2-C1", "1-C2"]);
}

#[test]
fn what_is_tried_again_is_out_of_the_list_until_it_fails_again() {
    let kit = Kit::new();
    let mut log = log();
    let models = kit.filled("m.sqlite", &log.events, 3);
    assert_eq!(models.unregistered_count(), 3);
    retry(&mut log, 1, 1);
    models.apply(&log.events).unwrap();
    assert_eq!(models.unregistered_count(), 2);
    assert_eq!(numbers(&models, &province()), ["2-C1", "1-C2"]);
    // So it is after a restart, and when all is built anew.
    let whole = models.parity_digest().unwrap();
    drop(models);
    assert_eq!(kit.open("m.sqlite").unregistered_count(), 2);
    rebuild(log, &kit.options("built.sqlite"), &mut |_, _| {}).unwrap();
    let built = kit.open("built.sqlite");
    assert_eq!((built.unregistered_count(), built.parity_digest().unwrap()), (2, whole));
}

#[test]
fn files_of_an_older_program_get_the_table() {
    let kit = Kit::new();
    drop(kit.open("m.sqlite"));
    let conn = rusqlite::Connection::open(kit.path().join("m.sqlite")).unwrap();
    conn.execute_batch("DROP TABLE unregistered").unwrap();
    drop(conn);
    let models = kit.open("m.sqlite");
    models.apply(&log().events).unwrap();
    assert_eq!(models.unregistered_count(), 3);
}

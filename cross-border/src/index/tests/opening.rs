//! Opening the file: what is kept, what is emptied, what is refused.

use rusqlite::Connection;

use super::case::Case;
use super::kit::{HONG_KONG, Log, fresh, open, row_of};
use crate::exchange::AgeBand;
use crate::index::{IndexError, IndexOptions, ReferralIndex, VERSION};

#[test]
fn what_was_taken_in_is_there_after_opening_again() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let fresh = fresh();
    fresh.index.catch_up(&mut log.source()).unwrap();
    let (position, row) = (fresh.index.position(), row_of(&fresh.index, case.id));
    drop(fresh.index);
    let again = open(&fresh.folder);
    assert!(position.is_some());
    assert_eq!((again.position(), row_of(&again, case.id)), (position, row));
}

#[test]
fn a_file_of_another_version_is_emptied_and_filled_again() {
    let mut log = Log::new();
    let case = Case::outbound(&mut log, HONG_KONG, 1);
    let fresh = fresh();
    fresh.index.catch_up(&mut log.source()).unwrap();
    let path = fresh.folder.path().join("index.sqlite");
    assert!(!ReferralIndex::rebuild_if_other_version(&path).unwrap());
    drop(fresh.index);
    let conn = Connection::open(&path).unwrap();
    let version = VERSION + 1;
    conn.execute_batch(&format!("CREATE TABLE \"of \"\"later\" (a); PRAGMA user_version = {version};")).unwrap();
    drop(conn);
    let again = open(&fresh.folder);
    assert_eq!((again.position(), row_of(&again, case.id)), (None, None));
    assert!(!ReferralIndex::rebuild_if_other_version(&path).unwrap());
    again.catch_up(&mut log.source()).unwrap();
    assert!(again.position().is_some() && row_of(&again, case.id).is_some());
}

#[test]
fn a_file_that_is_not_there_needs_no_rebuilding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    assert!(!ReferralIndex::rebuild_if_other_version(&path).unwrap());
    assert!(!path.exists());
}

#[test]
fn another_programs_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("other.sqlite");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let text = folder.path().join("letter.txt");
    std::fs::write(&text, "To whom it may concern: ".repeat(100)).unwrap();
    for path in [database, text] {
        let before = std::fs::read(&path).unwrap();
        let refused = ReferralIndex::open(IndexOptions::new(path.clone())).unwrap_err();
        assert!(matches!(&refused, IndexError::Foreign { path: named } if *named == path), "{refused:?}");
        assert!(!refused.is_retryable());
        assert!(refused.to_string().contains("`baycase rebuild --force`"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

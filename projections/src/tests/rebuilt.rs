//! Building anew, comparing, and exchanging.

use proptest::prelude::*;

use super::history::histories;
use super::kit::{Kit, Log, closed, hour, province, registered, registered_with};
use crate::schema::{companions, search_path};
use crate::{CaseFilter, ReadModels, RebuildError, SwapError, rebuild, remove, swap_in};

fn log() -> Log {
    let mut log = Log::with_units();
    for number in 1..12 {
        log.case(number, hour(0, 9), &registered_with(number, "某某超市", "要求退款"));
    }
    log.case(3, hour(4, 9), &closed(true, Some(12_300)));
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn following_and_building_anew_come_to_the_same(log in histories(), batch in 1_usize..20) {
        let kit = Kit::new();
        let followed = kit.filled("followed.sqlite", &log.events, batch);
        let report = rebuild(log.clone(), &kit.options("built.sqlite"), &mut |_, _| {}).unwrap();
        prop_assert_eq!(report.events, log.events.len() as u64);
        let built = kit.open("built.sqlite");
        let (followed, built) = (followed.parity_digest().unwrap(), built.parity_digest().unwrap());
        prop_assert_eq!(built.differences(&followed), Vec::<&str>::new());
        prop_assert_eq!(built, followed);
    }
}

#[test]
fn a_rebuild_says_how_far_it_is_and_goes_on_like_any_other() {
    let kit = Kit::new();
    let mut log = log();
    let mut last = (0, 0);
    rebuild(log.clone(), &kit.options("built.sqlite"), &mut |done, total| last = (done, total)).unwrap();
    assert_eq!(last, (18, 18));
    let built = kit.open("built.sqlite");
    assert_eq!(built.position(), log.last());
    log.case(20, hour(9, 9), &registered_with(20, "另一家超市", "要求换货"));
    built.apply(&log.events).unwrap();
    let text = CaseFilter { text: Some("换货".into()), ..CaseFilter::new(province()) };
    assert_eq!(built.count_cases(&text).unwrap(), 1);
    assert_eq!(built.parity_digest().unwrap(), kit.filled("followed.sqlite", &log.events, 5).parity_digest().unwrap());
}

#[test]
fn a_rebuild_fills_fresh_files_only_and_halts_at_what_it_cannot_read() {
    let kit = Kit::new();
    let mut log = log();
    drop(kit.open("m.sqlite"));
    let taken = rebuild(log.clone(), &kit.options("m.sqlite"), &mut |_, _| {}).unwrap_err();
    assert!(matches!(taken, RebuildError::Exists(_)));
    log.events[9].kind = "complaint.beamed-up".into();
    let halted = rebuild(log, &kit.options("n.sqlite"), &mut |_, _| {}).unwrap_err();
    assert!(matches!(halted, RebuildError::Apply(error) if error.position().is_some_and(|at| at.get() == 10)));
    remove(&kit.path().join("n.sqlite")).unwrap();
    assert!(!kit.path().join("n.sqlite").exists());
    assert!(!search_path(&kit.path().join("n.sqlite")).exists());
}

#[test]
fn fresh_files_take_the_place_of_those_in_use() {
    let kit = Kit::new();
    let log = log();
    let live = kit.filled("live.sqlite", &log.events, 4);
    let watching = live.watch();
    rebuild(log.clone(), &kit.options("fresh.sqlite"), &mut |_, _| {}).unwrap();
    let before = live.parity_digest().unwrap();
    live.swap_in(&kit.path().join("fresh.sqlite")).unwrap();
    assert!(!kit.path().join("fresh.sqlite").exists());
    assert_eq!(live.parity_digest().unwrap(), before);
    assert_eq!(*watching.borrow(), log.last());
    let mut more = log;
    more.case(30, hour(9, 9), &registered(30, "sz-ft"));
    live.apply(&more.events).unwrap();
    assert_eq!(live.count_cases(&CaseFilter::new(province())).unwrap(), 12);
    drop(live);
    assert_eq!(kit.open("live.sqlite").position(), more.last());
}

#[test]
fn fresh_files_that_differ_or_stand_elsewhere_are_refused() {
    let kit = Kit::new();
    let log = log();
    let live = kit.filled("live.sqlite", &log.events, 4);
    let shorter = &log.events[..log.events.len() - 1];
    drop(kit.filled("fresh.sqlite", shorter, 4));
    let refused = live.swap_in(&kit.path().join("fresh.sqlite")).unwrap_err();
    assert!(matches!(refused, SwapError::OtherPosition { .. }));
    drop(kit.filled("other.sqlite", &log.events, 4));
    let conn = rusqlite::Connection::open(kit.path().join("other.sqlite")).unwrap();
    conn.execute("UPDATE case_row SET urged = 9 WHERE key = 3", []).unwrap();
    drop(conn);
    let refused = live.swap_in(&kit.path().join("other.sqlite")).unwrap_err();
    assert!(matches!(refused, SwapError::Differs { tables } if tables == ["cases"]));
    // Those in use are in use as before.
    assert_eq!(live.count_cases(&CaseFilter::new(province())).unwrap(), 11);
}

#[test]
fn files_of_another_version_are_replaced_when_nobody_has_them_open() {
    let kit = Kit::new();
    let log = log();
    let (live, fresh) = (kit.path().join("live.sqlite"), kit.path().join("fresh.sqlite"));
    let open = kit.filled("live.sqlite", &log.events, 4);
    rebuild(log.clone(), &kit.options("fresh.sqlite"), &mut |_, _| {}).unwrap();
    assert!(matches!(swap_in(&fresh, &live), Err(SwapError::InUse(_))));
    drop(open);
    let conn = rusqlite::Connection::open(&live).unwrap();
    conn.execute_batch("PRAGMA user_version = 77").unwrap();
    drop(conn);
    assert!(ReadModels::open(kit.options("live.sqlite")).is_err());
    swap_in(&fresh, &live).unwrap();
    assert!(companions(&live).iter().all(|companion| !companion.exists()));
    assert_eq!(kit.open("live.sqlite").position(), log.last());
}

//! The thread that follows the log.

use std::time::Duration;

use domain::envelope::Position;
use event_log::port::EventLog as _;
use projections::FollowerState;

use super::case::Case;
use super::kit::{Fresh, HONG_KONG, Log, fresh, row_of};
use crate::exchange::AgeBand;
use crate::index::{IndexFollower, Late};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Follows a log; it is woken by what is appended and does not look by itself.
fn follow(log: &Log, fresh: &Fresh) -> IndexFollower {
    IndexFollower::start(log.source(), log.log.appended(), fresh.index.clone(), LONG * 10).unwrap()
}

#[test]
fn what_is_appended_shows() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    let fresh = fresh();
    let follower = follow(&log, &fresh);
    log.wait(fresh.index.wait_for(Position::new(1), LONG)).unwrap();
    case.send(&mut log, AgeBand::Adult);
    let head = log.events().last().unwrap().position;
    log.wait(fresh.index.wait_for(head, LONG)).unwrap();
    assert_eq!(row_of(&fresh.index, case.id).unwrap().stage, "sent");
    assert_eq!(*follower.state().borrow(), FollowerState::Running);
    follower.stop();
    follower.stop();
    let position = log.append_raw(&case.stream, [("referral.retrieved", 1, "{}".to_owned())]);
    let late = log.wait(fresh.index.wait_for(position, Duration::ZERO));
    assert_eq!(late, Err(Late { wanted: position, reached: Some(head) }));
}

#[test]
fn it_halts_before_what_it_cannot_read_and_shows_all_before_it() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let readable = log.events().last().unwrap().position;
    let in_the_way = log.append_raw(&case.stream, [("referral.unheard-of", 1, "{}".to_owned())]);
    Case::outbound(&mut log, HONG_KONG, 2);
    let fresh = fresh();
    let follower = follow(&log, &fresh);
    let mut state = follower.state();
    let halted = |state: &FollowerState| matches!(state, FollowerState::Halted { .. });
    let found = log.wait(async { tokio::time::timeout(LONG, state.wait_for(halted)).await.unwrap().unwrap().clone() });
    let FollowerState::Halted { position, reason } = found else { panic!("it runs") };
    assert_eq!(position, in_the_way);
    assert!(reason.contains("referral.unheard-of"), "{reason}");
    assert_eq!(fresh.index.position(), Some(readable));
    assert_eq!(row_of(&fresh.index, case.id).unwrap().stage, "sent");
}

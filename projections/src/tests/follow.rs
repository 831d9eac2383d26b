//! Following a log on a thread: catching up, waking, halting, and how far it is.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use domain::envelope::Position;
use event_log::port::{LogFault, Page, ReadError};
use event_log::source::LogSource;
use tokio::sync::watch;

use super::kit::{Kit, Log, assigned, closed, hour, registered, registered_with};
use crate::{Follower, FollowerState, LastEvent};

const PATIENCE: Duration = Duration::from_secs(30);

/// A log that grows while it is read.
#[derive(Clone, Default)]
struct Growing(Arc<Mutex<Log>>);

impl LogSource for Growing {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.0.lock().unwrap().page(after, limit)
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.0.lock().unwrap().head()
    }
}

#[tokio::test]
async fn a_follower_catches_up_and_wakes() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    let log = Growing(Arc::new(Mutex::new(Log::with_units())));
    let (announce, appended) = watch::channel(log.0.lock().unwrap().last());
    // So long a pause that only the announcement can wake it.
    let follower =
        Follower::start(log.clone(), appended, models.clone(), PATIENCE * 100, 4, Arc::new(|| hour(2, 10))).unwrap();
    let wanted = log.0.lock().unwrap().last().unwrap();
    models.wait_for(wanted, PATIENCE).await.unwrap();
    log.0.lock().unwrap().case(1, hour(2, 9), &registered(1, "gz"));
    let newest = log.0.lock().unwrap().last();
    announce.send_replace(newest);
    models.wait_for(newest.unwrap(), PATIENCE).await.unwrap();
    assert_eq!(follower.lag().events(), 0);
    assert_eq!(*follower.state().borrow(), FollowerState::Running);
    follower.stop();
    follower.stop();
}

#[tokio::test]
async fn a_follower_halts_before_what_it_cannot_read() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    let mut log = Log::with_units();
    log.case(1, hour(2, 9), &registered(1, "gz"));
    log.case(1, hour(3, 9), &assigned("h1"));
    log.case(1, hour(3, 10), &closed(false, None));
    log.events[7].kind = "complaint.beamed-up".into();
    let (_announce, appended) = watch::channel(log.last());
    let now = Arc::new(|| hour(3, 10));
    let follower = Follower::start(log, appended, models.clone(), PATIENCE, 100, now).unwrap();
    let mut state = follower.state();
    let halted = tokio::time::timeout(PATIENCE, state.wait_for(|state| *state != FollowerState::Running)).await;
    let FollowerState::Halted { position, reason } = halted.unwrap().unwrap().clone() else {
        panic!("it runs on");
    };
    assert_eq!(position, Position::new(8));
    assert!(reason.contains("complaint.beamed-up"), "{reason}");
    // What stands before it can be seen.
    assert_eq!(models.position(), Some(Position::new(7)));
    assert_eq!(follower.lag().events(), 2);
    assert_eq!(follower.lag().seconds(), 3_600);
}

#[tokio::test]
async fn a_follower_tries_again_what_passes() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    let mut log = Log::with_units();
    log.case(1, hour(2, 9), &registered_with(1, "某某超市", "要求退款"));
    let wanted = log.last().unwrap();
    kit.facts.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let (_announce, appended) = watch::channel(log.last());
    let now = Arc::new(|| hour(2, 10));
    let follower = Follower::start(log, appended, models.clone(), Duration::from_millis(5), 3, now).unwrap();
    models.wait_for(Position::new(6), PATIENCE).await.unwrap();
    assert!(models.wait_for(wanted, Duration::from_millis(50)).await.is_err());
    assert_eq!(*follower.state().borrow(), FollowerState::Running);
    kit.facts.fails.store(false, std::sync::atomic::Ordering::SeqCst);
    models.wait_for(wanted, PATIENCE).await.unwrap();
}

/// A log that has a fault while it is told so.
struct Faulty {
    log: Log,
    fault: Arc<Mutex<Option<LogFault>>>,
}

impl LogSource for Faulty {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        match self.fault.lock().unwrap().clone() {
            Some(fault) => Err(ReadError::Fault(fault)),
            None => self.log.page(after, limit),
        }
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.log.head()
    }
}

#[tokio::test]
async fn a_fault_that_passes_is_waited_for_and_any_other_is_told() {
    for (fault, passes) in [(LogFault::TimedOut, true), (LogFault::NotInstalled, false)] {
        let kit = Kit::new();
        let models = kit.open("m.sqlite");
        let log = Log::with_units();
        let (wanted, code) = (log.last().unwrap(), fault.code());
        let shared = Arc::new(Mutex::new(Some(fault)));
        let source = Faulty { log, fault: Arc::clone(&shared) };
        let (announce, appended) = watch::channel(None);
        let now = Arc::new(|| hour(0, 0));
        let follower = Follower::start(source, appended, models.clone(), PATIENCE * 100, 100, now).unwrap();
        if passes {
            // The first look may have come before this, or not; news wakes it either way.
            *shared.lock().unwrap() = None;
            announce.send_replace(Some(wanted));
            models.wait_for(wanted, PATIENCE).await.unwrap();
            assert_eq!(*follower.state().borrow(), FollowerState::Running);
            continue;
        }
        let mut state = follower.state();
        let stopped = tokio::time::timeout(PATIENCE, state.wait_for(|state| *state != FollowerState::Running)).await;
        let FollowerState::Faulted { code: told, .. } = stopped.unwrap().unwrap().clone() else { panic!("no fault") };
        assert_eq!(told, code);
        assert_eq!(models.position(), None);
    }
}

#[tokio::test]
async fn the_last_event_is_kept_with_the_rows() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    assert_eq!(models.last_event().unwrap(), None);
    let mut log = Log::with_units();
    log.case(1, hour(2, 9), &registered(1, "gz"));
    for events in log.events.chunks(3) {
        models.apply(events).unwrap();
        assert_eq!(models.last_event().unwrap(), events.last().map(LastEvent::of));
    }
    // What was taken in before changes nothing.
    models.apply(&log.events[..2]).unwrap();
    let newest = log.events.last().map(LastEvent::of);
    assert_eq!(models.last_event().unwrap(), newest);
    crate::rebuild(log, &kit.options("built.sqlite"), &mut |_, _| {}).unwrap();
    assert_eq!(kit.open("built.sqlite").last_event().unwrap(), newest);
}

#[test]
fn files_of_an_older_program_get_what_they_lack() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    models.apply(&Log::with_units().events).unwrap();
    drop(models);
    let file = rusqlite::Connection::open(kit.path().join("m.sqlite")).unwrap();
    file.execute_batch("DROP TABLE last_event").unwrap();
    drop(file);
    let models = kit.open("m.sqlite");
    assert_eq!(models.last_event().unwrap(), None);
    assert_eq!(models.position(), Log::with_units().last());
}

//! What is told of followers and of the log, and when the bar comes down.

use std::sync::Mutex;

use cross_border::index::IndexOptions;
use domain::envelope::Position;
use event_log::contract::fixture::{Scene, ticking_stamp};
use event_log::memory::MemoryLog;
use event_log::port::Expected;
use projections::FollowerState::{Faulted, Halted, Running};
use projections::{NoFacts, ReadModelOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

#[test]
fn what_is_told_names_no_server_and_quotes_no_event() {
    let reason = || "192.0.2.1 said 张三".to_owned();
    let halted = Halted { position: Position::new(7), reason: reason() };
    assert_eq!(holds(&Running), Ok(()));
    assert_eq!(holds(&halted), Err("halted at position 7".to_owned()));
    let faulted = Faulted { code: "LOG_TRUNCATED", reason: reason() };
    assert_eq!(holds(&faulted), Err("stopped, the log has a fault: LOG_TRUNCATED".to_owned()));
    assert_eq!(of_fault(&LogFault::Unreachable { last: reason() }), "LOG_UNREACHABLE; this node keeps trying");
    assert!(of_fault(&LogFault::NotInstalled).contains("mend"));
}

#[tokio::test]
async fn a_follower_that_stops_makes_the_node_unready_and_unfit() {
    let (shutdown, readiness) = (Shutdown::new(), Readiness::expecting(&["projections"]));
    let (fit, bar) = (Arc::new(watch::Sender::new(true)), Bar::default());
    let (announce, state) = watch::channel(Running);
    follower(&shutdown, &readiness, (&fit, &bar), "projections", state);
    let mut told = fit.subscribe();
    announce.send_replace(Halted { position: Position::new(3), reason: String::new() });
    told.wait_for(|fit| !fit).await.unwrap();
    // Set right behind it, on the one thread of this test.
    tokio::task::yield_now().await;
    assert_eq!(readiness.report().conditions["projections"], "halted at position 3");
    assert!(!bar.is_down(), "the log is the one it was");
    shutdown.drain(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn a_follower_that_stops_before_a_fault_of_the_log_lets_the_bar_down() {
    let (shutdown, readiness) = (Shutdown::new(), Readiness::expecting(&["referrals"]));
    let (fit, bar) = (Arc::new(watch::Sender::new(true)), Bar::default());
    let (announce, state) = watch::channel(Running);
    follower(&shutdown, &readiness, (&fit, &bar), "referrals", state);
    let mut news = bar.news();
    announce.send_replace(Faulted { code: "LOG_PROTOCOL", reason: String::new() });
    let barred = news.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(barred.is_final() && barred.code() == "LOG_PROTOCOL", "{barred}");
    shutdown.drain(Duration::from_secs(10)).await.unwrap();
}

/// The record of the servers, as a test says that it is.
#[derive(Default)]
struct Told(Mutex<Option<LogFault>>);

#[async_trait]
impl Record for Told {
    async fn confirm(&self) -> Result<Result<(), LogFault>, LogFault> {
        Ok(self.0.lock().unwrap().clone().map_or(Ok(()), Err))
    }
}

/// Read models that follow a log by hand, and a look at it.
struct House {
    looking: Looking,
    record: Arc<Told>,
    announce: watch::Sender<FollowerState>,
    _folder: TempDir,
}

impl House {
    fn over(log: &Arc<MemoryLog>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let models = ReadModels::open(ReadModelOptions {
            path: folder.path().join("m.sqlite"),
            cache_kib: 1_024,
            readers: 1,
            facts: Arc::new(NoFacts),
        });
        let index = ReferralIndex::open(IndexOptions::new(folder.path().join("r.sqlite")));
        let announce = watch::Sender::new(Running);
        let watched = Watched {
            models: models.unwrap(),
            index: index.unwrap(),
            bar: Bar::default(),
            fit: Arc::new(watch::Sender::new(true)),
            states: [announce.subscribe(), announce.subscribe()],
            streams: CancellationToken::new(),
        };
        let (record, log) = (Arc::new(Told::default()), Arc::clone(log) as Arc<dyn EventLog>);
        let told = Arc::clone(&record) as Arc<dyn Record>;
        let looking = Looking { record: told, log, watched, before: None, found_other: 0, unlooked: None };
        Self { looking, record, announce, _folder: folder }
    }

    /// What the servers that are connected to say of their record from now on.
    fn servers_say(&self, fault: Option<LogFault>) {
        *self.record.0.lock().unwrap() = fault;
    }

    /// Takes in what the log holds.
    async fn take_in(&self, log: &MemoryLog) {
        let page = log.read_all(self.looking.watched.models.position(), 100).await.unwrap();
        self.looking.watched.models.apply(&page.events).unwrap();
    }

    /// What is told after a look at another log, or at the same.
    async fn look_at(&mut self, log: &Arc<MemoryLog>) -> Result<(), String> {
        self.looking.log = Arc::clone(log) as Arc<dyn EventLog>;
        self.looking.look(&LogHealth::Ready).await;
        self.looking.settle(&LogHealth::Ready)
    }

    fn is_fit(&self) -> bool {
        *self.looking.watched.fit.borrow()
    }
}

/// A log whose read models pass its events by, one stream for each payload.
async fn log_of(payloads: &[&str]) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new(ticking_stamp()));
    let scene = Scene::new(log.as_ref(), "watching").await;
    for payload in payloads.iter().copied() {
        let append = scene.append(payload, Expected::NoStream, payload, &[payload]);
        let stream = domain::id::StreamId::parse(&format!("subject-{}", append.stream.name())).unwrap();
        log.append(event_log::port::Append { stream, ..append }).await.unwrap();
    }
    log
}

#[tokio::test]
async fn a_log_that_lacks_an_event_for_a_moment_is_served_again() {
    let (whole, restored) = (log_of(&["a", "b"]).await, log_of(&["a"]).await);
    let mut house = House::over(&whole);
    house.take_in(&whole).await;
    assert_eq!(house.look_at(&whole).await, Ok(()));
    let told = house.look_at(&restored).await.unwrap_err();
    assert!(told.starts_with("CHECKPOINT_BEYOND_LOG; "), "{told}");
    assert!(house.looking.watched.bar.is_down() && !house.is_fit());
    assert_eq!(house.look_at(&whole).await, Ok(()));
    assert!(!house.looking.watched.bar.is_down() && house.is_fit());
    assert!(!house.looking.watched.streams.is_cancelled());
}

#[tokio::test]
async fn a_log_that_stays_another_one_bars_the_node_until_it_is_restarted() {
    let (whole, restored) = (log_of(&["a", "b"]).await, log_of(&["a"]).await);
    let mut house = House::over(&whole);
    house.take_in(&whole).await;
    for _ in 0..LOOKS {
        house.look_at(&restored).await.unwrap_err();
    }
    let told = house.look_at(&whole).await.unwrap_err();
    assert!(told.starts_with("CHECKPOINT_BEYOND_LOG; ") && told.contains("restart this node"), "{told}");
    assert!(house.looking.watched.bar.is_down() && !house.is_fit());
    assert!(house.looking.watched.streams.is_cancelled());
}

#[tokio::test]
async fn what_was_taken_in_from_another_log_does_not_pass_for_ours() {
    let (ours, other) = (log_of(&["a"]).await, log_of(&["x", "y"]).await);
    let mut house = House::over(&ours);
    house.take_in(&ours).await;
    assert_eq!(house.look_at(&ours).await, Ok(()));
    house.take_in(&other).await;
    let told = house.look_at(&other).await.unwrap_err();
    assert!(told.starts_with("CHECKPOINT_BEYOND_LOG; "), "{told}");
}

#[tokio::test]
async fn servers_that_were_exchanged_under_a_standing_connection_bar_the_node_for_good() {
    let ours = log_of(&["a"]).await;
    let mut house = House::over(&ours);
    house.take_in(&ours).await;
    assert_eq!(house.look_at(&ours).await, Ok(()));
    // The log answers as it did: whatever it holds, it is somebody else's.
    house.servers_say(Some(LogFault::ForeignInstallation { expected: Uuid::nil(), found: Uuid::max() }));
    let told = house.look_at(&ours).await.unwrap_err();
    assert!(told.starts_with("LOG_FOREIGN_INSTALLATION; ") && told.contains("restart this node"), "{told}");
    // They were asked as if they were ours, and may have been believed.
    house.servers_say(None);
    house.look_at(&ours).await.unwrap_err();
    assert!(house.looking.watched.bar.is_down() && !house.is_fit());
}

#[tokio::test]
async fn a_record_that_is_missing_for_a_moment_is_looked_for_again() {
    let ours = log_of(&["a"]).await;
    let mut house = House::over(&ours);
    house.take_in(&ours).await;
    house.servers_say(Some(LogFault::NotInstalled));
    let told = house.look_at(&ours).await.unwrap_err();
    assert!(told.starts_with("LOG_NOT_INSTALLED; ") && told.contains("looked at again"), "{told}");
    house.servers_say(None);
    assert_eq!(house.look_at(&ours).await, Ok(()));
    house.servers_say(Some(LogFault::NotInstalled));
    for _ in 0..LOOKS {
        house.look_at(&ours).await.unwrap_err();
    }
    house.servers_say(None);
    let told = house.look_at(&ours).await.unwrap_err();
    assert!(told.contains("restart this node"), "{told}");
}

#[tokio::test]
async fn the_present_cause_is_told() {
    let (whole, restored) = (log_of(&["a", "b"]).await, log_of(&["a"]).await);
    let mut house = House::over(&whole);
    house.take_in(&whole).await;
    let unready = LogHealth::Unready(LogFault::Unreachable { last: "refused".to_owned() });
    house.looking.look(&unready).await;
    assert_eq!(house.looking.settle(&unready), Err("LOG_UNREACHABLE; this node keeps trying".to_owned()));
    assert!(!house.looking.watched.bar.is_down(), "what was taken in is shown while the log is away");
    let told = house.look_at(&restored).await.unwrap_err();
    assert!(!told.contains("LOG_UNREACHABLE"), "{told}");
    let foreign = LogHealth::Unready(LogFault::NotInstalled);
    house.looking.look(&foreign).await;
    let told = house.looking.settle(&foreign).unwrap_err();
    assert!(told.starts_with("LOG_NOT_INSTALLED; "), "{told}");
    assert_eq!(house.look_at(&whole).await, Ok(()));
}

#[tokio::test]
async fn a_node_that_stands_before_an_event_is_not_fit_again_when_its_bar_goes_up() {
    let (whole, restored) = (log_of(&["a", "b"]).await, log_of(&["a"]).await);
    let mut house = House::over(&whole);
    house.take_in(&whole).await;
    house.look_at(&restored).await.unwrap_err();
    house.announce.send_replace(Halted { position: Position::new(9), reason: String::new() });
    assert_eq!(house.look_at(&whole).await, Ok(()));
    assert!(!house.looking.watched.bar.is_down() && !house.is_fit());
}

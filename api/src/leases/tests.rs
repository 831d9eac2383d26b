//! Work runs on one node at a time, and is taken over when that node is gone.

use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use event_log::fault::LogFault;
use event_log::lease::{LeaseError, LeaseRecord, MemoryLeases};
use tokio::time::{advance, timeout};

use super::*;

const TTL: Duration = Duration::from_secs(15);
/// Longer than anything here takes; the clock is moved, not waited for.
const LONG: Duration = Duration::from_secs(600);

/// A store that a node may be cut off from.
struct Cable {
    leases: Arc<MemoryLeases>,
    cut: AtomicBool,
}

impl Cable {
    fn new(leases: &Arc<MemoryLeases>) -> Arc<Self> {
        Arc::new(Self { leases: Arc::clone(leases), cut: AtomicBool::new(false) })
    }

    fn check(&self) -> Result<(), LeaseError> {
        if self.cut.load(Ordering::SeqCst) { Err(LogFault::TimedOut.into()) } else { Ok(()) }
    }
}

#[async_trait]
impl Leases for Cable {
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        self.check()?;
        self.leases.read(name).await
    }

    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError> {
        self.check()?;
        self.leases.write(name, seen, next).await
    }
}

/// A node whose work counts its turns and goes on until it is told to stop.
struct Worker {
    duties: Duties,
    stop: CancellationToken,
    turns: Arc<AtomicU32>,
    running: watch::Receiver<bool>,
    /// Where the last turn began.
    from: Arc<Mutex<Option<Position>>>,
    task: tokio::task::JoinHandle<()>,
}

fn start(leases: Arc<dyn Leases>, holder: &str) -> Worker {
    start_with(Duties::new(leases, holder.into(), TTL))
}

fn start_with(duties: Duties) -> Worker {
    let (stop, turns) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
    let from: Arc<Mutex<Option<Position>>> = Arc::default();
    let (announce, running) = watch::channel(false);
    let announce = Arc::new(announce);
    let (of_task, token, counted, begun) = (duties.clone(), stop.clone(), Arc::clone(&turns), Arc::clone(&from));
    let task = tokio::spawn(async move {
        of_task
            .run(PROCESS_MANAGER, token, move |turn| {
                let (announce, counted, begun) = (Arc::clone(&announce), Arc::clone(&counted), Arc::clone(&begun));
                async move {
                    let number = counted.fetch_add(1, Ordering::SeqCst);
                    *begun.lock().unwrap() = turn.progress.done();
                    turn.progress.reach(Position::new(u64::from(number) + 100));
                    announce.send_replace(true);
                    turn.stop.cancelled().await;
                    announce.send_replace(false);
                }
            })
            .await;
    });
    Worker { duties, stop, turns, running, from, task }
}

impl Worker {
    async fn works(&mut self, at_it: bool) {
        timeout(LONG, self.running.wait_for(|running| *running == at_it)).await.unwrap().unwrap();
    }

    fn holds(&self) -> bool {
        self.duties.held() == [(PROCESS_MANAGER, true)]
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_nodes_works_and_the_other_takes_over_when_it_stops() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let mut first = start(leases.clone(), "a/1");
    first.works(true).await;
    let mut second = start(leases.clone(), "b/1");
    // Renewed many times over, the lease stays where it is.
    sleep(TTL * 10).await;
    assert!(first.holds() && !second.holds());
    assert_eq!((first.turns.load(Ordering::SeqCst), second.turns.load(Ordering::SeqCst)), (1, 0));

    first.stop.cancel();
    first.task.await.unwrap();
    let given_back = Instant::now();
    second.works(true).await;
    assert!(given_back.elapsed() < TTL / 2, "nobody waits for a lease that was given back");
    assert!(!*first.running.borrow() && second.holds());
    // What the first had completed is where the second begins.
    assert_eq!(*second.from.lock().unwrap(), Some(Position::new(100)));
    second.stop.cancel();
    second.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_stops_before_another_begins() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let cable = Cable::new(&leases);
    let mut first = start(cable.clone(), "a/1");
    first.works(true).await;
    let mut second = start(leases.clone(), "b/1");
    sleep(TTL).await;
    cable.cut.store(true, Ordering::SeqCst);
    first.works(false).await;
    assert!(!*second.running.borrow(), "the other waits out the time");
    second.works(true).await;

    // Mended, it waits for its turn, which comes when the other stops.
    cable.cut.store(false, Ordering::SeqCst);
    sleep(TTL * 4).await;
    assert!(second.holds() && !first.holds());
    second.stop.cancel();
    second.task.await.unwrap();
    first.works(true).await;
    assert_eq!(first.turns.load(Ordering::SeqCst), 2);
    first.stop.cancel();
    first.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hiccup_shorter_than_the_lease_ends_nothing() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let cable = Cable::new(&leases);
    let mut first = start(cable.clone(), "a/1");
    first.works(true).await;
    for _ in 0..5 {
        cable.cut.store(true, Ordering::SeqCst);
        sleep(TTL / 3).await;
        cable.cut.store(false, Ordering::SeqCst);
        sleep(TTL).await;
    }
    assert!(first.holds());
    assert_eq!(first.turns.load(Ordering::SeqCst), 1);
    first.stop.cancel();
    first.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_gives_up_leaves_its_turn_to_others() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let (duties, stop) = (Duties::new(leases.clone(), "a/1".into(), TTL), CancellationToken::new());
    let (turns, token) = (Arc::new(AtomicU32::new(0)), stop.clone());
    let counted = Arc::clone(&turns);
    let task = tokio::spawn(async move {
        let work = move |_turn| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        };
        duties.run(PROCESS_MANAGER, token, work).await;
    });
    sleep(TTL / 2).await;
    assert_eq!(turns.load(Ordering::SeqCst), 1);
    let mut other = start(leases, "b/1");
    other.works(true).await;
    sleep(TTL * 4).await;
    assert_eq!(turns.load(Ordering::SeqCst), 1, "another node is at it");
    for stop in [stop, other.stop] {
        stop.cancel();
    }
    task.await.unwrap();
    other.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_fit_stands_aside() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let (fit, told) = watch::channel(true);
    let mut first = start_with(Duties::new(leases.clone(), "a/1".into(), TTL).while_fit(told));
    first.works(true).await;
    let mut second = start(leases, "b/1");
    fit.send_replace(false);
    second.works(true).await;
    assert!(!first.holds() && !*first.running.borrow());
    // Even when nobody else wants it.
    second.stop.cancel();
    second.task.await.unwrap();
    sleep(TTL * 4).await;
    assert!(!first.holds());
    fit.send_replace(true);
    first.works(true).await;
    first.stop.cancel();
    first.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_stopped_for_longer_than_its_lease_does_nothing_more_under_it() {
    let leases: Arc<MemoryLeases> = Arc::default();
    let (duties, stop) = (Duties::new(leases, "a/1".into(), TTL), CancellationToken::new());
    let (steps, turns) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (token, counted, begun) = (stop.clone(), Arc::clone(&steps), Arc::clone(&turns));
    let task = tokio::spawn(async move {
        let work = move |turn: Turn| {
            let counted = Arc::clone(&counted);
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                loop {
                    tokio::select! {
                        biased;
                        () = turn.stop.cancelled() => return,
                        () = sleep(TTL / 15) => {
                            counted.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            }
        };
        duties.run(PROCESS_MANAGER, token, work).await;
    });
    for round in 1..=32 {
        sleep(TTL).await;
        all_run().await;
        let (before, turn) = (steps.load(Ordering::SeqCst), turns.load(Ordering::SeqCst));
        assert!(before > 0 && turn == round, "it works and renews: {before} steps in {turn} turns");
        // Everybody wakes up at once, long after the time.
        advance(TTL * 2).await;
        all_run().await;
        assert_eq!(steps.load(Ordering::SeqCst), before, "round {round}");
        assert_eq!(turns.load(Ordering::SeqCst), round + 1, "the lease is taken anew before the work goes on");
    }
    stop.cancel();
    task.await.unwrap();
}

/// Lets every task run that can, without any time going by.
async fn all_run() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn progress_never_goes_back() {
    let progress = Progress::new(Some(Position::new(5)));
    progress.clone().reach(Position::new(7));
    progress.reach(Position::new(6));
    assert_eq!(progress.done(), Some(Position::new(7)));
}

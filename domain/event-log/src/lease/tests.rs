use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

const TTL: Duration = Duration::from_secs(30);
/// A little less than the time after which a holder renews.
const SOON: Duration = Duration::from_secs(9);
const RENEWAL: Duration = Duration::from_secs(10);

fn name() -> LeaseName {
    LeaseName::parse("sweep").unwrap()
}

fn keeper(leases: &Arc<impl Leases>, holder: &str) -> LeaseKeeper {
    let leases: Arc<dyn Leases> = leases.clone();
    LeaseKeeper::new(leases, name(), holder.into(), TTL)
}

fn at(position: u64) -> Option<Position> {
    Some(Position::new(position))
}

#[track_caller]
fn assert_holds(standing: &Standing, term: u64, until: Instant, progress: Option<Position>) {
    assert_eq!(*standing, Standing::Holding { term, until, progress });
}

#[track_caller]
fn assert_waits(standing: &Standing, holder: &str) {
    assert_eq!(*standing, Standing::Waiting { holder: holder.into() });
}

/// Until when a holder may work that renewed at the moment.
fn until(renewed: Instant) -> Instant {
    renewed + Duration::from_secs(27)
}

/// Leases whose ways to fail are chosen by the test.
#[derive(Default)]
struct Moody {
    inner: MemoryLeases,
    /// Refuses to do anything.
    away: AtomicBool,
    /// Writes so many records, and then says that it does not know.
    forgets: AtomicU32,
}

#[async_trait]
impl Leases for Moody {
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(LogFault::TimedOut.into());
        }
        self.inner.read(name).await
    }

    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(LogFault::TimedOut.into());
        }
        let written = self.inner.write(name, seen, next).await?;
        if self.forgets.load(Ordering::Relaxed) > 0 {
            self.forgets.fetch_sub(1, Ordering::Relaxed);
            return Err(LogFault::TimedOut.into());
        }
        Ok(written)
    }
}

#[test]
fn names_hold_their_limits() {
    assert!(LeaseName::parse(&"a".repeat(LEASE_NAME_BYTES_MAX)).is_ok());
    for wrong in ["", "A", "a b", "a.b", "根", &"a".repeat(LEASE_NAME_BYTES_MAX + 1)] {
        assert!(LeaseName::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(name().to_string(), "sweep");
}

#[tokio::test(start_paused = true)]
async fn a_free_lease_is_taken_and_kept() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let mut one = keeper(&leases, "one");
    assert_holds(&one.step(start, None).await.unwrap(), 1, until(start), None);
    assert_holds(&one.step(start + SOON, None).await.unwrap(), 1, until(start), None);
    assert_eq!(leases.read(&name()).await.unwrap().unwrap().version, 0, "nothing is written before its time");
    assert_holds(&one.step(start + RENEWAL, None).await.unwrap(), 1, until(start + RENEWAL), None);
    assert_eq!(leases.read(&name()).await.unwrap().unwrap().version, 1);
}

#[tokio::test(start_paused = true)]
async fn a_live_holder_is_waited_for() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    for round in 1..20 {
        let now = start + RENEWAL * round;
        one.step(now, None).await.unwrap();
        assert_waits(&other.step(now, None).await.unwrap(), "one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_gone_is_followed_after_the_time_to_live() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    one.step(start + RENEWAL, at(70)).await.unwrap();
    // It counts from when the other one saw the record first, whatever the time on the first one's machine.
    let seen = start + Duration::from_secs(25);
    assert_waits(&other.step(seen, None).await.unwrap(), "one");
    assert_waits(&other.step(seen + TTL - Duration::from_millis(1), None).await.unwrap(), "one");
    let taken = seen + TTL;
    assert_holds(&other.step(taken, None).await.unwrap(), 2, until(taken), at(70));
    // The first one wakes up and learns of it.
    assert_waits(&one.step(taken + SOON, at(80)).await.unwrap(), "other");
    // What was handed over stays known while the lease is held.
    let renewed = taken + RENEWAL;
    assert_holds(&other.step(renewed, at(90)).await.unwrap(), 2, until(renewed), at(70));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_once_with_its_progress() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    assert_waits(&other.step(start, None).await.unwrap(), "one");
    one.release(at(12)).await.unwrap();
    assert_holds(&other.step(start + SOON, None).await.unwrap(), 2, until(start + SOON), at(12));
    one.release(at(99)).await.unwrap();
    let record = leases.read(&name()).await.unwrap().unwrap();
    assert_eq!((&*record.holder, record.progress, record.released), ("other", at(12), false), "it had none to give up");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_up_behind_a_renewal_that_nobody_knows_of() {
    let leases = Arc::new(Moody::default());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    leases.forgets.store(1, Ordering::Relaxed);
    assert_holds(&one.step(start + RENEWAL, at(3)).await.unwrap(), 1, until(start), None);
    one.release(at(5)).await.unwrap();
    assert_holds(&other.step(start + RENEWAL, None).await.unwrap(), 2, until(start + RENEWAL), at(5));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_followed_takes_nothing_away_when_it_gives_up() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    other.step(start, None).await.unwrap();
    // The first one was stopped for so long that the other one has taken the lease and done more.
    assert_holds(&other.step(start + TTL, None).await.unwrap(), 2, until(start + TTL), None);
    other.step(start + TTL + RENEWAL, at(20)).await.unwrap();
    one.release(at(10)).await.unwrap();
    let record = leases.read(&name()).await.unwrap().unwrap();
    assert_eq!((&*record.holder, record.progress, record.released), ("other", at(20), false));
}

#[tokio::test(start_paused = true)]
async fn progress_never_goes_back() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let mut one = keeper(&leases, "one");
    one.step(start, None).await.unwrap();
    for (round, progress) in [(1, at(5)), (2, None), (3, at(3))] {
        one.step(start + RENEWAL * round, progress).await.unwrap();
        assert_eq!(leases.read(&name()).await.unwrap().unwrap().progress, at(5));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_find_a_lease_free_one_gets_it() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    let (one, other) = tokio::join!(one.step(start, None), other.step(start, None));
    let holding = [one.unwrap(), other.unwrap()];
    let holds = |standing: &&Standing| matches!(standing, Standing::Holding { .. });
    assert_eq!(holding.iter().filter(holds).count(), 1, "{holding:?}");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_believe_they_hold_it_the_late_one_gives_way() {
    let leases = Arc::new(MemoryLeases::new());
    let start = Instant::now();
    let (mut one, mut other) = (keeper(&leases, "one"), keeper(&leases, "other"));
    one.step(start, None).await.unwrap();
    assert_waits(&other.step(start, None).await.unwrap(), "one");
    // The first one was stopped for longer than its time, and its own clock has not noticed.
    assert_holds(&other.step(start + TTL, None).await.unwrap(), 2, until(start + TTL), None);
    let Standing::Holding { until: believed, .. } = one.step(start + SOON, None).await.unwrap() else {
        panic!("it does not ask before it is time to renew")
    };
    assert!(believed <= start + TTL, "its own time was over before the other one began");
    assert_waits(&one.step(start + RENEWAL, None).await.unwrap(), "other");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_goes_on_until_its_time_is_over() {
    let leases = Arc::new(Moody::default());
    let start = Instant::now();
    let mut one = keeper(&leases, "one");
    one.step(start, None).await.unwrap();
    leases.away.store(true, Ordering::Relaxed);
    assert_holds(&one.step(start + RENEWAL, None).await.unwrap(), 1, until(start), None);
    assert_holds(&one.step(start + Duration::from_secs(26), None).await.unwrap(), 1, until(start), None);
    assert!(one.step(start + Duration::from_secs(27), None).await.is_err());
    assert!(one.step(start + Duration::from_secs(28), None).await.is_err());
    leases.away.store(false, Ordering::Relaxed);
    // Nobody has taken it meanwhile: it is still its own.
    let back = start + Duration::from_secs(60);
    assert_holds(&one.step(back, None).await.unwrap(), 1, until(back), None);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_is_recognised() {
    let leases = Arc::new(Moody::default());
    let start = Instant::now();
    let mut one = keeper(&leases, "one");
    leases.forgets.store(1, Ordering::Relaxed);
    assert!(one.step(start, None).await.is_err(), "it was written, and nobody knows");
    assert_holds(&one.step(start + SOON, None).await.unwrap(), 1, until(start + SOON), None);
    // The same with a renewal: the next one finds its own record where it did not expect it.
    leases.forgets.store(1, Ordering::Relaxed);
    let second = start + SOON + RENEWAL;
    assert_holds(&one.step(second, at(3)).await.unwrap(), 1, until(start + SOON), None);
    let third = second + Duration::from_secs(1);
    let Standing::Holding { term: 1, until: extended, .. } = one.step(third, at(4)).await.unwrap() else {
        panic!("it is still its own")
    };
    assert_eq!(extended, until(third));
}

//! Whether a partner is being tried at all: a partner that keeps failing is left alone for a while.
//!
//! Closed, attempts are made. After so many failures in a row it is open and none is made; deliveries simply wait,
//! without a lease and without an event. When the while is over, one attempt goes ahead as a probe: it closes the
//! breaker, or opens it for another while. Beside that a partner may ask to be left alone (`Retry-After`).

use std::time::Duration;

use tokio::time::Instant;

/// Whether an attempt may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Go,
    /// It may, as the one that shows whether the partner is well again.
    Probe,
    /// Nobody may before this moment.
    Wait(Instant),
    /// The probe is under way: what comes next is decided by its end.
    Probing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// The breaker of one partner.
#[derive(Debug, Clone)]
pub struct Breaker {
    failures_max: u32,
    open_for: Duration,
    state: State,
    /// The partner asked to be left alone until then.
    held_until: Option<Instant>,
}

impl Breaker {
    /// A closed breaker that opens for `open_for` after `failures_max` failures in a row (at least one).
    #[must_use]
    pub fn new(failures_max: u32, open_for: Duration) -> Self {
        let failures_max = failures_max.max(1);
        Self { failures_max, open_for, state: State::Closed { failures: 0 }, held_until: None }
    }

    /// Asks for an attempt. A [`Admission::Probe`] that is granted must end in [`Breaker::succeeded`],
    /// [`Breaker::failed`] or [`Breaker::abandoned`].
    pub fn admit(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.waits_until(now) {
            return Admission::Wait(until);
        }
        match self.state {
            State::Closed { .. } => Admission::Go,
            State::Open { .. } => {
                self.state = State::Probing;
                Admission::Probe
            }
            State::Probing => Admission::Probing,
        }
    }

    /// Until when no attempt is made, if that is known and still ahead.
    #[must_use]
    pub fn waits_until(&self, now: Instant) -> Option<Instant> {
        let open = match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::Probing => None,
        };
        open.max(self.held_until).filter(|until| *until > now)
    }

    /// The partner answered as a partner does, whether it took the message or refused it.
    pub const fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The partner could not be reached, or did not answer as a partner does. Tells whether this opened the breaker.
    pub fn failed(&mut self, now: Instant) -> bool {
        let failures = match self.state {
            State::Closed { failures } => failures.saturating_add(1),
            // An attempt that began before the breaker opened tells nothing new.
            State::Open { .. } => return false,
            State::Probing => self.failures_max,
        };
        if failures < self.failures_max {
            self.state = State::Closed { failures };
            return false;
        }
        self.state = State::Open { until: later(now, self.open_for) };
        true
    }

    /// A probe was granted but not made: the next one may go.
    pub fn abandoned(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }

    /// The partner asked to be left alone for this long; the caller bounded it.
    pub fn hold(&mut self, now: Instant, wait: Duration) {
        self.held_until = self.held_until.max(Some(later(now, wait)));
    }
}

/// A while that no clock can hold is no while: then the moment itself, and the next failure says so again.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(30);

    /// A breaker that has just opened.
    fn open() -> Breaker {
        let mut breaker = Breaker::new(3, OPEN_FOR);
        assert!(!breaker.failed(Instant::now()));
        assert!(!breaker.failed(Instant::now()));
        assert!(breaker.failed(Instant::now()), "the third failure in a row opens it");
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::new(3, OPEN_FOR);
        for _ in 0..10 {
            assert!(!breaker.failed(Instant::now()));
            assert!(!breaker.failed(Instant::now()));
            assert_eq!(breaker.admit(Instant::now()), Admission::Go);
            breaker.succeeded();
        }

        let mut breaker = open();
        assert_eq!(breaker.admit(Instant::now()), Admission::Wait(Instant::now() + OPEN_FOR));
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_goes_when_the_while_is_over() {
        let mut breaker = open();
        tokio::time::advance(OPEN_FOR - Duration::from_millis(1)).await;
        assert!(matches!(breaker.admit(Instant::now()), Admission::Wait(_)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.waits_until(Instant::now()), None);
        assert_eq!(breaker.admit(Instant::now()), Admission::Probe);
        assert_eq!(breaker.admit(Instant::now()), Admission::Probing, "and only one");
        breaker.succeeded();
        assert_eq!(breaker.admit(Instant::now()), Admission::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_opens_it_again() {
        let mut breaker = open();
        tokio::time::advance(OPEN_FOR).await;
        assert_eq!(breaker.admit(Instant::now()), Admission::Probe);
        assert!(breaker.failed(Instant::now()));
        assert_eq!(breaker.admit(Instant::now()), Admission::Wait(Instant::now() + OPEN_FOR));
        tokio::time::advance(OPEN_FOR).await;
        assert_eq!(breaker.admit(Instant::now()), Admission::Probe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_not_made_lets_the_next_one_go() {
        let mut breaker = open();
        tokio::time::advance(OPEN_FOR).await;
        assert_eq!(breaker.admit(Instant::now()), Admission::Probe);
        breaker.abandoned(Instant::now());
        assert_eq!(breaker.admit(Instant::now()), Admission::Probe);

        let mut closed = Breaker::new(3, OPEN_FOR);
        closed.abandoned(Instant::now());
        assert_eq!(closed.admit(Instant::now()), Admission::Go, "nothing was granted, nothing changes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_does_not_prolong_the_while() {
        let mut breaker = open();
        let until = breaker.waits_until(Instant::now()).unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!breaker.failed(Instant::now()), "its attempt had begun before");
        assert_eq!(breaker.waits_until(Instant::now()), Some(until));
    }

    #[tokio::test(start_paused = true)]
    async fn a_partner_is_left_alone_as_it_asked() {
        let mut breaker = Breaker::new(3, OPEN_FOR);
        breaker.hold(Instant::now(), Duration::from_secs(60));
        breaker.hold(Instant::now(), Duration::from_secs(5));
        assert_eq!(breaker.admit(Instant::now()), Admission::Wait(Instant::now() + Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(breaker.admit(Instant::now()), Admission::Go, "it was well, only busy");
    }

    #[test]
    fn zero_failures_count_as_one() {
        let now = Instant::now();
        let mut breaker = Breaker::new(0, OPEN_FOR);
        assert_eq!(breaker.admit(now), Admission::Go);
        assert!(breaker.failed(now));
    }
}

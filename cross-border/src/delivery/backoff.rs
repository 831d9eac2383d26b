//! How long a delivery waits before it is tried again.
//!
//! Decorrelated jitter: each wait is drawn between the base and three times the wait before it, never above the
//! longest. The draws come from the delivery's own id and the number of the attempt, so two deliveries that failed
//! together do not come back together, and a restart begins no series anew.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::digest::sha256;

use crate::exchange::id::DeliveryId;

/// A wait is at most this many times the wait before it.
const GROWTH: u64 = 3;
/// Draws that one wait is worked out from; behind them a series has long reached its longest wait.
const ROUNDS_MAX: u32 = 64;
/// The shortest base, so that nothing is ever tried again at once.
const BASE_MIN: Duration = Duration::from_millis(1);

/// The bounds of the waits of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    retry_after_max: Duration,
}

impl Backoff {
    /// Waits between `base` and `max`; a partner may ask for up to `retry_after_max`.
    ///
    /// A bound below `base` is raised to it, and a base below a millisecond to one.
    #[must_use]
    pub fn new(base: Duration, max: Duration, retry_after_max: Duration) -> Self {
        let base = base.max(BASE_MIN);
        Self { base, max: max.max(base), retry_after_max: retry_after_max.max(base) }
    }

    /// How long to wait behind the `attempt`-th failure, the first being 1.
    ///
    /// What the partner asked for in `Retry-After` (RFC 9110 section 10.2.3) is the least, within its bounds: an absurd
    /// value neither hurries nor parks a delivery. Without it the wait is within the worker's own bounds.
    #[must_use]
    pub fn wait(&self, delivery: DeliveryId, attempt: u32, asked: Option<Duration>) -> Duration {
        let own = self.own(delivery, attempt);
        asked.map_or(own, |asked| own.max(self.bounded(asked)))
    }

    /// What a partner asked for, within the bounds of what it may ask for.
    #[must_use]
    pub fn bounded(&self, asked: Duration) -> Duration {
        asked.clamp(self.base, self.retry_after_max)
    }

    fn own(&self, delivery: DeliveryId, attempt: u32) -> Duration {
        let (base, max) = (millis(self.base), millis(self.max));
        let mut wait = base;
        for nth in attempt.saturating_sub(ROUNDS_MAX)..attempt {
            let upper = wait.saturating_mul(GROWTH).clamp(base, max);
            let room = (upper - base).saturating_add(1);
            wait = base.saturating_add(draw(delivery, nth) % room);
        }
        // In whole milliseconds a wait can fall below a base with a fraction of one, or rise above such a maximum.
        Duration::from_millis(wait).clamp(self.base, self.max)
    }
}

/// A number that is as good as random, and the same for the same delivery and attempt.
fn draw(delivery: DeliveryId, nth: u32) -> u64 {
    let mut seed = delivery.as_uuid().as_bytes().to_vec();
    seed.extend_from_slice(&nth.to_be_bytes());
    let mut number = [0; 8];
    for (byte, source) in number.iter_mut().zip(sha256(&seed)) {
        *byte = source;
    }
    u64::from_be_bytes(number)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a `Retry-After`: seconds, or an HTTP date in any of its three forms (RFC 9110 sections 5.6.7 and 10.2.3).
///
/// A date in the past is a wait of nothing; `None` is a text of neither form. The caller bounds what comes out.
#[must_use]
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are as absurd as any other, and bounded like them.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
    Some(at.signed_duration_since(now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn delivery(number: u128) -> DeliveryId {
        DeliveryId::from_uuid(Uuid::from_u128(number))
    }

    fn now() -> DateTime<Utc> {
        "2026-04-27T02:00:00Z".parse().unwrap()
    }

    proptest! {
        #[test]
        fn a_wait_keeps_its_bounds(
            base in 1_u64..60_000,
            more in 0_u64..3_600_000,
            number: u128,
            attempt in 0_u32..200,
        ) {
            let (base, max) = (Duration::from_millis(base), Duration::from_millis(base + more));
            let wait = Backoff::new(base, max, max).wait(delivery(number), attempt, None);
            prop_assert!(wait >= base, "{wait:?} is below {base:?}");
            prop_assert!(wait <= max, "{wait:?} is above {max:?}");
        }

        #[test]
        fn odd_bounds_are_kept_to_the_nanosecond(
            base in 0_u64..5_000_000_000,
            max in 0_u64..50_000_000_000,
            attempt in 0_u32..40,
        ) {
            let (base, max) = (Duration::from_nanos(base), Duration::from_nanos(max));
            let wait = Backoff::new(base, max, max).wait(delivery(7), attempt, None);
            prop_assert!(wait >= base.max(BASE_MIN) && wait <= max.max(base).max(BASE_MIN), "{wait:?}");
        }

        #[test]
        fn what_is_asked_for_is_honoured_within_its_bounds(number: u128, attempt in 1_u32..40, asked: u64) {
            let (base, max) = (Duration::from_secs(5), Duration::from_secs(900));
            let ceiling = Duration::from_secs(3_600);
            let asked = Duration::from_secs(asked);
            let wait = Backoff::new(base, max, ceiling).wait(delivery(number), attempt, Some(asked));
            prop_assert!(wait >= asked.min(ceiling), "{wait:?} is shorter than what was asked for, {asked:?}");
            prop_assert!(wait >= base && wait <= ceiling.max(max), "{wait:?}");
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,64}") {
            let _ = retry_after(&text, now());
        }
    }

    #[test]
    fn waits_grow_spread_and_are_the_same_after_a_restart() {
        let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(900), Duration::from_secs(3_600));
        let first: Vec<Duration> = (1..=24).map(|attempt| backoff.wait(delivery(1), attempt, None)).collect();
        let again: Vec<Duration> = (1..=24).map(|attempt| backoff.wait(delivery(1), attempt, None)).collect();
        assert_eq!(first, again);
        let other: Vec<Duration> = (1..=24).map(|attempt| backoff.wait(delivery(2), attempt, None)).collect();
        assert_ne!(first, other, "two deliveries do not come back together");
        assert!(first[0] <= Duration::from_secs(15), "the first wait is at most three times the base");
        for pair in first.windows(2) {
            assert!(pair[1] <= pair[0] * 3 + Duration::from_millis(1), "{pair:?}");
        }
        let many =
            |attempt| (0..200).map(|number| backoff.wait(delivery(number), attempt, None)).sum::<Duration>() / 200;
        assert!(many(12) > many(1) * 4, "later waits are longer in the mean");
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(retry_after("120", now()), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", now()), Some(Duration::ZERO));
        assert_eq!(retry_after("Mon, 27 Apr 2026 02:01:30 GMT", now()), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Monday, 27-Apr-26 02:01:30 GMT", now()), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Mon Apr 27 02:01:30 2026", now()), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Mon, 27 Apr 2026 01:00:00 GMT", now()), Some(Duration::ZERO), "in the past");
        for neither in ["", "soon", "-5", "1.5", "12 monkeys", "Mon, 27 Apr"] {
            assert_eq!(retry_after(neither, now()), None, "{neither:?}");
        }
    }

    #[test]
    fn absurd_values_are_bounded() {
        let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(900), Duration::from_secs(3_600));
        let bounded = |text: &str| backoff.bounded(retry_after(text, now()).unwrap());
        assert_eq!(bounded("0"), Duration::from_secs(5));
        assert_eq!(bounded("Thu, 01 Jan 1970 00:00:00 GMT"), Duration::from_secs(5));
        assert_eq!(bounded("999999999999999999999999999999"), Duration::from_secs(3_600));
        assert_eq!(bounded("Fri, 31 Dec 9999 23:59:59 GMT"), Duration::from_secs(3_600));
        assert_eq!(bounded("3600"), Duration::from_secs(3_600), "at the bound");
        assert_eq!(bounded("3601"), Duration::from_secs(3_600), "one past it");
    }
}

//! How much one principal may ask: a token bucket each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::LimitsConfig;

const PRINCIPALS_MAX: usize = 10_000;

/// Buckets are counted in millionths, so that a microsecond refills a whole number at any rate.
const UNIT: u64 = 1_000_000;

/// The request is refused for now; it would be served after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; come again in {} ms", .after.as_millis())]
pub struct RetryAfter {
    /// How long to wait.
    pub after: Duration,
}

/// The buckets of all principals who asked lately.
#[derive(Debug)]
pub struct Limiter {
    per_second: u64,
    full: u64,
    principals_max: usize,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    filled_at: Instant,
}

impl Limiter {
    /// Limits as configured.
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            per_second: u64::from(config.requests_per_second.max(1)),
            full: u64::from(config.burst.max(1)) * UNIT,
            principals_max: PRINCIPALS_MAX,
            buckets: Mutex::default(),
        }
    }

    /// Takes `cost` requests from the principal's bucket, or says when there will be enough.
    ///
    /// A request that costs more than a full bucket takes all of it: otherwise it would never be served.
    pub fn check(&self, principal: &str, cost: u32) -> Result<(), RetryAfter> {
        self.check_at(principal, cost, Instant::now())
    }

    fn check_at(&self, principal: &str, cost: u32, now: Instant) -> Result<(), RetryAfter> {
        let price = (u64::from(cost) * UNIT).min(self.full);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.get(principal).copied();
        let mut bucket = known.unwrap_or(Bucket { level: self.full, filled_at: now });
        bucket.level = self.level_at(&bucket, now);
        bucket.filled_at = bucket.filled_at.max(now);
        let answer = match bucket.level.checked_sub(price) {
            Some(rest) => {
                bucket.level = rest;
                Ok(())
            }
            None => {
                let missing = price - bucket.level;
                Err(RetryAfter { after: Duration::from_micros(missing.div_ceil(self.per_second)) })
            }
        };
        // A principal who is known costs no allocation.
        if let Some(place) = buckets.get_mut(principal) {
            *place = bucket;
        } else {
            self.make_room(&mut buckets, now);
            buckets.insert(principal.to_owned(), bucket);
        }
        answer
    }

    fn level_at(&self, bucket: &Bucket, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(bucket.filled_at).as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let refill = elapsed.saturating_mul(self.per_second);
        bucket.level.saturating_add(refill).min(self.full)
    }

    /// A full bucket says no more than none at all; where all are in use, the one asked longest ago goes.
    fn make_room(&self, buckets: &mut HashMap<String, Bucket>, now: Instant) {
        if buckets.len() < self.principals_max {
            return;
        }
        buckets.retain(|_, bucket| self.level_at(bucket, now) < self.full);
        if buckets.len() < self.principals_max {
            return;
        }
        let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.filled_at).map(|(principal, _)| principal.clone());
        if let Some(oldest) = oldest {
            buckets.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(&LimitsConfig { requests_per_second: 10, burst: 20 })
    }

    #[test]
    fn a_burst_is_served_to_its_last_request_and_not_one_past_it() {
        let limiter = limiter();
        let now = Instant::now();

        for request in 0..20 {
            assert_eq!(limiter.check_at("a", 1, now), Ok(()), "request {request}");
        }
        let refused = limiter.check_at("a", 1, now).unwrap_err();
        assert_eq!(refused.after, Duration::from_millis(100));
        assert_eq!(limiter.check_at("b", 20, now), Ok(()), "others are not affected");
    }

    #[test]
    fn who_waits_as_told_is_served_and_who_comes_earlier_is_not() {
        let limiter = limiter();
        let now = Instant::now();
        assert_eq!(limiter.check_at("a", 20, now), Ok(()));

        let wait = limiter.check_at("a", 3, now).unwrap_err().after;
        assert_eq!(wait, Duration::from_millis(300));
        let early = now + wait - Duration::from_micros(1);
        assert!(limiter.check_at("a", 3, early).is_err());
        assert_eq!(limiter.check_at("a", 3, now + wait), Ok(()));
    }

    #[test]
    fn a_rest_never_saves_up_more_than_a_burst() {
        let limiter = limiter();
        let now = Instant::now();
        assert_eq!(limiter.check_at("a", 1, now), Ok(()));

        let later = now + Duration::from_secs(86_400);
        assert_eq!(limiter.check_at("a", 20, later), Ok(()));
        assert!(limiter.check_at("a", 1, later).is_err());
    }

    #[test]
    fn a_cost_past_the_burst_empties_the_bucket_and_is_served() {
        let limiter = limiter();
        let now = Instant::now();

        assert_eq!(limiter.check_at("a", u32::MAX, now), Ok(()));
        assert!(limiter.check_at("a", 1, now).is_err());
    }

    #[test]
    fn a_clock_that_seems_to_go_back_takes_nothing_and_gives_nothing() {
        let limiter = limiter();
        let now = Instant::now() + Duration::from_secs(10);
        assert_eq!(limiter.check_at("a", 20, now), Ok(()));

        assert!(limiter.check_at("a", 1, now - Duration::from_secs(5)).is_err());
        assert!(limiter.check_at("a", 1, now).is_err());
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let mut limiter = limiter();
        limiter.principals_max = 3;
        let now = Instant::now();
        let held = |limiter: &Limiter| {
            let mut names: Vec<String> = limiter.buckets.lock().unwrap().keys().cloned().collect();
            names.sort();
            names
        };

        for (second, principal) in ["a", "b", "c"].into_iter().enumerate() {
            let at = now + Duration::from_millis(u64::try_from(second).unwrap());
            assert_eq!(limiter.check_at(principal, 20, at), Ok(()));
        }
        let soon = now + Duration::from_millis(10);
        assert_eq!(limiter.check_at("d", 1, soon), Ok(()));
        assert_eq!(held(&limiter), ["b", "c", "d"], "the one asked longest ago went");

        let later = now + Duration::from_secs(60);
        assert_eq!(limiter.check_at("e", 1, later), Ok(()));
        assert_eq!(held(&limiter), ["e"], "full buckets went");
    }
}

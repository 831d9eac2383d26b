//! How much each council may ask, counted by the minute.

use cross_border::partner::PartnerId;

use crate::config::LimitsConfig;
use crate::limiter::{Limiter, RetryAfter};

const SECONDS_PER_MINUTE: u32 = 60;
/// Seconds over which a partner's requests are evened out.
const BURST_SECONDS: u32 = 10;
/// Requests at once that are allowed where ten seconds' worth is less, if a whole minute's is not.
const BURST_MIN: u32 = 10;

/// Requests of one council.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartnerRate {
    /// Long-term rate.
    pub requests_per_minute: u32,
    /// Most requests at once after a pause.
    pub burst: u32,
}

impl PartnerRate {
    /// So many requests a minute, and at once what ten seconds bring.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        let evened_out = requests.div_ceil(SECONDS_PER_MINUTE / BURST_SECONDS);
        Self { requests_per_minute: requests, burst: evened_out.max(requests.min(BURST_MIN)) }
    }
}

/// The rates of all councils. Documents of more than a request's worth are charged to them as well.
pub(super) struct Rates(Limiter);

impl Rates {
    pub(super) fn new(rate: PartnerRate) -> Self {
        // The limiter fills its buckets by the second. With the rate of a minute filled in each, and a request that
        // costs sixty, the rate holds to the request, also below one a second.
        let burst = rate.burst.max(1).saturating_mul(SECONDS_PER_MINUTE);
        Self(Limiter::new(&LimitsConfig { requests_per_second: rate.requests_per_minute, burst }))
    }

    /// Charges a council with so many requests, or says when it may come again.
    pub(super) fn check(&self, council: &PartnerId, requests: u32) -> Result<(), RetryAfter> {
        self.0.check(council.as_str(), requests.saturating_mul(SECONDS_PER_MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::*;

    fn council() -> PartnerId {
        PartnerId::parse("gd-consumer-council").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_long_run_a_council_has_its_requests_a_minute_and_not_one_more() {
        for requests in [1, 7, 59, 60, 61, 600] {
            let rate = PartnerRate::per_minute(requests);
            let (rates, begun) = (Rates::new(rate), Instant::now());
            let mut served = 0;
            // Ten minutes of a council that comes as often as it is let.
            while begun.elapsed() < Duration::from_secs(600) {
                match rates.check(&council(), 1) {
                    Ok(()) => served += 1,
                    Err(wait) => advance(wait.after).await,
                }
            }
            // The last of them is due as the ten minutes end.
            let expected = rate.burst + 10 * requests;
            assert!((expected - 1..=expected).contains(&served), "{requests} a minute: {served} and not {expected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_ask_once_a_minute_waits_for_a_minute() {
        let rates = Rates::new(PartnerRate::per_minute(1));
        assert_eq!(rates.check(&council(), 1), Ok(()));
        let minute = Duration::from_secs(60);
        assert_eq!(rates.check(&council(), 1), Err(RetryAfter { after: minute }));
        advance(minute - Duration::from_millis(1)).await;
        assert!(rates.check(&council(), 1).is_err());
        advance(Duration::from_millis(1)).await;
        assert_eq!(rates.check(&council(), 1), Ok(()));
    }

    #[test]
    fn at_once_come_ten_seconds_worth_or_ten_but_never_more_than_a_minutes() {
        for (requests, burst) in [(1, 1), (9, 9), (10, 10), (59, 10), (60, 10), (61, 11), (600, 100), (100_000, 16_667)]
        {
            assert_eq!(PartnerRate::per_minute(requests), PartnerRate { requests_per_minute: requests, burst });
        }
    }
}

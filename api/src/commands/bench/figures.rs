//! Arithmetic of measurements, in integers: nothing measured here is more exact than that.

use std::time::Duration;

use serde::Serialize;

/// How many a second; 0 when no time has passed.
pub(super) fn per_second(count: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos();
    if nanos == 0 {
        return 0;
    }
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// `part` of `whole` in hundredths; 0 without a whole.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

pub(super) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// How measured times are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) p50_micros: u64,
    pub(super) p99_micros: u64,
    pub(super) p999_micros: u64,
    pub(super) max_micros: u64,
}

impl Spread {
    /// The spread of times in microseconds.
    pub(super) fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        Self {
            count: u64::try_from(micros.len()).unwrap_or(u64::MAX),
            p50_micros: rank(&micros, 500),
            p99_micros: rank(&micros, 990),
            p999_micros: rank(&micros, 999),
            max_micros: micros.last().copied().unwrap_or(0),
        }
    }
}

/// The smallest value that at least `in_thousand` thousandths of the values do not exceed (nearest rank).
fn rank(sorted: &[u64], in_thousand: usize) -> u64 {
    let place = sorted.len().saturating_mul(in_thousand).div_ceil(1_000);
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

/// 1234567 as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds as milliseconds with two decimals.
pub(super) fn as_millis(micros: u64) -> String {
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_are_whole_numbers() {
        assert_eq!(per_second(10, Duration::from_millis(500)), 20);
        assert_eq!(per_second(10, Duration::ZERO), 0);
        assert_eq!(percent(3, 4), 75);
        assert_eq!(percent(3, 0), 0);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let spread = Spread::of((1..=1_000).rev().collect());
        assert_eq!(
            (spread.p50_micros, spread.p99_micros, spread.p999_micros, spread.max_micros),
            (500, 990, 999, 1_000)
        );
        assert_eq!(Spread::of(vec![7]).p50_micros, 7);
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(as_millis(4_567), "4.56 ms");
    }
}

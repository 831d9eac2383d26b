//! The wall clock.
//!
//! Everything else takes the time as an argument, so that a replay, a test and an audit see the time they ask for.

use chrono::{DateTime, Utc};

/// The time of day, in UTC.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn unix_millis() -> i64 {
    now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_functions_read_the_same_clock() {
        let before = now().timestamp_millis();
        let between = unix_millis();
        let after = now().timestamp_millis();

        // A step of the system's clock between the reads would be a matter of luck, not of this code.
        assert!(before <= between && between <= after);
        // 2024-01-01: a machine that thinks it is earlier has no usable clock.
        assert!(between > 1_704_067_200_000);
    }
}

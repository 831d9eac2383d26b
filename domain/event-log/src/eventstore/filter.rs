//! Which streams on the servers hold events of the log, and which are technical.

/// What begins the names of the streams that Baycase keeps for itself: claims, leases, nonces, the installation.
pub(super) const TECHNICAL_PREFIX: &str = "baycase.";

/// Names of streams that are not technical, for the filter of a subscription. Written without look-ahead, so that every
/// engine of regular expressions understands it the same way.
pub(super) const OURS_REGEX: &str = "^([^$b]|b[^a]|ba[^y]|bay[^c]|bayc[^a]|bayca[^s]|baycas[^e]|baycase[^.])";

/// Whether a stream is no part of the log: one of the servers' own, or one that Baycase keeps for itself.
///
/// Every other stream on the servers is taken for one of the log's.
pub(super) fn is_technical(stream: &str) -> bool {
    stream.starts_with('$') || stream.starts_with(TECHNICAL_PREFIX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn passes(stream: &str) -> bool {
        Regex::new(OURS_REGEX).unwrap().is_match(stream)
    }

    #[test]
    fn streams_of_the_servers_and_our_own_notes_are_technical() {
        for stream in ["$all", "$stats-127.0.0.1:2113", "$$filing-1", "baycase.installation", "baycase.lease-sweep"] {
            assert!(is_technical(stream) && !passes(stream), "{stream}");
        }
        for stream in ["filing-1", "complaint-0", "baycase-1", "baycasex-1", "b-1", "bay-1", "unit-baycase.x"] {
            assert!(!is_technical(stream) && passes(stream), "{stream}");
        }
    }

    proptest! {
        #[test]
        fn the_filter_lets_through_what_is_not_technical(
            start in prop_oneof!["[$bayce.s-]{0,9}", "baycas", "baycase", Just("$".to_owned()), "[a-z]{1,8}"],
            name in "[a-z0-9.-]{1,12}",
        ) {
            // A stream of the log has a category and a name, so that it is longer than what the filter compares.
            let stream = format!("{start}-{name}");
            prop_assert_eq!(passes(&stream), !is_technical(&stream), "{}", stream);
        }
    }
}

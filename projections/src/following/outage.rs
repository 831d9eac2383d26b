//! A failure that lasts: when there is something to tell of it, so that an hour of it is fifteen lines.

use std::time::Duration;

use tokio::time::Instant;

/// How long after its beginning a failure that lasts is told again.
const TELL_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// And how often from then on.
const TELL_EVERY: Duration = Duration::from_secs(300);

/// The failure that lasts now, if any.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Begun>);

#[derive(Debug)]
struct Begun {
    at: Instant,
    tries: u64,
    /// When it is told next, unless it has another cause before.
    tell: Instant,
    /// The cause that was told last.
    told: String,
}

/// How long a failure has lasted, and how many tries have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) lasted: Duration,
    pub(super) tries: u64,
}

impl Outage {
    /// A try has failed at `now` because of `cause`; what is to be told of it, if it is time to. The first of them is
    /// told at once, and so is one with another cause than was told last.
    pub(super) fn failed(&mut self, now: Instant, cause: &str) -> Option<Spell> {
        let begun = self.0.get_or_insert_with(|| Begun { at: now, tries: 0, tell: now, told: String::new() });
        begun.tries = begun.tries.saturating_add(1);
        if now < begun.tell && begun.told == cause {
            return None;
        }
        let lasted = now.saturating_duration_since(begun.at);
        begun.tell = begun.at + next(lasted);
        cause.clone_into(&mut begun.told);
        Some(Spell { lasted, tries: begun.tries })
    }

    /// A try went well at `now`; what there was to it when others before it had failed.
    pub(super) fn over(&mut self, now: Instant) -> Option<Spell> {
        let Begun { at, tries, .. } = self.0.take()?;
        Some(Spell { lasted: now.saturating_duration_since(at), tries })
    }
}

/// How long after its beginning a failure is told again that was told when it had lasted so long.
fn next(lasted: Duration) -> Duration {
    let after = TELL_AFTER.into_iter().find(|after| *after > lasted);
    after.unwrap_or_else(|| lasted.saturating_add(TELL_EVERY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// When a failure is told that is tried every so many seconds for so long.
    fn told(every: u64, until: u64) -> Vec<(u64, u64)> {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let tries = (0..=until).step_by(usize::try_from(every).unwrap());
        tries
            .filter_map(|second| outage.failed(start + seconds(second), "timed out"))
            .map(|spell| (spell.lasted.as_secs(), spell.tries))
            .collect()
    }

    #[test]
    fn it_is_told_at_once_and_then_ever_less_often() {
        let expected = [(0, 1), (1, 2), (10, 11), (60, 61), (360, 361), (660, 661), (960, 961)];
        assert_eq!(told(1, 1_000), expected);
        assert_eq!(told(1, 3_600).len(), 4 + 11, "an hour of it");
    }

    #[test]
    fn tries_that_take_long_are_told_when_they_come() {
        // Each waits out its time, so that two of the intervals pass at once.
        let expected = [(0, 1), (25, 2), (75, 4), (375, 16), (675, 28)];
        assert_eq!(told(25, 700), expected);
    }

    #[test]
    fn the_next_one_begins_anew() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.over(start), None, "there was nothing");
        assert_eq!(outage.failed(start, "timed out"), Some(Spell { lasted: Duration::ZERO, tries: 1 }));
        assert_eq!(outage.failed(start + Duration::from_millis(999), "timed out"), None);
        assert_eq!(outage.over(start + seconds(5)), Some(Spell { lasted: seconds(5), tries: 2 }));
        assert_eq!(outage.over(start + seconds(6)), None, "it is told once that it is over");
        assert_eq!(outage.failed(start + seconds(7), "timed out"), Some(Spell { lasted: Duration::ZERO, tries: 1 }));
    }

    #[test]
    fn another_cause_is_told_at_once_and_then_ever_less_often_too() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let causes = |second: u64| if second < 75 { "timed out" } else { "the vault does not answer" };
        let told: Vec<(u64, u64)> = (0..=400)
            .filter_map(|second| outage.failed(start + seconds(second), causes(second)))
            .map(|spell| (spell.lasted.as_secs(), spell.tries))
            .collect();
        assert_eq!(told, [(0, 1), (1, 2), (10, 11), (60, 61), (75, 76), (375, 376)]);
    }
}

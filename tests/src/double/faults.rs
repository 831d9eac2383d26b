//! What goes wrong on purpose: which fault strikes, how often, and for how long.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

macro_rules! kinds {
    ($($kind:ident $name:literal $what:literal),+ $(,)?) => {
        /// A fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $what] $kind),+
        }

        impl Kind {
            /// Every fault with its name and what it does.
            pub const ALL: &[(Self, &str, &str)] = &[$((Self::$kind, $name, $what)),+];
        }
    };
}

kinds! {
    RefuseConnections "refuse-connections" "A new connection is closed at once.",
    NotLeader "not-leader" "An append is answered that this node does not lead, with the leader's address.",
    CutBefore "cut-before" "The connection is cut, the append was not carried out.",
    CutAfter "cut-after" "The append is carried out, and the connection is cut without an answer.",
    HangBefore "hang-before" "The append is neither carried out nor answered.",
    HangAfter "hang-after" "The append is carried out and never answered.",
    TimeOutAfter "time-out-after" "The append is carried out and answered that it timed out.",
    Unavailable "unavailable" "An append is answered that the server is too busy; it was not carried out.",
    Twice "twice" "The append is carried out twice, as if the network had doubled it; the second answer is given.",
    NoPosition "no-position" "A repeated append is answered without its position.",
    RepeatFrames "repeat-frames" "A message of a subscription is sent twice.",
    LateCheckpoints "late-checkpoints" "A checkpoint names an event long before the last one that was sent.",
    EarlyCheckpoints "early-checkpoints" "A checkpoint stands before events that are sent only behind it.",
    LossyCheckpoints "lossy-checkpoints" "A checkpoint stands behind events that are never sent, as old servers did.",
    DropSubscriptions "drop-subscriptions" "A subscription ends with an error behind an event.",
    EndSubscriptions "end-subscriptions" "A subscription ends without an error behind an event.",
    NoSubscriptions "no-subscriptions" "A subscription is refused: the server is not ready.",
    BreakReads "break-reads" "A read ends with an error before its end.",
    Delay "delay" "An answer waits (ms, 20).",
    NoQuorum "no-quorum" "An append waits (ms, 2000) and times out; nobody leads.",
    Pause "pause" "A call waits until this is cleared, or for so long (ms).",
    LeaderDies "leader-dies" "The leader dies before it carries an append out, and the node that was dead comes back.",
    OldReads "old-reads" "Events of stream reads carry no positions, as servers before 22.10 send them.",
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).unwrap().1
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == text);
        found.map(|(kind, ..)| *kind).ok_or_else(|| format!("there is no fault `{text}`; see --help"))
    }
}

/// A fault, how often it strikes, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// It strikes every so many times that it could.
    pub every: u64,
    /// It strikes so many times and then no more.
    pub times: Option<u64>,
    pub lasting: Option<Duration>,
}

impl Fault {
    /// A fault that always strikes.
    #[must_use]
    pub const fn always(kind: Kind) -> Self {
        Self::every(kind, 1)
    }

    /// A fault that strikes every so many times that it could.
    #[must_use]
    pub const fn every(kind: Kind, every: u64) -> Self {
        Self { kind, every, times: None, lasting: None }
    }

    /// A fault that strikes the next so many times.
    #[must_use]
    pub const fn times(kind: Kind, times: u64) -> Self {
        Self { kind, every: 1, times: Some(times), lasting: None }
    }

    /// The same fault with a length of its own.
    #[must_use]
    pub const fn lasting(self, length: Duration) -> Self {
        Self { lasting: Some(length), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:every={}", self.kind.name(), self.every)?;
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        if let Some(length) = self.lasting {
            write!(f, ",ms={}", length.as_millis())?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let mut fault = Self::always(name.parse()?);
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let number = setting.split_once('=').and_then(|(key, value)| Some((key, value.parse::<u64>().ok()?)));
            match number {
                Some(("every", every)) if every > 0 => fault.every = every,
                Some(("times", times)) => fault.times = Some(times),
                Some(("ms", millis)) => fault.lasting = Some(Duration::from_millis(millis)),
                _ => return Err(format!("`{setting}` is none of every=N, times=N, ms=N")),
            }
        }
        Ok(fault)
    }
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u64,
    struck: u64,
}

/// The faults that are set.
#[derive(Debug)]
pub(super) struct Faults {
    rules: Mutex<Vec<Rule>>,
    /// False while no fault is set: nothing then costs a lock.
    any: AtomicBool,
    struck: AtomicU64,
    changed: watch::Sender<()>,
}

impl Faults {
    pub(super) fn new(faults: &[Fault]) -> Self {
        let new = Self {
            rules: Mutex::default(),
            any: AtomicBool::new(false),
            struck: AtomicU64::new(0),
            changed: watch::Sender::new(()),
        };
        for fault in faults {
            new.set(*fault);
        }
        new
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a fault beside those that are set.
    pub(super) fn set(&self, fault: Fault) {
        self.rules().push(Rule { fault, seen: 0, struck: 0 });
        self.any.store(true, Ordering::Release);
        self.changed.send_replace(());
    }

    /// Takes away the faults of a kind, or all of them.
    pub(super) fn clear(&self, kind: Option<Kind>) {
        let mut rules = self.rules();
        rules.retain(|rule| kind.is_some_and(|kind| rule.fault.kind != kind));
        self.any.store(!rules.is_empty(), Ordering::Release);
        drop(rules);
        self.changed.send_replace(());
    }

    /// Whether a fault strikes this time that it could; how long it lasts unless it says so itself.
    pub(super) fn strikes(&self, kind: Kind, usually: Duration) -> Option<Duration> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut lasting = None;
        for rule in self.rules().iter_mut().filter(|rule| rule.fault.kind == kind) {
            if rule.fault.times.is_some_and(|times| rule.struck >= times) {
                continue;
            }
            rule.seen += 1;
            if rule.seen.is_multiple_of(rule.fault.every) {
                rule.struck += 1;
                self.struck.fetch_add(1, Ordering::Relaxed);
                lasting = Some(rule.fault.lasting.unwrap_or(usually));
            }
        }
        lasting
    }

    /// How often any fault has struck.
    pub(super) fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// Whether a fault strikes this time that it could.
    pub(super) fn strike(&self, kind: Kind) -> bool {
        self.strikes(kind, Duration::ZERO).is_some()
    }

    /// Whether a fault of the kind is set that strikes always.
    pub(super) fn stands(&self, kind: Kind) -> bool {
        self.any.load(Ordering::Acquire)
            && self.rules().iter().any(|rule| {
                rule.fault.kind == kind
                    && rule.fault.every == 1
                    && rule.fault.times.is_none_or(|times| rule.struck < times)
            })
    }

    /// Waits until no fault of the kind is set any more, at most so long; whether it was cleared.
    pub(super) async fn cleared(&self, kind: Kind, at_most: Duration) -> bool {
        let mut changes = self.changed.subscribe();
        let cleared = async {
            while self.rules().iter().any(|rule| rule.fault.kind == kind) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(at_most, cleared).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        for (kind, ..) in Kind::ALL {
            let faults = [
                Fault::always(*kind),
                Fault::every(*kind, 7),
                Fault::times(*kind, 3).lasting(Duration::from_millis(250)),
            ];
            for fault in faults {
                assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
            }
        }
        assert_eq!("delay".parse::<Fault>(), Ok(Fault::always(Kind::Delay)));
    }

    #[test]
    fn what_is_no_fault_is_named() {
        for text in ["", "no-such", "delay:every=0", "delay:ms=soon", "delay:often"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let faults = Faults::new(&[Fault::every(Kind::CutAfter, 3), Fault::times(Kind::NotLeader, 2)]);
        let struck: Vec<bool> = (0..7).map(|_| faults.strike(Kind::CutAfter)).collect();
        assert_eq!(struck, [false, false, true, false, false, true, false]);
        let struck: Vec<bool> = (0..4).map(|_| faults.strike(Kind::NotLeader)).collect();
        assert_eq!(struck, [true, true, false, false]);
        assert!(!faults.strike(Kind::Delay));
        faults.clear(Some(Kind::CutAfter));
        assert!(!(0..7).any(|_| faults.strike(Kind::CutAfter)));
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_fault_is_cleared() {
        let faults = Faults::new(&[Fault::always(Kind::Pause)]);
        assert!(!faults.cleared(Kind::Pause, Duration::ZERO).await);
        let waits = faults.cleared(Kind::Pause, Duration::from_secs(60));
        let (cleared, ()) = tokio::join!(waits, async { faults.clear(None) });
        assert!(cleared);
    }
}

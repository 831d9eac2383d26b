//! The bar of a node that serves: down as soon as it is known that the log is not the one it was.
//!
//! While it is down every request is refused with the reason, nothing is appended, nothing is taken in from the log,
//! and nothing is done that one node does for all: it is as after a start beside such a log.
//!
//! It goes up again by itself in two cases, both of them safe because this process learned nothing from the other log:
//! - The servers were turned away when a connection was made, because they have another installation's log or none.
//!   Nothing was asked of them, so nothing was read there and nothing written. The right log is back, with the event in
//!   it that was seen last.
//! - A look found that an event or the record of the installation is missing, and the next looks find it where it was:
//!   servers that have just come back may for a moment not show all that they have. Nothing was taken in meanwhile.
//!
//! In every other case it stays down until the node is started again, even when the right log is back: what the store
//! remembers of the log's end and of its streams, and perhaps the read models, are then mixed from two logs, and a
//! start is what compares them from the beginning.

use std::fmt;
use std::sync::Arc;

use event_log::port::LogFault;
use tokio::sync::watch;

use super::Estranged;

/// Faults of the way to the log, which say nothing about what stands in it.
const OF_THE_WAY: [&str; 2] = ["LOG_TOO_OLD", "LOG_SETTINGS"];

/// Why a node serves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    code: &'static str,
    reason: String,
    weight: Weight,
}

/// What gives way to what: a reason never gives way to a lighter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It may pass by itself.
    Passing,
    /// A reader stopped before a fault of the log.
    Fault,
    /// The log was compared with what is shown.
    Compared,
}

impl Barred {
    /// The servers were turned away before anything was asked of them; `None` for every other fault.
    #[must_use]
    pub fn turned_away(fault: &LogFault) -> Option<Self> {
        let what = match fault {
            LogFault::ForeignInstallation { .. } => "the servers have the log of another installation",
            LogFault::NotInstalled => "the servers have no log",
            _ => return None,
        };
        let reason = format!("{what}: lead this node to its own log again, and it serves again by itself");
        Some(Self { code: fault.code(), reason, weight: Weight::Passing })
    }

    /// A reader has stopped for good before the fault with this code; `None` where that says nothing about the log.
    #[must_use]
    pub fn by_fault(code: &'static str) -> Option<Self> {
        let reason = "the log has a fault that a person must mend; mend it, then restart this node".to_owned();
        (!OF_THE_WAY.contains(&code)).then_some(Self { code, reason, weight: Weight::Fault })
    }

    /// The log seems not to hold what is shown.
    #[must_use]
    pub fn doubted(estranged: &Estranged) -> Self {
        let reason = format!("{}; it is looked at again in a few seconds", estranged.short());
        Self { code: estranged.code(), reason, weight: Weight::Passing }
    }

    /// The log does not hold what is shown.
    #[must_use]
    pub fn estranged(estranged: &Estranged) -> Self {
        let reason = format!("{}; when the right log is back, restart this node", estranged.short());
        Self { code: estranged.code(), reason, weight: Weight::Compared }
    }

    /// A name for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What anybody may be told: why, and what to do.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the log was compared and found to be another one: nothing more is to be found out.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.weight == Weight::Compared
    }

    /// Whether only a restart ends it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.weight > Weight::Passing
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.code, self.reason)
    }
}

/// The bar of one node. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Bar(Arc<watch::Sender<Option<Barred>>>);

impl Default for Bar {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Bar {
    /// Why nothing is served; `None` while everything is.
    #[must_use]
    pub fn barred(&self) -> Option<Barred> {
        self.0.borrow().clone()
    }

    /// Whether it is down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The same, as it changes.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<Option<Barred>> {
        self.0.subscribe()
    }

    /// Lets it down, or gives another reason unless the one that stands weighs more.
    pub fn lower(&self, barred: &Barred) {
        let changed = self.0.send_if_modified(|standing| {
            let stays = standing.as_ref().is_some_and(|now| now.weight > barred.weight || now == barred);
            if !stays {
                *standing = Some(barred.clone());
            }
            !stays
        });
        if changed {
            tracing::error!(log.fault = barred.code, "Serving nothing: {barred}");
        }
    }

    /// Lifts it where the reason may pass by itself. Whoever calls this has found the log to be what it was.
    pub fn lift(&self) {
        let lifted = self.0.send_if_modified(|standing| {
            let passes = standing.as_ref().is_some_and(|now| !now.is_final());
            if passes {
                *standing = None;
            }
            passes
        });
        if lifted {
            tracing::info!("The log is what it was; serving again");
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::envelope::Position;
    use uuid::Uuid;

    use super::*;

    fn estranged() -> Estranged {
        Estranged::BeyondEnd { what: "read models", reached: Position::new(7), head: 3 }
    }

    #[test]
    fn only_what_taught_this_process_nothing_passes_by_itself() {
        let foreign = LogFault::ForeignInstallation { expected: Uuid::nil(), found: Uuid::max() };
        for fault in [foreign, LogFault::NotInstalled] {
            let bar = Bar::default();
            bar.lower(&Barred::turned_away(&fault).unwrap());
            assert_eq!(bar.barred().unwrap().code(), fault.code());
            bar.lift();
            assert!(!bar.is_down(), "{fault}");
        }
        assert_eq!(Barred::turned_away(&LogFault::TimedOut), None);

        let bar = Bar::default();
        bar.lower(&Barred::doubted(&estranged()));
        bar.lift();
        assert!(!bar.is_down());
        bar.lower(&Barred::estranged(&estranged()));
        bar.lift();
        let barred = bar.barred().unwrap();
        assert!(barred.is_final() && barred.reason().contains("restart"), "{barred}");
    }

    #[test]
    fn a_reason_never_gives_way_to_a_lighter_one() {
        let bar = Bar::default();
        let (doubted, fault) = (Barred::doubted(&estranged()), Barred::by_fault("LOG_PROTOCOL").unwrap());
        bar.lower(&doubted);
        bar.lower(&fault);
        bar.lower(&doubted);
        assert_eq!(bar.barred(), Some(fault.clone()));
        bar.lower(&Barred::estranged(&estranged()));
        bar.lower(&fault);
        assert_eq!(bar.barred().unwrap().code(), "CHECKPOINT_BEYOND_LOG");
    }

    #[test]
    fn a_fault_of_the_way_to_the_log_bars_nobody() {
        assert!(Barred::by_fault("LOG_TOO_OLD").is_none() && Barred::by_fault("LOG_SETTINGS").is_none());
        assert!(Barred::by_fault("LOG_TRUNCATED").is_some_and(|barred| barred.is_final()));
    }
}

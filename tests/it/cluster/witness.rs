//! What the clients asked for and were told, kept in the memory of the test, which nobody kills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use domain::id::CommandId;

/// Everything that was asked for and answered.
#[derive(Debug, Default)]
pub(super) struct Witness {
    tried: Mutex<BTreeSet<CommandId>>,
    told: Mutex<BTreeMap<CommandId, Told>>,
    filed: Mutex<BTreeMap<String, Filed>>,
    referred: Mutex<BTreeMap<String, Referred>>,
    pub(super) counts: Counts,
}

/// What a command was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: u64,
    /// Of the stream it was carried out on; a filing's answer names none.
    pub(super) revision: Option<u64>,
}

/// What a case that was answered for must say for ever.
#[derive(Debug, Clone)]
pub(super) struct Filed {
    pub(super) number: String,
    pub(super) facts: String,
    pub(super) person: String,
}

/// How far the clients brought a referral.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Referred {
    /// The answer came that it was let go.
    pub(super) approved: bool,
    /// The answer came that the consent was withdrawn after that.
    pub(super) withdrawn: bool,
    /// A command of it was given up without an answer, so it may stand further on than is known.
    pub(super) uncertain: bool,
}

/// What happened how often, to be printed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) attempts: AtomicU64,
    /// Attempts that nobody answered: what became of them is not known.
    pub(super) silences: AtomicU64,
    /// Answers that say to ask again.
    pub(super) passing: AtomicU64,
    /// Answers that say that it had been carried out before.
    pub(super) repeated: AtomicU64,
    /// Commands that were given up without an answer.
    pub(super) given_up: AtomicU64,
    /// Questions to another node for what one had acknowledged.
    pub(super) read_elsewhere: AtomicU64,
    pub(super) stories: AtomicU64,
}

/// One more of these.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Witness {
    /// A command is about to be sent for the first time.
    pub(super) fn tries(&self, command: CommandId) {
        assert!(held(&self.tried).insert(command), "{command} is used twice by the test itself");
    }

    /// A command was answered.
    pub(super) fn is_told(&self, command: CommandId, told: Told) {
        assert!(held(&self.told).insert(command, told).is_none(), "{command} is answered twice to the test itself");
    }

    /// A case was answered for.
    pub(super) fn is_filed(&self, case: &str, filed: Filed) {
        held(&self.filed).insert(case.to_owned(), filed);
    }

    /// Notes more of a referral.
    pub(super) fn note(&self, referral: &str, change: impl FnOnce(&mut Referred)) {
        change(held(&self.referred).entry(referral.to_owned()).or_default());
    }

    /// Every command that was ever sent.
    pub(super) fn tried(&self) -> BTreeSet<CommandId> {
        held(&self.tried).clone()
    }

    /// Every command that was answered, with its answer.
    pub(super) fn told(&self) -> BTreeMap<CommandId, Told> {
        held(&self.told).clone()
    }

    /// How many commands were answered.
    pub(super) fn acknowledged(&self) -> usize {
        held(&self.told).len()
    }

    /// Every case that was answered for.
    pub(super) fn filed(&self) -> BTreeMap<String, Filed> {
        held(&self.filed).clone()
    }

    /// Every referral that was answered for.
    pub(super) fn referred(&self) -> BTreeMap<String, Referred> {
        held(&self.referred).clone()
    }

    /// The counts in one line.
    pub(super) fn summary(&self) -> String {
        let Counts { attempts, silences, passing, repeated, given_up, read_elsewhere, stories } = &self.counts;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{} stories; {} commands tried, {} acknowledged ({} of them found done before), {} given up; {} attempts, \
             {} without an answer, {} told to ask again; {} read at another node",
            of(stories),
            held(&self.tried).len(),
            self.acknowledged(),
            of(repeated),
            of(given_up),
            of(attempts),
            of(silences),
            of(passing),
            of(read_elsewhere),
        )
    }
}

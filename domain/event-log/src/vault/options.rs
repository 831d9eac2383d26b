//! How a vault is opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::memory::Stamp;
use crate::vault::held::Monotonic;

/// How often a shared vault is asked for destroyed keys, unless configured otherwise.
pub const REFRESH_DEFAULT: Duration = Duration::from_secs(5);
/// How long keys stay in memory while a shared vault does not answer, unless configured otherwise.
pub const STALE_AFTER_DEFAULT: Duration = Duration::from_secs(30);

/// Keys that are kept in memory, in each of two generations, where nobody says otherwise.
const CACHED_KEYS: usize = 16_384;

/// How a vault is opened.
#[derive(Clone)]
pub struct VaultOptions {
    /// The clock that stamps when a key was made and destroyed.
    pub stamp: Stamp,
    /// Makes a new vault where there is none. Without it a missing vault is an error: a new one beside an old log would
    /// make everybody in it unreadable.
    pub create: bool,
    /// Keys that are kept in memory, in each of two generations.
    pub cached_keys_max: usize,
}

impl VaultOptions {
    /// The defaults, with the clock to stamp with.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self { stamp, create: false, cached_keys_max: CACHED_KEYS }
    }
}

/// How a vault is opened whose keys lie elsewhere, for several nodes.
#[derive(Clone)]
pub struct SharedOptions {
    /// The clock that stamps when a key was made and destroyed.
    pub stamp: Stamp,
    /// Registers the master key with a vault that knows none yet, as `baycase init` does.
    pub create: bool,
    /// Keys that are kept in memory, in each of two generations.
    pub cached_keys_max: usize,
    /// How often the store is asked what was destroyed.
    pub refresh: Duration,
    /// How long keys stay in memory while it does not answer.
    pub stale_after: Duration,
    /// The clock by which that is measured.
    pub monotonic: Monotonic,
    /// Asks and forgets on threads of its own. Without it somebody calls [`refresh`](super::SubjectVault::refresh) and
    /// [`drop_stale`](super::SubjectVault::drop_stale), as tests with a clock of their own do.
    pub background: bool,
}

impl SharedOptions {
    /// The defaults, with the clock to stamp with.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            create: false,
            cached_keys_max: CACHED_KEYS,
            refresh: REFRESH_DEFAULT,
            stale_after: STALE_AFTER_DEFAULT,
            monotonic: Arc::new(Instant::now),
            background: true,
        }
    }
}

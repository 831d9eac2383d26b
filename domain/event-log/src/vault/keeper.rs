//! The two threads that keep a shared vault's memory in order.
//!
//! One asks for news; it may hang in a call for as long as the store bounds one. The other drops what is stale, on time
//! whatever the first one waits for. Both end when the vault is dropped, without being waited for.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::vault::held::Held;

/// Ends the threads when it is dropped.
#[derive(Debug)]
pub(super) struct Keeper(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    /// Waits so long; `true` as soon as the end is asked for.
    fn wait(&self, pause: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(asked, pause, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Keeper {
    /// Starts both threads; news are asked for every `refresh`.
    pub(super) fn start(held: &Arc<Held>, refresh: Duration) -> io::Result<Self> {
        let keeper = Self(Arc::default());
        run("vault-news", &keeper.0, held, refresh, move |held| {
            // A failure is logged where it is met, once.
            let _ = held.refresh();
            refresh
        })?;
        run("vault-stale", &keeper.0, held, refresh, move |held| {
            held.drop_stale();
            held.time_left().map_or(refresh, |left| left.min(refresh))
        })?;
        Ok(keeper)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.bell.notify_all();
    }
}

/// Runs `step` on a thread again and again, with the pause that it answers, for as long as the vault lives.
fn run(
    name: &str,
    stop: &Arc<Stop>,
    held: &Arc<Held>,
    mut pause: Duration,
    step: impl Fn(&Held) -> Duration + Send + 'static,
) -> io::Result<()> {
    let (stop, held): (_, Weak<Held>) = (Arc::clone(stop), Arc::downgrade(held));
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while !stop.wait(pause) {
            let Some(held) = held.upgrade() else { return };
            pause = step(&held);
        }
    })?;
    Ok(())
}

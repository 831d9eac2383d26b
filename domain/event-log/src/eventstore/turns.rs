//! One at a time for each key, within one process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Places<K> = HashMap<K, Arc<tokio::sync::Mutex<()>>>;

/// Who is at work on which key. A key that nobody works on takes no memory.
#[derive(Debug)]
pub(super) struct Turns<K> {
    places: Mutex<Places<K>>,
}

impl<K: Eq + Hash + Copy> Turns<K> {
    /// Nobody is at work.
    pub(super) fn new() -> Self {
        Self { places: Mutex::new(HashMap::new()) }
    }

    /// Waits until nobody else works on the key; it is taken until the turn is dropped.
    pub(super) async fn take(&self, key: K) -> Turn<'_, K> {
        let place = Arc::clone(self.places().entry(key).or_default());
        // Made before the wait: one who gives up waiting leaves nothing behind either.
        let mut turn = Turn { turns: self, key, held: None };
        turn.held = Some(place.lock_owned().await);
        turn
    }

    fn places(&self) -> MutexGuard<'_, Places<K>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to work on a key.
#[derive(Debug)]
pub(super) struct Turn<'a, K: Eq + Hash + Copy> {
    turns: &'a Turns<K>,
    key: K,
    held: Option<OwnedMutexGuard<()>>,
}

impl<K: Eq + Hash + Copy> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        let mut places = self.turns.places();
        self.held = None;
        // Whoever waits holds the place as well; only the map does when nobody is left.
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_works_on_a_key_at_a_time() {
        let turns = Arc::new(Turns::new());
        let at_work = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let (turns, at_work) = (Arc::clone(&turns), Arc::clone(&at_work));
            tasks.spawn(async move {
                let _turn = turns.take(7).await;
                assert_eq!(at_work.fetch_add(1, Ordering::Relaxed), 0);
                sleep(Duration::from_millis(10)).await;
                at_work.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let other = turns.take(8).await;
        tasks.join_all().await;
        assert_eq!(turns.places().len(), 1, "the other key is not held up");
        drop(other);
        assert!(turns.places().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let turns = Turns::new();
        let first = turns.take(1).await;
        assert!(timeout(Duration::from_secs(1), turns.take(1)).await.is_err());
        drop(first);
        assert!(turns.places().is_empty());
        assert!(timeout(Duration::from_secs(1), turns.take(1)).await.is_ok());
    }
}

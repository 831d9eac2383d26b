//! Who comes in at a listener: so many at once, and so many of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::Connections;

/// How often it is logged that somebody has to wait or is turned away; the metrics count each.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for the head of a request: for the first one from the beginning of the connection, for every further one
    /// from the end of the answer before it. Then the connection is closed.
    pub header_timeout: Duration,
    /// Connections at once, from 1. Whoever comes while all are taken waits in the system's queue.
    pub connections_max: u32,
    /// Connections at once of one address, or of one /64 network of IPv6. One more is closed at once.
    pub connections_per_address_max: u32,
}

/// The places of a listener, and who has them.
#[derive(Debug)]
pub struct Turnstile {
    name: &'static str,
    limits: Limits,
    places: Arc<Semaphore>,
    crowd: Mutex<Crowd>,
    open: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Crowd {
    by_network: HashMap<IpAddr, u32>,
    warned_at: Option<Instant>,
}

impl Turnstile {
    /// A listener with all its places free. The name stands in logs and metrics.
    #[must_use]
    pub fn new(name: &'static str, limits: Limits) -> Arc<Self> {
        let places = usize::try_from(limits.connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            name,
            limits,
            places: Arc::new(Semaphore::new(places)),
            crowd: Mutex::new(Crowd::default()),
            open: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        })
    }

    /// The name of the listener.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its bounds.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// What the metrics show of it.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections {
            open: self.open.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            timed_out: self.timed_out.load(Ordering::Relaxed),
        }
    }

    /// Lets an address in once more, unless it has as many connections as it may. What it returns is kept for as long
    /// as the connection.
    #[must_use]
    pub fn admit(self: &Arc<Self>, addr: IpAddr) -> Option<Ticket> {
        let network = network_of(addr);
        {
            let mut crowd = self.crowd();
            let inside = crowd.by_network.entry(network).or_insert(0);
            if *inside < self.limits.connections_per_address_max {
                *inside += 1;
                return Some(Ticket { turnstile: Arc::clone(self), network });
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        if self.is_time_to_warn() {
            // Without the address, which may be a person's.
            tracing::warn!(
                listener = self.name,
                "The listener `{}` turned away an address that has {} connections, as many as one may; a proxy is one \
                 address, for which `connections_per_address_max` is raised",
                self.name,
                self.limits.connections_per_address_max
            );
        }
        None
    }

    /// Waits for a free place.
    pub(super) async fn vacancy(&self) -> OwnedSemaphorePermit {
        if let Ok(vacancy) = Arc::clone(&self.places).try_acquire_owned() {
            return vacancy;
        }
        if self.is_time_to_warn() {
            tracing::warn!(
                listener = self.name,
                "The listener `{}` has {} connections, as many as it may; whoever comes now waits for one to end",
                self.name,
                self.limits.connections_max
            );
        }
        Arc::clone(&self.places).acquire_owned().await.expect("nobody closes this semaphore")
    }

    /// Takes a place.
    pub(super) fn enter(self: &Arc<Self>, vacancy: OwnedSemaphorePermit, ticket: Ticket) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { turnstile: Arc::clone(self), _vacancy: vacancy, _ticket: ticket }
    }

    /// Counts a connection that is closed because no request came in time.
    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nobody is inside.
    pub(super) async fn emptied(&self) {
        // Whoever has every place is alone.
        drop(self.places.acquire_many(self.limits.connections_max).await);
    }

    fn is_time_to_warn(&self) -> bool {
        let mut crowd = self.crowd();
        let is_time = crowd.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if is_time {
            crowd.warned_at = Some(Instant::now());
        }
        is_time
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom an address counts for. Every customer has a /64 of IPv6 at least, so a single address there means nothing.
fn network_of(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) => IpAddr::V4(addr),
        IpAddr::V6(addr) => {
            let [a, b, c, d, ..] = addr.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// One connection of an address, counted until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    turnstile: Arc<Turnstile>,
    network: IpAddr,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut crowd = self.turnstile.crowd();
        if let Entry::Occupied(mut inside) = crowd.by_network.entry(self.network) {
            let left = inside.get().saturating_sub(1);
            if left == 0 {
                inside.remove();
            } else {
                inside.insert(left);
            }
        }
    }
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    turnstile: Arc<Turnstile>,
    _vacancy: OwnedSemaphorePermit,
    _ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turnstile.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turnstile(connections_max: u32, connections_per_address_max: u32) -> Arc<Turnstile> {
        let header_timeout = Duration::from_secs(10);
        Turnstile::new("test", Limits { header_timeout, connections_max, connections_per_address_max })
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_at_its_limit_comes_in_and_one_past_it_does_not() {
        let turnstile = turnstile(9, 2);
        let (ours, other) = (addr("192.0.2.1"), addr("192.0.2.2"));
        let first = turnstile.admit(ours).unwrap();
        let second = turnstile.admit(ours);
        assert!(second.is_some());
        assert!(turnstile.admit(ours).is_none());
        assert!(turnstile.admit(other).is_some(), "another address has a count of its own");
        drop(first);
        assert!(turnstile.admit(ours).is_some());
        assert_eq!(turnstile.connections(), Connections { refused: 1, ..Connections::default() });
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let turnstile = turnstile(9, 2);
        drop([turnstile.admit(addr("192.0.2.1")), turnstile.admit(addr("192.0.2.1")), turnstile.admit(addr("::1"))]);
        assert!(turnstile.crowd().by_network.is_empty());
    }

    #[test]
    fn one_network_of_ipv6_is_one_address_and_so_is_ipv4_written_as_ipv6() {
        for (one, other, same) in [
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(network_of(addr(one)) == network_of(addr(other)), same, "{one} and {other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let turnstile = turnstile(1, 9);
        let ticket = turnstile.admit(addr("192.0.2.1")).unwrap();
        let place = turnstile.enter(turnstile.vacancy().await, ticket);
        assert_eq!(turnstile.connections().open, 1);
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, turnstile.vacancy()).await.is_err());
        assert!(tokio::time::timeout(hour, turnstile.emptied()).await.is_err());
        drop(place);
        drop(turnstile.vacancy().await);
        turnstile.emptied().await;
        assert_eq!(turnstile.connections().open, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_of_once_a_minute() {
        let turnstile = turnstile(1, 1);
        assert!(turnstile.is_time_to_warn());
        assert!(!turnstile.is_time_to_warn());
        tokio::time::advance(WARN_EVERY).await;
        assert!(turnstile.is_time_to_warn());
    }
}

//! Whether servers still use the cluster that is copied out of: their leases tell, also while nobody asks anything.
//!
//! A node that runs renews its leases after a third of their time to live. One that has crashed leaves them behind
//! unreleased, so what counts is that a record changes while it is watched; no clocks are compared.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use event_log::lease::{LeaseError, LeaseName, LeaseRecord, Leases};
use tokio::time::{Instant, sleep};

use crate::leases::{EXCHANGE_DELIVERY, EXCHANGE_PULL, EXCHANGE_SWEEP, PROCESS_MANAGER};

/// Every lease that a server tries for. As long as one node runs, the first of them is held.
const NAMES: [&str; 4] = [PROCESS_MANAGER, EXCHANGE_SWEEP, EXCHANGE_DELIVERY, EXCHANGE_PULL];
/// Looks within the time to live of a lease.
const LOOKS: u32 = 6;

/// A lease that somebody has written since it was first looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Renewed {
    name: LeaseName,
    holder: Box<str>,
}

/// Tells on stderr when a server still uses the cluster; watches for one time to live of its leases at most, and not at
/// all when every lease was given back. A warning and no refusal: what a server that nobody asks anything writes is not
/// part of the log. `ttl` must be that of the nodes, since a record does not say how long it holds.
pub(super) async fn warn(leases: &dyn Leases, ttl: Duration) {
    match renewed(leases, ttl).await {
        Ok(None) => {}
        Ok(Some(renewed)) => eprintln!("{}", warning(&renewed, crate::clock::now())),
        Err(error) => eprintln!(
            "warning: whether a server still uses the cluster cannot be told ({error}): make sure that every node is \
             stopped"
        ),
    }
}

fn warning(Renewed { name, holder }: &Renewed, at: DateTime<Utc>) -> String {
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!(
        "warning: the server `{holder}` still uses the cluster: it renewed the lease `{name}`, seen at {at}. What it \
         writes from now on is missing in the copy: stop every node, and before the copy is served run the same \
         command with --verify-only"
    )
}

/// The first lease that changes hands or is renewed within the time to live.
///
/// # Errors
/// A lease cannot be read.
async fn renewed(leases: &dyn Leases, ttl: Duration) -> Result<Option<Renewed>, LeaseError> {
    let before = look(leases).await?;
    let is_kept = |newest: &Option<LeaseRecord>| newest.as_ref().is_some_and(|newest| !newest.released);
    if !before.iter().any(|(_, newest)| is_kept(newest)) {
        return Ok(None);
    }
    let until = Instant::now() + ttl;
    while Instant::now() < until {
        sleep(ttl / LOOKS).await;
        for ((_, before), (name, now)) in before.iter().zip(look(leases).await?) {
            // One that is given back belongs to a server that stops.
            let changed = now.filter(|now| !now.released && Some(now) != before.as_ref());
            if let Some(LeaseRecord { holder, .. }) = changed {
                return Ok(Some(Renewed { name, holder }));
            }
        }
    }
    Ok(None)
}

/// Who holds a lease of the cluster, or held one when it crashed; nobody where that cannot be read.
pub(super) async fn holders(leases: &dyn Leases) -> Vec<Box<str>> {
    let mut holders: Vec<Box<str>> = Vec::new();
    for (_, newest) in look(leases).await.unwrap_or_default() {
        if let Some(LeaseRecord { holder, released: false, .. }) = newest
            && !holders.contains(&holder)
        {
            holders.push(holder);
        }
    }
    holders
}

/// The newest record of each lease.
async fn look(leases: &dyn Leases) -> Result<Vec<(LeaseName, Option<LeaseRecord>)>, LeaseError> {
    let mut found = Vec::with_capacity(NAMES.len());
    for name in NAMES {
        let name = LeaseName::parse(name).expect("the names of leases are lower-case words with hyphens");
        let newest = leases.read(&name).await?;
        found.push((name, newest));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event_log::lease::{LeaseKeeper, MemoryLeases};

    use super::*;

    const TTL: Duration = Duration::from_secs(15);

    /// Leases, and a node that holds one of them since a moment ago.
    async fn held() -> (Arc<MemoryLeases>, LeaseKeeper) {
        let leases = Arc::new(MemoryLeases::new());
        let name = LeaseName::parse(PROCESS_MANAGER).unwrap();
        let mut keeper = LeaseKeeper::new(Arc::clone(&leases) as Arc<dyn Leases>, name, "gz-1/7f".into(), TTL);
        keeper.step(Instant::now(), None).await.unwrap();
        (leases, keeper)
    }

    async fn keep(mut keeper: LeaseKeeper) {
        loop {
            sleep(TTL / 3).await;
            keeper.step(Instant::now(), None).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_only_keeps_its_lease_is_named_with_the_time() {
        let (leases, keeper) = held().await;
        let found = tokio::select! {
            found = renewed(&*leases, TTL) => found.unwrap().unwrap(),
            () = keep(keeper) => panic!("it keeps its lease for ever"),
        };
        let said = warning(&found, DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        for part in ["`gz-1/7f`", "`process-manager`", "2027-01-15T08:00:00Z", "stop every node", "--verify-only"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_a_crash_left_behind_is_watched_for_its_time_and_then_counts_for_nothing() {
        let (leases, keeper) = held().await;
        drop(keeper);
        let began = Instant::now();
        assert_eq!(renewed(&*leases, TTL).await.unwrap(), None);
        assert!(began.elapsed() >= TTL && began.elapsed() < TTL * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_not_given_its_lease_back_is_a_holder() {
        let (leases, mut keeper) = held().await;
        assert_eq!(holders(&*leases).await, [Box::<str>::from("gz-1/7f")]);
        keeper.release(None).await.unwrap();
        assert!(holders(&*leases).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_every_lease_was_given_back_nothing_is_waited_for() {
        let began = Instant::now();
        assert_eq!(renewed(&MemoryLeases::new(), TTL).await.unwrap(), None);
        let (leases, mut keeper) = held().await;
        keeper.release(None).await.unwrap();
        assert_eq!(renewed(&*leases, TTL).await.unwrap(), None);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

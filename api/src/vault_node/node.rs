//! A vault node at work: the file, and on a primary the standby that every write reaches too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{Answer, KeyRow, KeyStore as _, StoredKey};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::mirror::{Mirror, differences, local, take_over};
use super::wire::{Fault, FaultCode, Reply, Run};
use crate::config::VaultRole;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// What a vault node serves.
pub struct VaultNode {
    keys: Arc<FileKeys>,
    role: VaultRole,
    mirror: Option<Mirror>,
    /// On a standby: its primary has said that it holds everything.
    confirmed: AtomicBool,
    counts: Counts,
    /// Waits for what is being written.
    shutdown: Shutdown,
}

/// What was done since the start.
#[derive(Debug, Default)]
struct Counts {
    found: AtomicU64,
    made: AtomicU64,
    destroyed: AtomicU64,
    refused: AtomicU64,
}

impl VaultNode {
    pub(super) fn new(keys: Arc<FileKeys>, role: VaultRole, mirror: Option<Mirror>, shutdown: Shutdown) -> Self {
        Self { keys, role, mirror, confirmed: AtomicBool::new(false), counts: Counts::default(), shutdown }
    }

    /// Counts for those who watch the metrics. Whose keys they are is in none of them.
    pub fn observe(self: &Arc<Self>, metrics: &Metrics) {
        let number = |name, description, read: fn(&Self) -> u64| {
            let node = Arc::clone(self);
            metrics.observe_number(name, description, move || read(&node));
        };
        number("vault_node_keys_asked", "Keys that nodes have asked for", |node| load(&node.counts.found));
        number("vault_node_keys_written", "Keys that nodes have given to be written", |node| load(&node.counts.made));
        number("vault_node_keys_destroyed", "Keys that were destroyed", |node| load(&node.counts.destroyed));
        number("vault_node_refusals", "Requests that were refused", |node| load(&node.counts.refused));
        number("vault_node_in_step", "1 when primary and standby are known to hold the same keys", |node| {
            u64::from(node.is_in_step())
        });
    }

    /// On a primary whether its standby holds everything, on a standby whether it does itself. `false` without one.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        match self.role {
            VaultRole::Primary => self.standby_in_step(),
            VaultRole::Standby => self.confirmed.load(Ordering::Relaxed),
        }
    }

    /// Takes what is destroyed on the standby into the file of a primary, which may have been restored from an older
    /// backup. A standby that does not answer keeps no primary from serving.
    pub(super) async fn hear_of_destroyed(&self) {
        let (VaultRole::Primary, Some(mirror)) = (self.role, &self.mirror) else { return };
        if let Err(fault) = mirror.pull_destroyed(&self.keys).await {
            tracing::warn!("Serving without having heard what is destroyed on the standby: {fault}");
        }
    }

    /// Sees that the standby is in step, until it is told to stop. Ends at once where there is none.
    pub async fn keep_standby(&self, token: CancellationToken) {
        if let Some(mirror) = &self.mirror {
            mirror.run(&self.keys, token).await;
        }
    }

    /// One round of [`VaultNode::keep_standby`].
    #[cfg(test)]
    pub(super) async fn step(&self) -> Result<(), Fault> {
        match &self.mirror {
            Some(mirror) => mirror.step(&self.keys).await,
            None => Ok(()),
        }
    }

    pub(super) const fn keys(&self) -> &Arc<FileKeys> {
        &self.keys
    }

    pub(super) fn standby_in_step(&self) -> bool {
        self.mirror.as_ref().is_some_and(Mirror::in_step)
    }

    pub(super) fn refused(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reply<T>(&self, answer: Answer<T>) -> Reply<T> {
        Reply { as_of: answer.as_of.into(), standby_in_step: self.standby_in_step(), given: answer.given }
    }

    /// Only the primary takes what nodes write: two files that both take it would part for ever.
    pub(super) fn must_be_primary(&self) -> Result<(), Fault> {
        match self.role {
            VaultRole::Primary => Ok(()),
            VaultRole::Standby => {
                Err(Fault::new(FaultCode::NotPrimary, "this vault node is a standby; name the primary in `vault.url`"))
            }
        }
    }

    pub(super) fn must_be_standby(&self) -> Result<(), Fault> {
        match self.role {
            VaultRole::Standby => Ok(()),
            VaultRole::Primary => {
                Err(Fault::new(FaultCode::NotStandby, "this vault node is a primary; set its `vault_node.role`"))
            }
        }
    }

    /// A standby that may lack what was destroyed answers nobody.
    pub(super) fn must_know_everything(&self) -> Result<(), Fault> {
        if self.role == VaultRole::Primary || self.confirmed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Fault::new(FaultCode::NotInStep, "this standby has not heard from its primary that it holds everything"))
    }

    pub(super) async fn find(&self, subjects: Vec<SubjectId>) -> Result<Answer<Vec<Option<StoredKey>>>, Fault> {
        self.counts.found.fetch_add(u64::try_from(subjects.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        local(&self.keys, move |keys| keys.find(&subjects)).await
    }

    /// Registers the check value of a master key where there is none, here and on the standby; answers what stands.
    pub(super) async fn register(self: &Arc<Self>, value: Vec<u8>) -> Result<Vec<u8>, Fault> {
        self.apart(|node| async move { node.register_on_both(value).await }).await
    }

    async fn register_on_both(&self, value: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let stands = local(&self.keys, move |keys| keys.register_check_value(&value)).await?;
        if let Some(mirror) = &self.mirror {
            match mirror.agree_on_master(&self.keys).await {
                Err(fault) if mirror.required => return Err(fault),
                // It is brought there when the standby is back.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(stands)
    }

    /// Writes keys where there are none: on the standby first, whose word counts, then here.
    pub(super) async fn insert(self: &Arc<Self>, rows: Vec<KeyRow>) -> Result<Answer<Vec<StoredKey>>, Fault> {
        self.apart(|node| async move { node.insert_on_both(rows).await }).await
    }

    async fn insert_on_both(&self, rows: Vec<KeyRow>) -> Result<Answer<Vec<StoredKey>>, Fault> {
        self.counts.made.fetch_add(u64::try_from(rows.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let Some(mirror) = &self.mirror else { return local(&self.keys, move |keys| keys.merge(&rows)).await };
        let subjects: Vec<SubjectId> = rows.iter().map(|row| row.subject).collect();
        let asked = subjects.clone();
        let found = local(&self.keys, move |keys| keys.find(&asked)).await?;
        let missing: Vec<KeyRow> =
            rows.into_iter().zip(&found.given).filter(|(_, found)| found.is_none()).map(|(row, _)| row).collect();
        let (agreed, mirrored) = agree(mirror, missing).await?;
        let (standing, differing) = local(&self.keys, move |keys| {
            let stands = keys.merge(&agreed)?.given;
            Ok((keys.find(&subjects)?, differences(&agreed, &stands)))
        })
        .await?;
        // What stands here must be what the standby said stands there, or nobody may use it.
        if mirrored && !differing.is_empty() {
            return Err(mirror.differs(&differing));
        }
        let given = standing.given.into_iter().collect::<Option<Vec<StoredKey>>>();
        let given = given.ok_or_else(|| Fault::new(FaultCode::Internal, "a key that was written is not there"))?;
        Ok(Answer { given, as_of: standing.as_of })
    }

    /// Destroys a key here, then on the standby. What fails there is reported, and made good by itself later on.
    pub(super) async fn destroy(
        self: &Arc<Self>,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<Answer<DateTime<Utc>>, Fault> {
        self.apart(move |node| async move { node.destroy_on_both(subject, at).await }).await
    }

    async fn destroy_on_both(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, Fault> {
        let here = local(&self.keys, move |keys| keys.destroy(subject, at)).await;
        let at = here.as_ref().map_or(at, |answer| answer.given);
        if here.is_ok() {
            // Before the standby is asked: whoever restores a backup finds here what must be destroyed once more.
            tracing::info!(vault.subject = %subject, "Destroyed the key of subject `{subject}`");
        }
        let there = match &self.mirror {
            Some(mirror) => {
                let row = KeyRow { subject, created_at: at, key: StoredKey::Destroyed(at) };
                mirror.merge(&[row]).await.map(drop)
            }
            None => Ok(()),
        };
        let answer = here?;
        if there.is_err() {
            let message = "the key is destroyed here and not yet on the standby; destroy it once more";
            return Err(Fault::new(FaultCode::HalfDestroyed, message));
        }
        self.counts.destroyed.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// Does what changes both files on a task of its own, which a stop waits for. Whoever asked may hang up in the
    /// middle: what was done here would then never reach the standby, and both would go on saying that it had.
    async fn apart<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = work(Arc::clone(self));
        self.shutdown.spawn_named("vault-write", async move {
            // Nobody may wait for it any more.
            let _ = reply.send(work.await);
        });
        // A task that panicked has said so in the log.
        let broke_off = |_closed| Err(Fault::new(FaultCode::Internal, "an error of the vault node"));
        answer.await.unwrap_or_else(broke_off)
    }

    /// Takes rows of the primary, and its word on whether this file holds everything.
    pub(super) async fn merge(
        &self,
        rows: Vec<KeyRow>,
        in_step_with: Option<Run>,
    ) -> Result<Answer<Vec<StoredKey>>, Fault> {
        let (_, merged) = take_over(&self.keys, rows, "the primary").await?;
        self.confirmed.store(in_step_with == Some(Run(merged.as_of.run)), Ordering::Relaxed);
        Ok(merged)
    }
}

impl std::fmt::Debug for VaultNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultNode").field("keys", &self.keys).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Brings rows to the standby; answers them as they stand there, and whether they do.
async fn agree(mirror: &Mirror, mut rows: Vec<KeyRow>) -> Result<(Vec<KeyRow>, bool), Fault> {
    if rows.is_empty() {
        return Ok((rows, false));
    }
    match mirror.merge(&rows).await {
        Ok(stands) => {
            rows.iter_mut().zip(stands).for_each(|(row, stands)| row.key = stands);
            Ok((rows, true))
        }
        Err(fault) if mirror.required => Err(fault),
        // They are brought there when the standby is back.
        Err(_) => Ok((rows, false)),
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

//! How a primary keeps its standby in step.
//!
//! A key that is made is on the standby before it is on the primary, and what the standby says stands is what the
//! primary writes: so nobody is ever told of a key that one of the two does not hold, and of two makers the same one
//! wins on both. A key that is destroyed is destroyed here first, and counts as destroyed when both have done it.
//!
//! A primary that starts takes what is destroyed on its standby before it serves, if the standby answers: its own file
//! may have been restored from an older backup. That reads what is destroyed, and not every key.
//!
//! After a start of either side, and after a failure, both files are brought together page by page: each gets what the
//! other has, and what was destroyed anywhere is destroyed everywhere. Two different keys for one subject are never
//! settled by a program: data may be sealed under either. That takes a standby that served alone as a primary, or one
//! that `standby_required = false` left behind; it is reported until one of the files is moved away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::SubjectId;
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{Answer, KEYS_PER_CALL_MAX, KeyRow, KeyStore as _, KeyStoreError, StoredKey};
use tokio_util::sync::CancellationToken;

use super::link::{CallError, Link};
use super::wire::{
    Bytes, CheckRequest, Fault, FaultCode, MIRROR_CHECK_VALUE, MIRROR_MERGE, MIRROR_ROWS, MergeRequest, Reply, Row,
    RowsRequest, Run, Stored,
};

/// How often the standby hears of its primary, and how soon a failed one is tried again.
const STEP_EVERY: Duration = Duration::from_secs(2);
/// How soon two files are compared again that a person has to settle: that reads both from end to end.
const SETTLE_EVERY: Duration = Duration::from_secs(60);
/// Subjects with two different keys that one report names; the rest are counted.
const NAMED_MAX: usize = 10;

/// The primary's view of its standby.
pub(super) struct Mirror {
    link: Link,
    /// Whether keys are made only while the standby takes them too.
    pub(super) required: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The opening of the standby's file that we know.
    run: Option<Run>,
    in_step: bool,
    /// Failures and restarts so far: a comparison that one of them interrupted proves nothing.
    breaks: u64,
    /// The last failure, so that each is logged once.
    told: Option<String>,
}

impl Mirror {
    pub(super) fn new(link: Link, required: bool) -> Self {
        Self { link, required, state: Mutex::default() }
    }

    /// Whether the standby is known to hold everything.
    pub(super) fn in_step(&self) -> bool {
        self.state().in_step
    }

    /// Brings rows to the standby; answers what stands there for each.
    pub(super) async fn merge(&self, rows: &[KeyRow]) -> Result<Vec<StoredKey>, Fault> {
        let in_step_with = {
            let state = self.state();
            state.run.filter(|_| state.in_step)
        };
        let ask = MergeRequest { rows: rows.iter().cloned().map(Row::from).collect(), in_step_with };
        let merged = self.call::<_, Vec<Stored>>(MIRROR_MERGE, &ask).await?;
        if merged.len() != rows.len() {
            let what = format!("{} answers for {} rows", merged.len(), rows.len());
            return Err(self.broken(&CallError::Protocol { what }));
        }
        Ok(merged.into_iter().map(StoredKey::from).collect())
    }

    /// Sees again and again that the standby is in step.
    pub(super) async fn run(&self, keys: &Arc<FileKeys>, token: CancellationToken) {
        loop {
            let stepped = tokio::select! {
                () = token.cancelled() => return,
                stepped = self.step(keys) => stepped,
            };
            let pause = match stepped {
                Err(Fault { code: FaultCode::StandbyDiffers, .. }) => SETTLE_EVERY,
                Ok(()) | Err(_) => STEP_EVERY,
            };
            if let Err(fault) = stepped {
                self.tell(&fault);
            }
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Says that we are here when the standby is in step, and brings it in step when it is not.
    pub(super) async fn step(&self, keys: &Arc<FileKeys>) -> Result<(), Fault> {
        if self.in_step() {
            self.merge(&[]).await?;
            // The answer may have been another opening's.
            if self.in_step() {
                return Ok(());
            }
        }
        // The first contact tells which opening of the standby this is about.
        self.merge(&[]).await?;
        let breaks = self.state().breaks;
        self.agree_on_master(keys).await?;
        let mut differing = [self.pull(keys, false).await?, self.push(keys).await?].concat();
        differing.sort_unstable();
        differing.dedup();
        if !differing.is_empty() {
            return Err(differs(&differing));
        }
        {
            let mut state = self.state();
            if state.breaks != breaks {
                return Err(Fault::new(FaultCode::StandbyUnavailable, "the standby was interrupted; once more"));
            }
            state.in_step = true;
            state.told = None;
        }
        tracing::info!("The standby at `{}` is in step", self.link.place());
        self.merge(&[]).await.map(drop)
    }

    /// Both files belong to one installation, or one of them to none yet.
    pub(super) async fn agree_on_master(&self, keys: &Arc<FileKeys>) -> Result<(), Fault> {
        let ours = local(keys, FileKeys::check_value).await?;
        let ask = CheckRequest { value: ours.clone().map(Bytes) };
        let theirs: Option<Bytes> = self.call(MIRROR_CHECK_VALUE, &ask).await?;
        match (ours, theirs) {
            (None, Some(Bytes(theirs))) => {
                local(keys, move |keys| keys.register_check_value(&theirs)).await?;
                Ok(())
            }
            (Some(ours), Some(Bytes(theirs))) if ours != theirs => {
                let message = "the standby belongs to another installation; give it a folder of its own";
                Err(Fault::new(FaultCode::StandbyDiffers, message))
            }
            (Some(_), Some(_)) | (_, None) => Ok(()),
        }
    }

    /// Takes what is destroyed on the standby and not here.
    pub(super) async fn pull_destroyed(&self, keys: &Arc<FileKeys>) -> Result<(), Fault> {
        self.agree_on_master(keys).await?;
        self.pull(keys, true).await?;
        tracing::info!("The standby at `{}` has told what is destroyed", self.link.place());
        Ok(())
    }

    /// Takes what the standby has and we do not, or of that what is destroyed; answers whose keys differ.
    async fn pull(&self, keys: &Arc<FileKeys>, destroyed_only: bool) -> Result<Vec<SubjectId>, Fault> {
        let mut differing = Vec::new();
        let mut after = None;
        loop {
            let page: Vec<Row> = self.call(MIRROR_ROWS, &RowsRequest { after, destroyed_only }).await?;
            let rows: Vec<KeyRow> = page.into_iter().map(KeyRow::from).collect();
            let Some(last) = rows.last() else { return Ok(differing) };
            // A page that does not move on would have no end.
            if after.is_some_and(|after| last.subject <= after) {
                let what = "rows that are not in the order of their subjects".to_owned();
                return Err(self.broken(&CallError::Protocol { what }));
            }
            after = Some(last.subject);
            match take_over(keys, rows, "the standby").await {
                Ok((rows, merged)) => differing.extend(differences(&rows, &merged.given)),
                // They are destroyed, and nobody gets them any more; the comparison empties the older pages.
                Err(Fault { code: FaultCode::Lingering, .. }) if destroyed_only => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Brings what we have to the standby; answers whose keys differ.
    async fn push(&self, keys: &Arc<FileKeys>) -> Result<Vec<SubjectId>, Fault> {
        let limit = u32::try_from(KEYS_PER_CALL_MAX).unwrap_or(u32::MAX);
        let mut differing = Vec::new();
        let mut after = None;
        loop {
            let rows = local(keys, move |keys| keys.rows_after(after, limit)).await?;
            let Some(last) = rows.last() else { return Ok(differing) };
            after = Some(last.subject);
            let stands = self.merge(&rows).await?;
            differing.extend(differences(&rows, &stands));
        }
    }

    async fn call<A, B>(&self, path: &str, ask: &A) -> Result<B, Fault>
    where
        A: serde::Serialize + Sync,
        B: serde::de::DeserializeOwned,
    {
        match self.link.call::<A, Reply<B>>(path, ask).await {
            Ok(reply) => {
                self.heard(reply.as_of.run);
                Ok(reply.given)
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// A standby that was opened again may be another file, or an older one: it has to be compared anew.
    fn heard(&self, run: Run) {
        let mut state = self.state();
        if state.run != Some(run) {
            state.run = Some(run);
            state.in_step = false;
            state.breaks += 1;
        }
    }

    fn broken(&self, error: &CallError) -> Fault {
        let fault = Fault::new(
            FaultCode::StandbyUnavailable,
            format!("the standby of the vault node does not take it: {}", error.reason()),
        );
        let mut state = self.state();
        state.in_step = false;
        state.breaks += 1;
        drop(state);
        self.tell(&fault);
        fault
    }

    /// The standby holds another key for a subject: it is not in step, whatever was known before.
    pub(super) fn differs(&self, subjects: &[SubjectId]) -> Fault {
        let fault = differs(subjects);
        let mut state = self.state();
        state.in_step = false;
        state.breaks += 1;
        drop(state);
        self.tell(&fault);
        fault
    }

    /// Logs a failure, once as long as it stays the same.
    fn tell(&self, fault: &Fault) {
        let mut state = self.state();
        if state.told.as_deref() != Some(fault.message.as_str()) {
            tracing::error!("The standby at `{}` is not in step: {fault}", self.link.place());
            state.told = Some(fault.message.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works with the file, which blocks, where it may block.
pub(super) async fn local<T: Send + 'static>(
    keys: &Arc<FileKeys>,
    work: impl FnOnce(&FileKeys) -> Result<T, KeyStoreError> + Send + 'static,
) -> Result<T, Fault> {
    let keys = Arc::clone(keys);
    match tokio::task::spawn_blocking(move || work(&keys)).await {
        Ok(done) => Ok(done?),
        Err(error) => {
            tracing::error!(%error, "A task on the vault's file broke off");
            Err(Fault::new(FaultCode::Internal, "an error of the vault node"))
        }
    }
}

/// Takes rows of the other vault node into the file, and logs how many keys that has destroyed here. Whose they were is
/// in the log of the node that was asked to.
pub(super) async fn take_over(
    keys: &Arc<FileKeys>,
    rows: Vec<KeyRow>,
    of: &'static str,
) -> Result<(Vec<KeyRow>, Answer<Vec<StoredKey>>), Fault> {
    let (rows, merged, destroyed) = local(keys, move |keys| {
        let mut destroyed = 0;
        let merged = keys.merge_telling(&rows, |count| destroyed = count);
        Ok((rows, merged, destroyed))
    })
    .await?;
    if destroyed > 0 {
        let of_rows = rows.len();
        tracing::info!(
            vault.destroyed = destroyed,
            "Destroyed {destroyed} keys here that were destroyed on {of}, of {of_rows} it has sent"
        );
    }
    Ok((rows, merged?))
}

/// The subjects for which two different keys live.
pub(super) fn differences(rows: &[KeyRow], stands: &[StoredKey]) -> Vec<SubjectId> {
    let differs = |(row, stands): (&KeyRow, &StoredKey)| match (&row.key, stands) {
        (StoredKey::Wrapped(one), StoredKey::Wrapped(other)) if one != other => Some(row.subject),
        _ => None,
    };
    rows.iter().zip(stands).filter_map(differs).collect()
}

fn differs(subjects: &[SubjectId]) -> Fault {
    let named: Vec<String> = subjects.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let message = format!(
        "the standby has other keys for {} subjects ({}); keep both files, find out which one served, and give the \
         other node an empty folder",
        subjects.len(),
        named.join(", ")
    );
    Fault::new(FaultCode::StandbyDiffers, message)
}

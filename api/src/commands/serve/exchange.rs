//! The exchange with partner councils as a server runs it: the council's node, the workers, and the partners' door.

mod keys;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use cross_border::council::{Council, SweepReport};
use cross_border::delivery::DeliveryState;
use cross_border::delivery::client::Identity;
use cross_border::delivery::puller::Puller;
use cross_border::delivery::worker::{Worker, WorkerOptions};
use cross_border::evidence::{ClamdScanner, EvidenceLimits, EvidenceStore};
use cross_border::index::{DeliveryFilter, IndexError, ROWS_MAX, ReferralIndex};
use cross_border::partner::{PartnerId, PartnerRegister};
use cross_border::peer::Directory;
use cross_border::security::{PER_MINUTE, SecurityJournal};
use domain::id::UnitId;
use event_log::vault::SubjectVault;
use projections::ReadModels;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::keys::keys;
use super::opening::Opened;
use crate::commands::Failure;
use crate::config::{Config, ConfigError, LogEngine, PartnerConfig};
use crate::data_dir::DataDir;
use crate::edge::EdgeLimits;
use crate::leases::{Duties, EXCHANGE_DELIVERY, EXCHANGE_PULL, EXCHANGE_SWEEP, Turn};
use crate::listen::TcpArrivals;
use crate::log::OpenedLog;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::partner::tls::{TlsError, TlsFiles, TlsListener, server_config};
use crate::partner::{self, PartnerEdge, PartnerRate, SharedNonces};
use crate::shutdown::Shutdown;

/// How often the outbox is counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Longest time of an exchange that carries a file, unless the ordinary one is longer.
const EVIDENCE_TIMEOUT: Duration = Duration::from_mins(2);

/// What the work between councils is done under: of several nodes, one at a time does each piece of it.
pub(super) struct Work<'a> {
    pub(super) duties: &'a Duties,
    pub(super) node: &'a Node,
}

/// Opens the node of the configured council over the log and the vault.
pub(super) fn open(dir: &DataDir, config: &Config, opened: &Opened) -> Result<Arc<Council>, Failure> {
    let (Opened { vault, index, .. }, log) = (opened, opened.port());
    let own = config.own_council()?;
    let now: crate::app::Now = Arc::new(crate::clock::now);
    let unit = UnitId::parse(own.id.as_str())?;
    let journal = SecurityJournal::new(Arc::clone(&log), Arc::clone(&now), PER_MINUTE).in_the_name_of(unit);
    let (keys, directory) = (keys(dir, config)?, Directory::new(own.id.clone(), config.partner.peers.clone())?);
    directory.check_own(&keys)?;
    tell_of_unreachable(&directory, &own.id);
    let council = Council {
        own: own.id.clone(),
        log,
        vault: Arc::clone(vault),
        keys: Arc::new(keys),
        directory: Arc::new(directory),
        index: index.clone(),
        evidence: evidence(dir, config, vault),
        journal,
        now,
    };
    Ok(Arc::new(council))
}

/// Says at the start what would show only once a dispute is referred there.
fn tell_of_unreachable(directory: &Directory, own: &PartnerId) {
    let others = PartnerRegister::builtin().partners().iter().map(|partner| &partner.id).filter(|id| *id != own);
    let absent: Vec<&str> = others.filter(|id| directory.peer(id).is_none()).map(PartnerId::as_str).collect();
    if absent.is_empty() {
        return;
    }
    let absent = absent.join(", ");
    if directory.peers().is_empty() {
        tracing::info!("No partner is entered ([[partner.peer]]): what is referred to {absent} cannot be brought");
    } else {
        tracing::warn!(
            "No [[partner.peer]] is entered for {absent}: what is referred there cannot be brought, and is given up"
        );
    }
}

fn evidence(dir: &DataDir, config: &Config, vault: &Arc<SubjectVault>) -> EvidenceStore {
    let (root, vault, limits) = (dir.evidence_dir(config), Arc::clone(vault), EvidenceLimits::default());
    match &config.partner.clamd {
        Some(addr) => EvidenceStore::with_scanner(root, vault, limits, Arc::new(ClamdScanner::new(addr.clone()))),
        None => EvidenceStore::new(root, vault, limits),
    }
}

/// Warns when nobody would see what partners send: the unit of the council is made by `baycase init`.
pub(super) fn check_unit(council: &Council, models: &ReadModels) -> Result<(), Failure> {
    let unit = council.own_unit();
    if models.unit(&unit)?.is_none() {
        tracing::warn!(
            unit.id = %unit,
            "Unit `{unit}` is not registered: nobody sees what partners send; run `baycase init` on this folder again"
        );
    }
    Ok(())
}

/// Begins to deliver, to fetch, and to look for what falls due, each while this node holds the lease for it.
pub(super) fn run(
    shutdown: &Shutdown,
    council: &Arc<Council>,
    config: &Config,
    dir: &DataDir,
    work: &Work<'_>,
) -> Result<(), Failure> {
    let options = worker_options(config, work.node)?;
    // Made once before their first turn, so that what cannot be used is told at the start.
    let mut puller = Some(Puller::new(council, &options, dir.root())?);
    let mut worker = Some(Worker::new(Arc::clone(council), options.clone())?);
    let (of_worker, for_worker) = (Arc::clone(council), options.clone());
    hold(shutdown, "delivery", EXCHANGE_DELIVERY, work.duties, move |turn| {
        let worker = worker.take().map_or_else(|| Worker::new(Arc::clone(&of_worker), for_worker.clone()), Ok);
        async move {
            match worker {
                Ok(worker) => worker.run(turn.stop).await,
                Err(error) => tracing::error!(error = %error, "Nothing can be delivered"),
            }
        }
    });
    if config.partner.peers.iter().any(|peer| peer.pull) {
        let (of_puller, folder) = (Arc::clone(council), dir.root().to_owned());
        hold(shutdown, "pull", EXCHANGE_PULL, work.duties, move |turn| {
            let puller = puller.take().map_or_else(|| Puller::new(&of_puller, &options, &folder), Ok);
            async move {
                match puller {
                    Ok(puller) => puller.run(turn.stop).await,
                    Err(error) => tracing::error!(error = %error, "Nothing can be fetched"),
                }
            }
        });
    }
    let (of_sweep, every) = (Arc::clone(council), config.partner.sweep());
    let alarm_every = Duration::from_millis(config.partner.alarm_every_ms);
    hold(shutdown, "sweep", EXCHANGE_SWEEP, work.duties, move |turn| {
        sweep(Arc::clone(&of_sweep), every, SweepLog::new(alarm_every), turn.stop)
    });
    Ok(())
}

/// Runs a task that works whenever this node holds a lease.
fn hold<W, F>(shutdown: &Shutdown, task: &'static str, lease: &'static str, duties: &Duties, work: W)
where
    W: FnMut(Turn) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (duties, token) = (duties.clone(), shutdown.token());
    shutdown.spawn_named(task, async move { duties.run(lease, token, work).await });
}

fn worker_options(config: &Config, node: &Node) -> Result<WorkerOptions, Failure> {
    let partner = &config.partner;
    let millis = Duration::from_millis;
    let holder = match config.log.engine {
        // There is one process, so what an earlier start of it was trying is nobody's: it is taken up at once.
        LogEngine::Sqlite => format!("delivery-{}", config.council.id),
        LogEngine::EventStoreDb => node.holder.to_string(),
    };
    Ok(WorkerOptions {
        holder,
        lease: millis(partner.lease_ms),
        base: millis(partner.base_ms),
        max: millis(partner.max_ms),
        attempts_max: partner.attempts_max,
        give_up_after: Duration::from_secs(u64::from(partner.give_up_hours) * 3_600),
        breaker_failures: partner.breaker_failures,
        breaker_open: millis(partner.breaker_open_ms),
        alarm_every: millis(partner.alarm_every_ms),
        timeout: partner.timeout(),
        evidence_timeout: partner.timeout().max(EVIDENCE_TIMEOUT),
        poll_every: millis(partner.poll_ms),
        identity: identity(config)?,
        ..WorkerOptions::default()
    })
}

fn identity(config: &Config) -> Result<Option<Identity>, ConfigError> {
    let partner = &config.partner;
    let (Some(certificate), Some(key)) = (&partner.client_certificate_file, &partner.client_key_file) else {
        return Ok(None);
    };
    let read = |name, file: &Path| std::fs::read(file).map_err(|error| config.unusable(name, file, error));
    let mut pem = read("partner.client_certificate_file", certificate)?;
    pem.push(b'\n');
    pem.extend(read("partner.client_key_file", key)?);
    Ok(Some(Identity::from_pem(pem)))
}

/// Carries out what falls due by itself, again and again, until it is told to stop. One sweep that is cut off is made
/// again.
async fn sweep(council: Arc<Council>, every: Duration, mut log: SweepLog, stop: CancellationToken) {
    loop {
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = council.sweep() => swept,
        };
        match swept {
            Ok(report) => log.tell(report),
            Err(error) => tracing::error!(error = %error, "What has fallen due could not be looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// What the log is told of sweeps: what was done always, what merely waits when it changes, and what waits for a person
/// again and again.
struct SweepLog {
    alarm_every: Duration,
    /// What waited at the last sweep, and what of it for a person.
    waited: (u32, u32),
    alarmed: Option<Instant>,
}

impl SweepLog {
    const fn new(alarm_every: Duration) -> Self {
        Self { alarm_every, waited: (0, 0), alarmed: None }
    }

    fn tell(&mut self, report: SweepReport) {
        let waits = (report.waiting, report.held);
        let before = std::mem::replace(&mut self.waited, waits);
        if waits != before || (SweepReport { waiting: 0, held: 0, ..report }) != SweepReport::default() {
            tracing::info!(?report, "Carried out what had fallen due");
        }
        if report.held == 0 {
            self.alarmed = None;
        } else if self.is_due(report.held > before.1) {
            self.alarmed = Some(Instant::now());
            tracing::error!(
                referrals = report.held,
                "Data that should be gone wait for a person: end the referrals, or order the erasure (`eraseReferral`)"
            );
        }
    }

    fn is_due(&self, more: bool) -> bool {
        more || self.alarmed.is_none_or(|at| at.elapsed() >= self.alarm_every)
    }
}

/// The partners' routes, with the configured limits, and the table of used signatures that all nodes of the log share.
pub(super) fn door(
    council: &Arc<Council>,
    config: &Config,
    dir: &DataDir,
    shutdown: &Shutdown,
    log: &OpenedLog,
) -> Router {
    let partner = &config.partner;
    let limits = EdgeLimits {
        body_bytes_max: partner.body_bytes_max,
        request_timeout: partner.timeout(),
        ..EdgeLimits::default()
    };
    let edge = PartnerEdge {
        public_url: partner.public_url.clone(),
        limits,
        evidence_timeout: partner.timeout().max(EVIDENCE_TIMEOUT),
        rate: PartnerRate::per_minute(partner.requests_per_minute),
        signatures_file: Some(dir.signatures_path()),
        shutdown: shutdown.token(),
        nonces: log.nonces().map(SharedNonces::new),
        ..PartnerEdge::default()
    };
    partner::router(Arc::clone(council), edge)
}

/// Why there is no listener for partners; the cause names the file.
#[derive(Debug, Error)]
#[error("no listener can be made of partner.tls_certificate_file, partner.tls_key_file and partner.client_ca_file")]
struct ListenerError(#[source] TlsError);

/// The partners' own listener, over TLS.
pub(super) fn over_tls(partner: &PartnerConfig, tcp: TcpArrivals) -> Result<TlsListener, Failure> {
    let (Some(certificate), Some(key), Some(client_ca)) =
        (&partner.tls_certificate_file, &partner.tls_key_file, &partner.client_ca_file)
    else {
        return Err("partner.listen needs partner.tls_certificate_file, tls_key_file and client_ca_file".into());
    };
    let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca: client_ca.clone() };
    let tls = server_config(&files).map_err(ListenerError)?;
    Ok(TlsListener::new(tcp, tls))
}

/// Counts what waits and what was given up, for those who watch the metrics.
pub(super) fn count(shutdown: &Shutdown, index: &ReferralIndex, metrics: &Metrics) {
    let counts = Arc::new(Counts::default());
    let (waiting, dead) = (Arc::clone(&counts), Arc::clone(&counts));
    metrics.observe_number("partner_outbox_messages", "Messages to partners without a receipt", move || {
        waiting.waiting.load(Ordering::Relaxed)
    });
    metrics.observe_number("partner_dead_letters", "Messages to partners that were given up", move || {
        dead.dead.load(Ordering::Relaxed)
    });
    let (index, token) = (index.clone(), shutdown.token());
    shutdown.spawn_named("partner-counts", async move {
        loop {
            let (of_task, counts) = (index.clone(), Arc::clone(&counts));
            match tokio::task::spawn_blocking(move || counts.take(&of_task)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error = %error, "The outbox cannot be counted"),
                Err(error) => tracing::warn!(error = %error, "Counting the outbox broke off"),
            }
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
        }
    });
}

#[derive(Debug, Default)]
struct Counts {
    /// At most [`ROWS_MAX`] of each state: beyond that the exact number helps nobody.
    waiting: AtomicU64,
    dead: AtomicU64,
}

impl Counts {
    fn take(&self, index: &ReferralIndex) -> Result<(), IndexError> {
        let mut waiting: u64 = 0;
        for state in [DeliveryState::Pending, DeliveryState::Leased] {
            let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
            let rows = index.deliveries(&filter, None, ROWS_MAX)?;
            waiting = waiting.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        }
        self.waiting.store(waiting, Ordering::Relaxed);
        self.dead.store(index.dead_letters()?, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_person_is_told_again_after_a_while() {
        let mut log = SweepLog::new(Duration::from_secs(60));
        log.tell(SweepReport { held: 1, ..SweepReport::default() });
        assert!(log.is_due(true) && !log.is_due(false));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(log.is_due(false));
    }
}

//! `baycase serve`: the API over a data folder.

mod barred;
mod duties;
mod exchange;
mod guarded;
mod listening;
mod opening;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use clap::Args;
use cross_border::index::IndexFollower;
use projections::Follower;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use self::guarded::GuardedReader;
use self::listening::{Addresses, Listeners};
use self::opening::Opened;
use self::watching::Watched;
use super::{Failure, Global};
use crate::admin::{self, Readiness};
use crate::app::{App, PageLimits};
use crate::auth::Verifier;
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;
use crate::edge;
use crate::evidence_routes;
use crate::gatekeeper::TokenGate;
use crate::graphql;
use crate::leases::Duties;
use crate::limiter::Limiter;
use crate::log::OpenedLog;
use crate::metrics::{Lag, Metrics};
use crate::node::Node;
use crate::origin::bar::Bar;
use crate::shutdown::Shutdown;
use crate::telemetry;

pub use self::listening::ListenError;
pub(crate) use self::listening::{ADMIN, bind, serve_until};

/// What must hold for this node to serve.
const CONDITIONS: [&str; 4] = ["log", "projections", "referrals", "accepting"];

/// Serve the API.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase serve --data /var/lib/baycase --config baycase.toml\n  baycase serve --dev --listen 127.0.0.1:0\n\nWithout an issuer's keys (auth.jwks_file or auth.jwks_url) the server does not start, unless --dev is given."
)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Where to serve /livez, /readyz and /metrics; port 0 takes a free one and prints it.
    #[arg(long)]
    pub admin_listen: Option<SocketAddr>,
    /// Accept tokens of a development key in the data folder, made if missing, and answer introspection.
    #[arg(long)]
    pub dev: bool,
}

/// Serves until it is told to stop.
///
/// # Errors
/// Something that the server needs cannot be opened; the text says what to do.
pub async fn run(global: &Global, mut config: Config, args: ServeArgs) -> Result<(), Failure> {
    if let Some(listen) = args.listen {
        config.server.listen = listen;
        config.given_by_flag("server.listen");
    }
    if let Some(listen) = args.admin_listen {
        config.server.admin_listen = listen;
        config.given_by_flag("server.admin_listen");
    }
    // Before anything is made of it, so that what is wrong is told with its key and its file.
    let warnings = config.validate()?;
    let telemetry = telemetry::init(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let server = start_with(global, config, args.dev, true).await?;
    println!("listening on http://{}", server.addr);
    println!("admin on http://{}", server.admin_addr);
    if let Some(addr) = server.partner_addr {
        println!("partners on https://{addr}");
    }
    server.wait().await?;
    telemetry.shutdown().await;
    Ok(())
}

/// A running server.
pub struct Server {
    /// Where GraphQL answers.
    pub addr: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub admin_addr: SocketAddr,
    /// Where partners come in over TLS, when they have a listener of their own; else `addr` serves them too.
    pub partner_addr: Option<SocketAddr>,
    running: Running,
}

/// What ends in order, also when a start fails midway.
struct Running {
    shutdown: Shutdown,
    grace: std::time::Duration,
    log: OpenedLog,
    /// None where nothing is shown.
    followers: Option<Followers>,
    readiness: Readiness,
}

/// What keeps up with the log.
#[derive(Debug)]
struct Followers {
    models: Follower,
    index: IndexFollower,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr)
            .field("admin_addr", &self.admin_addr)
            .field("partner_addr", &self.partner_addr)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Serves until a signal to stop, then lets what is under way end.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub async fn wait(self) -> Result<(), Failure> {
        self.running.shutdown.begun().await;
        self.stop().await
    }

    /// Stops: no new requests, those under way may end within the grace time, then the log is closed.
    ///
    /// # Errors
    /// None today; the signature leaves room for a store that can fail to close.
    pub async fn stop(self) -> Result<(), Failure> {
        self.running.stop().await
    }
}

impl Running {
    async fn stop(self) -> Result<(), Failure> {
        tracing::info!("Stopping");
        self.readiness.withdraw("accepting", "stopping");
        if let Err(running) = self.shutdown.drain(self.grace).await {
            tracing::warn!(tasks = ?running.tasks, "Stopped without waiting any longer for tasks under way");
        }
        let followers = self.followers;
        let stopped = spawn_blocking(move || {
            if let Some(Followers { models, index }) = followers {
                models.stop();
                index.stop();
            }
        });
        match &self.log {
            // Not before everybody who reads it has ended.
            OpenedLog::Sqlite(_) => {
                stopped.await?;
                self.log.close().await;
            }
            // A read under way may wait for servers that are gone: closing ends it.
            OpenedLog::EventStore(_) => {
                self.log.close().await;
                stopped.await?;
            }
        }
        tracing::info!("Stopped");
        Ok(())
    }
}

/// Opens everything and begins to serve.
///
/// # Errors
/// Something that the server needs cannot be opened; the text says what to do.
pub async fn start(global: &Global, config: Config, dev: bool) -> Result<Server, Failure> {
    start_with(global, config, dev, false).await
}

async fn start_with(global: &Global, config: Config, dev: bool, signals: bool) -> Result<Server, Failure> {
    let dir = DataDir::new(&global.data);
    // Before a development key is made: in a folder that was named by mistake it would sign tokens.
    opening::find_log(&dir, &config)?;
    // Who may come in is settled before anything is opened.
    let verifier = Verifier::from_config(&config.auth, dir.root(), dev)?;
    verifier.refresh_keys().await?;
    let node = Node::of(&config.node, crate::clock::now());
    let opened = Box::pin(opening::open(&dir, &config)).await?;
    let mut running = Running {
        shutdown: if signals { Shutdown::listen()? } else { Shutdown::new() },
        grace: config.server.shutdown_grace(),
        log: opened.log.clone(),
        followers: None,
        readiness: Readiness::expecting(&CONDITIONS),
    };
    match Box::pin(begin(&mut running, opened, (&dir, &config), &node, (dev, verifier))).await {
        Ok(Addresses { addr, admin_addr, partner_addr }) => Ok(Server { addr, admin_addr, partner_addr, running }),
        Err(error) => {
            // What has begun all the same gives its leases back, instead of letting them run out.
            if let Err(broken) = running.stop().await {
                tracing::warn!(error = %broken, "Stopping after a start that failed broke off");
            }
            Err(error)
        }
    }
}

/// Begins to serve what was opened. What may fail comes first: no work is begun by a node that nobody can reach.
async fn begin(
    running: &mut Running,
    opened: Opened,
    (dir, config): (&DataDir, &Config),
    node: &Node,
    (dev, verifier): (bool, Verifier),
) -> Result<Addresses, Failure> {
    if let Err(estranged) = opening::check(dir, &opened).await? {
        return barred::begin(running, config, &estranged).await;
    }
    let council = exchange::open(dir, config, &opened)?;
    let followers = running.followers.insert(follow(&opened, config)?);
    let (lag, states) = (followers.models.lag(), [followers.models.state(), followers.index.state()]);
    opening::catch_up(&opened).await?;
    exchange::check_unit(&council, &opened.models)?;
    let port = opened.port();
    let Opened { log, bar, vault, models, index } = opened;
    let app = App {
        log: port,
        models: models.clone(),
        vault,
        now: Arc::new(crate::clock::now),
        pages: PageLimits { default: config.graphql.page_default, max: config.graphql.page_max },
        lag,
        seat: config.council.region(council.place()),
        council,
    };
    let Running { shutdown, readiness, .. } = &*running;
    let (fit, streams) = (Arc::new(watch::Sender::new(true)), shutdown.token());
    let watched = Watched { models, index, bar: bar.clone(), fit, states, streams: streams.clone() };
    let duties = leases(&log, node, config, &watched);
    let metrics = metrics(config, &log, &app, (&duties, &bar))?;
    let listeners = Listeners::bind(&metrics, config).await?;
    let addresses = listeners.addresses()?;
    watching::start(shutdown, readiness, &log, watched);
    // It refuses what it cannot use before it begins anything.
    exchange::run(shutdown, &app.council, config, dir, &exchange::Work { duties: &duties, node })?;
    duties::process_manager(shutdown, &app, &duties, &log, dir);
    let doors = (listeners, bar.clone(), streams);
    answer(shutdown, (config, dir), dev, app, verifier, (&log, metrics, readiness), doors);
    barred::watch(shutdown, readiness, &bar);
    let addr = addresses.addr;
    tracing::info!(server.addr = %addr, node.name = %node.name, node.holder = %node.holder, "Serving on {addr}");
    Ok(addresses)
}

/// Begins to keep the read models and the index up to date.
fn follow(opened: &Opened, config: &Config) -> Result<Followers, Failure> {
    let Opened { log, bar, models, index, .. } = opened;
    let appended = log.port().appended();
    let reader = || -> Result<_, Failure> { Ok(GuardedReader::new(log.reader()?, bar.clone())) };
    let models = Follower::start(
        reader()?,
        appended.clone(),
        models.clone(),
        config.projections.poll(),
        config.projections.batch_events_max,
        Arc::new(crate::clock::now),
    )?;
    let index = IndexFollower::start(reader()?, appended, index.clone(), config.projections.poll())?;
    Ok(Followers { models, index })
}

/// The leases of this node. One of several stands aside once it has stopped following, or is barred; the only one has
/// nobody to stand aside for.
fn leases(log: &OpenedLog, node: &Node, config: &Config, watched: &Watched) -> Duties {
    let duties = Duties::new(guarded::leases(log, &watched.bar), node.holder.clone(), config.node.lease_ttl());
    match log.engine() {
        LogEngine::Sqlite => duties,
        LogEngine::EventStoreDb => duties.while_fit(watched.fit.subscribe()),
    }
}

/// Begins to answer at every listener what is not barred. `streams` ends the answers that have no end.
fn answer(
    shutdown: &Shutdown,
    (config, dir): (&Config, &DataDir),
    dev: bool,
    app: App,
    verifier: Verifier,
    (log, metrics, readiness): (&OpenedLog, Arc<Metrics>, &Readiness),
    (listeners, bar, streams): (Listeners, Bar, CancellationToken),
) {
    exchange::count(shutdown, &app.council.index, &metrics);
    crate::vault_node::observe(&metrics, &app.vault);
    let door = exchange::door(&app.council, config, dir, shutdown, log);
    let door = door.route_layer(from_fn_with_state(bar.clone(), barred::check));
    let clock: crate::app::Now = Arc::new(crate::clock::now);
    let limiter = Limiter::new(&config.limits);
    let gate = Arc::new(TokenGate::new(verifier, limiter, Arc::clone(&clock), app.clone(), bar.clone()));
    let files = evidence_routes::router(app.clone(), Arc::clone(&gate));
    let schema = graphql::schema(app, Arc::clone(&metrics), dev || config.graphql.introspection);
    let mut router = edge::router(schema, gate, edge_limits(config), streams, clock)
        .merge(files)
        .route_layer(from_fn_with_state(bar, barred::check))
        .merge(admin::health_routes(readiness.clone()))
        .layer(from_fn(edge::one_host));
    let Listeners { api, admin, partners } = listeners;
    match partners {
        Some(partners) => serve_until(shutdown, partners, edge::with_typed_refusals(door)),
        None => router = router.merge(door),
    }
    serve_until(shutdown, api, edge::with_typed_refusals(router));
    serve_until(shutdown, admin, admin::admin_routes(readiness.clone(), metrics));
}

fn metrics(
    config: &Config,
    log: &OpenedLog,
    app: &App,
    (duties, bar): (&Duties, &Bar),
) -> Result<Arc<Metrics>, Failure> {
    let metrics = Metrics::new(telemetry::resource(&config.telemetry))?;
    let head = log.port().appended();
    metrics.observe_log_position(move || head.borrow().map_or(0, domain::envelope::Position::get));
    let lag = app.lag.clone();
    metrics.observe_projection("cases", move || Lag {
        events: lag.events(),
        age: std::time::Duration::from_secs(lag.seconds()),
    });
    let description = "Matters of filings that led to no complaint and wait for somebody to look at them";
    metrics.observe_number("filing_unregistered_matters", description, app.models.watch_unregistered());
    let duties = duties.clone();
    metrics.observe_leases(move || duties.held());
    let bar = bar.clone();
    metrics.observe_barred(move || bar.barred().map(|barred| barred.code()));
    if let OpenedLog::EventStore(cluster) = log {
        let store = Arc::clone(cluster.store());
        metrics.observe_eventstore(move || store.stats());
    }
    Ok(Arc::new(metrics))
}

/// The edge's limits as configured.
fn edge_limits(config: &Config) -> edge::EdgeLimits {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    edge::EdgeLimits {
        body_bytes_max: config.server.body_bytes_max,
        document_bytes_max: config.graphql.document_bytes_max,
        depth_max: size(config.graphql.depth_max),
        fields_max: size(config.graphql.fields_max),
        aliases_max: size(config.graphql.aliases_max),
        // No bound of its own: each is an act with a command id, which can be repeated.
        mutation_fields_max: size(config.graphql.fields_max),
        request_timeout: config.server.request_timeout(),
        subscriptions_max: config.server.subscriptions_max,
        ..edge::EdgeLimits::default()
    }
}

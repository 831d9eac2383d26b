//! `baycase serve`: the API over a data folder.

mod barred;
mod duties;
mod exchange;
mod opening;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use clap::Args;
use cross_border::index::IndexFollower;
use projections::Follower;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use self::opening::Opened;
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
use crate::listen::{Arrivals, Limits, TcpArrivals, Turnstile};
use crate::log::OpenedLog;
use crate::metrics::{Lag, Metrics};
use crate::node::Node;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// What must hold for this node to serve.
const CONDITIONS: [&str; 4] = ["log", "projections", "referrals", "accepting"];

/// What the admin port takes: a few who watch this process, none of whom has reason to be slow.
pub(crate) const ADMIN: Limits = Limits {
    header_timeout: std::time::Duration::from_secs(10),
    connections_max: 128,
    connections_per_address_max: 64,
};

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
        self.shutdown.begun().await;
        self.stop().await
    }

    /// Stops: no new requests, those under way may end within the grace time, then the log is closed.
    ///
    /// # Errors
    /// None today; the signature leaves room for a store that can fail to close.
    pub async fn stop(self) -> Result<(), Failure> {
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
    // Who may come in is settled before anything is opened.
    let verifier = Verifier::from_config(&config.auth, dir.root(), dev)?;
    verifier.refresh_keys().await?;
    let node = Node::of(&config.node, crate::clock::now());
    let opened = Box::pin(opening::open(&dir, &config)).await?;
    let shutdown = if signals { Shutdown::listen()? } else { Shutdown::new() };
    let readiness = Readiness::expecting(&CONDITIONS);
    let checked = opening::check(&dir, &opened).await?;
    if let Err(estranged) = checked {
        return barred::start(&config, &estranged, opened.log, shutdown, readiness).await;
    }
    let followers = follow(&opened, &config)?;
    let council = exchange::open(&dir, &config, &opened)?;
    opening::catch_up(&opened).await?;
    exchange::check_unit(&council, &opened.models)?;
    let Opened { log, vault, models, index } = opened;
    let app = App {
        log: log.port(),
        models: models.clone(),
        vault,
        now: Arc::new(crate::clock::now),
        pages: PageLimits { default: config.graphql.page_default, max: config.graphql.page_max },
        lag: followers.models.lag(),
        seat: config.council.region(council.place()),
        council,
    };
    let fit = Arc::new(watch::Sender::new(true));
    watching::follower(&shutdown, &readiness, &fit, "projections", followers.models.state());
    watching::follower(&shutdown, &readiness, &fit, "referrals", followers.index.state());
    watching::log(&shutdown, &readiness, &log, models, index);
    let duties = leases(&log, &node, &config, &fit);
    duties::process_manager(&shutdown, &app, &duties, &log, &dir);
    exchange::run(&shutdown, &app.council, &config, &dir, &exchange::Work { duties: &duties, node: &node })?;
    let metrics = metrics(&config, &log, &followers.models, &duties)?;
    let bound = listen(&shutdown, (&config, &dir), dev, app, verifier, (&log, metrics, &readiness)).await?;
    readiness.set("accepting", Ok(()));
    let Bound { addr, admin_addr, partner_addr } = bound;
    tracing::info!(server.addr = %addr, node.name = %node.name, node.holder = %node.holder, "Serving on {addr}");
    let grace = config.server.shutdown_grace();
    Ok(Server { addr, admin_addr, partner_addr, shutdown, grace, log, followers: Some(followers), readiness })
}

/// Begins to keep the read models and the index up to date.
fn follow(opened: &Opened, config: &Config) -> Result<Followers, Failure> {
    let Opened { log, models, index, .. } = opened;
    let appended = log.port().appended();
    let models = Follower::start(
        log.reader()?,
        appended.clone(),
        models.clone(),
        config.projections.poll(),
        config.projections.batch_events_max,
        Arc::new(crate::clock::now),
    )?;
    let index = IndexFollower::start(log.reader()?, appended, index.clone(), config.projections.poll())?;
    Ok(Followers { models, index })
}

/// The leases of this node. One of several stands aside once it has stopped following; the only one has nobody to stand
/// aside for.
fn leases(log: &OpenedLog, node: &Node, config: &Config, fit: &watch::Sender<bool>) -> Duties {
    let duties = Duties::new(log.leases(), node.holder.clone(), config.node.lease_ttl());
    match log.engine() {
        LogEngine::Sqlite => duties,
        LogEngine::EventStoreDb => duties.while_fit(fit.subscribe()),
    }
}

/// Where the listeners are.
struct Bound {
    addr: SocketAddr,
    admin_addr: SocketAddr,
    partner_addr: Option<SocketAddr>,
}

/// Binds every listener and begins to serve.
async fn listen(
    shutdown: &Shutdown,
    (config, dir): (&Config, &DataDir),
    dev: bool,
    app: App,
    verifier: Verifier,
    (log, metrics, readiness): (&OpenedLog, Arc<Metrics>, &Readiness),
) -> Result<Bound, Failure> {
    exchange::count(shutdown, &app.council.index, &metrics);
    crate::vault_node::observe(&metrics, &app.vault);
    let listener = bind(&metrics, "api", config.server.listen, config.server.connections()).await?;
    let admin_listener = bind(&metrics, "admin", config.server.admin_listen, ADMIN).await?;
    let (addr, admin_addr) = (listener.addr()?, admin_listener.addr()?);
    let door = exchange::door(&app.council, config, dir, shutdown, log);
    let clock: crate::app::Now = Arc::new(crate::clock::now);
    let gate = Arc::new(TokenGate::new(verifier, Limiter::new(&config.limits), Arc::clone(&clock), app.clone()));
    let files = evidence_routes::router(app.clone(), Arc::clone(&gate));
    let schema = graphql::schema(app, Arc::clone(&metrics), dev || config.graphql.introspection);
    let mut router = edge::router(schema, gate, edge_limits(config), shutdown.token(), clock)
        .merge(files)
        .merge(admin::health_routes(readiness.clone()))
        .layer(from_fn(edge::one_host));
    let mut partner_addr = None;
    match config.partner.listen {
        Some(at) => {
            let apart = bind(&metrics, "partners", at, config.partner.connections()).await?;
            partner_addr = Some(exchange::serve_apart(shutdown, &config.partner, apart, door)?);
        }
        None => router = router.merge(door),
    }
    serve_until(shutdown, listener, edge::with_typed_refusals(router));
    serve_until(shutdown, admin_listener, admin::admin_routes(readiness.clone(), metrics));
    Ok(Bound { addr, admin_addr, partner_addr })
}

/// Binds a listener, whose connections the metrics show under its name.
pub(crate) async fn bind(
    metrics: &Metrics,
    name: &'static str,
    at: SocketAddr,
    limits: Limits,
) -> Result<TcpArrivals, Failure> {
    let turnstile = Turnstile::new(name, limits);
    let shown = Arc::clone(&turnstile);
    metrics.observe_connections(name, move || shown.connections());
    let listener = TcpListener::bind(at).await;
    let listener = listener.map_err(|error| format!("the listener `{name}` cannot have {at}: {error}"))?;
    Ok(TcpArrivals::new(listener, turnstile))
}

/// Serves what arrives until the process stops; it stops when this ends.
pub(crate) fn serve_until<A: Arrivals>(shutdown: &Shutdown, arrivals: A, router: Router) {
    let name = arrivals.turnstile().name();
    shutdown.spawn_vital(name, crate::listen::serve(arrivals, router, shutdown.token()));
}

fn metrics(config: &Config, log: &OpenedLog, follower: &Follower, duties: &Duties) -> Result<Arc<Metrics>, Failure> {
    let metrics = Metrics::new(telemetry::resource(&config.telemetry))?;
    let head = log.port().appended();
    metrics.observe_log_position(move || head.borrow().map_or(0, domain::envelope::Position::get));
    let lag = follower.lag();
    metrics.observe_projection("cases", move || Lag {
        events: lag.events(),
        age: std::time::Duration::from_secs(lag.seconds()),
    });
    let duties = duties.clone();
    metrics.observe_leases(move || duties.held());
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

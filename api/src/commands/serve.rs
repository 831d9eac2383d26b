//! `baycase serve`: the API over a data folder.

mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use clap::Args;
use cross_border::index::{IndexFollower, ReferralIndex};
use event_log::port::EventLog as _;
use event_log::sqlite::SqliteLog;
use event_log::vault::SubjectVault;
use projections::{Follower, FollowerState, ReadModels};
use tokio::net::TcpListener;

use self::exchange::Exchange;
use super::{Failure, Global};
use crate::admin::{self, Readiness};
use crate::app::{App, PageLimits};
use crate::auth::Verifier;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::edge;
use crate::evidence_routes;
use crate::gatekeeper::TokenGate;
use crate::graphql;
use crate::limiter::Limiter;
use crate::listen::{Arrivals, Limits, TcpArrivals, Turnstile};
use crate::metrics::{Lag, Metrics};
use crate::process;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// How long the process manager waits before it looks again, when nothing is appended meanwhile.
const CHAIN_RETRY: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a start waits for the read models to catch up before it serves anyway.
const CATCH_UP_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// What the admin port takes: a few who watch this process, none of whom has reason to be slow.
const ADMIN: Limits = Limits {
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
    log: Arc<SqliteLog>,
    follower: Follower,
    index_follower: IndexFollower,
    readiness: Readiness,
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
        let (follower, index_follower, log) = (self.follower, self.index_follower, self.log);
        tokio::task::spawn_blocking(move || {
            follower.stop();
            index_follower.stop();
            log.close();
        })
        .await?;
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
    let (log, vault, models) = open(&dir, &config)?;
    let readiness = Readiness::expecting(&["projections", "referrals", "accepting"]);
    let follower = Follower::start(
        log.reader()?,
        log.appended(),
        models.clone(),
        config.projections.poll(),
        config.projections.batch_events_max,
        Arc::new(crate::clock::now),
    )?;
    let Exchange { council, follower: index_follower } = exchange::open(&dir, &config, &log, &vault)?;
    catch_up(&log, &models, &council.index).await?;
    exchange::check_unit(&council, &models)?;
    let app = App {
        log: Arc::clone(&log) as _,
        models,
        vault,
        now: Arc::new(crate::clock::now),
        pages: PageLimits { default: config.graphql.page_default, max: config.graphql.page_max },
        lag: follower.lag(),
        seat: config.council.region(council.place()),
        council,
    };
    let shutdown = if signals { Shutdown::listen()? } else { Shutdown::new() };
    watch_projections(&shutdown, &follower, &readiness);
    exchange::watch(&shutdown, &index_follower, &readiness);
    run_processes(&shutdown, &app, &dir);
    exchange::run(&shutdown, &app.council, &config, &dir)?;
    let gate = Arc::new(TokenGate::new(verifier, Limiter::new(&config.limits), Arc::new(crate::clock::now)));
    let bound = listen(&shutdown, (&config, &dir), dev, app, gate, (&log, &follower, &readiness)).await?;
    readiness.set("accepting", Ok(()));
    let Bound { addr, admin_addr, partner_addr } = bound;
    tracing::info!(server.addr = %addr, "Serving on {addr}");
    let grace = config.server.shutdown_grace();
    Ok(Server { addr, admin_addr, partner_addr, shutdown, grace, log, follower, index_follower, readiness })
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
    gate: Arc<TokenGate>,
    (log, follower, readiness): (&Arc<SqliteLog>, &Follower, &Readiness),
) -> Result<Bound, Failure> {
    let metrics = metrics(config, log, follower)?;
    exchange::count(shutdown, &app.council.index, &metrics);
    let listener = bind(&metrics, "api", config.server.listen, config.server.connections()).await?;
    let admin_listener = bind(&metrics, "admin", config.server.admin_listen, ADMIN).await?;
    let (addr, admin_addr) = (listener.addr()?, admin_listener.addr()?);
    let door = exchange::door(&app.council, config, dir, shutdown);
    let files = evidence_routes::router(app.clone(), Arc::clone(&gate));
    let schema = graphql::schema(app, Arc::clone(&metrics), dev || config.graphql.introspection);
    let clock: crate::app::Now = Arc::new(crate::clock::now);
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
async fn bind(metrics: &Metrics, name: &'static str, at: SocketAddr, limits: Limits) -> Result<TcpArrivals, Failure> {
    let turnstile = Turnstile::new(name, limits);
    let shown = Arc::clone(&turnstile);
    metrics.observe_connections(name, move || shown.connections());
    let listener = TcpListener::bind(at).await;
    let listener = listener.map_err(|error| format!("the listener `{name}` cannot have {at}: {error}"))?;
    Ok(TcpArrivals::new(listener, turnstile))
}

fn open(dir: &DataDir, config: &Config) -> Result<(Arc<SqliteLog>, Arc<SubjectVault>, ReadModels), Failure> {
    if !dir.log_path().exists() {
        return Err(format!(
            "there is no log in {}: run `baycase init --data {0}` first, or `baycase demo` to look around",
            dir.root().display()
        )
        .into());
    }
    let log = dir.open_log(config, false)?;
    let vault = dir.open_vault(config)?;
    let models = dir.open_models(config, Some(Arc::clone(&vault)))?;
    Ok((log, vault, models))
}

/// Lets the read models show what the log held at the start, for a while: until then nobody's unit is known.
async fn catch_up(log: &SqliteLog, models: &ReadModels, index: &ReferralIndex) -> Result<(), Failure> {
    let Some(head) = log.head().await? else { return Ok(()) };
    let (models, index) = tokio::join!(models.wait_for(head, CATCH_UP_WAIT), index.wait_for(head, CATCH_UP_WAIT));
    if let Err(late) = models {
        tracing::warn!("Serving while the read models catch up: {late}; `baycase rebuild` is faster for a large log");
    }
    if let Err(late) = index {
        tracing::warn!("Serving while the index of referrals catches up: {late}");
    }
    Ok(())
}

fn serve_until<A: Arrivals>(shutdown: &Shutdown, arrivals: A, router: Router) {
    let name = arrivals.turnstile().name();
    shutdown.spawn_vital(name, crate::listen::serve(arrivals, router, shutdown.token()));
}

/// Readiness follows the projection: a halted one makes the node unready and says at which event.
fn watch_projections(shutdown: &Shutdown, follower: &Follower, readiness: &Readiness) {
    let mut state = follower.state();
    let readiness = readiness.clone();
    let token = shutdown.token();
    shutdown.spawn_named("projection-watch", async move {
        loop {
            let condition = match &*state.borrow_and_update() {
                FollowerState::Running => Ok(()),
                // The reason is in our log; it may quote what stands in an event.
                FollowerState::Halted { position, .. } => Err(format!("halted at position {position}")),
            };
            readiness.set("projections", condition);
            tokio::select! {
                () = token.cancelled() => return,
                changed = state.changed() => if changed.is_err() { return },
            }
        }
    });
}

/// Completes what filings begin, for a crash between two streams and for filings that came in by other ways.
fn run_processes(shutdown: &Shutdown, app: &App, dir: &DataDir) {
    let app = app.clone();
    let token = shutdown.token();
    let bookmark = process::Bookmark::new(dir.root());
    shutdown.spawn_named("process-manager", async move {
        let mut appended = app.log.appended();
        loop {
            // Left where it stands when the server stops: what is under way is found done, or done again, next time.
            let advanced = tokio::select! {
                () = token.cancelled() => return,
                advanced = process::advance(&app, &bookmark) => advanced,
            };
            if let Err(error) = advanced {
                tracing::error!(error = %error, "A chain of commands could not be completed; it is tried again");
            }
            tokio::select! {
                () = token.cancelled() => return,
                changed = appended.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(CHAIN_RETRY) => {}
            }
        }
    });
}

fn metrics(config: &Config, log: &Arc<SqliteLog>, follower: &Follower) -> Result<Arc<Metrics>, Failure> {
    let metrics = Metrics::new(telemetry::resource(&config.telemetry))?;
    let head = log.appended();
    metrics.observe_log_position(move || head.borrow().map_or(0, domain::envelope::Position::get));
    let lag = follower.lag();
    metrics.observe_projection("cases", move || Lag {
        events: lag.events(),
        age: std::time::Duration::from_secs(lag.seconds()),
    });
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

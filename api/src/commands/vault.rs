//! `baycase vault`: this process as a vault node, which keeps the keys of several nodes; and what a person does by hand
//! with whichever vault is configured.

pub mod destroy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::serve::{ADMIN, bind, serve_until};
use super::{Failure, Global};
use crate::admin::{self, Readiness};
use crate::config::{Config, VaultRole};
use crate::data_dir::DataDir;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::vault_node::node::VaultNode;
use crate::vault_node::server;

/// How often a standby looks whether its primary has said that it holds everything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keep the keys of several nodes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase vault --data /var/lib/baycase-vault --config vault.toml --create\n  baycase vault --data /var/lib/baycase-vault --config vault.toml\n\nThe section [vault_node] of the configuration names the certificates and the standby. No master key is needed here,\nand none should be: the keys in the vault are wrapped by it. Nodes find this one by `vault.url`; `baycase init` on one\nof them registers the master key's check value. `baycase backup` copies the folder. `baycase vault destroy` runs on a node\nwith the master key, and destroys the key of one person wherever the vault is."
)]
pub struct VaultArgs {
    #[command(subcommand)]
    action: Option<VaultAction>,
    /// Make a vault where there is none. For the first start only.
    #[arg(long)]
    create: bool,
    /// Where nodes come in; port 0 takes a free one and prints it.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where to serve /livez, /readyz and /metrics; port 0 takes a free one and prints it.
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum VaultAction {
    /// Destroy the key of one person, for good.
    Destroy(destroy::DestroyArgs),
}

/// Serves until it is told to stop, or does what is asked for instead.
///
/// # Errors
/// There is no vault and none may be made, it cannot be used, or an address is taken; and what the other command says.
pub async fn run(global: &Global, mut config: Config, args: VaultArgs) -> Result<(), Failure> {
    if let Some(VaultAction::Destroy(asked)) = &args.action {
        if args.create || args.listen.is_some() || args.admin_listen.is_some() {
            return Err(destroy::DestroyError::Serving.into());
        }
        // First of all: in clear, whoever answers at the address would be believed.
        super::config::check(&config)?;
        // Blocks: it waits for a person, a file or a network.
        return tokio::task::block_in_place(|| destroy::run(global, &config, asked));
    }
    if let Some(listen) = args.listen {
        config.vault_node.listen = listen;
        config.given_by_flag("vault_node.listen");
    }
    if let Some(listen) = args.admin_listen {
        config.vault_node.admin_listen = listen;
        config.given_by_flag("vault_node.admin_listen");
    }
    // Before anything is made of it, so that what is wrong is told with its key and its file.
    let warnings = config.validate()?;
    let telemetry = telemetry::init(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let server = start_with(global, &config, args.create, Shutdown::listen()?).await?;
    println!("vault on {}://{}", if server.is_tls { "https" } else { "http" }, server.addr);
    println!("admin on http://{}", server.admin_addr);
    server.shutdown.begun().await;
    server.stop().await;
    telemetry.shutdown().await;
    Ok(())
}

/// A running vault node.
#[derive(Debug)]
pub struct VaultServer {
    /// Where nodes come in.
    pub addr: SocketAddr,
    /// Whether both sides show certificates there.
    pub is_tls: bool,
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub admin_addr: SocketAddr,
    shutdown: Shutdown,
    grace: Duration,
    node: Arc<VaultNode>,
}

impl VaultServer {
    /// Whether primary and standby are known to hold the same keys.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.node.is_in_step()
    }

    /// Stops: no new requests, those under way may end within the grace time, then the file is closed.
    pub async fn stop(self) {
        tracing::info!("Stopping");
        if let Err(running) = self.shutdown.drain(self.grace).await {
            tracing::warn!(tasks = ?running.tasks, "Stopped without waiting any longer for tasks under way");
        }
    }
}

/// Opens the vault and begins to serve.
///
/// # Errors
/// There is no vault and none may be made, it cannot be used, or an address is taken.
pub async fn start(global: &Global, config: &Config, create: bool) -> Result<VaultServer, Failure> {
    start_with(global, config, create, Shutdown::new()).await
}

async fn start_with(
    global: &Global,
    config: &Config,
    create: bool,
    shutdown: Shutdown,
) -> Result<VaultServer, Failure> {
    let dir = DataDir::new(&global.data);
    if create {
        std::fs::create_dir_all(dir.root())?;
    }
    let settings = &config.vault_node;
    let node = server::open(&shutdown, &dir.vault_path(), settings, create)?;
    let metrics = Arc::new(Metrics::new(telemetry::resource(&config.telemetry))?);
    node.observe(&metrics);
    let readiness = Readiness::expecting(&["accepting"]);
    let admin_listener = bind(&metrics, "admin", settings.admin_listen, ADMIN).await?;
    let admin_addr = admin_listener.addr()?;
    let (addr, is_tls) = server::serve(&shutdown, settings, Arc::clone(&node), &metrics).await?;
    serve_until(&shutdown, admin_listener, admin::admin_routes(readiness.clone(), metrics));
    match settings.role {
        VaultRole::Primary => keep_standby(&shutdown, &node),
        VaultRole::Standby => watch(&shutdown, &node, &readiness),
    }
    readiness.set("accepting", Ok(()));
    tracing::info!(vault.addr = %addr, vault.role = ?settings.role, "Keeping keys on {addr}");
    Ok(VaultServer { addr, is_tls, admin_addr, shutdown, grace: config.server.shutdown_grace(), node })
}

fn keep_standby(shutdown: &Shutdown, node: &Arc<VaultNode>) {
    let (node, token) = (Arc::clone(node), shutdown.token());
    shutdown.spawn_named("standby", async move { node.keep_standby(token).await });
}

/// A standby is ready when its primary has said that it holds everything.
fn watch(shutdown: &Shutdown, node: &Arc<VaultNode>, readiness: &Readiness) {
    let (node, readiness, token) = (Arc::clone(node), readiness.clone(), shutdown.token());
    readiness.set("in-step", Err("its primary has not said so".to_owned()));
    shutdown.spawn_named("standby-watch", async move {
        loop {
            let condition = if node.is_in_step() { Ok(()) } else { Err("its primary has not said so".to_owned()) };
            readiness.set("in-step", condition);
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;

    fn global(data: &Path) -> Global {
        Global { data: data.to_owned(), config: None }
    }

    fn config() -> Config {
        let mut config = Config::default();
        config.vault_node.listen = "127.0.0.1:0".parse().unwrap();
        config.vault_node.admin_listen = "127.0.0.1:0".parse().unwrap();
        config
    }

    #[tokio::test]
    async fn a_vault_is_made_only_when_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("vault");
        let missing = start(&global(&data), &config(), false).await.unwrap_err().to_string();
        assert!(missing.contains("there is no vault"), "{missing}");
        assert!(!data.exists());
        start(&global(&data), &config(), true).await.unwrap().stop().await;
        start(&global(&data), &config(), false).await.unwrap().stop().await;
    }

    #[tokio::test]
    async fn what_is_said_for_serving_is_refused_beside_a_destruction() {
        let folder = tempfile::tempdir().unwrap();
        let id = uuid::Uuid::max().to_string();
        let cli = ["baycase", "vault", "--create", "destroy", "--yes", "--subject", id.as_str()];
        let crate::commands::Command::Vault(args) = crate::commands::Cli::try_parse_from(cli).unwrap().command else {
            panic!("it is a command of the vault")
        };
        let refused = Box::pin(run(&global(folder.path()), config(), args)).await.unwrap_err();
        let serving = refused.downcast_ref::<destroy::DestroyError>();
        assert!(matches!(serving, Some(destroy::DestroyError::Serving)), "{refused}");
        assert!(!folder.path().join("vault.sqlite").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_is_not_destroyed_over_an_address_that_a_server_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let id = uuid::Uuid::max().to_string();
        let cli = ["baycase", "vault", "destroy", "--yes", "--subject", id.as_str()];
        let crate::commands::Command::Vault(args) = crate::commands::Cli::try_parse_from(cli).unwrap().command else {
            panic!("it is a command of the vault")
        };
        let mut config = config();
        config.vault.url = Some("http://vault-1:8460".to_owned());
        let refused = Box::pin(run(&global(folder.path()), config, args)).await.unwrap_err().to_string();
        assert!(refused.contains("`vault.url`") && refused.contains("must be https"), "{refused}");
    }

    #[tokio::test]
    async fn a_value_that_a_flag_gave_is_not_blamed_on_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let cli = ["baycase", "vault", "--create", "--listen", "0.0.0.0:0"];
        let crate::commands::Command::Vault(args) = crate::commands::Cli::try_parse_from(cli).unwrap().command else {
            panic!("it is a command of the vault")
        };
        let refused = Box::pin(run(&global(folder.path()), config(), args)).await.unwrap_err().to_string();
        assert!(refused.contains("vault_node.listen") && refused.contains("the command line"), "{refused}");
        assert!(!folder.path().join("vault.sqlite").exists());
    }

    #[tokio::test]
    async fn nothing_but_this_machine_is_served_without_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.vault_node.listen = "0.0.0.0:0".parse().unwrap();
        let refused = start(&global(folder.path()), &config, true).await.unwrap_err().to_string();
        assert!(refused.contains("without certificates"), "{refused}");
    }

    #[tokio::test]
    async fn a_folder_is_served_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let first = start(&global(folder.path()), &config(), true).await.unwrap();
        let locked = start(&global(folder.path()), &config(), false).await.unwrap_err().to_string();
        assert!(locked.contains("open in another process"), "{locked}");
        first.stop().await;
    }
}

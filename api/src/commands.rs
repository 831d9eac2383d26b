//! The command line: one file per command.
#![expect(clippy::print_stderr, reason = "the command line talks to its user")]

/// In place of the standard one, which panics: see [`mod@print`].
macro_rules! println {
    ($($arg:tt)*) => { $crate::commands::print::text(format_args!("{}\n", format_args!($($arg)*))) };
}
/// In place of the standard one, which panics: see [`mod@print`].
macro_rules! print {
    ($($arg:tt)*) => { $crate::commands::print::text(format_args!($($arg)*)) };
}

pub mod backup;
pub mod bench;
pub mod config;
pub mod copy_log;
pub mod date;
pub mod deadline;
pub mod demo;
pub mod export;
pub mod import;
pub mod init;
pub mod output;
pub mod partner;
pub mod path_error;
pub mod print;
pub mod rebuild;
pub mod replay;
pub mod serve;
pub mod token;
pub mod vault;
pub mod verify;
pub mod version;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Environment};
use crate::graphql;

/// What a command ends with when it fails; the cause chain is printed once, by [`run`].
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Baycase: the case backend of consumer protection in Guangdong.
#[derive(Debug, Parser)]
#[command(name = "baycase", version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The folder that holds the log, the vault, the read models and the keys.
    #[arg(long, global = true, default_value = "baycase-data", value_name = "DIR")]
    pub data: PathBuf,
    /// A TOML configuration file; `baycase config` prints every key with its default.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a data folder: log, vault of subject keys, and the register of the province's units.
    Init(init::InitArgs),
    /// Serve the API.
    Serve(serve::ServeArgs),
    /// Make a data folder with a plausible month of all 21 cities, serve it, and print queries to paste.
    Demo(demo::DemoArgs),
    /// Adopt the histories of another system from CSV or NDJSON.
    Import(import::ImportArgs),
    /// Stream every event, or one row per case, as NDJSON.
    Export(export::ExportArgs),
    /// Step through one case's history: state, clocks and allowed actions after each event.
    Replay(replay::ReplayArgs),
    /// Check the whole log: digests, revisions, payloads, kinds.
    Verify(verify::VerifyArgs),
    /// Build the read models anew beside the live ones, compare, and swap them in.
    Rebuild(rebuild::RebuildArgs),
    /// Copy the log and the vault while the server runs.
    Backup(backup::BackupArgs),
    /// Move the log from one engine to the other, and prove both equal.
    CopyLog(copy_log::CopyLogArgs),
    /// Measure appends, scans, replays, rebuilds and dashboards beside baselines of the same run.
    Bench(bench::BenchArgs),
    /// Work out a statutory deadline and show how the days were counted.
    Deadline(deadline::DeadlineArgs),
    /// Keep the keys of several nodes, wrapped by a master key that is not here, and destroy them for good.
    Vault(vault::VaultArgs),
    /// Issue a development token; works only with a data folder's development key.
    Token(token::TokenArgs),
    /// Keys and checks of the exchange with partner councils.
    Partner(partner::PartnerArgs),
    /// Print the GraphQL schema.
    Schema(SchemaArgs),
    /// Print the configuration in force, secrets masked, and what in it a server refuses.
    Config,
    /// Print the version, and which events of a log this program can read.
    Version(version::VersionArgs),
}

/// Print the GraphQL schema.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The schema that partner councils speak, instead of our own staff's.
    #[arg(long)]
    partner: bool,
}

/// Runs the command line to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    keep_files_to_oneself();
    match execute(cli) {
        Ok(code) => match print::untold() {
            None => code,
            Some(why) => {
                eprintln!("error: it is done, but not all that it said could be written to stdout: {why}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Whatever file or folder this process makes belongs to its user alone: some hold words of people in clear, the index
/// of the search among them, and those that SQLite makes beside its own are not asked for one by one.
fn keep_files_to_oneself() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
}

fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let config = Config::load(cli.global.config.as_deref(), &Environment::of_process()?, &[])?;
    let global = &cli.global;
    match cli.command {
        Command::Schema(args) => {
            let sdl = if args.partner { crate::partner::schema::sdl() } else { graphql::sdl() };
            std::io::stdout().lock().write_all(sdl.as_bytes())?;
        }
        Command::Config => return config::run(global, &config),
        Command::Version(args) => version::run(&args)?,
        Command::Deadline(args) => deadline::run(&args)?,
        Command::Token(args) => token::run(global, &config, &args)?,
        Command::Verify(args) => return block_on(verify::run(global, &config, &args)),
        Command::Init(args) => block_on(init::run(global, &config, &args))?,
        Command::Serve(args) => block_on(serve::run(global, config, args))?,
        Command::Vault(args) => block_on(vault::run(global, config, args))?,
        Command::Demo(args) => block_on(demo::run(global, config, args))?,
        Command::Import(args) => return block_on(import::run(global, &config, args)),
        Command::Export(args) => block_on(export::run(global, &config, args))?,
        Command::Replay(args) => block_on(replay::run(global, &config, args))?,
        Command::Rebuild(args) => block_on(rebuild::run(global, &config, &args))?,
        Command::Backup(args) => block_on(backup::run(global, &config, args))?,
        Command::CopyLog(args) => return block_on(copy_log::run(global, &config, args)),
        Command::Bench(args) => block_on(bench::run(global, &config, args))?,
        Command::Partner(args) => return block_on(partner::run(global, &config, args)),
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

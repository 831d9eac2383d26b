//! `baycase partner`: our signing keys, and what concerns the exchange with partner councils.

pub mod check;
pub mod key;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, Global};
use crate::config::Config;

/// The exchange with partner councils.
#[derive(Debug, Args)]
pub struct PartnerArgs {
    #[command(subcommand)]
    command: PartnerCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum PartnerCommand {
    /// The keys that our council signs with.
    Key(key::KeyArgs),
    /// Check whether a server keeps to the contract between councils.
    Check(Box<check::CheckArgs>),
}

/// Carries it out.
///
/// # Errors
/// What the command says.
pub async fn run(global: &Global, config: &Config, args: PartnerArgs) -> Result<ExitCode, Failure> {
    match args.command {
        PartnerCommand::Key(args) => key::run(global, config, &args).map(|()| ExitCode::SUCCESS),
        PartnerCommand::Check(args) => check::run(&args).await,
    }
}

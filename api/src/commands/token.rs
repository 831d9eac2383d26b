//! `baycase token`: a token signed with a data folder's development key.

use std::time::Duration;

use clap::Args;

use super::{Failure, Global};
use crate::auth::{DevKey, Role};
use crate::config::Config;

/// Issue a development token.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase token --role viewer --unit gd\n  baycase token --role handler --role head --unit gd-440106001 --subject h-0017 --hours 8"
)]
pub struct TokenArgs {
    /// A role; may be given several times: intake-clerk, dispatcher, handler, mediator, reviewer, head, callback-agent,
    /// disclosure-reviewer, auditor, cross-border-officer, viewer, administrator, service.
    #[arg(long = "role", required = true)]
    roles: Vec<String>,
    /// The unit the holder acts for, for example gd, gd-440100 or gd-440106001.
    #[arg(long)]
    unit: String,
    /// Work id of the holder.
    #[arg(long, default_value = "dev")]
    subject: String,
    /// How long it is valid.
    #[arg(long, default_value_t = 12)]
    hours: u32,
}

/// Prints the token.
///
/// # Errors
/// There is no development key in the folder, or a role is not known.
pub fn run(global: &Global, _config: &Config, args: &TokenArgs) -> Result<(), Failure> {
    let roles = args.roles.iter().map(|role| Role::parse(role)).collect::<Result<Vec<_>, _>>()?;
    domain::id::UnitId::parse(&args.unit)?;
    let key = DevKey::load(&global.data)?;
    let ttl = Duration::from_secs(u64::from(args.hours) * 3_600);
    println!("{}", key.issue(&roles, &args.unit, &args.subject, ttl, crate::clock::now())?);
    Ok(())
}

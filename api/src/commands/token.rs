//! `baycase token`: a token signed with a data folder's development key.

use std::time::Duration;

use clap::Args;

use super::{Failure, Global};
use crate::auth::{DevKey, Role};
use crate::config::Config;

/// The longest life that the key signs for, in hours.
const HOURS_MAX: u32 = 7 * 24;

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
    /// How long it is valid; 168, which is seven days, at most.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=i64::from(HOURS_MAX)))]
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::auth::DEV_TOKEN_TTL_MAX;
    use crate::commands::Cli;

    #[test]
    fn a_token_lives_an_hour_at_least_and_as_long_as_the_key_signs_for_at_most() {
        let parses = |hours: u32| {
            let hours = hours.to_string();
            Cli::try_parse_from(["baycase", "token", "--role", "viewer", "--unit", "gd", "--hours", &hours]).is_ok()
        };
        assert!(parses(1) && parses(HOURS_MAX));
        assert!(!parses(0) && !parses(HOURS_MAX + 1));
        assert_eq!(Duration::from_secs(u64::from(HOURS_MAX) * 3_600), DEV_TOKEN_TTL_MAX);
    }
}

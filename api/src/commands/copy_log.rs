//! `baycase copy-log`: moves a log from one engine to the other, and proves both sides equal.
//!
//! Every event is kept with its id, its times, its bytes and its command; what changes are positions. A copy that was
//! broken off, however it was, goes on when the same command is run again: what stands already is known by its ids and
//! not written twice, and a log on servers refuses to be served until its copy is proved complete.

mod bookmark;
mod checkpoint;
mod cluster;
mod compare;
mod digests;
mod error;
mod listed;
mod patience;
mod report;
mod servers;
mod sorting;
mod to_cluster;
mod to_file;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use event_log::copy::HELD_EVENTS;
use event_log::sqlite::ReaderSettings;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::error::CopyError;
use self::patience::Patience;
use super::{Failure, Global};
use crate::config::Config;

/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;
/// Most events that a copy may hold in memory: ten gigabytes or so of them.
const WINDOW_MAX: i64 = 16_777_216;
/// Events that are read at a time.
const READ_EVENTS: u32 = 16_384;
/// How the log's file is read from end to end: three million streams are looked up.
const READER: ReaderSettings = ReaderSettings { cache_kib: 64 * 1024, mmap_bytes: 2 * 1024 * 1024 * 1024 };

const HELP: &str = "\
Examples:
  baycase copy-log --to eventstoredb --data /var/lib/baycase --config cluster.toml
  baycase copy-log --to sqlite --into /var/lib/copy --config cluster.toml
  baycase copy-log --to eventstoredb --verify-only --config cluster.toml
  baycase copy-log --to sqlite --into ./copy --case-digests cases.ndjson --json

The cluster is the one of log.eventstore in the configuration, whatever log.engine says. Stop every server first: the
one of the file, or all nodes of the cluster. A file that is served is not copied; of a cluster that is copied out of,
the leases are watched for one node.lease_ttl_ms, which must be that of the nodes, and a node that renews one is named
in a warning. The target must be empty: a cluster without a log, or a folder without one.

A copy that was broken off goes on when the same command is run again, from what copy-log.json beside the file says. At
the end both logs are read and compared stream by stream; only then may the cluster be served, or does the file get its
name. The exit code is 0 when both are equal and 1 when they are not. Only the log is copied: take the vault, the
evidence and the keys along yourself.";

/// Move the log from one engine to the other, and prove both equal.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct CopyLogArgs {
    /// Where to: from the log in the data folder into the cluster, or from the cluster into a new file.
    #[arg(long, value_enum, value_name = "ENGINE")]
    to: To,
    /// The folder that gets the new file, instead of the data folder; for `--to sqlite`.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Copy nothing: compare only.
    #[arg(long)]
    verify_only: bool,
    /// Write the digest of each stream of the source to this file, as NDJSON. One of an earlier run is written over, any
    /// other file is not.
    #[arg(long, value_name = "FILE")]
    case_digests: Option<PathBuf>,
    /// How long a cluster that does not answer is waited for, as in 90s, 10m or 1h.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    patience: Duration,
    /// Events held in memory: more of them make fewer appends on the way into a cluster, and bridge longer disorder of
    /// recording times on the way out of it.
    #[arg(
        long,
        value_name = "EVENTS",
        default_value_t = held(),
        value_parser = value_parser!(u32).range(1..=WINDOW_MAX)
    )]
    window: u32,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// No progress bars.
    #[arg(long)]
    quiet: bool,
}

/// The engine that a log is copied into; the other one is where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
enum To {
    /// The cluster of the configuration.
    #[value(name = "eventstoredb")]
    #[serde(rename = "eventstoredb")]
    EventStoreDb,
    /// A file in a folder.
    #[value(name = "sqlite")]
    #[serde(rename = "sqlite")]
    Sqlite,
}

/// How a copy is carried out.
struct Manner {
    patience: Patience,
    window: usize,
    quiet: bool,
}

impl Manner {
    fn of(args: &CopyLogArgs) -> Self {
        Self {
            patience: Patience::new(args.patience, args.quiet),
            window: usize::try_from(args.window).unwrap_or(usize::MAX),
            quiet: args.quiet,
        }
    }

    /// Tells how much was done since `began`, and how fast.
    fn tell(&self, what: &str, count: u64, began: Instant) {
        if self.quiet {
            return;
        }
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = count.saturating_mul(1_000) / millis;
        eprintln!("{count} {what} in {}.{:03} s, {rate} a second", millis / 1_000, millis % 1_000);
    }
}

/// Copies, and compares.
///
/// # Errors
/// Source or target are not what they must be, or the way between them fails for longer than is waited for. Running it
/// again goes on where it stopped.
pub async fn run(global: &Global, config: &Config, args: CopyLogArgs) -> Result<ExitCode, Failure> {
    if args.into.is_some() && args.to != To::Sqlite {
        return Err(CopyError::Into.into());
    }
    let copying = Box::pin(carry_out(&global.data, config, &args));
    tokio::select! {
        done = copying => done,
        Ok(()) = tokio::signal::ctrl_c() => {
            eprintln!("interrupted; the same command goes on from here");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn carry_out(data: &Path, config: &Config, args: &CopyLogArgs) -> Result<ExitCode, Failure> {
    let manner = Manner::of(args);
    let report = match args.to {
        To::EventStoreDb => Box::pin(to_cluster::run(data, config, args, &manner)).await?,
        To::Sqlite => Box::pin(to_file::run(data, config, args, &manner)).await?,
    };
    println!("{}", if args.json { report.to_json().to_string() } else { report.to_text() });
    Ok(if report.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn held() -> u32 {
    u32::try_from(HELD_EVENTS).unwrap_or(u32::MAX)
}

/// Reads a whole number of seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 90s, 10m or 1h");
    let (number, seconds) = match text.chars().next_back() {
        Some('s') => (text.strip_suffix('s'), 1),
        Some('m') => (text.strip_suffix('m'), 60),
        Some('h') => (text.strip_suffix('h'), 3_600),
        Some(_) | None => return Err(wrong()),
    };
    let number: u64 = number.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: CopyLogArgs,
    }

    fn parsed(args: &[&str]) -> Result<CopyLogArgs, clap::Error> {
        Line::try_parse_from(["copy-log"].iter().chain(args)).map(|line| line.args)
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "10", "-1s", "1.5h", "1d", "18446744073709551615h", "十s"] {
            assert!(duration(text).unwrap_err().contains("10m"), "{text}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let args = parsed(&["--to", "sqlite"]).unwrap();
        assert_eq!((args.to, args.patience, args.window), (To::Sqlite, Duration::from_secs(600), 262_144));
        assert!(parsed(&[]).is_err(), "the direction is never guessed");
        assert!(parsed(&["--to", "postgres"]).is_err());
        assert!(parsed(&["--to", "eventstoredb", "--window", "0"]).is_err());
        assert_eq!(parsed(&["--to", "eventstoredb", "--window", "1"]).unwrap().window, 1);
    }

    #[tokio::test]
    async fn a_folder_for_a_copy_into_a_cluster_is_a_mistake() {
        let global = Global { data: PathBuf::from("nowhere"), config: None };
        let args = parsed(&["--to", "eventstoredb", "--into", "there"]).unwrap();
        let refused = run(&global, &Config::default(), args).await.unwrap_err();
        assert!(refused.to_string().contains("--to sqlite"), "{refused}");
    }
}

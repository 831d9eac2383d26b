//! `baycase import`: adopts the histories of another system.
//!
//! Three passes: the whole file is read, every case is checked against the log, and only then is anything appended. A
//! file with a bad row therefore changes nothing, and a file that was imported before appends nothing.

mod adopt;
mod history;
mod mapping;
pub(in crate::commands) mod progress;
mod rejects;
mod rows;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod units;
mod values;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::decider::Context;
use serde::Serialize;

use self::adopt::{Adoption, Plan};
use self::mapping::Mapping;
use self::rejects::Rejects;
use self::rows::{Cases, IMPORT_ROWS_MAX, SeenUnit};
use self::table::Table;
use super::{Failure, Global};
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;

/// The actor of imported events.
const ACTOR: &str = "import";

macro_rules! examples {
    () => {
        "\
Examples:
  baycase import --mapping old.toml --data /var/lib/baycase old-cases.csv
  baycase import --mapping old.toml --rejects rejects.ndjson old-cases.ndjson

The import can be run again at any time: what is stored already is not stored twice, what a newer file adds to the end of
a history is appended, and a history that differs from what is stored is refused. The last line of the output is a
summary in JSON.

"
    };
}

const HELP: &str = concat!(examples!(), "`baycase import --help` shows every key of a mapping.");
const LONG_HELP: &str = concat!(examples!(), "Every key of a mapping:\n\n", include_str!("import/mapping-keys.toml"));

/// Adopt the histories of another system.
#[derive(Debug, Args)]
#[command(after_help = HELP, after_long_help = LONG_HELP)]
pub struct ImportArgs {
    /// What the columns mean (TOML).
    #[arg(long, value_name = "MAP.toml")]
    mapping: PathBuf,
    /// Collect bad rows in this file as NDJSON and leave their cases out, instead of stopping at the first. Where a row
    /// cannot be read at all, or has no case number, nothing is imported: any case may lack it. A file of an earlier run
    /// is written over, any other file is not.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// No progress bars.
    #[arg(long)]
    quiet: bool,
    /// The rows: .csv, or .ndjson or .jsonl with one object in each line.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The last line of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// Cases of the file that are in the log now.
    cases: u64,
    /// Events appended to cases now.
    events: u64,
    /// Cases that were left out.
    rejected: u64,
    /// Cases of which all was stored before.
    unchanged: u64,
    /// Units registered now.
    units: u64,
    /// Rows of the file.
    rows: u64,
    /// Lines of the reject file.
    rejected_rows: u64,
}

/// Imports a file.
///
/// # Errors
/// The mapping or the file is wrong, or the log cannot be read or written.
pub async fn run(global: &Global, config: &Config, args: ImportArgs) -> Result<ExitCode, Failure> {
    let mapping = Mapping::load(&args.mapping)?;
    let mut rejects = Rejects::open(&args.file, args.rejects.as_deref())?;
    let cases = read(&mapping, &args, &mut rejects)?;
    let dir = DataDir::new(&global.data);
    // A cluster has a log or the import is refused: only `init` makes one there.
    let may_be_missing = config.log.engine == LogEngine::Sqlite && !dir.log_path().exists();
    let log = if may_be_missing { None } else { Some(dir.open(config, false).await?) };
    let mut reader = match &log {
        Some(log) => Some(log.reader()?),
        None => None,
    };
    let ctx = Context {
        now: crate::clock::now(),
        unit: &mapping.intake,
        actor: ACTOR,
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    let adoption = Adoption { mapping: &mapping, cases: &cases, ctx };
    let total = u64::try_from(cases.cases.len()).unwrap_or(u64::MAX);
    let bar = progress::bar("checking", total, args.quiet);
    let plans = adoption.check(reader.as_mut(), &mut rejects, &bar)?;
    bar.finish_and_clear();
    rejects.flush()?;
    let missing = units::check(&mapping, &used_units(&cases, &plans), reader.as_mut(), &ctx)?;
    drop(reader);
    let log = match log {
        Some(log) => log,
        None => {
            eprintln!(
                "there is no log in {}: making one; `baycase init` adds what a server needs beside it",
                dir.root().display()
            );
            dir.open(config, true).await?
        }
    };
    let units = units::register(&missing, log.port().as_ref(), &ctx).await?;
    let bar = progress::bar("appending", planned(&plans), args.quiet);
    let events = adoption.append(&plans, &log, &bar).await?;
    bar.finish_and_clear();
    log.close().await;
    let summary = summary(&cases, &plans, events, units, rejects.rows());
    println!("{}", serde_json::to_string(&summary)?);
    Ok(ExitCode::SUCCESS)
}

fn read(mapping: &Mapping, args: &ImportArgs, rejects: &mut Rejects) -> Result<Cases, Failure> {
    let mut table = Table::open(&args.file, mapping.delimiter)?;
    let bar = progress::bytes("reading", table.bytes(), args.quiet);
    let cases = rows::read(&mut table, mapping, IMPORT_ROWS_MAX, rejects, &bar);
    bar.finish_and_clear();
    Ok(cases?)
}

/// The units of the cases that are not left out.
fn used_units(cases: &Cases, plans: &[Plan]) -> Vec<SeenUnit> {
    let kept = cases.cases.iter().zip(plans).filter(|(_, plan)| **plan != Plan::Rejected);
    let used: BTreeSet<usize> = kept.flat_map(|(case, _)| case.rows.iter().filter_map(|row| row.unit)).collect();
    used.into_iter().filter_map(|unit| cases.units.get(unit).cloned()).collect()
}

fn planned(plans: &[Plan]) -> u64 {
    count(plans, |plan| matches!(plan, Plan::Append { .. }))
}

fn count(plans: &[Plan], which: impl Fn(&Plan) -> bool) -> u64 {
    u64::try_from(plans.iter().filter(|plan| which(plan)).count()).unwrap_or(u64::MAX)
}

fn summary(cases: &Cases, plans: &[Plan], events: u64, units: u64, rejected_rows: u64) -> Summary {
    Summary {
        cases: count(plans, |plan| *plan != Plan::Rejected),
        events,
        rejected: count(plans, |plan| *plan == Plan::Rejected),
        unchanged: count(plans, |plan| *plan == Plan::Unchanged),
        units,
        rows: cases.rows,
        rejected_rows,
    }
}

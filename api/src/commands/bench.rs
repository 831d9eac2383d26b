//! `baycase bench`: what this machine makes of a log of any size, beside baselines of the same run.
//!
//! It measures and prints, and judges nothing. Everything is generated; nothing in it is real.

mod appends;
mod client;
mod figures;
mod load;
mod machine;
mod raw;
mod reads;
mod report;
mod serving;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use event_log::durable::{self, Access};
use tokio::task::block_in_place;

use self::figures::{millis, per_second};
use self::machine::Machine;
use self::report::{GenerateFigures, Report};
use super::demo::folder::{self, Made, Marker};
use super::output::check_replaceable;
use super::path_error::at;
use super::{Failure, Global};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::generator::{CASES_MAX, DAYS_MAX, Plan};
use crate::log::needs_file;

/// Says what a folder of cases was made from.
const MARKER: &str = "bench.json";
/// By which the report of an earlier run is known.
const FIRST_MEMBER: &str = "version";
/// The province's load: cases come in over as many days as they would there, at least a month.
const CASES_A_DAY: u64 = 11_400;
const DAYS_MIN: u32 = 30;

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Durable appends beside a bare loop over the same tables.
    Appends,
    /// Reading the whole log.
    Scan,
    /// Loading single cases.
    Replay,
    /// Building all read models.
    Rebuild,
    /// Opening log, vault and read models.
    Open,
    /// Dashboards over HTTP, and the memory of the serving process.
    Dashboard,
}

/// Measure appends, scans, replays, rebuilds and dashboards beside baselines of the same run.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase bench\n  baycase bench --cases 1000000 --json million.json\n  baycase bench --only appends\n  baycase bench --cases 100000 --keep --only dashboard --rate 300 --seconds 30\n\nThe cases are made in a folder below --data and removed at the end; with --keep they stay and the next run with the same\n--cases and --seed uses them. A log of a million cases takes some ten gigabytes. Build with --release."
)]
pub struct BenchArgs {
    /// How many cases the log holds, up to 100 million.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=CASES_MAX))]
    cases: u64,
    /// What the cases are drawn with.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The parts to measure, separated by commas; all when left out.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Stage>,
    /// Questions a second, for the latency of dashboards.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long each latency is measured; each peak takes half of it.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Leave out what is sealed: who filed, and what happened.
    #[arg(long)]
    plain: bool,
    /// Also write the figures to this file; those of an earlier run are written over, any other file is not.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the cases for the next run.
    #[arg(long)]
    keep: bool,
}

impl BenchArgs {
    fn wants(&self, stage: Stage) -> bool {
        self.only.is_empty() || self.only.contains(&stage)
    }

    fn plan(&self) -> Plan {
        let days = u32::try_from(self.cases / CASES_A_DAY).unwrap_or(DAYS_MAX).clamp(DAYS_MIN, DAYS_MAX);
        let (facts, personal) = (!self.plain, !self.plain);
        Plan { cases: self.cases, days, until: folder::yesterday(), seed: self.seed, facts, personal }
    }
}

/// Measures, and prints a table and the same as one line of JSON.
///
/// # Errors
/// Something could not be measured at all; a slow figure is none.
pub async fn run(global: &Global, config: &Config, args: BenchArgs) -> Result<(), Failure> {
    needs_file(config, "bench", "it measures the log in a file, so leave the configuration of the cluster out")?;
    if let Some(file) = &args.json {
        check_replaceable(file, FIRST_MEMBER).map_err(at(file, "cannot be written"))?;
    }
    let place = Place::find(&global.data, &args)?;
    say(&format!("measuring in {}", place.dir.root().display()));
    let plan = place.made_before.map_or_else(|| args.plan(), |marker| Plan { until: marker.until, ..args.plan() });
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: block_in_place(|| Machine::look(place.dir.root())).map_err(at(place.dir.root(), "cannot be used"))?,
        cases: plan.cases,
        days: plan.days,
        until: plan.until,
        seed: plan.seed,
        facts: plan.facts,
        generate: None,
        appends: None,
        scan: None,
        replay: None,
        rebuild: None,
        open: None,
        dashboard: None,
    };
    if args.wants(Stage::Appends) {
        say("durable appends, beside a bare loop");
        let appended = appends::measure(place.dir.root(), config, |figures| {
            say(&format!("  {} x {}: {} events/s", figures.writers, figures.batch, figures.events_per_second));
        });
        report.appends = Some(appended.await?);
    }
    if [Stage::Scan, Stage::Replay, Stage::Rebuild, Stage::Open, Stage::Dashboard]
        .iter()
        .any(|stage| args.wants(*stage))
    {
        report.generate = generate(&place, config, plan).await?;
        measure_log(&place.dir, config, &args, &mut report).await?;
        measure_models(global, &place.dir, config, &args, &mut report)?;
    }
    println!("{}", report.table());
    println!("{}", serde_json::to_string(&report)?);
    if let Some(file) = &args.json {
        durable::write(file, &serde_json::to_vec_pretty(&report)?, Access::Usual)
            .map_err(at(file, "cannot be written"))?;
    }
    Ok(())
}

/// Makes the cases unless an earlier run has kept them.
async fn generate(place: &Place, config: &Config, plan: Plan) -> Result<Option<GenerateFigures>, Failure> {
    if place.made_before.is_some() {
        say("using the cases of an earlier run");
        return Ok(None);
    }
    say(&format!("making {} cases", plan.cases));
    Marker::of(&plan, false).write(&place.dir, MARKER)?;
    let Made { written, took } = folder::make(&place.dir, config, plan).await?;
    Marker::of(&plan, true).write(&place.dir, MARKER)?;
    let figures = GenerateFigures {
        events: written.events,
        took_millis: millis(took),
        events_per_second: per_second(written.events, took),
    };
    Ok(Some(figures))
}

async fn measure_log(dir: &DataDir, config: &Config, args: &BenchArgs, report: &mut Report) -> Result<(), Failure> {
    if args.wants(Stage::Scan) || args.wants(Stage::Replay) {
        say("reading the whole log");
        let (scanned, cases) = block_in_place(|| reads::scan(dir, args.seed))?;
        report.scan = args.wants(Stage::Scan).then_some(scanned);
        if args.wants(Stage::Replay) {
            say(&format!("replaying {} cases", cases.len()));
            report.replay = Some(reads::replay(dir, config, &cases).await?);
        }
    }
    Ok(())
}

fn measure_models(
    global: &Global,
    dir: &DataDir,
    config: &Config,
    args: &BenchArgs,
    report: &mut Report,
) -> Result<(), Failure> {
    let asked = args.wants(Stage::Open) || args.wants(Stage::Dashboard);
    if args.wants(Stage::Rebuild) || (asked && !dir.models_path().exists()) {
        say("building the read models");
        report.rebuild = Some(block_in_place(|| reads::rebuild(dir, config))?);
    }
    if args.wants(Stage::Open) {
        say("opening log, vault and read models");
        report.open = Some(block_in_place(|| reads::open(dir, config))?);
    }
    if args.wants(Stage::Dashboard) {
        let lasting = Duration::from_secs(args.seconds);
        say(&format!("asking a server at {}/s, then as fast as it can", args.rate));
        let measured = block_in_place(|| serving::measure(global, dir, report.until, args.rate, lasting))?;
        report.dashboard = Some(measured);
    }
    Ok(())
}

fn say(what: &str) {
    eprintln!("{what}");
}

/// The folder of cases, removed at the end unless it shall stay.
struct Place {
    dir: DataDir,
    made_before: Option<Marker>,
    remove: bool,
    /// The folder around it was made for it.
    around: Option<PathBuf>,
}

impl Place {
    /// Finds the cases of an earlier run, or makes an empty folder for new ones.
    fn find(data: &Path, args: &BenchArgs) -> Result<Self, Failure> {
        let around = (!data.exists()).then(|| data.to_owned());
        let name = format!("bench-{}-{}{}", args.cases, args.seed, if args.plain { "-plain" } else { "" });
        let dir = DataDir::new(&data.join(name));
        let made_before = Marker::read(&dir, MARKER)?;
        match made_before {
            // What somebody kept is not ours to remove.
            Some(marker) if marker.complete => {
                return Ok(Self { dir, made_before: Some(marker), remove: false, around: None });
            }
            Some(_) => std::fs::remove_dir_all(dir.root()).map_err(at(dir.root(), "cannot be removed"))?,
            None if dir.root().exists() => {
                return Err(format!("{} was not made by `baycase bench`", dir.root().display()).into());
            }
            None => {}
        }
        std::fs::create_dir_all(dir.root()).map_err(at(dir.root(), "cannot be made"))?;
        Marker::of(&args.plan(), false).write(&dir, MARKER)?;
        Ok(Self { dir, made_before: None, remove: !args.keep, around })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.remove {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(self.dir.root()) {
            say(&format!("{} could not be removed: {error}", self.dir.root().display()));
        }
        if let Some(around) = &self.around {
            // Only if it is empty again.
            let _ = std::fs::remove_dir(around);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn args(line: &[&str]) -> Result<BenchArgs, clap::Error> {
        Cli::try_parse_from([&["bench"][..], line].concat()).map(|cli| cli.bench)
    }

    #[test]
    fn parts_are_chosen_by_name() {
        let all = args(&[]).unwrap();
        assert!(Stage::value_variants().iter().all(|stage| all.wants(*stage)));
        let some = args(&["--only", "appends,scan"]).unwrap();
        assert!(some.wants(Stage::Appends) && some.wants(Stage::Scan) && !some.wants(Stage::Dashboard));
        assert!(args(&["--only", "nothing"]).is_err());
    }

    #[test]
    fn sizes_hold_their_limits() {
        assert!(args(&["--cases", "0"]).is_err());
        assert!(args(&["--cases", &CASES_MAX.to_string()]).is_ok());
        assert!(args(&["--cases", &(CASES_MAX + 1).to_string()]).is_err());
        assert!(args(&["--rate", "0"]).is_err());
        assert_eq!(args(&["--cases", "10000"]).unwrap().plan().days, DAYS_MIN);
        assert_eq!(args(&["--cases", "1000000"]).unwrap().plan().days, 87);
        assert_eq!(args(&["--cases", &CASES_MAX.to_string()]).unwrap().plan().days, DAYS_MAX);
    }

    #[test]
    fn a_place_is_removed_unless_it_is_kept() {
        let around = tempfile::tempdir().unwrap();
        let data = around.path().join("data");
        let place = Place::find(&data, &args(&[]).unwrap()).unwrap();
        let root = place.dir.root().to_owned();
        assert!(root.exists());
        drop(place);
        assert!(!data.exists());

        let kept = args(&["--keep"]).unwrap();
        drop(Place::find(&data, &kept).unwrap());
        assert!(root.exists());
        // It was cut short, so it is made anew; then it is complete and stays.
        let place = Place::find(&data, &kept).unwrap();
        assert!(place.made_before.is_none());
        Marker::of(&kept.plan(), true).write(&place.dir, MARKER).unwrap();
        drop(place);
        drop(Place::find(&data, &args(&[]).unwrap()).unwrap());
        assert!(root.exists());
    }

    #[test]
    fn a_foreign_folder_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("bench-10000-42")).unwrap();
        assert!(Place::find(data.path(), &args(&[]).unwrap()).is_err());
        assert!(data.path().join("bench-10000-42").exists());
    }
}

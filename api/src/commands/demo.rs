//! `baycase demo`: a data folder with a plausible month of the province, served, with queries to paste.

mod councils;
pub(in crate::commands) mod folder;
mod questions;

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use tokio::task::spawn_blocking;

use self::councils::{REFERRALS_MAX, Wanted};
use self::folder::{Made, Marker};
use self::questions::{Question, Tokens, ask, questions};
use super::{Failure, Global, rebuild, serve};
use crate::config::{Config, NodeConfig, TelemetryConfig};
use crate::data_dir::DataDir;
use crate::generator::Plan;
use crate::log::needs_file;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Cases of a demo that names no number.
const CASES: u64 = 20_000;
/// Days that they come in on.
const DAYS: u32 = 30;
const SEED: u64 = 12_315;
/// Says what a demo made, and that a demo made it.
const MARKER: &str = "demo.json";

/// Make a data folder with a plausible month of all 21 cities, serve it, and print queries to paste.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase demo\n  baycase demo --once\n  baycase demo --data ./try --cases 2000 --seed 7 --listen 127.0.0.1:8080\n  baycase demo --councils\n  baycase demo --councils --once --referrals 24 --seed 7 | jq -c '{referral, stage, equal}'\n\nNothing is read from outside and nobody in it is real. The folder is used again the next time.\n\n--councils starts Guangdong, Hong Kong and Macao on three free ports of this machine, lets disputes cross between them,\nshows both councils' view of each as it moves, and then serves all three. It fails when the two sides of a dispute differ."
)]
pub struct DemoArgs {
    /// Ask the printed queries, print the answers, and end. With --councils, end when every dispute has ended, and print
    /// one line of JSON for each.
    #[arg(long)]
    once: bool,
    /// Let disputes cross between three councils instead, each with a node, a log and keys of its own.
    #[arg(long, conflicts_with_all = ["cases", "listen"])]
    councils: bool,
    /// How many disputes cross, 12 unless given: so many go every way and come to every kind of end.
    #[arg(
        long,
        value_name = "N",
        requires = "councils",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(REFERRALS_MAX))
    )]
    referrals: Option<u32>,
    /// How many cases, 20000 unless the folder has a demo already.
    #[arg(long)]
    cases: Option<u64>,
    /// What the cases are drawn with: the same seed gives the same cases on the same day.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to listen; a free port of this machine when left out.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

/// Makes what is to be shown if it is not there yet, and serves it.
///
/// # Errors
/// The folder holds something else, or something in it cannot be made or opened; with `--once`, also an answer with
/// errors. With `--councils`, a dispute that did not come to the same end on both sides.
pub async fn run(global: &Global, mut config: Config, args: DemoArgs) -> Result<(), Failure> {
    needs_file(&config, "demo", "a demo makes a log of its own, so leave the configuration of the cluster out")?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.server.listen = args.listen.unwrap_or(any_port);
    config.server.admin_listen = any_port;
    // What a demo makes stays in its own folder.
    config.node = NodeConfig::default();
    if config.telemetry.filter == TelemetryConfig::default().filter {
        // What is printed here is for people; every line of the log would stand between.
        "warn".clone_into(&mut config.telemetry.filter);
    }
    let warnings = config.validate()?;
    let telemetry = telemetry::init(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let outcome = if args.councils {
        let wanted = Wanted { once: args.once, referrals: args.referrals, seed: args.seed.unwrap_or(SEED) };
        Box::pin(councils::run(global, &config, wanted)).await
    } else {
        Box::pin(serve_one(global, config, &args)).await
    };
    telemetry.shutdown().await;
    outcome
}

/// Makes the folder of one node if it has no demo yet, and serves it.
async fn serve_one(global: &Global, config: Config, args: &DemoArgs) -> Result<(), Failure> {
    let dir = DataDir::new(&global.data);
    provide(&dir, &config, args).await?;
    let tokens = Tokens::issue(&dir)?;
    let questions = questions();
    // Asked for before the server listens, so that no early Ctrl-C is lost.
    let signals = Shutdown::listen()?;
    let server = serve::start(global, config, true).await?;
    let outcome = if args.once {
        ask_all(server.addr, &questions, &tokens).await
    } else {
        print_guide(server.addr, &questions, &tokens);
        signals.begun().await;
        Ok(())
    };
    server.stop().await?;
    outcome
}

/// Makes what the folder lacks; one that another demo made is used as it is.
async fn provide(dir: &DataDir, config: &Config, args: &DemoArgs) -> Result<(), Failure> {
    match Marker::read(dir, MARKER)? {
        Some(marker) if marker.complete => {
            check_same(dir, &marker, args)?;
            eprintln!("using the {} cases made up to {} in {}", marker.cases, marker.until, dir.root().display());
            return Ok(());
        }
        Some(_) => {
            eprintln!("an earlier demo in {} was cut short; making it anew", dir.root().display());
            folder::discard(dir, config)?;
        }
        None if [dir.log_path(), dir.vault_path(), dir.models_path(), dir.master_key_path()]
            .iter()
            .any(|file| file.exists()) =>
        {
            return Err(format!(
                "{} holds data that no demo made; name another folder with --data",
                dir.root().display()
            )
            .into());
        }
        None => {}
    }
    let plan = Plan {
        cases: args.cases.unwrap_or(CASES),
        days: DAYS,
        until: folder::yesterday(),
        seed: args.seed.unwrap_or(SEED),
        facts: true,
        personal: true,
    };
    Marker::of(&plan, false).write(dir, MARKER)?;
    let Made { written, took } = folder::make(dir, config, plan).await?;
    eprintln!("made {} cases with {} events in {} ms", written.cases, written.events, took.as_millis());
    let options = dir.model_options(config, Some(dir.open_vault(config)?));
    let of_dir = dir.clone();
    spawn_blocking(move || rebuild::build_and_swap(&of_dir, &options, of_dir.reader()?)).await??;
    Marker::of(&plan, true).write(dir, MARKER)?;
    Ok(())
}

fn check_same(dir: &DataDir, marker: &Marker, args: &DemoArgs) -> Result<(), Failure> {
    let cases = args.cases.unwrap_or(marker.cases);
    let seed = args.seed.unwrap_or(marker.seed);
    if (cases, seed) == (marker.cases, marker.seed) {
        return Ok(());
    }
    Err(format!(
        "{} holds a demo of {} cases with seed {}; name another folder with --data, or leave --cases and --seed out",
        dir.root().display(),
        marker.cases,
        marker.seed
    )
    .into())
}

fn print_guide(addr: SocketAddr, questions: &[Question], tokens: &Tokens) {
    println!("\nBaycase serves the demo on http://{addr}/graphql\n");
    println!("Tokens, valid for {} hours:\n", questions::TOKEN_HOURS);
    for token in tokens.all() {
        println!("# {}\n{}='{}'\n", token.of, token.variable, token.text);
    }
    println!("Three queries to paste, once the tokens above have been pasted:\n");
    for question in questions {
        println!("# {}\n{}\n", question.title, question.curl(addr));
    }
    println!("Ctrl-C ends it; the next `baycase demo` serves the same cases again.");
}

async fn ask_all(addr: SocketAddr, questions: &[Question], tokens: &Tokens) -> Result<(), Failure> {
    for question in questions {
        println!("# {}\n{}\n", question.title, question.curl(addr));
        let answer = ask(addr, question, tokens).await?;
        println!("{}\n", serde_json::to_string_pretty(&answer)?);
        questions::check(question, &answer)?;
    }
    Ok(())
}

//! `baycase partner check`: whether a council's server keeps to the contract between councils.
//!
//! It plays a partner council. It submits a dispute that says everywhere that it is a test, says it again, says it
//! wrongly in every way that must be refused, sends a file, compares the shared history after every step with its own
//! reckoning, and recalls the dispute. What it finds has names that stay, so that two councils can speak about them.
//!
//! The server may be anybody's: nothing is asked of it but what the contract says.

mod draw;
mod exam;
mod feed;
mod files;
mod ledger;
mod messages;
mod overall;
mod places;
mod receipt;
mod report;
mod requests;
mod settings;
#[cfg(test)]
mod testing;
mod unanswered;
mod wire;
mod writer;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cross_border::partner::PartnerId;

pub use self::report::{Finding, Verdict};

use self::settings::{Settings, client};
use crate::commands::Failure;

/// Check whether a server keeps to the contract between councils, with a test referral that is recalled at the end.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  baycase partner check https://partners.example.org/partner/graphql --as gd-consumer-council --to hk-consumer-council --key council-keys/gd-consumer-council.2026a.key.json --peer-key hk.toml\n  baycase partner check http://127.0.0.1:8080/partner/graphql --as hk-consumer-council --to gd-consumer-council --key hk.key.json --peer-key \"$(cat gd.toml)\" --allow-plain-http --allow-private-address --json\n\nThe server must know the public half of --key as a key of the council given with --as: make one for the purpose, let it be entered, and take it out again.\n\nEach check prints `ok NAME`, `FAIL NAME: what was expected, what came, what to do`, or `skip NAME: why` where something before it failed. The exit code is 0 only when all pass. What is left at the server is a recalled referral whose trader is named TEST, and refusals in its journal."
)]
pub struct CheckArgs {
    /// The address of the server's partner API, ending in /partner/graphql.
    #[arg(value_name = "URL")]
    pub url: String,
    /// The council that the check pretends to be, for example gd-consumer-council.
    #[arg(long = "as", value_name = "COUNCIL", value_parser = PartnerId::parse)]
    pub own: PartnerId,
    /// The council whose server it is.
    #[arg(long = "to", value_name = "COUNCIL", value_parser = PartnerId::parse)]
    pub partner: PartnerId,
    /// Our signing key: a file that `baycase partner key new` made.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The server's public key: what `baycase partner key new` printed there, or a file that holds it. May be given
    /// several times.
    #[arg(long, value_name = "TOML|FILE", required = true)]
    pub peer_key: Vec<String>,
    /// Our client certificate (PEM), for a server that asks for one.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// The authority of the server's certificate (PEM); without it those of the system.
    #[arg(long, value_name = "FILE")]
    pub server_ca: Option<PathBuf>,
    /// The server's name may lead to an address of an inner network.
    #[arg(long)]
    pub allow_private_address: bool,
    /// The server may be reached without TLS; for trying things out.
    #[arg(long)]
    pub allow_plain_http: bool,
    /// Draw the ids and salts of the test from this number, so that a run can be made again at a server that has not
    /// seen it; drawn at random without it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Longest time of one exchange in milliseconds.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=600_000))]
    pub timeout_ms: u32,
    /// How long to wait for the answer to the recall in milliseconds; that there is none yet is no failure.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=600_000))]
    pub recall_wait_ms: u32,
    /// One JSON object a line for each check; the summary goes to stderr.
    #[arg(long)]
    pub json: bool,
}

/// Carries out the checks and prints what they find.
///
/// # Errors
/// An argument is not what it must be, or a file cannot be read. What the server does wrong is a finding.
pub async fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let json = args.json;
    let print = &mut |finding: &Finding| {
        tell(&if json { finding.to_json() } else { finding.to_text() });
    };
    let findings = Box::pin(examine(args, print)).await?;
    let summary = report::summary(&findings);
    if json {
        eprintln!("{summary}");
    } else {
        tell(&summary);
    }
    Ok(if findings.iter().all(Finding::is_passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A reader that has gone wants no more lines; the code at the end still tells.
fn tell(line: &str) {
    let _gone = writeln!(io::stdout(), "{line}");
}

/// Carries out the checks, tells each as it is made, and gives them all in their order.
///
/// # Errors
/// As for [`run`].
pub async fn examine(args: &CheckArgs, tell: &mut dyn FnMut(&Finding)) -> Result<Vec<Finding>, Failure> {
    let settings = Settings::of(args, crate::clock::now())?;
    let http = client(args, &settings)?;
    let findings = exam::run(&settings, http, tell).await;
    findings.map_err(|miss| miss.reason().into())
}

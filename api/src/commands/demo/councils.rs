//! `baycase demo --councils`: Guangdong, Hong Kong and Macao as three nodes of this process, between which disputes cross.
//!
//! Every node has a folder, a log, a vault and keys of its own and knows of the others only where they are and their
//! public keys. Everything that crosses goes over HTTP, and everything that is done is done through the staff's API.

mod deed;
mod guide;
mod node;
mod place;
mod play;
mod plot;
mod prepare;
mod screen;
mod setup;
mod texts;
mod view;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use self::node::{NodeError, Nodes};
use self::play::Play;
use self::plot::{BLOCK, draw};
use self::screen::Screen;
use crate::commands::{Failure, Global};
use crate::config::Config;
use crate::shutdown::Shutdown;

/// Disputes of a play that names no number: they go every way and come to every kind of end.
const REFERRALS: u32 = BLOCK;
/// Most disputes of one play.
pub(super) const REFERRALS_MAX: u32 = 240;
/// How long twelve disputes may take.
const LIMIT_PER_BLOCK: Duration = Duration::from_mins(2);
/// Disputes under way at the same time; more could not be followed with the eye.
const AT_ONCE: usize = 6;

/// What is played, and how it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Standard output holds one line of JSON for each dispute, and nothing is served afterwards.
    pub(super) once: bool,
    pub(super) referrals: Option<u32>,
    pub(super) seed: u64,
}

/// Lets disputes cross, and then serves the three councils until it is told to stop, unless it is to end.
///
/// # Errors
/// The folder holds something else, a node cannot be started or refuses what the play asks of it, or a dispute does not
/// come to the same end on both sides in time.
pub(super) async fn run(global: &Global, config: &Config, wanted: Wanted) -> Result<(), Failure> {
    // Asked for before anything listens, so that no early Ctrl-C is lost.
    let signals = Shutdown::listen()?;
    let root: &Path = &global.data;
    let run = setup::claim(root)?;
    let nodes = Box::pin(Nodes::start(root, config)).await?;
    let again = if run == 1 { "" } else { ", used again with new numbers" };
    eprintln!("three councils in {}{again}: run {run}, seed {}", root.display(), wanted.seed);
    let outcome = Box::pin(show(&nodes, run, wanted, &signals)).await;
    nodes.stop().await?;
    outcome
}

async fn show(nodes: &Nodes, run: u32, wanted: Wanted, signals: &Shutdown) -> Result<(), Failure> {
    let count = wanted.referrals.unwrap_or(REFERRALS);
    let limit = LIMIT_PER_BLOCK * count.div_ceil(BLOCK);
    let screen = Screen::new(wanted.once, count);
    screen.head();
    let mut plays: Vec<Play<'_>> =
        draw(run, count, wanted.seed).into_iter().map(|plot| Play::new(plot, nodes, &screen)).collect();
    tokio::select! {
        played = play_all(&mut plays, limit) => played?,
        () = signals.begun() => return interrupted(wanted.once),
    }
    if wanted.once {
        let mut out = std::io::stdout().lock();
        for play in &plays {
            writeln!(out, "{}", serde_json::to_string(&play.line())?)?;
        }
        drop(out);
        verdict(&plays, limit)?;
        return Ok(guide::check(nodes).await?);
    }
    verdict(&plays, limit)?;
    println!("\n{count} disputes crossed; the two councils of every one hold the same.");
    guide::print(nodes);
    signals.begun().await;
    Ok(())
}

/// Plays until all have ended or the time is over.
async fn play_all(plays: &mut [Play<'_>], limit: Duration) -> Result<(), NodeError> {
    let ended = stream::iter(plays.iter_mut())
        .map(|play| play.run())
        .buffer_unordered(AT_ONCE)
        .try_for_each(|()| std::future::ready(Ok(())));
    // What has not ended by then is told of by the verdict.
    tokio::time::timeout(limit, ended).await.unwrap_or(Ok(()))
}

/// Whoever watches may stop; whoever waits for results has none.
fn interrupted(once: bool) -> Result<(), Failure> {
    if once { Err("stopped before every dispute had come to its end".into()) } else { Ok(()) }
}

fn verdict(plays: &[Play<'_>], limit: Duration) -> Result<(), Failure> {
    let open: Vec<String> = plays.iter().filter(|play| !play.is_equal()).map(Play::describe).collect();
    if open.is_empty() {
        return Ok(());
    }
    let (some, all, seconds) = (open.len(), plays.len(), limit.as_secs());
    let told = open.join("\n  ");
    Err(format!("{some} of {all} disputes did not come to the same end on both sides in {seconds} s:\n  {told}").into())
}

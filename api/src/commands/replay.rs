//! `baycase replay`: one case's history, event by event, from the log alone.

mod find;
mod step;
#[cfg(test)]
mod tests;

use std::io;

use chrono::NaiveDate;
use clap::Args;
use domain::complaint::{Complaint, ComplaintEvent};
use domain::day::day_end;
use domain::decider::{Decider, Happened};
use domain::envelope::RecordedEvent;
use domain::id::ComplaintId;
use event_log::execute;
use event_log::port::READ_EVENTS_MAX;
use tokio::task::spawn_blocking;

use self::step::Step;
use super::{Failure, Global, date};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::AnyReader;

/// Step through one case's history.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase replay --case 2026-001\n  baycase replay --case 0d4c…-… --as-of 2026-04-30\n  baycase replay --case 2026-001 --as-of 2026-04-30 --as-known-at 2026-05-06 --json\n\nThe history is read from the log; a server may run meanwhile. What is sealed stays sealed."
)]
pub struct ReplayArgs {
    /// The id of the case, or the number people use.
    #[arg(long, value_name = "ID|NUMBER")]
    case: String,
    /// Only what happened by the end of this local day (UTC+8).
    #[arg(long, value_name = "DATE", value_parser = date::parse)]
    as_of: Option<NaiveDate>,
    /// Only what was recorded by the end of this local day (UTC+8).
    #[arg(long, value_name = "DATE", value_parser = date::parse)]
    as_known_at: Option<NaiveDate>,
    /// One JSON object for each event instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints the state after each event.
///
/// # Errors
/// There is no such case, or the log cannot be read.
pub async fn run(global: &Global, config: &Config, args: ReplayArgs) -> Result<(), Failure> {
    let (dir, config) = (DataDir::new(&global.data), config.clone());
    let reader = dir.read_log(&config).await?;
    spawn_blocking(move || show(&dir, &config, &args, reader)).await?
}

/// Finds the case and prints it. Blocks.
fn show(dir: &DataDir, config: &Config, args: &ReplayArgs, mut reader: AnyReader) -> Result<(), Failure> {
    let (id, events) = find::find(&args.case, dir, config, &mut reader)?;
    let shown: Vec<&RecordedEvent> = events.iter().filter(|event| shows(event, args)).collect();
    let steps = fold(&shown)?;
    match print(id, &steps, events.len(), args, &mut io::stdout().lock()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Whether an event is part of the history as it is asked for.
fn shows(event: &RecordedEvent, args: &ReplayArgs) -> bool {
    args.as_of.is_none_or(|day| event.occurred_at < day_end(day))
        && args.as_known_at.is_none_or(|day| event.recorded_at < day_end(day))
}

/// The history of a case; empty when there is none.
fn read(id: ComplaintId, reader: &mut AnyReader) -> Result<Vec<RecordedEvent>, Failure> {
    let mut events = Vec::new();
    let mut after = None;
    loop {
        let page = reader.read_stream_blocking(&id.stream(), after, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { return Ok(events) };
        after = Some(last.revision);
        events.extend(page);
    }
}

/// The state after each event.
fn fold<'e>(events: &[&'e RecordedEvent]) -> Result<Vec<Step<'e>>, Failure> {
    let mut state = Complaint::initial();
    let mut steps = Vec::with_capacity(events.len());
    for event in events {
        let happened: Happened<ComplaintEvent> = execute::read(event)?;
        state = Complaint::evolve(state, &happened);
        steps.push(Step::new(event, state.case().cloned())?);
    }
    Ok(steps)
}

fn print(
    id: ComplaintId,
    steps: &[Step<'_>],
    stored: usize,
    args: &ReplayArgs,
    out: &mut impl io::Write,
) -> io::Result<()> {
    if args.json {
        for step in steps {
            serde_json::to_writer(&mut *out, &step.to_json(id))?;
            out.write_all(b"\n")?;
        }
        return out.flush();
    }
    let number = steps.last().and_then(Step::case).map_or("not registered", |case| case.number.as_str());
    writeln!(out, "complaint {id}, number {number}")?;
    for step in steps {
        writeln!(out, "\n{}", step.to_text())?;
    }
    let hidden = stored.saturating_sub(steps.len());
    if hidden > 0 {
        writeln!(out, "\n{hidden} of {stored} events do not show at that moment")?;
    }
    out.flush()
}

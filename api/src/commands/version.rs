//! `baycase version`: what this program is, and which events of a log it can read.

use clap::Args;
use cross_border::wire::kinds;
use serde_json::{Value, json};

use super::Failure;
use crate::version::{KnownEvents, VERSION};

/// Print the version, and which events of a log this program can read.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase version\n  baycase version --json | jq -r '.events[] | \"\\(.kind) \\(.schema)\"'\n\nNodes with the same digest read the same events, so they may write one log side by side. The same digest stands in what\n/readyz answers. A node that meets an event which it cannot read stops before it and says so."
)]
pub struct VersionArgs {
    /// One JSON object, with every kind of event and its newest schema.
    #[arg(long)]
    json: bool,
}

/// Prints it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn run(args: &VersionArgs) -> Result<(), Failure> {
    let known = KnownEvents::own();
    if args.json {
        println!("{}", serde_json::to_string(&about(known))?);
    } else {
        println!("baycase {VERSION}");
        println!("events {} kinds, newest schema {}, digest {}", known.kinds, known.newest_schema, known.digest);
    }
    Ok(())
}

fn about(known: &KnownEvents) -> Value {
    let events: Vec<Value> = kinds().iter().map(|(kind, schema)| json!({ "kind": kind, "schema": schema })).collect();
    json!({
        "version": VERSION,
        "events": events,
        "eventsDigest": known.digest,
        "logFormat": event_log::sqlite::SCHEMA_VERSION,
        "readModels": projections::VERSION,
        "referralIndex": cross_border::index::VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_with_its_newest_schema() {
        let about = about(KnownEvents::own());
        let events = about["events"].as_array().unwrap();
        assert_eq!(events.len(), KnownEvents::own().kinds);
        assert!(events.iter().any(|event| event["kind"] == "complaint.registered" && event["schema"] == 1));
        assert_eq!(about["version"], VERSION);
        assert!(run(&VersionArgs { json: true }).is_ok() && run(&VersionArgs { json: false }).is_ok());
    }
}

//! `baycase verify`: the full check of a log, with the program's own decoders.

mod shared;

use std::process::ExitCode;

use clap::Args;
use cross_border::wire::decode_any;
use domain::envelope::{Position, RecordedEvent};
use event_log::digest::hex;
use event_log::verify::{Finding, VerifyError, VerifyReport, verify};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::import::progress;
use super::{Failure, Global};
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;

/// Check the whole log.
#[derive(Debug, Clone, Copy, Args)]
#[command(
    after_help = "Examples:\n  baycase verify --data /var/lib/baycase\n  baycase verify --json\n\nNothing is changed, and a server may run meanwhile. The exit code is 0 for a sound log and 1 when something was found.\nThe order digest covers the events in the order of this log: compare it with one that was written down of the same log.\nThe order is another one in each engine; the content digest, which is the one that `baycase copy-log` prints, is not:\nit is equal for a log and its copy in another engine, when both end with the same events. A log that cannot be read to\nits end has none.\n\nOf a log on a cluster the events and their order are checked; its files EventStoreDB checks itself."
)]
pub struct VerifyArgs {
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Checks every event, every order and, of a log in a file, every page; prints what was found.
///
/// # Errors
/// There is no log, or its disk or the way to it fails.
pub async fn run(global: &Global, config: &Config, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let (dir, args) = (DataDir::new(&global.data), *args);
    let report = match config.log.engine {
        LogEngine::Sqlite => spawn_blocking(move || of_file(&dir, args)).await??,
        LogEngine::EventStoreDb => {
            let mut reader = dir.read_log(config).await?;
            spawn_blocking(move || with_bar(args, |progress| shared::verify(&mut reader, &decodes, progress))).await??
        }
    };
    if args.json {
        println!("{}", to_json(&report));
    } else {
        println!("{}", to_text(&report));
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_file(dir: &DataDir, args: VerifyArgs) -> Result<VerifyReport, VerifyError> {
    with_bar(args, |progress| verify(&dir.log_path(), &decodes, progress))
}

/// Runs a check that tells how far it is.
fn with_bar<T>(args: VerifyArgs, check: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T) -> T {
    let bar = progress::bar("verifying", 0, args.quiet);
    let checked = check(&mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    checked
}

/// Whether the program can still read an event, whatever its age.
fn decodes(event: &RecordedEvent) -> Result<(), String> {
    match decode_any(&event.kind, event.schema, &event.payload) {
        Ok(_) => Ok(()),
        Err(error) => {
            // The finding is one line, so the cause stands in it.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Err(format!("{error}{cause}"))
        }
    }
}

fn to_text(report: &VerifyReport) -> String {
    let mut lines = vec![
        format!("events          {}", report.events),
        format!("streams         {}", report.streams),
        format!(
            "head            {}",
            report.head.map_or_else(|| "none, the log is empty".to_owned(), |head| head.to_string())
        ),
        format!("order digest    {}", hex(&report.log_digest)),
        format!(
            "content digest  {}",
            report
                .content_digest
                .map_or_else(|| "none, some of the log cannot be read".to_owned(), |digest| hex(&digest))
        ),
    ];
    if report.is_sound() {
        lines.push("sound: every event is whole, in order and readable".to_owned());
        return lines.join("\n");
    }
    lines.extend(report.findings.iter().map(line));
    let listed = u64::try_from(report.findings.len()).unwrap_or(u64::MAX);
    if report.findings_total > listed {
        lines.push(format!("and {} more", report.findings_total - listed));
    }
    lines.push(format!(
        "NOT SOUND: {} findings; keep the log as it is and restore the newest backup that verifies",
        report.findings_total
    ));
    lines.join("\n")
}

fn line(finding: &Finding) -> String {
    let place = finding.position.map_or_else(|| "the file".to_owned(), |position| format!("position {position}"));
    let stream = match (&finding.stream, finding.revision) {
        (Some(stream), Some(revision)) => format!(" (`{stream}`, revision {revision})"),
        (Some(stream), None) => format!(" (`{stream}`)"),
        (None, _) => String::new(),
    };
    format!("{place}{stream}: {}", finding.what)
}

fn to_json(report: &VerifyReport) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "position": finding.position.map(Position::get),
                "stream": finding.stream.as_ref().map(ToString::to_string),
                "revision": finding.revision,
                "what": finding.what,
            })
        })
        .collect();
    json!({
        "sound": report.is_sound(),
        "events": report.events,
        "streams": report.streams,
        "head": report.head.map(Position::get),
        "orderDigest": hex(&report.log_digest),
        "contentDigest": report.content_digest.map(|digest| hex(&digest)),
        "findings": findings,
        "findingsTotal": report.findings_total,
    })
}

#[cfg(test)]
mod tests {
    use domain::id::StreamId;

    use super::*;

    fn report(findings: Vec<Finding>, findings_total: u64) -> VerifyReport {
        VerifyReport {
            events: 7,
            streams: 2,
            head: Some(Position::new(7)),
            log_digest: [0xab; 32],
            content_digest: (findings_total == 0).then_some([0xcd; 32]),
            findings,
            findings_total,
        }
    }

    fn finding() -> Finding {
        Finding {
            position: Some(Position::new(3)),
            stream: StreamId::parse("complaint-1").ok(),
            revision: Some(2),
            what: "its bytes do not match its digest".to_owned(),
        }
    }

    #[test]
    fn a_sound_log_is_said_to_be_sound() {
        let text = to_text(&report(Vec::new(), 0));
        assert!(text.contains("sound: every event"), "{text}");
        let json = to_json(&report(Vec::new(), 0));
        assert_eq!(json["sound"], true);
        // Each digest under its own name, and never one for the other.
        let (order, content) = ("ab".repeat(32), "cd".repeat(32));
        assert!(text.contains(&format!("order digest    {order}\n")), "{text}");
        assert!(text.contains(&format!("content digest  {content}\n")), "{text}");
        assert_eq!((&json["orderDigest"], &json["contentDigest"]), (&json!(order), &json!(content)));
    }

    #[test]
    fn a_finding_is_told_with_its_place() {
        let of_file = Finding { position: None, stream: None, revision: None, what: "a page is lost".to_owned() };
        let report = report(vec![finding(), of_file], 5);
        let text = to_text(&report);
        assert!(text.contains("position 3 (`complaint-1`, revision 2): its bytes do not match its digest"), "{text}");
        assert!(text.contains("the file: a page is lost"), "{text}");
        assert!(text.contains("and 3 more") && text.contains("NOT SOUND: 5 findings"), "{text}");
        let json = to_json(&report);
        assert_eq!(json["sound"], false);
        assert_eq!(json["findings"][0]["position"], 3);
        assert_eq!(json["findingsTotal"], 5);
        assert!(text.contains("content digest  none") && json["contentDigest"].is_null(), "{text}");
    }
}

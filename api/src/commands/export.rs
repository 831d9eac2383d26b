//! `baycase export`: every event, or one row per case, as NDJSON and without a limit.

mod cases;
mod events;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use domain::envelope::Position;
use event_log::port::ReadError;
use projections::{ApplyError, QueryError, ReadModels};
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::{Failure, Global};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::AnyReader;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Stream events or cases.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase export > events.ndjson\n  baycase export --after 120000 --out newer.ndjson\n  baycase export --cases --out cases.ndjson\n\nEvents are written with their digests and as they are stored: what is sealed stays sealed. Cases come from the read\nmodels. A server may run meanwhile. The number of lines is printed on stderr at the end."
)]
pub struct ExportArgs {
    /// Every event of the log, in order; so without any of the two.
    #[arg(long, conflicts_with = "cases")]
    events: bool,
    /// One row for each case, as it stands.
    #[arg(long)]
    cases: bool,
    /// Write to a new file instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only events behind this position, the last one of an earlier export.
    #[arg(long, value_name = "POSITION", conflicts_with = "cases")]
    after: Option<u64>,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Why an export broke off.
#[derive(Debug, Error)]
enum ExportError {
    #[error("`{}` exists; an export never overwrites a file, name another one", .0.display())]
    Exists(PathBuf),
    #[error("`{}` cannot be written", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    #[error("the log could not be read")]
    Read(#[source] ReadError),
    #[error("the {what} of the event at position {position} is not JSON; run `baycase verify`")]
    NotJson {
        position: Position,
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the read models could not be asked")]
    Query(#[source] QueryError),
    #[error("the read models could not be brought up to the log")]
    Apply(#[source] ApplyError),
}

/// What is written.
#[derive(Debug)]
enum Source {
    Events(AnyReader),
    Cases(ReadModels),
}

/// Streams until everything is written, or until nobody reads any more.
///
/// # Errors
/// The log or the read models cannot be read, or the output cannot be written.
pub async fn run(global: &Global, config: &Config, args: ExportArgs) -> Result<(), Failure> {
    let dir = DataDir::new(&global.data);
    // The command line refuses both together.
    let of_cases = args.cases && !args.events;
    let source = if of_cases {
        Source::Cases(Box::pin(cases::models(&dir, config)).await?)
    } else {
        Source::Events(dir.read_log(config).await?)
    };
    if let Some(lines) = spawn_blocking(move || put_out(source, &args)).await?? {
        eprintln!("{lines} {}", if of_cases { "cases" } else { "events" });
    }
    Ok(())
}

/// Writes to the file that is named, or to stdout. Blocks.
fn put_out(source: Source, args: &ExportArgs) -> Result<Option<u64>, Failure> {
    let Some(path) = &args.out else {
        return write(source, args, &mut BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()));
    };
    let file = create(path)?;
    let written = write(source, args, &mut BufWriter::with_capacity(BUFFER_BYTES, &file))?;
    file.sync_all().map_err(|source| ExportError::Open { path: path.clone(), source })?;
    Ok(written)
}

fn create(path: &Path) -> Result<File, ExportError> {
    File::create_new(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists(path.to_owned()),
        _ => ExportError::Open { path: path.to_owned(), source },
    })
}

/// How many lines were written; `None` when the reader went away, which is its right.
fn write(source: Source, args: &ExportArgs, out: &mut impl Write) -> Result<Option<u64>, Failure> {
    let written = match source {
        Source::Cases(models) => cases::write(&models, out, args.quiet),
        Source::Events(mut reader) => events::write(&mut reader, args.after.map(Position::new), out, args.quiet),
    };
    match written.and_then(|lines| out.flush().map_err(ExportError::Write).map(|()| lines)) {
        Ok(lines) => Ok(Some(lines)),
        Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes one line of JSON.
fn line(out: &mut impl Write, value: &impl serde::Serialize) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, value).map_err(|error| ExportError::Write(error.into()))?;
    out.write_all(b"\n").map_err(ExportError::Write)
}

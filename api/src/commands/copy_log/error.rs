//! Why a copy broke off. Each text says what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use domain::envelope::{Position, Revision};
use domain::id::StreamId;
use event_log::copy::LedgerError;
use event_log::port::{AppendError, LogFault, ReadError};
use event_log::sqlite::{BulkError, OpenError};
use thiserror::Error;
use tokio::task::JoinError;
use uuid::Uuid;

use crate::commands::Failure;

/// Why a copy broke off. What was copied by then stays, and running the same command again goes on behind it.
#[derive(Debug, Error)]
pub(super) enum CopyError {
    #[error("--into names the folder of a new file: use it with `--to sqlite`")]
    Into,
    #[error(
        "log.eventstore.installation is {configured}, and the log to copy is of installation {found}: correct the \
         configuration, or name the right data folder"
    )]
    OtherInstallation { configured: Uuid, found: Uuid },
    #[error("the cluster cannot be opened")]
    Open(#[source] LogFault),
    #[error("the cluster does not take this copy")]
    Begin(#[source] LogFault),
    #[error("that the copy is complete could not be written down; run the same command again")]
    Finish(#[source] LogFault),
    #[error("the file of the log cannot be read")]
    OpenFile(#[source] OpenError),
    #[error("the cluster was waited for {} s; run the same command again, it goes on from here", .patience.as_secs())]
    GaveUp {
        patience: Duration,
        #[source]
        last: Failure,
    },
    #[error(
        "{}: {what}; if this copy is the right one, delete that file and run the same command again",
        .path.display()
    )]
    OtherCheckpoint { path: PathBuf, what: &'static str },
    #[error("{} cannot be read or written; it says how far the copy came", .path.display())]
    Checkpoint {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "there is a log at {} already: move it away, or name another folder with --into; --verify-only compares it",
        .0.display()
    )]
    TargetExists(PathBuf),
    #[error("the log in the file could not be read; run `baycase verify`")]
    ReadFile(#[source] ReadError),
    #[error("the log on the cluster could not be read")]
    ReadCluster(#[source] ReadError),
    #[error("stream `{stream}` could not be copied")]
    Append {
        stream: StreamId,
        #[source]
        source: AppendError,
    },
    #[error("the appends could not be handed to the new file")]
    Bulk(#[source] BulkError),
    #[error("the disk of {} is full: make room and run the same command again, it goes on from here", .0.display())]
    DiskFull(PathBuf),
    #[error("the commands of bucket {bucket:04x} could not be copied")]
    Commands {
        bucket: u16,
        #[source]
        source: AppendError,
    },
    #[error(
        "event {revision} of stream `{stream}` is another one in the target: it is no copy of this log, or somebody \
         has written it meanwhile; begin anew with an empty target"
    )]
    Otherwise { stream: StreamId, revision: Revision },
    #[error(
        "the target has not as much of stream `{stream}` as was copied: it was restored or begun anew; delete \
         copy-log.json and run the same command again, which begins at the beginning"
    )]
    Behind { stream: StreamId },
    #[error("somebody still writes to the cluster: stop every node, and run the same command again")]
    StillWritten,
    #[error(
        "the event at position {position} is a `{kind}`, which this program does not know: copy with the newer one \
         that wrote it"
    )]
    Kind { kind: Box<str>, position: Position },
    #[error(
        "event {revision} of stream `{stream}` was recorded {millis} ms before one that stands more than {window} \
         events ahead of it; a file must keep the order of recording: delete copy-log.json and the file that ends in \
         `.copying`, and run the command with a larger --window"
    )]
    Backwards { stream: StreamId, revision: Revision, millis: i64, window: usize },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(
        "the file of --case-digests, {}, cannot be written: name another one, and run the same command again; nothing \
         was copied",
        .path.display()
    )]
    Digests {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} could not be written", .path.display())]
    Output {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a part of the copy broke off; run the same command again")]
    Broke(#[source] JoinError),
}

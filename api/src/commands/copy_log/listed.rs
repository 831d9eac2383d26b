//! The list of commands, which says where the answer to a command stands that is sent once more.
//!
//! A file has a table of them. On servers those of a copied log stand in 65,536 buckets, each a stream of its own.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use domain::id::CommandId;
use event_log::eventstore::{CopiedCommand, EventStoreLog, copied_bucket};
use event_log::sqlite::LogReader;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::CopyError;
use super::to_cluster::APPENDS_AT_ONCE;
use super::{Manner, READER};
use crate::commands::import::progress;

const BUCKETS: u64 = 65_536;
/// Commands that are held in memory at a time; the table is read once for so many of them. It is sorted by ids, and
/// they are wanted by buckets: sorting it would take a file as large as itself.
const SLICE_COMMANDS: u64 = 1_000_000;

/// What came of comparing the list of a file with that of the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ListCheck {
    pub(super) commands: u64,
    /// Those that the cluster does not know, or knows otherwise, or knows alone.
    pub(super) differing: u64,
    pub(super) first: Option<CommandId>,
}

/// Writes the list of the file into the cluster; how many commands it has. What is there already is left out.
pub(super) async fn write(file: &Path, store: &EventStoreLog, manner: &Manner) -> Result<u64, CopyError> {
    let (total, mut slices, reading) = slices(file).await?;
    let bar = progress::bar("commands", total, manner.quiet);
    while let Some(slice) = slices.recv().await {
        let buckets = slice.chunk_by(|one, next| copied_bucket(one.command) == copied_bucket(next.command));
        stream::iter(buckets.map(Ok::<&[CopiedCommand], CopyError>))
            .try_for_each_concurrent(APPENDS_AT_ONCE, |commands| write_bucket(store, commands, manner, &bar))
            .await?;
    }
    reading.await.map_err(CopyError::Broke)??;
    bar.finish_and_clear();
    Ok(total)
}

async fn write_bucket(
    store: &EventStoreLog,
    commands: &[CopiedCommand],
    manner: &Manner,
    bar: &ProgressBar,
) -> Result<(), CopyError> {
    let Some(bucket) = commands.first().map(|listed| copied_bucket(listed.command)) else { return Ok(()) };
    let write = async || store.write_copied_commands(bucket, commands).await;
    manner.patience.with(write).await?.map_err(|source| CopyError::Commands { bucket, source })?;
    bar.inc(u64::try_from(commands.len()).unwrap_or(u64::MAX));
    Ok(())
}

/// Compares the list of the file with that of the cluster, which is a copy of it. Buckets that have nothing in the file
/// are not looked at: what they could hold would name events that are not there.
pub(super) async fn check(file: &Path, store: &EventStoreLog, manner: &Manner) -> Result<ListCheck, CopyError> {
    let (total, mut slices, reading) = slices(file).await?;
    let bar = progress::bar("commands", total, manner.quiet);
    let mut check = ListCheck { commands: total, ..ListCheck::default() };
    while let Some(slice) = slices.recv().await {
        let buckets = slice.chunk_by(|one, next| copied_bucket(one.command) == copied_bucket(next.command));
        let mut checked = stream::iter(buckets.map(|commands| check_bucket(store, commands, manner, &bar)))
            .buffer_unordered(APPENDS_AT_ONCE);
        while let Some(differing) = checked.try_next().await? {
            check.differing = check.differing.saturating_add(u64::try_from(differing.len()).unwrap_or(u64::MAX));
            check.first = check.first.into_iter().chain(differing).min();
        }
    }
    reading.await.map_err(CopyError::Broke)??;
    bar.finish_and_clear();
    Ok(check)
}

/// The commands of a bucket that differ.
async fn check_bucket(
    store: &EventStoreLog,
    commands: &[CopiedCommand],
    manner: &Manner,
    bar: &ProgressBar,
) -> Result<Vec<CommandId>, CopyError> {
    let Some(bucket) = commands.first().map(|listed| copied_bucket(listed.command)) else { return Ok(Vec::new()) };
    let read = async || store.read_copied_commands(bucket).await;
    let found = manner.patience.with(read).await?.map_err(CopyError::ReadCluster)?;
    bar.inc(u64::try_from(commands.len()).unwrap_or(u64::MAX));
    Ok(differing(commands, found))
}

/// The commands that one of the lists has otherwise than the other.
fn differing(expected: &[CopiedCommand], found: Vec<CopiedCommand>) -> Vec<CommandId> {
    let mut found: BTreeMap<CommandId, CopiedCommand> =
        found.into_iter().map(|listed| (listed.command, listed)).collect();
    let mut differing: Vec<CommandId> = expected
        .iter()
        .filter(|listed| found.remove(&listed.command).as_ref() != Some(*listed))
        .map(|listed| listed.command)
        .collect();
    differing.extend(found.into_keys());
    differing
}

type Slices = mpsc::Receiver<Vec<CopiedCommand>>;

/// Reads the list slice by slice on a thread of its own, each sorted by bucket; also says how long the list is.
async fn slices(file: &Path) -> Result<(u64, Slices, JoinHandle<Result<(), CopyError>>), CopyError> {
    let counted = file.to_owned();
    let count = move || {
        let mut reader = LogReader::open(&counted, READER).map_err(CopyError::OpenFile)?;
        reader.command_count_blocking().map_err(CopyError::ReadFile)
    };
    let total = spawn_blocking(count).await.map_err(CopyError::Broke)??;
    let (sender, receiver) = mpsc::channel(1);
    let file = file.to_owned();
    Ok((total, receiver, spawn_blocking(move || read(&file, total, &sender))))
}

fn read(file: &Path, total: u64, out: &mpsc::Sender<Vec<CopiedCommand>>) -> Result<(), CopyError> {
    let mut reader = LogReader::open(file, READER).map_err(CopyError::OpenFile)?;
    for buckets in ranges(total.div_ceil(SLICE_COMMANDS)) {
        let commands = reader.commands_blocking(&buckets).map_err(CopyError::ReadFile)?;
        if out.blocking_send(commands).is_err() {
            // Whoever took them has failed, and says why.
            break;
        }
    }
    Ok(())
}

/// All buckets, in so many ranges that are as long as each other.
fn ranges(count: u64) -> impl Iterator<Item = RangeInclusive<u16>> {
    let count = count.clamp(1, BUCKETS);
    let bucket = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    (0..count).map(move |turn| bucket(turn * BUCKETS / count)..=bucket((turn + 1) * BUCKETS / count - 1))
}

#[cfg(test)]
mod tests {
    use domain::envelope::Revision;
    use domain::id::StreamId;
    use event_log::digest::command_digest;

    use super::*;

    fn listed(name: &str) -> CopiedCommand {
        CopiedCommand {
            command: CommandId::derived(&[name]),
            digest: command_digest(name.as_bytes()),
            stream: StreamId::parse("filing-1").unwrap(),
            first: Revision::FIRST,
            last: Revision::FIRST,
        }
    }

    #[test]
    fn the_ranges_are_all_buckets_once() {
        for count in [0, 1, 2, 3, 13, 65_535, 65_536, 1_000_000] {
            let mut next = 0_u32;
            for range in ranges(count) {
                assert_eq!(u32::from(*range.start()), next, "{count}");
                assert!(range.start() <= range.end());
                next = u32::from(*range.end()) + 1;
            }
            assert_eq!(next, 65_536, "{count}");
        }
    }

    #[test]
    fn a_command_differs_when_it_is_missing_or_another_or_too_many() {
        let list = [listed("a"), listed("b"), listed("c")];
        assert!(differing(&list, vec![listed("c"), listed("a"), listed("b")]).is_empty());
        let moved = CopiedCommand { last: Revision::new(1), ..listed("b") };
        let mut differing = differing(&list, vec![listed("a"), moved, listed("d")]);
        let mut expected = [listed("b"), listed("c"), listed("d")].map(|listed| listed.command);
        differing.sort_unstable();
        expected.sort_unstable();
        assert_eq!(differing, expected);
    }
}

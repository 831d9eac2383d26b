//! The commands behind the events of a file: for copies into other engines, and for the proof that they are equal.

use std::ops::RangeInclusive;

use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::CommandId;
use rusqlite::{OptionalExtension, Row};
use serde::Deserialize;
use uuid::Uuid;

use crate::copy::Copied;
use crate::digest::DIGEST_BYTES;
use crate::eventstore::{CopiedCommand, copied_bucket};
use crate::port::{Page, ReadError};
use crate::sqlite::LogReader;
use crate::sqlite::row::{Names, failure, unsigned};

const FIND: &str = "SELECT digest, first_revision, count, last_position FROM command WHERE id = ?1";
/// The commands of some buckets; a bucket is named by the last two bytes of an id.
const LIST: &str = "SELECT id, digest, stream, first_revision, count FROM command \
     WHERE substr(id, 15, 2) BETWEEN ?1 AND ?2";
const COUNT: &str = "SELECT count(*) FROM command";

/// The one thing in an event's metadata that leads to its command.
#[derive(Deserialize)]
struct Cause {
    command: CommandId,
}

/// A row of the list of commands.
#[derive(Clone, Copy)]
struct Listed {
    command: CommandId,
    digest: CommandDigest,
    first_revision: u64,
    count: u64,
    last_position: u64,
}

impl Listed {
    fn read(row: &Row<'_>, command: CommandId) -> rusqlite::Result<Self> {
        Ok(Self {
            command,
            digest: CommandDigest(row.get(0)?),
            first_revision: unsigned(row, 1)?,
            count: unsigned(row, 2)?,
            last_position: unsigned(row, 3)?,
        })
    }

    /// Whether the event is one of the command's. Its events stand one behind the other in the log, so the place says
    /// which stream they are of.
    fn covers(&self, event: &RecordedEvent) -> bool {
        let (revision, end) = (event.revision.get(), self.first_revision.saturating_add(self.count));
        let behind = end.checked_sub(revision.saturating_add(1));
        let place = behind.map(|behind| event.position.get().saturating_add(behind));
        revision >= self.first_revision && place == Some(self.last_position)
    }
}

impl LogReader {
    /// [`LogReader::read_all_blocking`] with the command behind each event, and whether the page ends at the end.
    ///
    /// # Errors
    /// The file could not be read, or an event in it is damaged, or the list of commands does not know it.
    pub fn read_with_commands_blocking(
        &mut self,
        after: Option<Position>,
        limit: u32,
    ) -> Result<(Vec<Copied>, bool), ReadError> {
        let Page { events, at_end } = self.read_all_blocking(after, limit)?;
        let mut find = self.connection().prepare_cached(FIND).map_err(|error| failure(error, 0))?;
        let mut copied = Vec::with_capacity(events.len());
        let mut last: Option<Listed> = None;
        for event in events {
            let position = event.position.get();
            let damaged = |what| ReadError::Damaged { position, what };
            let Ok(Cause { command }) = serde_json::from_str(&event.metadata) else {
                return Err(damaged("its metadata names no command"));
            };
            let listed = match last.filter(|last| last.command == command) {
                Some(listed) => listed,
                None => find
                    .query_row([command.as_uuid().as_bytes().as_slice()], |row| Listed::read(row, command))
                    .optional()
                    .map_err(|error| failure(error, position))?
                    .ok_or_else(|| damaged("its command is not in the list of commands"))?,
            };
            if !listed.covers(&event) {
                return Err(damaged("the list of commands has another place for its command"));
            }
            last = Some(listed);
            copied.push((event, command, listed.digest));
        }
        Ok((copied, at_end))
    }

    /// The commands of some buckets ([`copied_bucket`]), sorted by bucket and id. Reads the whole list of commands.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn commands_blocking(&mut self, buckets: &RangeInclusive<u16>) -> Result<Vec<CopiedCommand>, ReadError> {
        let failed = |error| failure(error, 0);
        let conn = self.connection();
        let mut names = Names::new();
        let mut list = conn.prepare_cached(LIST).map_err(failed)?;
        let (first, last) = (buckets.start().to_be_bytes(), buckets.end().to_be_bytes());
        let mut rows = list.query((first.as_slice(), last.as_slice())).map_err(failed)?;
        let mut commands = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (id, digest, stream, first, count) = columns(row).map_err(failed)?;
            let Some(stream) = names.stream(conn, stream).map_err(failed)? else {
                let what = "the stream of a command is not in the table of streams";
                return Err(ReadError::Damaged { position: 0, what });
            };
            commands.push(CopiedCommand {
                command: CommandId::from_uuid(Uuid::from_bytes(id)),
                digest: CommandDigest(digest),
                stream,
                first: Revision::new(first),
                last: Revision::new(first.saturating_add(count).saturating_sub(1)),
            });
        }
        commands.sort_unstable_by_key(|listed| (copied_bucket(listed.command), listed.command));
        Ok(commands)
    }

    /// How many commands the log remembers.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn command_count_blocking(&mut self) -> Result<u64, ReadError> {
        let count = self.connection().prepare_cached(COUNT);
        count.and_then(|mut count| count.query_row([], |row| unsigned(row, 0))).map_err(|error| failure(error, 0))
    }
}

type Columns = ([u8; 16], [u8; DIGEST_BYTES], i64, u64, u64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, unsigned(row, 3)?, unsigned(row, 4)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::*;
    use crate::contract::fixture::{Scene, ticking_stamp};
    use crate::port::{EventLog, Expected};
    use crate::sqlite::{ReaderSettings, SqliteLog, SqliteOptions};

    /// A log with three commands on two streams.
    async fn filled(path: &Path) -> Scene {
        let options = SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) };
        let log = SqliteLog::open(path, options).unwrap();
        let scene = Scene::new(&log, "commands").await;
        log.append(scene.append("a", Expected::NoStream, "1", &["{}", "{}"])).await.unwrap();
        log.append(scene.append("b", Expected::NoStream, "2", &["{}"])).await.unwrap();
        log.append(scene.append("a", Expected::At(Revision::new(1)), "3", &["{}", "{}", "{}"])).await.unwrap();
        log.close();
        scene
    }

    fn reader(path: &Path) -> LogReader {
        LogReader::open(path, ReaderSettings::default()).unwrap()
    }

    #[tokio::test]
    async fn every_event_comes_with_its_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.sqlite");
        let scene = filled(&path).await;
        let (first, at_end) = reader(&path).read_with_commands_blocking(None, 4).unwrap();
        let (rest, ended) = reader(&path).read_with_commands_blocking(Some(Position::new(4)), 4).unwrap();
        assert_eq!((first.len(), at_end, rest.len(), ended), (4, false, 2, true));
        let expected = ["1", "1", "2", "3", "3", "3"].map(|which| scene.command(which));
        let found = first.iter().chain(&rest).map(|(_, id, digest)| (*id, *digest));
        assert!(found.eq(expected.iter().map(|command| (command.id, command.digest))));
    }

    #[tokio::test]
    async fn the_commands_are_listed_by_bucket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.sqlite");
        let scene = filled(&path).await;
        let mut reader = reader(&path);
        let all = reader.commands_blocking(&(0..=u16::MAX)).unwrap();
        assert_eq!((all.len(), reader.command_count_blocking().unwrap()), (3, 3));
        assert!(all.is_sorted_by_key(|listed| (copied_bucket(listed.command), listed.command)));
        let third = scene.command("3");
        let listed = all.iter().find(|listed| listed.command == third.id).unwrap();
        assert_eq!((listed.digest, &listed.stream), (third.digest, &scene.stream("a")));
        assert_eq!((listed.first, listed.last), (Revision::new(2), Revision::new(4)));
        let bucket = copied_bucket(third.id);
        let before = reader.commands_blocking(&(0..=bucket.saturating_sub(1))).unwrap().len();
        let with = reader.commands_blocking(&(0..=bucket)).unwrap().len();
        assert!(with > before && reader.commands_blocking(&(bucket..=bucket)).unwrap().contains(listed));
    }

    #[tokio::test]
    async fn a_list_of_commands_that_does_not_fit_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.sqlite");
        filled(&path).await;
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch("DROP TRIGGER command_no_update; DROP TRIGGER command_no_delete").unwrap();
        raw.execute_batch("UPDATE command SET last_position = 99 WHERE count = 3").unwrap();
        let mut reader = LogReader::connect(&path, ReaderSettings::default()).unwrap();
        let refused = reader.read_with_commands_blocking(None, 9).unwrap_err();
        assert!(matches!(refused, ReadError::Damaged { position: 4, .. }), "{refused}");
        raw.execute_batch("DELETE FROM command WHERE count = 1").unwrap();
        let refused = reader.read_with_commands_blocking(None, 9).unwrap_err();
        assert!(matches!(refused, ReadError::Damaged { position: 3, .. }), "{refused}");
    }
}

//! The list of commands against the events.

use domain::envelope::RecordedEvent;
use domain::id::CommandId;
use rusqlite::{Connection, OptionalExtension};

use crate::sqlite::row::{signed, unsigned};

/// Looks up commands; the one looked up last is remembered, because the events of a command stand together.
pub(super) struct Commands<'a> {
    conn: &'a Connection,
    last: Option<Listed>,
    seen: u64,
}

/// A row of the list.
#[derive(Clone, Copy)]
struct Listed {
    id: CommandId,
    stream: i64,
    first_revision: u64,
    count: u64,
    last_position: u64,
}

impl<'a> Commands<'a> {
    pub(super) const fn new(conn: &'a Connection) -> Self {
        Self { conn, last: None, seen: 0 }
    }

    /// How many commands the events looked at so far began.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// How many commands are listed up to the position `head`.
    pub(super) fn count(&self, head: u64) -> rusqlite::Result<u64> {
        self.conn
            .query_row("SELECT count(*) FROM command WHERE last_position <= ?1", [signed(head)], |row| unsigned(row, 0))
    }

    /// What is wrong between an event and the command that its metadata names.
    pub(super) fn check(
        &mut self,
        id: CommandId,
        event: &RecordedEvent,
        stream: i64,
    ) -> rusqlite::Result<Option<String>> {
        let listed = match self.last.filter(|last| last.id == id) {
            Some(listed) => listed,
            None => match self.look_up(id)? {
                Some(listed) => listed,
                None => return Ok(Some(format!("its command `{id}` is not in the list of commands"))),
            },
        };
        self.last = Some(listed);
        let revision = event.revision.get();
        if revision == listed.first_revision {
            self.seen = self.seen.saturating_add(1);
        }
        // The events of one command stand together, the last of them at the listed position.
        let behind = listed.first_revision.saturating_add(listed.count).checked_sub(revision.saturating_add(1));
        let place = behind.map(|behind| event.position.get().saturating_add(behind));
        let agrees =
            listed.stream == stream && revision >= listed.first_revision && place == Some(listed.last_position);
        Ok((!agrees).then(|| format!("the list of commands has another place for its command `{id}`")))
    }

    fn look_up(&self, id: CommandId) -> rusqlite::Result<Option<Listed>> {
        self.conn
            .prepare_cached("SELECT stream, first_revision, count, last_position FROM command WHERE id = ?1")?
            .query_row([id.as_uuid().as_bytes().as_slice()], |row| {
                Ok(Listed {
                    id,
                    stream: row.get(0)?,
                    first_revision: unsigned(row, 1)?,
                    count: unsigned(row, 2)?,
                    last_position: unsigned(row, 3)?,
                })
            })
            .optional()
    }
}

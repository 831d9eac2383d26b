//! Copying a log from one engine to another: what goes where, in which order, and the proof that both sides are equal.
//!
//! Nothing here knows an engine. A copy keeps every event of every stream with its id, its times, its bytes and the
//! command behind it, so every digest stays what it was. What no copy keeps is a position: each engine gives its own.
//!
//! - [`Pages`] cuts the way into a log on servers: what stands together there, and how far events may change places.
//! - [`Window`] puts the way back into a file into an order in which recording times do not go back.
//! - [`Ledger`] compares two logs stream by stream, whatever order they came in.

mod compare;
mod ledger;
mod pages;
mod window;

use domain::envelope::{CommandDigest, RecordedEvent};
use domain::id::CommandId;

pub use self::compare::{Comparison, Difference, Totals};
pub use self::ledger::{Batch, Ledger, LedgerError, Side, StreamSum};
pub use self::pages::{Chain, PAGE_BYTES_MAX, Page, Pages, expected};
pub use self::window::{Run, Window};

/// Events that a copy holds in memory unless it is told otherwise: 200 MB or so of them.
///
/// It is both the largest page on the way into servers and the window on the way back, so that what one of them has
/// put into another order the other puts right.
pub const HELD_EVENTS: usize = 262_144;

/// An event as it is copied: with the command behind it, and the digest of that command's body.
pub type Copied = (RecordedEvent, CommandId, CommandDigest);

#[cfg(test)]
mod fixture {
    use chrono::TimeDelta;
    use domain::envelope::{Position, RecordedEvent, Revision};
    use domain::id::{CommandId, StreamId};

    use super::Copied;
    use crate::contract::fixture::{SOME_MICROS, moment};
    use crate::digest::command_digest;

    /// An event at a position, recorded so many seconds behind some moment, by the command of that name.
    pub(super) fn copied(position: u64, stream: &str, revision: u64, command: &str, seconds: i64) -> Copied {
        let stream = StreamId::parse(stream).unwrap();
        let id = CommandId::derived(&[command]);
        let event = RecordedEvent {
            position: Position::new(position),
            id: id.event(&stream, usize::try_from(revision).unwrap()),
            stream,
            revision: Revision::new(revision),
            kind: "copy.seen".into(),
            schema: 1,
            occurred_at: moment(SOME_MICROS),
            recorded_at: moment(SOME_MICROS) + TimeDelta::seconds(seconds),
            metadata: "{}".into(),
            payload: format!("{{\"n\":{revision}}}").into(),
        };
        (event, id, command_digest(command.as_bytes()))
    }
}

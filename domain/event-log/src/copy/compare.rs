//! Two logs side by side, and what tells them apart.

use std::cmp::Ordering;

use domain::id::StreamId;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Rows};

use super::ledger::{Line, NAME, Side, chained};
use crate::digest::{DIGEST_BYTES, stream_digest};

/// Differences that are listed; the others are counted.
const DIFFERENCES_MAX: usize = 100;

/// What a log adds up to, in whatever order its streams stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub streams: u64,
    pub events: u64,
    pub commands: u64,
    /// [`crate::digest::ContentDigest`] over the streams by name: of each its name behind the length of it, the number
    /// of its events, and the digest over them. Numbers are eight big-endian bytes.
    pub digest: [u8; DIGEST_BYTES],
    /// The same over the commands behind the events.
    pub commands_digest: [u8; DIGEST_BYTES],
}

/// How a stream of one log differs from that of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It stands in the source alone.
    Missing { stream: StreamId, events: u64 },
    /// It stands in the target alone.
    Surplus { stream: StreamId, events: u64 },
    /// A revision is not there although later ones are.
    Gap { side: Side, stream: StreamId, revision: u64 },
    /// Its events differ; how many each side has.
    Events { stream: StreamId, source: u64, target: u64 },
    /// Its events are equal, and the commands that they are said to come from are not.
    Commands { stream: StreamId },
}

impl Difference {
    /// The stream that differs.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        match self {
            Self::Missing { stream, .. }
            | Self::Surplus { stream, .. }
            | Self::Gap { stream, .. }
            | Self::Events { stream, .. }
            | Self::Commands { stream } => stream,
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub source: Totals,
    pub target: Totals,
    /// The first 100, by the names of their streams.
    pub differences: Vec<Difference>,
    pub differences_total: u64,
}

impl Comparison {
    /// Both sides hold the same events by the same commands.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.differences_total == 0
    }
}

impl Totals {
    fn add(&mut self, name: &str, line: &Line) {
        self.streams = self.streams.saturating_add(1);
        self.events = self.events.saturating_add(line.events);
        self.commands = self.commands.saturating_add(line.commands);
        self.digest = chained(&self.digest, &stream_digest(name, line.events, &line.chain));
        let commands = stream_digest(name, line.commands, &line.causes);
        self.commands_digest = chained(&self.commands_digest, &commands);
    }
}

/// Walks through both tables by name.
pub(super) fn compare(conn: &Connection) -> rusqlite::Result<Comparison> {
    let mut lists = (conn.prepare(Side::Source.list())?, conn.prepare(Side::Target.list())?);
    let (mut sources, mut targets) = (lists.0.query([])?, lists.1.query([])?);
    let (mut source, mut target) = (next(&mut sources)?, next(&mut targets)?);
    let mut comparison = Comparison {
        source: Totals::default(),
        target: Totals::default(),
        differences: Vec::new(),
        differences_total: 0,
    };
    loop {
        let order = match (&source, &target) {
            (None, None) => return Ok(comparison),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((source, _)), Some((target, _))) => source.cmp(target),
        };
        // The one whose turn it is, or both when they are of one name.
        let of_source = if order == Ordering::Greater { None } else { source.take() };
        let of_target = if order == Ordering::Less { None } else { target.take() };
        if let Some((name, line)) = &of_source {
            comparison.source.add(name, line);
            source = next(&mut sources)?;
        }
        if let Some((name, line)) = &of_target {
            comparison.target.add(name, line);
            target = next(&mut targets)?;
        }
        if let Some(difference) = difference(of_source, of_target)? {
            comparison.differences_total = comparison.differences_total.saturating_add(1);
            if comparison.differences.len() < DIFFERENCES_MAX {
                comparison.differences.push(difference);
            }
        }
    }
}

type Named = (String, Line);

fn next(rows: &mut Rows<'_>) -> rusqlite::Result<Option<Named>> {
    match rows.next()? {
        Some(row) => Ok(Some((row.get(NAME)?, Line::read(row)?))),
        None => Ok(None),
    }
}

fn difference(source: Option<Named>, target: Option<Named>) -> rusqlite::Result<Option<Difference>> {
    let difference = match (source, target) {
        (Some((_, source)), Some((_, target))) if source.agrees(&target) => return Ok(None),
        (Some((name, source)), Some((_, target))) => {
            let stream = stream(&name)?;
            match (source.gap, target.gap) {
                (Some(revision), _) => Difference::Gap { side: Side::Source, stream, revision },
                (None, Some(revision)) => Difference::Gap { side: Side::Target, stream, revision },
                (None, None) if source.events == target.events && source.chain == target.chain => {
                    Difference::Commands { stream }
                }
                (None, None) => Difference::Events { stream, source: source.events, target: target.events },
            }
        }
        (Some((name, source)), None) => Difference::Missing { stream: stream(&name)?, events: source.events },
        (None, Some((name, target))) => Difference::Surplus { stream: stream(&name)?, events: target.events },
        (None, None) => return Ok(None),
    };
    Ok(Some(difference))
}

fn stream(name: &str) -> rusqlite::Result<StreamId> {
    StreamId::parse(name).map_err(|error| Error::FromSqlConversionFailure(NAME, Type::Text, Box::new(error)))
}

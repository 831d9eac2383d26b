//! The record of the installation: whose log this is, and whether it is a copy that is complete.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::{Incoming, Outgoing};
use crate::fault::LogFault;

/// The stream that the record stands on.
pub(super) const STREAM: &str = "baycase.installation";
const INSTALLED: &str = "baycase.installed";
const COPY_BEGUN: &str = "baycase.copy-begun";
const COPIED: &str = "baycase.copied";
/// The layout of the log on the servers, as this program writes it.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installed {
    installation: Uuid,
    /// Microseconds since 1970.
    created_at: i64,
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Begun {
    from: String,
    installation: Uuid,
}

/// What a copy holds, as the copier counted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyTotals {
    pub events: u64,
    pub commands: u64,
    /// The digest over all streams, in hexadecimal digits.
    pub digest: String,
}

/// How a copy stands that is about to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// It begins now.
    Begun,
    /// It had begun before, and goes on.
    Resumed,
    /// It was finished before.
    Finished,
}

/// Whether the log is a copy of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copying {
    Never,
    Under { from: String, source: Uuid },
    Done { from: String, source: Uuid },
}

/// The record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) installation: Uuid,
    pub(super) copying: Copying,
    /// The first event of the record, to be sent again: the servers know it by its id, and nothing changes.
    pub(super) record: Outgoing,
    /// The revision of the record's newest event.
    pub(super) newest: u64,
}

impl Home {
    /// Whether the log is a copy, complete or not.
    pub(super) fn is_copy(&self) -> bool {
        self.copying != Copying::Never
    }
}

/// The first event of a new log.
pub(super) fn installed(id: Uuid, installation: Uuid, at: DateTime<Utc>) -> Result<Outgoing, serde_json::Error> {
    let record = Installed { installation, created_at: at.timestamp_micros(), format: FORMAT };
    technical(id, INSTALLED, &record)
}

/// The event that says that the log is a copy, and not complete.
pub(super) fn copy_begun(id: Uuid, from: &str, source: Uuid) -> Result<Outgoing, serde_json::Error> {
    technical(id, COPY_BEGUN, &Begun { from: from.to_owned(), installation: source })
}

/// The event that says that the copy is complete.
pub(super) fn copied(id: Uuid, totals: &CopyTotals) -> Result<Outgoing, serde_json::Error> {
    technical(id, COPIED, totals)
}

/// An event that is no part of the log.
pub(super) fn technical<T: Serialize>(id: Uuid, kind: &str, content: &T) -> Result<Outgoing, serde_json::Error> {
    Ok(Outgoing { id, kind: kind.to_owned(), data: serde_json::to_string(content)?, metadata: String::new() })
}

/// Reads the record, whose events are given in their order; `None` when there is none.
pub(super) fn read(events: &[Incoming]) -> Result<Option<Home>, LogFault> {
    let Some((first, rest)) = events.split_first() else { return Ok(None) };
    let mut home = read_first(first)?;
    for event in rest {
        home.newest = event.revision;
        match event.kind.as_str() {
            COPY_BEGUN => {
                let Begun { from, installation } = content(event)?;
                home.copying = Copying::Under { from, source: installation };
            }
            COPIED => {
                let Copying::Under { from, source } = home.copying else { return Err(unknown(event)) };
                home.copying = Copying::Done { from, source };
            }
            _ => return Err(unknown(event)),
        }
    }
    Ok(Some(home))
}

/// Reads the first event of the record.
pub(super) fn read_first(event: &Incoming) -> Result<Home, LogFault> {
    if event.kind != INSTALLED || event.revision != 0 {
        return Err(unknown(event));
    }
    let Installed { installation, format, .. } = content(event)?;
    if format > FORMAT {
        let what = format!("a log of format {format}, newer than {FORMAT}; update this node");
        return Err(LogFault::Protocol { what });
    }
    let data = String::from_utf8_lossy(&event.data).into_owned();
    let record = Outgoing { id: event.id, kind: INSTALLED.to_owned(), data, metadata: String::new() };
    Ok(Home { installation, copying: Copying::Never, record, newest: 0 })
}

fn content<T: for<'de> Deserialize<'de>>(event: &Incoming) -> Result<T, LogFault> {
    serde_json::from_slice(&event.data).map_err(|_error| unknown(event))
}

fn unknown(event: &Incoming) -> LogFault {
    let Incoming { stream, revision, kind, .. } = event;
    let what =
        format!("event {revision} of stream `{stream}`, a `{kind}`, is none that this program knows; update this node");
    LogFault::Protocol { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixture::{SOME_MICROS, moment};

    const HERE: Uuid = Uuid::from_u128(1);
    const THERE: Uuid = Uuid::from_u128(2);

    fn returned(outgoing: Outgoing, revision: u64) -> Incoming {
        Incoming {
            stream: STREAM.to_owned(),
            revision,
            id: outgoing.id,
            kind: outgoing.kind,
            data: outgoing.data.into_bytes(),
            metadata: outgoing.metadata.into_bytes(),
            commit: 10 + revision,
            prepare: 10 + revision,
            begins: revision == 0,
        }
    }

    fn record() -> Vec<Incoming> {
        let totals = CopyTotals { events: 3, commands: 2, digest: "ab".to_owned() };
        vec![
            returned(installed(Uuid::from_u128(7), HERE, moment(SOME_MICROS)).unwrap(), 0),
            returned(copy_begun(Uuid::from_u128(8), "sqlite", THERE).unwrap(), 1),
            returned(copied(Uuid::from_u128(9), &totals).unwrap(), 2),
        ]
    }

    #[test]
    fn the_record_is_read_as_far_as_it_goes() {
        let record = record();
        assert_eq!(read(&[]).unwrap(), None);
        let home = read(&record[..1]).unwrap().unwrap();
        assert_eq!((home.installation, &home.copying, home.newest), (HERE, &Copying::Never, 0));
        assert_eq!(home.record, installed(Uuid::from_u128(7), HERE, moment(SOME_MICROS)).unwrap());
        let from = || "sqlite".to_owned();
        let under = read(&record[..2]).unwrap().unwrap();
        assert_eq!((under.copying, under.newest), (Copying::Under { from: from(), source: THERE }, 1));
        let done = read(&record).unwrap().unwrap();
        assert_eq!((done.copying, done.newest), (Copying::Done { from: from(), source: THERE }, 2));
    }

    #[test]
    fn the_record_has_its_shape() {
        let outgoing = installed(Uuid::from_u128(7), HERE, moment(SOME_MICROS)).unwrap();
        let expected =
            r#"{"installation":"00000000-0000-0000-0000-000000000001","createdAt":1777000000123456,"format":1}"#;
        assert_eq!((outgoing.kind.as_str(), outgoing.data.as_str()), ("baycase.installed", expected));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let record = record();
        let refused = |events: Vec<Incoming>| assert!(matches!(read(&events), Err(LogFault::Protocol { .. })));
        refused(record[1..].to_vec());
        refused(vec![record[0].clone(), record[2].clone()]);
        let mut newer = record.clone();
        newer[0].data = br#"{"installation":"00000000-0000-0000-0000-000000000001","createdAt":1,"format":2}"#.to_vec();
        refused(newer);
        let mut strange = record;
        strange[1].kind = "baycase.moved".to_owned();
        refused(strange);
    }
}

//! What is kept beside the log for all nodes: leases, and the nonces that were used.

use std::ops::ControlFlow;

use domain::envelope::{Position, Revision};
use serde::{Deserialize, Serialize};
use tracing::debug;
use uuid::Uuid;

use super::filter::TECHNICAL_PREFIX;
use super::home::technical;
use super::problem::Problem;
use super::store::Store;
use super::wire::{Incoming, Outgoing};
use super::{Call, Query, Refused};
use crate::digest::hex;
use crate::fault::LogFault;
use crate::lease::{LeaseError, LeaseName, LeaseRecord};
use crate::nonces::{NonceError, fingerprint};
use crate::port::Expected;

const LEASE: &str = "baycase.lease";
const NONCE: &str = "baycase.nonce-used";
/// What the servers call an event that says how they keep a stream.
const STREAM_SETTINGS: &str = "$metadata";
/// Only the newest record of a lease counts. Older ones may be removed when the servers clean up.
const LEASE_SETTINGS: &str = r#"{"$maxCount":16}"#;

#[derive(Serialize, Deserialize)]
struct LeaseText {
    holder: Box<str>,
    term: u64,
    progress: Option<u64>,
    released: bool,
}

fn lease_stream(name: &LeaseName) -> String {
    format!("{TECHNICAL_PREFIX}lease-{name}")
}

fn nonce_stream(key: &str, nonce: &str) -> String {
    format!("{TECHNICAL_PREFIX}nonce-{}", hex(&fingerprint(key, nonce)))
}

fn lease_record(name: &LeaseName, incoming: &Incoming) -> Result<LeaseRecord, LeaseError> {
    let version = incoming.revision;
    let LeaseText { holder, term, progress, released } =
        serde_json::from_slice(&incoming.data).map_err(|_error| LeaseError::Damaged { name: name.clone(), version })?;
    Ok(LeaseRecord { holder, term, progress: progress.map(Position::new), released, version })
}

fn lease_event(id: Uuid, record: &LeaseRecord) -> Result<Outgoing, LogFault> {
    let LeaseRecord { holder, term, progress, released, .. } = record.clone();
    let text = LeaseText { holder, term, progress: progress.map(Position::get), released };
    technical(id, LEASE, &text).map_err(|error| LogFault::Protocol { what: error.to_string() })
}

impl Store {
    pub(super) async fn read_lease(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        let newest = self.newest_of(&self.link.call(), &lease_stream(name)).await?;
        newest.map(|newest| lease_record(name, &newest)).transpose()
    }

    pub(super) async fn write_lease(
        &self,
        name: &LeaseName,
        seen: Option<&LeaseRecord>,
        next: LeaseRecord,
    ) -> Result<bool, LeaseError> {
        let call = self.link.call();
        let stream = lease_stream(name);
        let expected = seen.map_or(Expected::NoStream, |seen| Expected::At(Revision::new(seen.version)));
        let event = lease_event(self.link.technical_id(&call, "lease"), &next)?;
        let written = self.write_once(&call, &stream, expected, event).await?;
        if written && seen.is_none() {
            self.limit_lease(&call, &stream).await;
        }
        Ok(written)
    }

    /// Uses a nonce up, on a stream of its own.
    ///
    /// It stays for ever. An age (`$maxAge`) would be a second write for each, and would free nothing: the servers keep
    /// the newest event of every stream, and here that is the only one.
    pub(super) async fn use_nonce(&self, key: &str, nonce: &str) -> Result<bool, NonceError> {
        let call = self.link.call();
        let event = Outgoing {
            id: self.link.technical_id(&call, "nonce"),
            kind: NONCE.to_owned(),
            data: "{}".to_owned(),
            metadata: String::new(),
        };
        Ok(self.write_once(&call, &nonce_stream(key, nonce), Expected::NoStream, event).await?)
    }

    /// Appends a technical event; `false` when somebody else's stands at its place.
    async fn write_once(
        &self,
        call: &Call,
        stream: &str,
        expected: Expected,
        event: Outgoing,
    ) -> Result<bool, Problem> {
        let (id, place) = match expected {
            Expected::NoStream => (event.id, 0),
            Expected::At(revision) => (event.id, revision.next().get()),
        };
        match self.link.append(call, stream, expected, &[event]).await {
            Ok(()) => Ok(true),
            // It may be our own, from an attempt that was not answered.
            Err(Refused { problem: Problem::WrongRevision { .. }, open: true }) => {
                Ok(self.id_at(call, stream, place).await? == Some(id))
            }
            Err(Refused { problem: Problem::WrongRevision { .. }, open: false }) => Ok(false),
            Err(Refused { problem, .. }) => Err(problem),
        }
    }

    /// Lets the servers forget old records. Without it they keep them, which costs room and nothing else.
    async fn limit_lease(&self, call: &Call, stream: &str) {
        let event = Outgoing {
            id: self.link.technical_id(call, "settings"),
            kind: STREAM_SETTINGS.to_owned(),
            data: LEASE_SETTINGS.to_owned(),
            metadata: String::new(),
        };
        let settings = format!("$${stream}");
        if let Err(Refused { problem, .. }) = self.link.append(call, &settings, Expected::NoStream, &[event]).await {
            debug!(log.problem = ?problem, "The servers keep every record of a lease");
        }
    }

    /// The newest event of a stream; `None` when there is no such stream.
    pub(super) async fn newest_of(&self, call: &Call, stream: &str) -> Result<Option<Incoming>, Problem> {
        let mut newest = None;
        let mut take = |incoming: Incoming| {
            newest = Some(incoming);
            ControlFlow::Break(())
        };
        match self.link.read(call, Query::StreamEnd(stream), 1, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => Ok(newest),
            Err(problem) => Err(problem),
        }
    }

    async fn id_at(&self, call: &Call, stream: &str, revision: u64) -> Result<Option<Uuid>, Problem> {
        let mut found = None;
        let mut take = |incoming: Incoming| {
            found = (incoming.revision == revision).then_some(incoming.id);
            ControlFlow::Break(())
        };
        match self.link.read(call, Query::Stream(stream, revision), 1, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => Ok(found),
            Err(problem) => Err(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(outgoing: Outgoing, revision: u64) -> Incoming {
        Incoming {
            stream: "baycase.lease-sweep".to_owned(),
            revision,
            id: outgoing.id,
            kind: outgoing.kind,
            data: outgoing.data.into_bytes(),
            metadata: Vec::new(),
            commit: 1,
            prepare: 1,
            begins: true,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let name = LeaseName::parse("sweep").unwrap();
        let holder: Box<str> = "node-1/7".into();
        let progress = Some(Position::new(9));
        let record = LeaseRecord { holder, term: 3, progress, released: true, version: 12 };
        let event = lease_event(Uuid::from_u128(1), &record).unwrap();
        assert_eq!(event.data, r#"{"holder":"node-1/7","term":3,"progress":9,"released":true}"#);
        assert_eq!(lease_record(&name, &returned(event, 12)).unwrap(), record);
    }

    #[test]
    fn another_programs_record_is_named() {
        let name = LeaseName::parse("sweep").unwrap();
        let data = "{\"holder\":1}".to_owned();
        let event = Outgoing { id: Uuid::from_u128(1), kind: LEASE.to_owned(), data, metadata: String::new() };
        let damaged = lease_record(&name, &returned(event, 4)).unwrap_err();
        assert!(matches!(damaged, LeaseError::Damaged { version: 4, .. }), "{damaged:?}");
    }

    #[test]
    fn streams_are_named_after_what_they_are_for() {
        assert_eq!(lease_stream(&LeaseName::parse("sweep").unwrap()), "baycase.lease-sweep");
        let stream = nonce_stream("hk:1", "a nonce with / and ä");
        assert!(stream.starts_with("baycase.nonce-") && stream.len() == "baycase.nonce-".len() + 64, "{stream}");
        assert_ne!(nonce_stream("a", "bc"), nonce_stream("ab", "c"));
    }
}

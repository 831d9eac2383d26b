//! From what comes of the cluster to what a file takes: in the order of recording, as the appends of its commands.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cross_border::wire::kinds;
use domain::envelope::{NewEvent, Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::copy::{Run, Window};
use event_log::port::{Append, CommandRef, Expected};
use tokio::sync::mpsc;

use super::cluster::Fed;
use super::error::CopyError;

/// Events of one transaction. The last of its appends may lead beyond it.
const BATCH_EVENTS: usize = 32_768;

/// Appends of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) appends: Vec<(Append, DateTime<Utc>)>,
    /// Where the last event of each must come to stand.
    pub(super) places: Vec<(StreamId, Revision)>,
    pub(super) events: usize,
    /// Once they are written, every event of the source up to here is.
    pub(super) reached: Option<Position>,
}

/// Puts what comes from the cluster into the order of recording, and makes appends of it, on a thread of its own.
pub(super) struct Sorting {
    window: Window,
    events_max: usize,
    kinds: HashMap<&'static str, &'static str>,
    batch: Batch,
    /// When the last one was recorded.
    recorded_at: DateTime<Utc>,
}

impl Sorting {
    pub(super) fn new(events_max: usize, after: Option<Position>) -> Self {
        Self {
            window: Window::new(events_max, after),
            events_max,
            kinds: kinds().into_iter().map(|(kind, _)| (kind, kind)).collect(),
            batch: Batch::default(),
            recorded_at: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// Takes what is read and hands out batches, until the log ends or nobody takes them.
    pub(super) fn run(mut self, mut fed: mpsc::Receiver<Fed>, out: &mpsc::Sender<Batch>) -> Result<(), CopyError> {
        loop {
            match fed.blocking_recv() {
                Some(Fed::Events(events)) => {
                    for copied in events {
                        self.window.push(copied);
                        while let Some(run) = self.window.ready() {
                            if !self.pass_on(run, out)? {
                                return Ok(());
                            }
                        }
                    }
                }
                Some(Fed::End) => break,
                // The reading broke off. What is held stays behind: something earlier may come before it next time.
                None => return Ok(()),
            }
        }
        while let Some(run) = self.window.rest() {
            if !self.pass_on(run, out)? {
                return Ok(());
            }
        }
        if self.batch.events > 0 {
            // Whoever took them has failed, and says why.
            let _taken = self.hand_out(out);
        }
        Ok(())
    }

    /// Puts a run into the batch, and hands the batch out when it is full. `false` when nobody takes it.
    fn pass_on(&mut self, run: Run, out: &mpsc::Sender<Batch>) -> Result<bool, CopyError> {
        self.add(run)?;
        Ok(self.batch.events < BATCH_EVENTS || self.hand_out(out))
    }

    fn hand_out(&mut self, out: &mpsc::Sender<Batch>) -> bool {
        let batch = std::mem::take(&mut self.batch);
        out.blocking_send(Batch { reached: self.window.reached(), ..batch }).is_ok()
    }

    fn add(&mut self, run: Run) -> Result<(), CopyError> {
        let Run { command, digest, recorded_at, events, .. } = run;
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let (stream, revision, last) = (first.stream.clone(), first.revision, last.revision);
        if recorded_at < self.recorded_at {
            let millis = self.recorded_at.signed_duration_since(recorded_at).num_milliseconds();
            return Err(CopyError::Backwards { stream, revision, millis, window: self.events_max });
        }
        self.recorded_at = recorded_at;
        let before = revision.get().checked_sub(1);
        let expected = before.map_or(Expected::NoStream, |before| Expected::At(Revision::new(before)));
        let events = events.into_iter().map(|event| self.new_event(event)).collect::<Result<Vec<_>, _>>()?;
        self.batch.events = self.batch.events.saturating_add(events.len());
        self.batch.places.push((stream.clone(), last));
        let command = CommandRef { id: command, digest };
        self.batch.appends.push((Append { stream, expected, command, events }, recorded_at));
        Ok(())
    }

    fn new_event(&self, event: RecordedEvent) -> Result<NewEvent, CopyError> {
        let RecordedEvent { position, id, kind, schema, occurred_at, metadata, payload, .. } = event;
        let Some(known) = self.kinds.get(&*kind).copied() else { return Err(CopyError::Kind { kind, position }) };
        Ok(NewEvent { id, kind: known, schema, occurred_at, metadata: metadata.into(), payload })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use domain::id::CommandId;
    use event_log::copy::Copied;
    use event_log::digest::command_digest;
    use event_log::port::EventLog as _;
    use event_log::sqlite::{SqliteLog, SqliteOptions};
    use tokio::task::spawn_blocking;

    use super::*;

    fn copied(position: u64, stream: &str, revision: u64, command: &str, seconds: i64) -> Copied {
        let stream = StreamId::parse(stream).unwrap();
        let id = CommandId::derived(&[command]);
        let moment = DateTime::<Utc>::from_timestamp_micros(1_777_000_000_123_456).unwrap();
        let event = RecordedEvent {
            position: Position::new(position),
            id: id.event(&stream, usize::try_from(revision).unwrap()),
            stream,
            revision: Revision::new(revision),
            kind: "filing.received".into(),
            schema: 1,
            occurred_at: moment,
            recorded_at: moment + TimeDelta::seconds(seconds),
            metadata: format!("{{\"command\":\"{id}\"}}").into(),
            payload: "{}".into(),
        };
        (event, id, command_digest(command.as_bytes()))
    }

    /// Sorts what is fed, on a thread of its own as it is done in earnest.
    async fn sorted(window: usize, fed: Vec<Fed>) -> (Vec<Batch>, Result<(), CopyError>) {
        let (feeder, feed) = mpsc::channel(16);
        let (sender, mut batches) = mpsc::channel(1);
        let sorting = spawn_blocking(move || Sorting::new(window, None).run(feed, &sender));
        for some in fed {
            feeder.send(some).await.ok().unwrap();
        }
        drop(feeder);
        let mut sorted = Vec::new();
        while let Some(batch) = batches.recv().await {
            sorted.push(batch);
        }
        (sorted, sorting.await.unwrap())
    }

    #[tokio::test]
    async fn what_is_sorted_is_taken_by_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { create: true, ..SqliteOptions::new(Arc::new(crate::clock::now)) };
        let log = SqliteLog::open(&folder.path().join("log.sqlite"), options).unwrap();
        let events = vec![
            copied(10, "filing-1", 0, "a", 5),
            copied(20, "filing-2", 0, "b", 3),
            copied(30, "filing-2", 1, "b", 3),
            copied(40, "filing-1", 1, "c", 6),
        ];
        let (batches, ended) = sorted(9, vec![Fed::Events(events.clone()), Fed::End]).await;
        ended.unwrap();
        let [batch] = <[Batch; 1]>::try_from(batches).ok().unwrap();
        assert_eq!((batch.events, batch.reached, batch.places.len()), (4, Some(Position::new(40)), 3));
        for answer in log.append_copies(batch.appends).await.unwrap() {
            assert!(!answer.unwrap().repeated);
        }
        let page = log.read_all(None, 9).await.unwrap();
        let order: Vec<&str> = page.events.iter().map(|event| event.stream.as_str()).collect();
        assert_eq!(order, ["filing-2", "filing-2", "filing-1", "filing-1"]);
        for event in page.events {
            let original = events.iter().find(|(original, ..)| original.id == event.id).unwrap();
            assert_eq!(RecordedEvent { position: original.0.position, ..event }, original.0);
        }
        log.close();
    }

    #[tokio::test]
    async fn a_reading_that_broke_off_lets_nothing_go_that_is_held() {
        let events = vec![copied(10, "filing-1", 0, "a", 5), copied(20, "filing-2", 0, "b", 6)];
        let (batches, ended) = sorted(9, vec![Fed::Events(events)]).await;
        assert!(ended.is_ok() && batches.is_empty());
    }

    #[tokio::test]
    async fn what_goes_back_further_than_the_window_is_named() {
        let event = |n: u64, seconds| copied(n + 1, &format!("filing-{n}"), 0, &n.to_string(), seconds);
        let events = [60, 60, 60, 60, 0].iter().zip(0_u64..).map(|(seconds, n)| event(n, *seconds)).collect();
        let (_, ended) = sorted(2, vec![Fed::Events(events), Fed::End]).await;
        let refused = ended.unwrap_err();
        assert!(matches!(&refused, CopyError::Backwards { millis: 60_000, .. }), "{refused}");
        assert!(refused.to_string().contains("filing-4") && refused.to_string().contains("--window"), "{refused}");
    }

    #[tokio::test]
    async fn an_event_that_nobody_knows_is_named() {
        let (event, command, digest) = copied(7, "filing-1", 0, "a", 0);
        let strange = (RecordedEvent { kind: "weather.changed".into(), ..event }, command, digest);
        let (_, ended) = sorted(0, vec![Fed::Events(vec![strange]), Fed::End]).await;
        let refused = ended.unwrap_err();
        assert!(matches!(&refused, CopyError::Kind { position, .. } if position.get() == 7), "{refused}");
    }
}

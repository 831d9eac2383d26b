//! From events to what the rows will be: every stream in which something happened is read from its beginning.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike as _, Utc};
use domain::day::local_day;
use domain::decider::{Decider, Happened};
use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::{StreamId, SubjectId};
use domain::wire::Stored;
use event_log::source::StreamSource;

use super::error::IndexError;
use crate::delivery::{Delivery, DeliveryEvent};
use crate::exchange::{DeliveryId, Entry, Side};
use crate::referral::{Referral, ReferralEvent, ReferralId, Transfer};

/// Events of a stream in memory at a time; those with the text of a message are long.
const STREAM_PAGE_EVENTS: u32 = 256;

/// What a stretch of the log changes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) referrals: Vec<FoldedReferral>,
    /// Those in which something happened, and those that were issued.
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
}

/// One referral, as far as the checkpoint will have come.
#[derive(Debug)]
pub(super) struct FoldedReferral {
    pub(super) id: ReferralId,
    /// Of the first event.
    pub(super) number: Position,
    /// Of the newest event.
    pub(super) position: Position,
    pub(super) revision: Revision,
    pub(super) transfer: Box<Transfer>,
    pub(super) sent_at: Option<DateTime<Utc>>,
    /// The messages that were issued behind the checkpoint as it stands.
    pub(super) issued: Vec<Issued>,
    /// The transfers that were recorded behind it.
    pub(super) recorded: Vec<Recorded>,
}

/// A message of ours.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) position: Position,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) entry: Entry,
}

/// A transfer of personal data.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) position: Position,
    /// The local year.
    pub(super) year: i32,
    pub(super) subject: SubjectId,
    pub(super) sensitive: bool,
}

/// The stretch of the log behind one position up to and including another.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    before: Option<Position>,
    upto: Position,
}

impl Stretch {
    fn holds(self, position: Position) -> bool {
        Some(position) > self.before && position <= self.upto
    }
}

/// The streams in which something happened, each with the newest revision that was seen of it.
#[derive(Debug, Default)]
struct Touched {
    referrals: BTreeMap<ReferralId, Revision>,
    deliveries: BTreeMap<DeliveryId, Revision>,
}

impl Batch {
    /// Reads what stands behind `before` up to `upto`.
    ///
    /// # Errors
    /// An event of ours cannot be read, or the log cannot.
    pub(super) fn read(
        events: &[RecordedEvent],
        before: Option<Position>,
        upto: Position,
        streams: &mut dyn StreamSource,
    ) -> Result<Self, IndexError> {
        let stretch = Stretch { before, upto };
        let mut touched = Touched::default();
        for event in events.iter().filter(|event| stretch.holds(event.position)) {
            touched.add(event)?;
        }
        let Touched { referrals, deliveries } = touched;
        let mut batch = Self::default();
        for (id, newest) in referrals {
            if let Some(folded) = fold_referral(id, newest, stretch, streams)? {
                batch.referrals.push(folded);
            }
        }
        // What happened to a delivery is shown from the moment its message is, whichever of the two streams was
        // written first.
        let issued: BTreeSet<DeliveryId> = batch
            .referrals
            .iter()
            .flat_map(|referral| referral.issued.iter().map(|issued| issued.entry.delivery))
            .filter(|delivery| !deliveries.contains_key(delivery))
            .collect();
        let known = deliveries.into_iter().map(|(id, newest)| (id, Some(newest)));
        for (id, newest) in known.chain(issued.into_iter().map(|id| (id, None))) {
            batch.deliveries.insert(id, fold_delivery(id, newest, stretch, streams)?);
        }
        Ok(batch)
    }
}

impl Touched {
    fn add(&mut self, event: &RecordedEvent) -> Result<(), IndexError> {
        let stream = &event.stream;
        let unnamed = || IndexError::Stream { position: event.position, stream: stream.clone() };
        match stream.category() {
            Referral::CATEGORY => {
                let id = ReferralId::parse(stream.name()).map_err(|_error| unnamed())?;
                // An id has one stream; another spelling of it is another stream, and nobody's.
                if id.stream() != *stream {
                    return Err(unnamed());
                }
                self.referrals.insert(id, event.revision);
            }
            Delivery::CATEGORY => {
                let id = DeliveryId::parse(stream.name()).map_err(|_error| unnamed())?;
                if id.stream() != *stream {
                    return Err(unnamed());
                }
                self.deliveries.insert(id, event.revision);
            }
            // Another life, which nothing here shows.
            _ => {}
        }
        Ok(())
    }
}

fn decode<E: Stored>(event: &RecordedEvent) -> Result<E, IndexError> {
    E::decode(&event.kind, event.schema, &event.payload)
        .map_err(|source| IndexError::Unreadable { position: event.position, source })
}

/// Hands every event of a stream up to the end of the stretch to `each`, decoded, and checks that none is missing.
fn walk<E: Stored>(
    stream: &StreamId,
    newest: Option<Revision>,
    stretch: Stretch,
    streams: &mut dyn StreamSource,
    mut each: impl FnMut(&RecordedEvent, Happened<E>),
) -> Result<(), IndexError> {
    let mut last: Option<Revision> = None;
    'pages: loop {
        let page = streams.read_stream(stream, last, STREAM_PAGE_EVENTS)?;
        if page.is_empty() {
            break;
        }
        for event in page {
            if event.position > stretch.upto {
                break 'pages;
            }
            if event.revision != last.map_or(Revision::FIRST, Revision::next) {
                return Err(IndexError::Gap { position: event.position, stream: stream.clone() });
            }
            last = Some(event.revision);
            let decoded = decode(&event)?;
            each(&event, Happened { at: event.occurred_at, event: decoded });
        }
    }
    if last < newest {
        return Err(IndexError::Behind { stream: stream.clone() });
    }
    Ok(())
}

fn fold_referral(
    id: ReferralId,
    newest: Revision,
    stretch: Stretch,
    streams: &mut dyn StreamSource,
) -> Result<Option<FoldedReferral>, IndexError> {
    let mut state = Referral::initial();
    let mut ends: Option<(Position, Position, Revision)> = None;
    let mut sent_at = None;
    let mut issued = Vec::new();
    let mut recorded = Vec::new();
    walk::<ReferralEvent>(&id.stream(), Some(newest), stretch, streams, |event, happened| {
        let first = ends.map_or(event.position, |(first, ..)| first);
        ends = Some((first, event.position, event.revision));
        let fresh = stretch.holds(event.position);
        if let ReferralEvent::Sent(_) = &happened.event {
            sent_at = sent_at.or(Some(happened.at));
        }
        if let ReferralEvent::MessageIssued(message) = &happened.event
            && fresh
        {
            let entry = message.entry.clone();
            issued.push(Issued { position: event.position, recorded_at: event.recorded_at, entry });
        }
        if let ReferralEvent::TransferRecorded(record) = &happened.event
            && fresh
        {
            recorded.push(Recorded {
                position: event.position,
                year: local_day(happened.at).year(),
                subject: record.subject,
                sensitive: record.sensitive,
            });
        }
        state = Referral::evolve(std::mem::replace(&mut state, Referral::Unknown), &happened);
    })?;
    let (Some((number, position, revision)), Referral::Known(transfer)) = (ends, state) else { return Ok(None) };
    // What comes in was sent when its sender says so.
    let submitted = || transfer.segment.entries(Side::Origin).first().map(|entry| entry.at);
    let sent_at = sent_at.or_else(|| if transfer.is_outbound() { None } else { submitted() });
    Ok(Some(FoldedReferral { id, number, position, revision, transfer, sent_at, issued, recorded }))
}

fn fold_delivery(
    id: DeliveryId,
    newest: Option<Revision>,
    stretch: Stretch,
    streams: &mut dyn StreamSource,
) -> Result<Delivery, IndexError> {
    let mut state = Delivery::initial();
    walk::<DeliveryEvent>(&id.stream(), newest, stretch, streams, |_event, happened| {
        state = Delivery::evolve(std::mem::take(&mut state), &happened);
    })?;
    Ok(state)
}

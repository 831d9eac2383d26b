//! Reads: of one stream or of everything, forwards or backwards, and how events look on the wire.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tonic::Status;

use super::faults::Kind;
use super::filter::Filter;
use super::record::{Stored, wide};
use super::serve::Shared;
use super::status;
use super::store::Store;
use super::streams::name;
use super::subscription;
use super::wire::streams::read_req::Options;
use super::wire::streams::read_req::options::all_options::AllOption;
use super::wire::streams::read_req::options::stream_options::RevisionOption;
use super::wire::streams::read_req::options::uuid_option::Content as UuidContent;
use super::wire::streams::read_req::options::{CountOption, FilterOption, ReadDirection, StreamOption};
use super::wire::streams::read_resp::read_event::{Position, RecordedEvent};
use super::wire::streams::read_resp::{Content, ReadEvent, StreamNotFound};
use super::wire::streams::{ReadReq, ReadResp};
use super::wire::{Empty, StreamIdentifier, Uuid, uuid};

/// What a read answers, message by message.
pub(super) type Frames = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

/// Events that are looked up at a time.
pub(super) const PAGE: u64 = 512;
/// How much of the file is read at a time: little where neighbours may not be asked for.
const AHEAD_MIN: u64 = 4 * 1024;
const AHEAD_MAX: u64 = 256 * 1024;

/// Where events are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    All,
    Stream(String),
}

/// The places of some events, and where to go on.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) positions: Vec<u64>,
    pub(super) next: u64,
    pub(super) at_end: bool,
}

impl Source {
    /// The next places: from `next` on, or those before `next`. Log numbers of everything, revisions of a stream.
    pub(super) fn page(&self, store: &Store, next: u64, forwards: bool, most: u64) -> Page {
        let kept = store.kept();
        let (numbers, first, length) = match self {
            Self::All => (None, 0, wide(kept.index.events())),
            Self::Stream(stream) => match kept.index.view(stream) {
                Some(view) => (Some(view.numbers), view.first, view.length()),
                None => return Page { next, at_end: true, ..Page::default() },
            },
        };
        let (start, end) = if forwards {
            let start = next.max(first);
            (start, start.saturating_add(most).min(length))
        } else {
            let end = next.min(length);
            (end.saturating_sub(most).max(first), end)
        };
        let mut positions: Vec<u64> = (start..end)
            .filter_map(|place| {
                let number = match numbers {
                    Some(numbers) => *numbers.get(usize::try_from(place).ok()?)?,
                    None => u32::try_from(place).ok()?,
                };
                kept.index.position(number)
            })
            .collect();
        if forwards {
            return Page { positions, next: end.max(next), at_end: end >= length };
        }
        positions.reverse();
        Page { positions, next: start.min(next), at_end: start <= first }
    }
}

/// How events look to this reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    structured_ids: bool,
    positions: bool,
}

impl Shape {
    /// An event as a message.
    pub(super) fn event(self, event: &Stored) -> ReadResp {
        let id = if self.structured_ids {
            let (most, least) = event.id.as_u64_pair();
            uuid::Value::Structured(uuid::Structured {
                most_significant_bits: most.cast_signed(),
                least_significant_bits: least.cast_signed(),
            })
        } else {
            uuid::Value::String(event.id.to_string())
        };
        let content_type = if event.json { "application/json" } else { "application/octet-stream" };
        let metadata = HashMap::from([
            ("type".to_owned(), event.kind().to_owned()),
            ("created".to_owned(), event.created.to_string()),
            ("content-type".to_owned(), content_type.to_owned()),
        ]);
        let (commit_position, prepare_position, position) = if self.positions {
            (event.commit, event.position, Position::CommitPosition(event.commit))
        } else {
            (u64::MAX, u64::MAX, Position::NoPosition(Empty {}))
        };
        let recorded = RecordedEvent {
            id: Some(Uuid { value: Some(id) }),
            stream_identifier: Some(StreamIdentifier { stream_name: event.stream.clone() }),
            stream_revision: event.revision,
            prepare_position,
            commit_position,
            metadata,
            custom_metadata: event.metadata.clone(),
            data: event.data.clone(),
        };
        message(Content::Event(ReadEvent { event: Some(recorded), link: None, position: Some(position) }))
    }
}

/// A message of a read.
pub(super) fn message(content: Content) -> ReadResp {
    ReadResp { content: Some(content) }
}

/// Answers a read or a subscription.
pub(super) fn read(shared: Arc<Shared>, request: ReadReq) -> Result<Frames, Status> {
    let options = request.options.ok_or_else(status::exception)?;
    let structured_ids =
        options.uuid_option.is_some_and(|option| matches!(option.content, Some(UuidContent::Structured(_))));
    let of_stream = matches!(options.stream_option, Some(StreamOption::Stream(_)));
    let shape = Shape { structured_ids, positions: !(of_stream && shared.faults.strike(Kind::OldReads)) };
    let filter = match options.filter_option.clone() {
        Some(FilterOption::Filter(filter)) if of_stream => return Err(Status::invalid_argument(format!("{filter:?}"))),
        Some(FilterOption::Filter(filter)) => Some(Filter::parse(filter)?),
        Some(FilterOption::NoFilter(_)) | None => None,
    };
    match options.count_option {
        Some(CountOption::Subscription(_)) => subscription::subscribe(shared, options, filter, shape),
        Some(CountOption::Count(count)) => finite(shared, options, filter, shape, count),
        None => Err(status::exception()),
    }
}

fn finite(
    shared: Arc<Shared>,
    options: Options,
    filter: Option<Filter>,
    shape: Shape,
    count: u64,
) -> Result<Frames, Status> {
    let forwards = options.read_direction() == ReadDirection::Forwards;
    let tells_last = options.control_option.is_some_and(|control| control.compatibility >= 1);
    let (source, next, last) = match options.stream_option.ok_or_else(status::exception)? {
        StreamOption::All(all) => {
            let from = all.all_option.ok_or_else(status::exception)?;
            (Source::All, number(&shared, from, forwards)?, None)
        }
        StreamOption::Stream(asked) => {
            let stream = name(asked.stream_identifier)?;
            let kept = shared.store.kept();
            let newest = match kept.index.view(&stream) {
                Some(view) if view.tombstoned => return Err(status::stream_deleted(&stream)),
                Some(view) if !view.softly_deleted() => view.length().saturating_sub(1),
                _ => return Ok(not_found(stream)),
            };
            let next = match asked.revision_option.ok_or_else(status::exception)? {
                RevisionOption::Start(_) => u64::from(!forwards),
                RevisionOption::End(_) => u64::MAX,
                RevisionOption::Revision(revision) => revision.saturating_add(u64::from(!forwards)),
            };
            (Source::Stream(stream), next, tells_last.then(|| message(Content::LastStreamPosition(newest))))
        }
    };
    let breaks = shared.faults.strike(Kind::BreakReads);
    let mut reading = Reading { shared, source, next, left: count, forwards, shape, filter, breaks, last, done: false };
    Ok(Box::pin(stream::iter(std::iter::from_fn(move || reading.step()).flatten())))
}

fn not_found(stream: String) -> Frames {
    let stream_identifier = Some(StreamIdentifier { stream_name: stream.into_bytes().into() });
    let message = message(Content::StreamNotFound(StreamNotFound { stream_identifier }));
    Box::pin(stream::iter([Ok(message)]))
}

/// The log number to begin at: the event of a position itself, or, backwards, the one before it.
fn number(shared: &Shared, from: AllOption, forwards: bool) -> Result<u64, Status> {
    let kept = shared.store.kept();
    match from {
        AllOption::Start(_) => Ok(0),
        AllOption::End(_) => Ok(if forwards { wide(kept.index.events()) } else { u64::MAX }),
        AllOption::Position(position) => {
            let (commit, prepare) = (position.commit_position, position.prepare_position);
            match kept.index.number(prepare) {
                Ok(number) if commit == prepare || commit == prepare.saturating_add(1) => Ok(wide(number)),
                Err(_) if (commit, prepare) == (0, 0) => Ok(0),
                Err(_) if (commit, prepare) == (u64::MAX, u64::MAX) => Ok(wide(kept.index.events())),
                _ => Err(status::invalid_position()),
            }
        }
    }
}

/// A read under way; it looks up as much as its reader takes.
struct Reading {
    shared: Arc<Shared>,
    source: Source,
    next: u64,
    left: u64,
    forwards: bool,
    shape: Shape,
    filter: Option<Filter>,
    /// It ends with an error half way through its first page.
    breaks: bool,
    last: Option<ReadResp>,
    done: bool,
}

impl Reading {
    fn step(&mut self) -> Option<Vec<Result<ReadResp, Status>>> {
        if self.done {
            return None;
        }
        let most = if self.filter.is_some() { PAGE } else { PAGE.min(self.left) };
        let page = self.source.page(&self.shared.store, self.next, self.forwards, most);
        self.next = page.next;
        let neighbours = if self.source == Source::All && self.forwards { most * 1_024 } else { 0 };
        let mut window = self.shared.store.window(usize::try_from(neighbours.clamp(AHEAD_MIN, AHEAD_MAX)).unwrap());
        let mut frames = Vec::new();
        for position in page.positions {
            match window.event(position) {
                Ok(event) if self.filter.as_ref().is_some_and(|filter| !filter.admits(&event)) => {}
                Ok(_) if self.left == 0 => break,
                Ok(event) => {
                    self.left -= 1;
                    frames.push(Ok(self.shape.event(&event)));
                }
                Err(error) => {
                    frames.push(Err(Status::unknown(format!("the double's file: {error}"))));
                    self.done = true;
                    return Some(frames);
                }
            }
        }
        if self.breaks {
            frames.truncate(frames.len() / 2);
            frames.push(Err(Status::unavailable("the read was broken off")));
            self.done = true;
        } else if page.at_end || self.left == 0 {
            frames.extend(self.last.take().map(Ok));
            self.done = true;
        }
        Some(frames)
    }
}

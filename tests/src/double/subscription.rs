//! Subscriptions: what stood there, then what comes, with checkpoints for those that ask for part of everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tonic::Status;

use super::faults::Kind;
use super::filter::Filter;
use super::reads::{Frames, PAGE, Page, Shape, Source, message};
use super::record::wide;
use super::serve::Shared;
use super::status;
use super::streams::name;
use super::wire::streams::ReadResp;
use super::wire::streams::read_req::Options;
use super::wire::streams::read_req::options::StreamOption;
use super::wire::streams::read_req::options::all_options::AllOption;
use super::wire::streams::read_req::options::stream_options::RevisionOption;
use super::wire::streams::read_resp::{CaughtUp, Checkpoint, Content, SubscriptionConfirmation};

/// How much of the file is read at a time.
const AHEAD: usize = 64 * 1024;
/// How far back a late checkpoint lies.
const LATE: usize = 100;

type Frame = Result<ReadResp, Status>;

/// Answers a subscription; it ends only when it is made to.
pub(super) fn subscribe(
    shared: Arc<Shared>,
    options: Options,
    filter: Option<Filter>,
    shape: Shape,
) -> Result<Frames, Status> {
    if shared.faults.strike(Kind::NoSubscriptions) {
        return Err(status::not_ready());
    }
    let (source, next) = match options.stream_option.ok_or_else(status::exception)? {
        StreamOption::All(all) => (Source::All, behind(&shared, all.all_option.ok_or_else(status::exception)?)),
        StreamOption::Stream(asked) => {
            let stream = name(asked.stream_identifier)?;
            let kept = shared.store.kept();
            let view = kept.index.view(&stream);
            if view.is_some_and(|view| view.tombstoned) {
                return Err(status::stream_deleted(&stream));
            }
            let next = match asked.revision_option.ok_or_else(status::exception)? {
                RevisionOption::Start(_) => 0,
                RevisionOption::End(_) => view.map_or(0, |view| view.length()),
                RevisionOption::Revision(revision) => revision.saturating_add(1),
            };
            (Source::Stream(stream), next)
        }
    };
    let number = shared.subscriptions.fetch_add(1, Ordering::Relaxed);
    let head = shared.store.events();
    let subscription =
        Subscription { shared, number, source, filter, shape, next, head, considered: 0, state: State::Begun };
    let frames = stream::unfold(subscription, |mut subscription| async move {
        subscription.step().await.map(|frames| (frames, subscription))
    });
    Ok(Box::pin(frames.flat_map(stream::iter)))
}

/// The log number behind a position, whether an event stands there or not.
fn behind(shared: &Shared, from: AllOption) -> u64 {
    let kept = shared.store.kept();
    match from {
        AllOption::Start(_) => 0,
        AllOption::End(_) => wide(kept.index.events()),
        AllOption::Position(position) => match kept.index.number(position.prepare_position) {
            Ok(number) => wide(number) + 1,
            Err(number) => wide(number),
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begun,
    CatchingUp,
    Live,
    Ended,
}

struct Subscription {
    shared: Arc<Shared>,
    number: u64,
    source: Source,
    filter: Option<Filter>,
    shape: Shape,
    next: u64,
    head: watch::Receiver<usize>,
    /// Events considered since the last checkpoint.
    considered: u64,
    state: State,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Subscription {
    /// The next messages; none when it has ended.
    async fn step(&mut self) -> Option<Vec<Frame>> {
        loop {
            match self.state {
                State::Begun => {
                    self.state = State::CatchingUp;
                    let subscription_id = format!("00000000-0000-4000-9000-{:012}", self.number);
                    let confirmed = Content::Confirmation(SubscriptionConfirmation { subscription_id });
                    return Some(vec![Ok(message(confirmed))]);
                }
                State::Ended => return None,
                State::CatchingUp | State::Live => {}
            }
            self.head.mark_unchanged();
            let page = self.source.page(&self.shared.store, self.next, true, PAGE);
            let at_end = page.at_end;
            let mut frames = self.send(page);
            if at_end && self.state == State::CatchingUp {
                self.state = State::Live;
                let newest = self.shared.store.kept().index.events();
                if self.filter.is_some() && newest > 0 {
                    frames.push(Ok(self.checkpoint(newest - 1)));
                }
                frames.push(Ok(message(Content::CaughtUp(CaughtUp {}))));
            }
            if !frames.is_empty() {
                return Some(self.repeated(frames));
            }
            if at_end && self.head.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The messages of some events, and what befalls them.
    fn send(&mut self, page: Page) -> Vec<Frame> {
        self.next = page.next;
        let shared = Arc::clone(&self.shared);
        let mut window = shared.store.window(AHEAD);
        let last = page.positions.last().copied();
        let mut frames = Vec::new();
        for position in page.positions {
            let event = match window.event(position) {
                Ok(event) => event,
                Err(error) => {
                    frames.push(Err(Status::unknown(format!("the double's file: {error}"))));
                    self.state = State::Ended;
                    return frames;
                }
            };
            self.considered += 1;
            if self.filter.as_ref().is_none_or(|filter| filter.admits(&event)) {
                frames.push(Ok(self.shape.event(&event)));
                if self.ends(&mut frames) {
                    return frames;
                }
            }
            if self.filter.as_ref().is_some_and(|filter| self.considered >= filter.interval) {
                self.considered = 0;
                let number = self.shared.store.kept().index.number(position);
                frames.extend(number.ok().map(|number| Ok(self.checkpoint(number))));
            }
        }
        let Some(last) = last.filter(|_| self.filter.is_some() && !frames.is_empty()) else { return frames };
        if self.shared.faults.strike(Kind::LossyCheckpoints) {
            return vec![Ok(checkpoint_at(last))];
        }
        if self.shared.faults.strike(Kind::EarlyCheckpoints) {
            frames.insert(0, Ok(checkpoint_at(last)));
        }
        frames
    }

    /// Whether the subscription ends behind the event that was just sent.
    fn ends(&mut self, frames: &mut Vec<Frame>) -> bool {
        if self.shared.faults.strike(Kind::DropSubscriptions) {
            frames.push(Err(Status::unknown("Unexpected SubscriptionDropReason")));
            self.state = State::Ended;
        } else if self.shared.faults.strike(Kind::EndSubscriptions) {
            self.state = State::Ended;
        }
        self.state == State::Ended
    }

    /// A checkpoint at the event with this log number, or long before it.
    fn checkpoint(&self, number: usize) -> ReadResp {
        let late = self.shared.faults.strike(Kind::LateCheckpoints);
        let number = if late { number.saturating_sub(LATE) } else { number };
        let position = u32::try_from(number).ok().and_then(|number| self.shared.store.kept().index.position(number));
        checkpoint_at(position.unwrap_or(0))
    }

    fn repeated(&self, frames: Vec<Frame>) -> Vec<Frame> {
        let twice = |frame: Frame| {
            let times = if self.shared.faults.strike(Kind::RepeatFrames) { 2 } else { 1 };
            std::iter::repeat_n(frame, times)
        };
        frames.into_iter().flat_map(twice).collect()
    }
}

fn checkpoint_at(position: u64) -> ReadResp {
    message(Content::Checkpoint(Checkpoint { commit_position: position, prepare_position: position }))
}

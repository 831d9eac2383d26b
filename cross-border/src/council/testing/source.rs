//! A log in memory as the index reads it, and numbers that look random.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::memory::MemoryLog;
use event_log::port::{EventLog, Page, ReadError};
use event_log::source::{LogSource, StreamSource};

/// A log in memory as the index reads it.
pub(crate) struct MemorySource(pub(crate) Arc<MemoryLog>);

impl StreamSource for MemorySource {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        at_once(EventLog::read_stream(self.0.as_ref(), stream, after, limit))
    }
}

impl LogSource for MemorySource {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        at_once(self.0.read_all(after, limit))
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        at_once(self.0.head())
    }
}

/// The answer of a future that never waits, as those of a log in memory.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a log in memory answers at once"),
    }
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

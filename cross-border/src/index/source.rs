//! The log as the index reads it: page by page, and stream by stream where something happened.

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::blocking::BlockingReader;
use event_log::port::{Page, ReadError};
use event_log::sqlite::LogReader;

/// Gives single streams.
pub trait StreamSource {
    /// Up to `limit` events of one stream behind `after`, oldest first; empty when there is no such stream.
    ///
    /// # Errors
    /// The log cannot be read.
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError>;
}

/// Gives the whole log too.
pub trait LogSource: StreamSource {
    /// Up to `limit` events behind `after`, in log order.
    ///
    /// # Errors
    /// The log cannot be read.
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError>;
}

impl StreamSource for LogReader {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_stream_blocking(stream, after, limit)
    }
}

impl LogSource for LogReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.read_all_blocking(after, limit)
    }
}

impl StreamSource for BlockingReader {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_stream_blocking(stream, after, limit)
    }
}

impl LogSource for BlockingReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.read_all_blocking(after, limit)
    }
}

//! What a thread that may block asks of a log, whichever reader it has: for projections and indices, and for the logs
//! that their tests make up.
//!
//! Two questions, because who asks one need not have an answer to the other: read models take in the log from one end
//! to the other, and what is folded stream by stream asks for single streams. Answers mean what they mean at the port
//! ([`EventLog`](crate::port::EventLog)).

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;

use crate::blocking::BlockingReader;
use crate::port::{Page, ReadError};
use crate::sqlite::LogReader;

/// Gives the whole log, in its order.
pub trait LogSource {
    /// Up to `limit` events behind `after`.
    ///
    /// # Errors
    /// The log cannot be read, or an event in it is damaged.
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError>;

    /// The newest position, `None` while the log is empty.
    ///
    /// # Errors
    /// The log cannot be read.
    fn head(&mut self) -> Result<Option<Position>, ReadError>;
}

/// Gives single streams.
pub trait StreamSource {
    /// Up to `limit` events of one stream behind `after`, oldest first; empty when there is no such stream.
    ///
    /// # Errors
    /// The log cannot be read, or an event in it is damaged.
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError>;
}

impl LogSource for LogReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.read_all_blocking(after, limit)
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.head_blocking()
    }
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

impl LogSource for BlockingReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.read_all_blocking(after, limit)
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.head_blocking()
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

//! Reading the log of either engine on a thread that may block.

use std::ops::ControlFlow;

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::blocking::BlockingReader;
use event_log::port::{Page, ReadError};
use event_log::source::{LogSource, StreamSource};
use event_log::sqlite::LogReader;

/// A reader of the log of either engine, for a thread that may block.
#[derive(Debug)]
pub enum AnyReader {
    File(Box<LogReader>),
    Port(BlockingReader),
}

impl From<LogReader> for AnyReader {
    fn from(reader: LogReader) -> Self {
        Self::File(Box::new(reader))
    }
}

impl AnyReader {
    /// [`event_log::port::EventLog::read_all`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn read_all_blocking(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        match self {
            Self::File(reader) => reader.read_all_blocking(after, limit),
            Self::Port(reader) => reader.read_all_blocking(after, limit),
        }
    }

    /// [`event_log::port::EventLog::read_stream`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn read_stream_blocking(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        match self {
            Self::File(reader) => reader.read_stream_blocking(stream, after, limit),
            Self::Port(reader) => reader.read_stream_blocking(stream, after, limit),
        }
    }

    /// [`event_log::port::EventLog::head`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn head_blocking(&mut self) -> Result<Option<Position>, ReadError> {
        match self {
            Self::File(reader) => reader.head_blocking(),
            Self::Port(reader) => reader.head_blocking(),
        }
    }

    /// Hands up to `limit` events behind `after` to `each`, in log order, until it breaks off or the log ends; answers
    /// how many.
    ///
    /// # Errors
    /// The log could not be read, or an event in it is damaged.
    pub fn scan(
        &mut self,
        after: Option<Position>,
        limit: u64,
        each: &mut dyn FnMut(RecordedEvent) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        match self {
            Self::File(reader) => reader.scan(after, limit, each),
            Self::Port(reader) => reader.scan(after, limit, each),
        }
    }
}

impl LogSource for AnyReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.read_all_blocking(after, limit)
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.head_blocking()
    }
}

impl StreamSource for AnyReader {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_stream_blocking(stream, after, limit)
    }
}

//! The executable contract of the log: what every store must do, one function for each promise.
//!
//! The functions panic when the promise is broken. They ask nothing of the store's content: each uses streams and
//! commands of its own, so they also run one after the other on a log that is shared.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::pin::Pin;
use std::sync::Arc;

use crate::port::EventLog;

pub mod appending;
pub mod commands;
pub mod concurrency;
pub mod fixture;
pub mod limits;
pub mod reading;

/// A clause at work.
pub type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    pub name: &'static str,
    pub run: fn(Arc<dyn EventLog>) -> Run,
}

macro_rules! clauses {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        &[$(Clause { name: stringify!($name), run: |log| Box::pin($module::$name(log)) }),+]
    };
}

/// Every promise.
pub const CLAUSES: &[Clause] = clauses![
    appending::the_first_append_creates_the_stream,
    appending::no_stream_is_refused_when_there_is_one,
    appending::a_stale_revision_is_refused_and_changes_nothing,
    appending::a_revision_of_no_stream_is_refused,
    appending::revisions_are_contiguous_and_positions_ascend,
    appending::bytes_come_back_as_they_were,
    appending::business_times_are_kept_to_the_microsecond,
    appending::recording_times_never_go_back,
    limits::an_append_holds_from_one_to_the_most_events,
    limits::a_payload_holds_its_limit,
    limits::an_append_holds_its_bytes,
    commands::a_repeated_command_gets_its_first_answer,
    commands::a_repeated_command_is_known_on_any_stream,
    commands::another_body_is_refused_and_changes_nothing,
    commands::a_refused_append_leaves_its_command_free,
    commands::a_command_is_found,
    reading::a_stream_is_read_in_windows,
    reading::the_log_is_read_in_windows_of_any_size,
    reading::an_unknown_stream_is_empty,
    reading::behind_the_end_there_is_nothing,
    reading::the_head_is_the_newest_position,
    reading::the_hint_moves,
    concurrency::of_many_writers_with_one_revision_one_wins,
    concurrency::a_command_sent_many_times_at_once_happens_once,
    concurrency::no_gap_is_filled_behind_a_reader,
];

/// Runs every clause, each on a log that `make` gives, and prints one line for each.
///
/// # Panics
/// When a promise is broken.
#[expect(clippy::print_stdout, reason = "the lines say which promises an engine was held to")]
pub async fn run_all<F, Fut>(engine: &str, mut make: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Arc<dyn EventLog>>,
{
    for clause in CLAUSES {
        let log = make().await;
        (clause.run)(log).await;
        println!("{engine}: {} ok", clause.name);
    }
}

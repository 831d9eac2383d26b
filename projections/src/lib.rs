//! What can be seen: read models built from the log.
//!
//! Architecture invariants:
//! - Rows and checkpoint move in one transaction. An event that cannot be read halts the projection with a typed error:
//!   of the lives that are shown nothing is skipped ([`feed`]).
//! - Every number is a sum of ledger lines, booked as the difference that an event made to what its case contributes
//!   ([`contribution`]). So the list behind a number is the lines that make it up, and any day can be asked about as known
//!   at any other.
//! - Reading one event after the other, in batches of any size, gives what a rebuild gives. The files are disposable.
#![warn(clippy::wildcard_enum_match_arm)]

mod assembler;
mod case;
mod case_table;
mod cell;
mod contribution;
mod cube;
mod error;
mod facts;
mod feed;
mod follower;
mod following;
mod hash;
mod last;
mod ledger;
mod measure;
mod models;
mod names;
mod parity;
mod pool;
mod query;
mod rebuild;
mod register;
mod schema;
mod scope;
mod search;
mod swap;
mod text;
mod track;
mod unregistered;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{ApplyError, NotYet, OpenError, QueryError};
pub use facts::{FactsError, FactsReader, NoFacts};
pub use follower::{Follower, Lag, Now};
pub use following::{FollowerState, Following, Follows, Stuck, Unread};
pub use last::LastEvent;
pub use measure::{Counts, Measure};
pub use models::{ReadModelOptions, ReadModels};
pub use parity::{ParityReport, TableParity};
pub use query::{
    BREAKDOWN_DAYS_MAX, Breakdown, BreakdownRow, CaseCursor, CaseFilter, CasePage, CaseRow, Dashboard, DashboardQuery,
    FILTER_CHARS_MAX, HandlerLoad, NextDue, PAGE_ROWS_MAX, PageRequest, SERIES_DAYS_MAX, StageFilter, UnitFilter,
    Workload,
};
pub use rebuild::{RebuildError, RebuildReport, rebuild};
pub use register::UnitRow;
pub use scope::{AsOf, Known, Scope};
pub use swap::{SwapError, remove, swap_in};
pub use unregistered::{UnregisteredPage, UnregisteredRow};

/// The version of the read models: of their tables, and of what stands in them. Files of another one are built anew.
pub const VERSION: u16 = 1;

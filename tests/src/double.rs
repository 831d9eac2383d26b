//! A protocol double of EventStoreDB, for tests only: a process that speaks its protocol to the real client.
//!
//! It is not EventStoreDB and says so. What it answers follows the published protocol and the answers of servers from
//! version 20 on; what a test has shown with it is labelled "protocol double". Nobody's data belongs in it.
//!
//! Architecture invariant: an append that was answered has been written; killed and started again over the same file,
//! the double knows every event that it acknowledged.
#![allow(clippy::result_large_err, reason = "a gRPC status is what calls end with, and it is large")]

mod cluster;
pub mod control;
mod faults;
mod filter;
mod index;
mod link;
mod process;
mod reads;
mod record;
pub mod serve;
mod status;
mod store;
mod streams;
mod subscription;
mod wire;

pub use faults::{Fault, Kind};
pub use process::{DoubleOptions, DoubleProcess, Stats, StoredEvent};

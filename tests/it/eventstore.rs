//! The log on servers: the real client, over the wire, against a protocol double in a process of its own.
//!
//! What these tests show is shown of a protocol double and never of EventStoreDB. With a connection string in
//! `BAYCASE_TEST_EVENTSTORE` the contract is held against a real server as well.

mod access;
mod contents;
mod contract;
mod kit;
mod leases;
mod plan;
mod recovery;
mod subscriptions;

//! What is true: the types, rules, calendars, deciders and events of Baycase.
//!
//! Architecture invariant: nothing here does I/O, waits, or reads a clock. Time, identifiers, calendars,
//! rules and the actor are arguments, so the same inputs give the same events for ever.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod calendar;
pub mod clock;
pub mod complaint;
pub mod day;
pub mod decider;
pub mod envelope;
pub mod filing;
pub mod id;
pub mod money;
pub mod org;
pub mod privacy;
pub mod region;
pub mod vocabulary;
pub mod wire;

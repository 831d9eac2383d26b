//! The index against histories made of events, without a decider: it must show whatever the log holds.

mod case;
mod follow;
mod kit;
mod opening;
mod outbox;
mod rebuilt;
mod rows;
mod steps;
mod withheld;

//! The whole, over real HTTP and real files.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code: a panic is a failure")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "seeds, counts, and what could not run here")]

mod architecture;
mod authority;
mod bad_input;
mod both_engines;
mod called_back;
mod case_life;
mod clients;
mod cluster;
mod contracts;
mod copy_log;
mod council_demo;
mod crash;
mod deadlines;
mod eventstore;
mod exchange;
mod file_rights;
mod filings;
mod limits;
mod other_log;
mod partner_check;
mod real_history;
mod referrals;
mod signatures;
mod split_histories;
mod subscriptions;
mod taken_address;
mod time_travel;
mod unregistered;

//! The log: its port, its stores, the executable contract, the command runner and the vault of subject keys.
//!
//! Architecture invariant: the log is the only truth. Every change is an event appended with the revision that its
//! writer had read; there is no update, no delete and no "any revision".

pub mod blocking;
pub mod causes;
pub mod contract;
pub mod copy;
pub mod digest;
pub mod durable;
pub mod eventstore;
pub mod execute;
pub mod fault;
pub mod lease;
pub mod memory;
pub mod nonces;
pub mod port;
pub mod source;
pub mod sqlite;
pub mod vault;
pub mod verify;

//! What goes to partner councils and comes back: referrals, their messages, the proofs of them, and delivery.
//!
//! Architecture invariant: nothing is sent to a partner that a referral's own events do not allow. The gates stand in
//! the decider ([`referral::gate`]), so no delivery can be started around them, and a referral's stream shows which
//! were open.
//! Architecture invariant: the log is the outbox. [`council`] appends what is to be told, [`delivery`] reads it from
//! there and appends what became of it; nothing is handed over in memory.

pub mod council;
pub mod delivery;
pub mod evidence;
pub mod exchange;
pub mod index;
pub mod partner;
pub mod peer;
pub mod referral;
pub mod security;
pub mod trust;
pub mod wire;

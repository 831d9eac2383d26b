//! What goes to partner councils and comes back: partners, referrals, receipts.
//!
//! Architecture invariant: nothing is sent to a partner that a referral's own events do not allow. The gates stand in
//! the decider ([`referral::gate`]), so no delivery can be started around them, and a referral's stream shows which
//! were open.

pub mod partner;
pub mod referral;
pub mod wire;

//! One delivery (投递): one signed message to one partner council, until the partner's receipt for it is kept.
//!
//! The log is the outbox: the issued message stands in the referral's own stream, and the stream `delivery-<id>` holds
//! what became of bringing it over: who is trying, what failed, the receipt, or that nobody tries any more. A lease
//! keeps two workers from trying at once; one that crashes loses its lease when it runs out. Doing the same twice does
//! no harm, because the partner answers a message it has with the same receipt.

pub mod backoff;
pub mod breaker;
pub mod client;
pub mod decide;
pub mod documents;
pub mod event;
pub mod puller;
pub mod rejection;
pub mod resolver;
pub mod state;
pub mod vocabulary;
pub mod worker;

#[cfg(test)]
mod tests;

use domain::decider::{Context, Decider, Happened};

pub use self::decide::DeliveryCommand;
pub use self::event::{DeliveryEvent, SignedReceiptStored};
pub use self::rejection::Rejection;
pub use self::state::{Delivery, Failure, Lease, Phase};
pub use self::vocabulary::{DeliveredBy, DeliveryState, FailureCode};

/// Longest name of a worker in characters.
pub const HOLDER_CHARS_MAX: usize = 128;
/// Longest detail of a failure in characters; what is longer is cut.
pub const DETAIL_CHARS_MAX: usize = 200;
/// Longest text and longest signature of a receipt, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 4_096;

impl Decider for Delivery {
    const CATEGORY: &'static str = "delivery";
    type Command = DeliveryCommand;
    type Event = DeliveryEvent;
    type State = Self;
    type Rejection = Rejection;

    fn initial() -> Self {
        Self::new()
    }

    fn decide(
        state: &Self,
        command: DeliveryCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<DeliveryEvent>>, Rejection> {
        let events = decide::decide(state, command, ctx.now)?;
        Ok(events.into_iter().map(|event| Happened { at: ctx.now, event }).collect())
    }

    fn evolve(state: Self, event: &Happened<DeliveryEvent>) -> Self {
        state::evolve(state, event)
    }
}

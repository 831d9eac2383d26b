//! What two councils say to each other about one referral, and the history that both hold of it.
//!
//! Each council writes one lane of messages and nobody else writes there. A message names the message before it in its
//! own lane by digest, and what its author had read of the other lane. So whoever holds the messages knows in which
//! order they were written, whatever the order in which they arrived and however often; see [`segment`].
//!
//! Architecture invariant: nothing here signs, sends, stores or reads a clock. A message is its canonical text
//! ([`message`]), and that text alone is what is signed, digested, sealed and sent.

pub mod body;
mod check;
pub mod content;
pub mod id;
pub mod message;
pub mod receipt;
pub mod refusal;
pub mod segment;
#[cfg(test)]
mod testing;
mod typed;
pub mod vocabulary;

pub use self::body::{Body, BodyError};
pub use self::content::{Consumer, EvidenceItem, LangText, Purchase, Rendition, Trader};
pub use self::id::{DeliveryId, Digest, DigestError, SessionId, SharedId};
pub use self::message::{Header, Message, MessageError, Seen, SignedMessage};
pub use self::receipt::{Receipt, ReceiptError, ReceiptStatus, SignedReceipt};
pub use self::refusal::{Refusal, RefusalCode};
pub use self::segment::{Entry, Inserted, Next, Segment, SegmentError};
pub use self::vocabulary::{AgeBand, MessageKind, ScanState, SessionForm, SessionResult, Side, Step};

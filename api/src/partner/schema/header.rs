//! What every message carries besides its body.

use async_graphql::{ID, InputObject};

/// What every message carries besides its body. Its members and the body's are what the author signed.
#[derive(Debug, Clone, InputObject)]
pub struct MessageHeader {
    /// Version of the message format: 1. Another one is answered `VERSION_UNSUPPORTED`.
    pub version: u32,
    /// The id of this delivery, the same on every attempt: a UUID of version 5 over the referral, the author and the
    /// sequence, as the guide reckons it. A delivery that was taken before is answered with the receipt it got then,
    /// whatever else happened meanwhile. UUIDs are written in lower case with hyphens.
    pub delivery: ID,
    /// The referral, a UUID: the same at both councils. The origin chooses it with its submission.
    pub referral: ID,
    /// The council that referred the dispute: `gd-consumer-council`, `hk-consumer-council` or `mo-consumer-council`.
    pub origin: String,
    /// The author, one of the two councils of this referral, and the one whose key signed the request.
    pub from: String,
    /// The recipient: this council. Another one is answered `WRONG_RECIPIENT`.
    pub to: String,
    /// The place of the message in the author's lane: 1, 2, 3 … to 1000, without gaps. The submission is the origin's
    /// 1.
    pub sequence: u32,
    /// A Lamport clock: one more than the greatest clock that the author has written or seen, from 1. Both councils
    /// order the messages by it, at equal clocks the origin's first.
    pub clock: u32,
    /// SHA-256 of the text of the author's message before this one; absent at sequence 1.
    pub previous: Option<String>,
    /// The newest message of the other lane that the author had taken when it wrote this; absent if there was none,
    /// which is so for the origin alone.
    pub seen: Option<SeenInput>,
    /// When the message was written, in UTC with `Z`: `2026-11-22T02:40:00Z`. A fraction has 3 or 6 digits and is left
    /// out when it is zero.
    pub at: String,
    /// 128 random bits in 32 lower-case hex digits, so that a digest tells nothing once the text is erased.
    pub salt: String,
}

/// The head of the other lane as the author knew it.
#[derive(Debug, Clone, InputObject)]
pub struct SeenInput {
    /// The sequence of that message.
    pub sequence: u32,
    /// SHA-256 of its text, in 64 lower-case hex digits.
    pub digest: String,
}

/// The author's signature over the message's text.
///
/// The text is the JSON of `{"header": …, "kind": …, "body": …}` in its canonical form (RFC 8785), without members that
/// are null. It is kept with its signature, so that both councils can show later what was said.
#[derive(Debug, Clone, InputObject)]
pub struct Statement {
    /// The id of the key, for example `hk-consumer-council:2026a`: a key of the author, valid when it signed.
    pub key: String,
    /// The signature: a detached JWS (RFC 7515 appendix F) whose payload is not encoded (RFC 7797), with the protected
    /// header `{"alg": …, "b64": false, "crit": ["b64"], "kid": key}`. `alg` is `EdDSA`, or `SM2` for keys of that
    /// suite.
    pub jws: String,
}

/// A receipt that was given for a message fetched with `messages`.
#[derive(Debug, Clone, InputObject)]
pub struct ReceiptInput {
    /// The canonical JSON of the receipt: `at`, `delivery`, `digest`, `from`, `referral`, `status` and `to`.
    pub text: String,
    /// The detached JWS over the text.
    pub jws: String,
    /// The id of the key that signed it.
    pub key: String,
}

//! Whether a signed text is what it claims to be, before anything of it is believed.

use chrono::{DateTime, Utc};
use domain::complaint::FUTURE_TOLERANCE;

use super::Council;
use super::refusals::of_message;
use crate::exchange::message::MESSAGE_BYTES_MAX;
use crate::exchange::{Message, Receipt, Refusal, RefusalCode, SignedMessage, SignedReceipt};
use crate::partner::PartnerId;
use crate::trust::jws::{key_of, verify_detached};
use crate::trust::{KeyId, VerifyingKey};

impl Council {
    /// A message that `from` brought: its text is signed by one of its keys, it is for us, and it is whole.
    pub(super) fn verified(&self, from: &PartnerId, signed: &SignedMessage) -> Result<Message, Refusal> {
        if signed.text.len() > MESSAGE_BYTES_MAX {
            let bytes = signed.text.len();
            let message = format!("a message has at most {MESSAGE_BYTES_MAX} bytes, this one has {bytes}");
            return Err(Refusal::new(RefusalCode::BodyTooLarge, message));
        }
        let key = self.signed_by(from, &signed.key, &signed.text, &signed.jws)?;
        let message = Message::parse(&signed.text).map_err(|error| of_message(&error))?;
        let header = &message.header;
        // Who it is for comes first: a message for somebody else is none of our business, whatever else is wrong.
        if header.to != self.own {
            return Err(Refusal::new(RefusalCode::WrongRecipient, format!("this is `{}`", self.own)));
        }
        if header.from != *from {
            let message = format!("the message says it is by `{}`, and `{from}` brought it", header.from);
            return Err(Refusal::new(RefusalCode::WrongSender, message));
        }
        message.check().map_err(|error| of_message(&error))?;
        self.valid_then(key, header.at)?;
        Ok(message)
    }

    /// A receipt that `from` gave us.
    pub(super) fn verified_receipt(&self, from: &PartnerId, signed: &SignedReceipt) -> Result<Receipt, Refusal> {
        let receipt =
            Receipt::parse(&signed.text).map_err(|error| Refusal::new(RefusalCode::Invalid, error.to_string()))?;
        let key = self.signed_by(from, &signed.key, &signed.text, &signed.jws)?;
        if receipt.to != self.own {
            return Err(Refusal::new(RefusalCode::WrongRecipient, format!("this is `{}`", self.own)));
        }
        if receipt.from != *from {
            let message = format!("the receipt says it is by `{}`, and `{from}` gave it", receipt.from);
            return Err(Refusal::new(RefusalCode::WrongSender, message));
        }
        self.valid_then(key, receipt.at)?;
        Ok(receipt)
    }

    /// The key that signed exactly this text; it must be one of the partner's.
    fn signed_by(&self, from: &PartnerId, key: &KeyId, text: &str, jws: &str) -> Result<&VerifyingKey, Refusal> {
        let Some((peer, verifying)) = self.directory.key_any(key) else {
            return Err(Refusal::new(RefusalCode::UnknownKey, format!("no council of the directory has key `{key}`")));
        };
        if peer.id != *from {
            let message = format!("key `{key}` belongs to another council than `{from}`");
            return Err(Refusal::new(RefusalCode::WrongSender, message));
        }
        let named = key_of(jws).is_ok_and(|named| named == *key);
        if !named || verify_detached(verifying, text.as_bytes(), jws).is_err() {
            let message = format!("the signature is not that of key `{key}` over this text");
            return Err(Refusal::new(RefusalCode::BadStatement, message));
        }
        Ok(verifying)
    }

    /// A statement counts by the key that was valid when it was made: it may arrive, or be read again, after its key
    /// has run out. That the caller holds a key that is valid now is shown by the request that brings it.
    fn valid_then(&self, key: &VerifyingKey, at: DateTime<Utc>) -> Result<(), Refusal> {
        if at > self.moment() + FUTURE_TOLERANCE {
            return Err(Refusal::new(RefusalCode::Invalid, format!("`at` lies in the future: {at}")));
        }
        if key.is_valid_at(at) {
            return Ok(());
        }
        let message = format!("key `{}` was not valid at {at}", key.id);
        Err(Refusal::new(RefusalCode::KeyNotValid, message))
    }
}

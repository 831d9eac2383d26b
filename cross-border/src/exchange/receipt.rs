//! What a council answers when it has a message: signed, and the same however often it is asked.

use chrono::{DateTime, Utc};
use domain::vocabulary::vocabulary;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::id::{DeliveryId, Digest, SharedId};
use crate::partner::PartnerId;
use crate::trust::KeyId;

/// Longest canonical text of a receipt in bytes: ids, two councils, one digest, one moment.
pub const RECEIPT_BYTES_MAX: usize = 2 * 1024;

vocabulary! {
    /// Where a message lies at its recipient.
    ReceiptStatus {
        /// In its place, and in effect.
        Received = "received", "已收到";
        /// Kept until the messages before it are there.
        Parked = "parked", "已收到，等待前一件";
    }
}

/// The receipt of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    pub delivery: DeliveryId,
    pub referral: SharedId,
    /// Of the message's canonical text.
    pub digest: Digest,
    /// The recipient of the message, who signs.
    pub from: PartnerId,
    /// The author of the message.
    pub to: PartnerId,
    /// When the message was recorded.
    pub at: DateTime<Utc>,
    pub status: ReceiptStatus,
}

/// Why a text is not a receipt.
#[derive(Debug, Error)]
pub enum ReceiptError {
    #[error("the receipt has {bytes} bytes, more than the {RECEIPT_BYTES_MAX} allowed")]
    TooLarge { bytes: usize },
    #[error("the text does not have the shape of a receipt")]
    Malformed(#[source] serde_json::Error),
    #[error("the receipt is not in its canonical form (RFC 8785)")]
    NotCanonical,
}

impl Receipt {
    /// The one text of this receipt (RFC 8785), which is what is signed.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json_canonicalizer::to_string(self).expect("ids, digests, names and a moment are texts in JSON")
    }

    /// Reads a receipt from its canonical text, and from no other text.
    ///
    /// # Errors
    /// [`ReceiptError`] about what is wrong with the text.
    pub fn parse(canonical: &str) -> Result<Self, ReceiptError> {
        if canonical.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLarge { bytes: canonical.len() });
        }
        let receipt: Self = serde_json::from_str(canonical).map_err(ReceiptError::Malformed)?;
        if receipt.canonical() == canonical { Ok(receipt) } else { Err(ReceiptError::NotCanonical) }
    }
}

/// A receipt with its signer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReceipt {
    /// The canonical text.
    pub text: String,
    /// A detached JWS over it (RFC 7515 Appendix F, RFC 7797).
    pub jws: String,
    pub key: KeyId,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GUANGDONG, HONG_KONG, council, moment, shared};
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            delivery: DeliveryId::derived(shared(), &council(GUANGDONG), 1),
            referral: shared(),
            digest: Digest::of(b"message"),
            from: council(HONG_KONG),
            to: council(GUANGDONG),
            at: moment(),
            status: ReceiptStatus::Received,
        }
    }

    #[test]
    fn a_receipt_is_its_canonical_text() {
        let text = receipt().canonical();
        assert!(text.starts_with(r#"{"at":"2026-05-18T01:00:00.000001Z","delivery":"#), "{text}");
        assert_eq!(Receipt::parse(&text).unwrap(), receipt());
        let parked = Receipt { status: ReceiptStatus::Parked, ..receipt() };
        assert_ne!(parked.canonical(), text);
    }

    #[test]
    fn another_text_of_the_same_receipt_is_refused() {
        let text = receipt().canonical();
        for other in [
            text.replace(",", ", "),
            text.replace("01:00:00.000001Z", "09:00:00.000001+08:00"),
            text.replace(r#""status":"received""#, r#""status":"\u0072eceived""#),
        ] {
            assert_ne!(other, text);
            assert!(matches!(Receipt::parse(&other), Err(ReceiptError::NotCanonical)), "{other}");
        }
        let twice = text.replace(r#","status":"#, r#","status":"parked","status":"#);
        assert!(matches!(Receipt::parse(&twice), Err(ReceiptError::Malformed(_))));
        let more = text.replace(r#","status":"#, r#","note":"","status":"#);
        assert!(matches!(Receipt::parse(&more), Err(ReceiptError::Malformed(_))));
        let lost = text.replace("received", "lost");
        assert!(matches!(Receipt::parse(&lost), Err(ReceiptError::Malformed(_))));
    }

    #[test]
    fn a_receipt_holds_its_limit() {
        let at_limit = " ".repeat(RECEIPT_BYTES_MAX);
        assert!(matches!(Receipt::parse(&at_limit), Err(ReceiptError::Malformed(_))));
        let past = " ".repeat(RECEIPT_BYTES_MAX + 1);
        assert!(matches!(Receipt::parse(&past), Err(ReceiptError::TooLarge { bytes }) if bytes == past.len()));
        let longest = council(&"a".repeat(domain::id::UNIT_ID_BYTES_MAX));
        let receipt = Receipt { from: longest.clone(), to: longest, ..receipt() };
        assert_eq!(Receipt::parse(&receipt.canonical()).unwrap(), receipt, "the longest there is fits");
    }

    #[test]
    fn each_status_reads_back() {
        for status in ReceiptStatus::ALL {
            assert_eq!(ReceiptStatus::from_code(status.code()), Some(*status));
        }
    }
}

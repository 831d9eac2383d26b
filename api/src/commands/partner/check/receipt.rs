//! The answer to a message: a receipt, signed by the server, about exactly this message.

use chrono::{DateTime, TimeDelta, Utc};
use cross_border::exchange::{Receipt, ReceiptStatus};
use cross_border::trust::KeyId;
use cross_border::trust::http_signature::SKEW_SECONDS;
use cross_border::trust::jws::verify_detached;
use serde::Deserialize;
use serde_json::Value;

use super::report::{Miss, shown};
use super::settings::Settings;
use super::writer::{Writer, Written};

/// A receipt as the server gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Payload {
    pub(super) delivery: String,
    pub(super) digest: String,
    pub(super) status: String,
    pub(super) text: String,
    pub(super) jws: String,
    pub(super) key: String,
    pub(super) repeated: bool,
}

impl Payload {
    /// Reads a receipt.
    pub(super) fn read(value: &Value) -> Result<Self, Miss> {
        Self::deserialize(value).map_err(|error| {
            let advice = "answer with delivery, digest, status, text, jws, key and repeated";
            Miss::failed(format!("the answer holds no whole receipt: {}; {advice}", shown(&error.to_string())))
        })
    }

    /// Checks that it is signed by the server and says what it must of this message.
    pub(super) fn check(
        &self,
        written: &Written,
        settings: &Settings,
        writer: &Writer,
        now: DateTime<Utc>,
    ) -> Result<ReceiptStatus, Miss> {
        let receipt = self.signed_by(settings)?;
        let Receipt { delivery, referral, digest, from, to, at, status } = &receipt;
        for (name, holds, found, wanted) in [
            ("digest", *digest == written.entry.digest, digest.to_string(), written.entry.digest.to_string()),
            ("delivery", *delivery == written.entry.delivery, delivery.to_string(), written.entry.delivery.to_string()),
            ("referral", *referral == writer.shared, referral.to_string(), writer.shared.to_string()),
            ("from", *from == settings.partner.id, from.to_string(), settings.partner.id.to_string()),
            ("to", *to == settings.own.id, to.to_string(), settings.own.id.to_string()),
        ] {
            if !holds {
                let advice = "a receipt is about the message that came, by who received it, to who wrote it";
                return Err(Miss::failed(format!(
                    "the receipt has another `{name}`: expected {wanted}, came {}; {advice}",
                    shown(&found)
                )));
            }
        }
        if *at > now + TimeDelta::seconds(SKEW_SECONDS) {
            return Err(Miss::failed(format!("the receipt is of {at}, which is in the future; compare the clocks")));
        }
        for (name, beside, inside) in [
            ("delivery", &self.delivery, delivery.to_string()),
            ("digest", &self.digest, digest.to_string()),
            ("status", &self.status, status.code().to_owned()),
        ] {
            if *beside != inside {
                let found = shown(beside);
                return Err(Miss::failed(format!(
                    "`{name}` beside the receipt is {found}, in its text {inside}; they must be the same"
                )));
            }
        }
        Ok(*status)
    }

    /// The receipt, when its text was signed with a key of the server.
    fn signed_by(&self, settings: &Settings) -> Result<Receipt, Miss> {
        let named = shown(&self.key);
        let key = KeyId::parse(&self.key).ok().and_then(|id| settings.peer_key(&id)).ok_or_else(|| {
            Miss::failed(format!("the receipt names key `{named}`, which was not given with --peer-key"))
        })?;
        if verify_detached(key, self.text.as_bytes(), &self.jws).is_err() {
            let advice = "sign exactly the canonical text, as a detached JWS (RFC 7515 appendix F, RFC 7797)";
            return Err(Miss::failed(format!(
                "the receipt's signature is not that of key `{named}` over its text; {advice}"
            )));
        }
        let receipt = Receipt::parse(&self.text).map_err(|error| {
            Miss::failed(format!("the receipt's text is not one in its canonical form (RFC 8785): {error}"))
        })?;
        if !key.is_valid_at(receipt.at) {
            return Err(Miss::failed(format!("key `{named}` was not valid at {}, when it signed", receipt.at)));
        }
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use cross_border::exchange::{DeliveryId, Digest};
    use cross_border::trust::SigningKey;
    use cross_border::trust::jws::sign_detached;
    use serde_json::json;

    use super::super::testing::{settings, signing_key};
    use super::super::writer::{beginning, submission};
    use super::*;

    struct Case {
        settings: Settings,
        writer: Writer,
        written: Written,
        peer: SigningKey,
    }

    impl Case {
        fn new() -> Self {
            let peer = signing_key("hk-consumer-council:1");
            let settings = settings(&peer);
            let mut writer = Writer::new(&settings);
            let written = writer.write(beginning(), submission(&settings, crate::clock::now())).unwrap();
            Self { settings, writer, written, peer }
        }

        fn receipt(&self) -> Receipt {
            Receipt {
                delivery: self.written.entry.delivery,
                referral: self.writer.shared,
                digest: self.written.entry.digest.clone(),
                from: self.settings.partner.id.clone(),
                to: self.settings.own.id.clone(),
                at: self.written.entry.at,
                status: ReceiptStatus::Received,
            }
        }

        fn payload(&self, receipt: &Receipt, key: &SigningKey) -> Payload {
            let text = receipt.canonical();
            Payload {
                delivery: receipt.delivery.to_string(),
                digest: receipt.digest.to_string(),
                status: receipt.status.code().to_owned(),
                jws: sign_detached(key, text.as_bytes()).unwrap(),
                key: key.id.to_string(),
                repeated: false,
                text,
            }
        }

        fn checked(&self, payload: &Payload) -> Result<ReceiptStatus, Miss> {
            payload.check(&self.written, &self.settings, &self.writer, crate::clock::now())
        }

        fn reason(&self, payload: &Payload) -> String {
            match self.checked(payload) {
                Err(Miss::Failed(reason)) => reason,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_receipt_of_the_server_about_the_message_is_right() {
        let case = Case::new();
        assert_eq!(case.checked(&case.payload(&case.receipt(), &case.peer)), Ok(ReceiptStatus::Received));
    }

    #[test]
    fn whatever_else_it_says_is_named() {
        let case = Case::new();
        let with = |change: fn(&mut Receipt)| {
            let mut receipt = case.receipt();
            change(&mut receipt);
            case.reason(&case.payload(&receipt, &case.peer))
        };
        assert!(with(|receipt| receipt.digest = Digest::of(b"other")).contains("another `digest`"));
        assert!(with(|receipt| receipt.to = receipt.from.clone()).contains("another `to`"));
        assert!(with(|receipt| receipt.from = receipt.to.clone()).contains("another `from`"));
        let next = |receipt: &mut Receipt| {
            receipt.delivery = DeliveryId::derived(receipt.referral, &receipt.to, 2);
        };
        assert!(with(next).contains("another `delivery`"));
        assert!(with(|receipt| receipt.at += TimeDelta::minutes(5)).contains("in the future"));
        assert!(with(|receipt| receipt.at -= TimeDelta::days(3)).contains("was not valid"));
        let beside = Payload { status: "parked".to_owned(), ..case.payload(&case.receipt(), &case.peer) };
        assert!(case.reason(&beside).contains("`status` beside the receipt"));
    }

    #[test]
    fn only_the_servers_key_signs_and_only_the_text() {
        let case = Case::new();
        let impostor = signing_key("hk-consumer-council:1");
        assert!(case.reason(&case.payload(&case.receipt(), &impostor)).contains("the receipt's signature"));
        let stranger = signing_key("hk-consumer-council:2");
        assert!(case.reason(&case.payload(&case.receipt(), &stranger)).contains("not given with --peer-key"));
        let good = case.payload(&case.receipt(), &case.peer);
        let spaced = Payload { text: good.text.replace(',', ", "), ..good.clone() };
        assert!(case.reason(&spaced).contains("signature"));
        let text = good.text.replace(',', ", ");
        let resigned = Payload { jws: sign_detached(&case.peer, text.as_bytes()).unwrap(), text, ..good };
        assert!(case.reason(&resigned).contains("canonical"));
    }

    #[test]
    fn an_answer_without_a_receipt_is_none() {
        for value in [json!({}), json!({"delivery": "x"}), json!(7)] {
            let Err(Miss::Failed(reason)) = Payload::read(&value) else { panic!("{value}") };
            assert!(reason.contains("no whole receipt"), "{reason}");
        }
    }
}

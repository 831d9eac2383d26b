//! The GraphQL documents that we send to partners: fixed texts, one for each kind of message and each question.
//!
//! Nothing is ever put into a document; what varies travels in the variables. So a partner can know every text that it
//! will be sent by its SHA-256 and refuse all others (trusted documents). `documents/INDEX` lists them in the form of
//! `sha256sum`, which checks it.

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::exchange::{Digest, MessageKind, SignedMessage};

/// One fixed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// The name of the operation in the text.
    pub operation: &'static str,
    /// The field of the answer that holds what was asked for.
    pub field: &'static str,
    pub text: &'static str,
}

impl Document {
    /// The id of the trusted document: the SHA-256 of its text.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The body of a request with these variables.
    ///
    /// The id stands beside the text in the place that servers of persisted documents look at; others ignore it.
    #[must_use]
    pub fn request(&self, variables: Map<String, Value>) -> Value {
        json!({
            "query": self.text,
            "operationName": self.operation,
            "variables": variables,
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": self.id()}},
        })
    }
}

macro_rules! document {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $field:literal, $file:literal) => {
        #[doc = concat!("The operation `", $operation, "`.")]
        ///
        $(#[$doc])*
        pub const $name: Document = Document {
            operation: $operation,
            field: $field,
            text: include_str!(concat!("../../documents/", $file, ".graphql")),
        };
    };
}

document!(SUBMIT_REFERRAL, "SubmitReferral", "submitReferral", "submit-referral");
document!(MARK_RETRIEVED, "MarkRetrieved", "markRetrieved", "mark-retrieved");
document!(ACKNOWLEDGE_REFERRAL, "AcknowledgeReferral", "acknowledgeReferral", "acknowledge-referral");
document!(RETURN_REFERRAL, "ReturnReferral", "returnReferral", "return-referral");
document!(REPORT_PROGRESS, "ReportProgress", "reportProgress", "report-progress");
document!(OFFER_SESSION, "OfferSession", "offerSession", "offer-session");
document!(ANSWER_OFFER, "AnswerOffer", "answerOffer", "answer-offer");
document!(REPORT_SESSION, "ReportSession", "reportSession", "report-session");
document!(REPORT_OUTCOME, "ReportOutcome", "reportOutcome", "report-outcome");
document!(ACKNOWLEDGE_OUTCOME, "AcknowledgeOutcome", "acknowledgeOutcome", "acknowledge-outcome");
document!(RECALL_REFERRAL, "RecallReferral", "recallReferral", "recall-referral");
document!(ANSWER_RECALL, "AnswerRecall", "answerRecall", "answer-recall");
document!(REMIND, "Remind", "remind", "remind");
document!(ANNOUNCE_EVIDENCE, "AnnounceEvidence", "announceEvidence", "announce-evidence");
document!(
    /// Hands over our receipts for what we fetched.
    RECORD_RECEIPTS, "RecordReceipts", "recordReceipts", "record-receipts"
);
document!(
    /// Which council answers there, and its clock.
    SERVER_INFO, "ServerInfo", "serverInfo", "server-info"
);
document!(
    /// One referral as the partner sees it, with the digest of the shared history.
    REFERRAL, "Referral", "referral", "referral"
);
document!(
    /// The digest and the heads of the shared history alone.
    SEGMENT, "Segment", "segment", "segment"
);
document!(
    /// What the partner has for us behind a cursor.
    MESSAGES, "Messages", "messages", "messages"
);
document!(
    /// Which files belong to a referral, and which of them the partner holds.
    EVIDENCE, "Evidence", "evidence", "evidence"
);

/// Every document that is ever sent.
pub const ALL: &[Document] = &[
    SUBMIT_REFERRAL,
    MARK_RETRIEVED,
    ACKNOWLEDGE_REFERRAL,
    RETURN_REFERRAL,
    REPORT_PROGRESS,
    OFFER_SESSION,
    ANSWER_OFFER,
    REPORT_SESSION,
    REPORT_OUTCOME,
    ACKNOWLEDGE_OUTCOME,
    RECALL_REFERRAL,
    ANSWER_RECALL,
    REMIND,
    ANNOUNCE_EVIDENCE,
    RECORD_RECEIPTS,
    SERVER_INFO,
    REFERRAL,
    SEGMENT,
    MESSAGES,
    EVIDENCE,
];

/// The document that brings a message of this kind.
#[must_use]
pub const fn of(kind: MessageKind) -> Document {
    match kind {
        MessageKind::Submission => SUBMIT_REFERRAL,
        MessageKind::Retrieved => MARK_RETRIEVED,
        MessageKind::Acknowledgement => ACKNOWLEDGE_REFERRAL,
        MessageKind::Return => RETURN_REFERRAL,
        MessageKind::Progress => REPORT_PROGRESS,
        MessageKind::Offer => OFFER_SESSION,
        MessageKind::OfferAnswer => ANSWER_OFFER,
        MessageKind::SessionReport => REPORT_SESSION,
        MessageKind::Outcome => REPORT_OUTCOME,
        MessageKind::OutcomeAcknowledgement => ACKNOWLEDGE_OUTCOME,
        MessageKind::Recall => RECALL_REFERRAL,
        MessageKind::RecallAnswer => ANSWER_RECALL,
        MessageKind::Reminder => REMIND,
        MessageKind::Evidence => ANNOUNCE_EVIDENCE,
    }
}

/// Whether messages of this kind say something beside their header; the other documents have no `$body`.
#[must_use]
pub const fn has_body(kind: MessageKind) -> bool {
    !matches!(kind, MessageKind::Retrieved | MessageKind::OutcomeAcknowledgement)
}

/// Why a stored message cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the stored text is no message of kind `{kind}`")]
pub struct NoMessage {
    pub kind: MessageKind,
}

/// The variables that bring a signed message: the members of its own text, unchanged, and the signature.
///
/// The receiver puts the text together again from them (RFC 8785), so nothing may be added or left out here.
///
/// # Errors
/// The text is not that of a message of this kind.
pub fn variables(kind: MessageKind, message: &SignedMessage) -> Result<Map<String, Value>, NoMessage> {
    let Ok(Value::Object(mut text)) = serde_json::from_str(&message.text) else { return Err(NoMessage { kind }) };
    if text.get("kind").and_then(Value::as_str) != Some(kind.code()) {
        return Err(NoMessage { kind });
    }
    let mut variables = Map::new();
    let members: &[&str] = if has_body(kind) { &["header", "body"] } else { &["header"] };
    for member in members {
        variables.insert((*member).to_owned(), text.remove(*member).ok_or(NoMessage { kind })?);
    }
    variables.insert("statement".to_owned(), json!({"key": message.key, "jws": message.jws}));
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::trust::KeyId;

    /// The documents of the folder with their digests, as `sha256sum` writes them.
    fn index() -> Vec<(&'static str, &'static str)> {
        include_str!("../../documents/INDEX").lines().map(|line| line.split_once("  ").unwrap()).collect()
    }

    #[test]
    fn the_index_lists_every_document_by_its_digest() {
        let listed: BTreeSet<String> = index().iter().map(|(digest, _)| (*digest).to_owned()).collect();
        let sent: BTreeSet<String> = ALL.iter().map(|document| document.id().to_string()).collect();
        assert_eq!(listed, sent);
        assert_eq!(ALL.len(), index().len(), "no document stands in the list twice");
        for (_, file) in index() {
            assert!(file.ends_with(".graphql"), "{file}");
        }
    }

    #[test]
    fn every_kind_has_a_document_of_its_own() {
        let documents: BTreeSet<&str> = MessageKind::ALL.iter().map(|kind| of(*kind).text).collect();
        assert_eq!(documents.len(), MessageKind::ALL.len());
        for kind in MessageKind::ALL {
            let document = of(*kind);
            assert!(ALL.contains(&document), "{kind}");
            assert!(document.text.starts_with("mutation "), "{kind}");
            assert_eq!(document.text.contains("$body: "), has_body(*kind), "{kind}");
        }
    }

    #[test]
    fn a_document_holds_the_operation_and_the_field_it_says() {
        for document in ALL {
            let Document { operation, field, text } = document;
            let named = ["mutation ", "query "].iter().any(|kind| {
                text.strip_prefix(kind)
                    .and_then(|rest| rest.strip_prefix(operation))
                    .is_some_and(|rest| rest.starts_with(['(', ' ']))
            });
            assert!(named, "{operation}");
            assert!(text.contains(&format!("\n  {field}")), "{operation} asks for {field}");
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{operation}");
            for name in text.split('$').skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
                &rest[..end]
            }) {
                assert_eq!(text.matches(&format!("${name}")).count(), 2, "{operation} declares and uses ${name}");
            }
        }
    }

    fn signed(text: &str) -> SignedMessage {
        SignedMessage {
            text: text.to_owned(),
            jws: "eyJ..sig".to_owned(),
            key: KeyId::parse("gd-consumer-council:2026a").unwrap(),
        }
    }

    #[test]
    fn the_variables_are_the_members_of_the_signed_text() {
        let text = r#"{"body":{"reference":"HK-1"},"header":{"clock":2,"salt":"00"},"kind":"acknowledgement"}"#;
        let message = signed(text);
        let variables = variables(MessageKind::Acknowledgement, &message).unwrap();
        assert_eq!(variables["body"], json!({"reference": "HK-1"}));
        assert_eq!(variables["header"], json!({"clock": 2, "salt": "00"}));
        assert_eq!(variables["statement"], json!({"key": "gd-consumer-council:2026a", "jws": "eyJ..sig"}));
        let again = json!({"body": variables["body"], "header": variables["header"], "kind": "acknowledgement"});
        assert_eq!(serde_json_canonicalizer::to_string(&again).unwrap(), text, "the receiver reads the same text");
    }

    #[test]
    fn a_message_without_a_body_has_no_such_variable() {
        let message = signed(r#"{"body":{},"header":{"clock":2},"kind":"retrieved"}"#);
        let variables = variables(MessageKind::Retrieved, &message).unwrap();
        assert_eq!(variables.keys().map(String::as_str).collect::<Vec<_>>(), ["header", "statement"]);
    }

    #[test]
    fn what_is_no_message_of_the_kind_is_not_sent() {
        for text in ["", "[]", "{}", r#"{"kind":"recall"}"#, r#"{"kind":"retrieved","body":{}}"#] {
            assert!(variables(MessageKind::Retrieved, &signed(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_names_its_document() {
        let request = SERVER_INFO.request(Map::new());
        assert_eq!(request["operationName"], "ServerInfo");
        assert_eq!(request["query"], SERVER_INFO.text);
        assert_eq!(request["extensions"]["persistedQuery"]["sha256Hash"], SERVER_INFO.id().as_str());
    }
}

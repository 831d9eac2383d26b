//! From the arguments of a mutation to the text that was signed, and from the receipt to the answer.

use async_graphql::{Context, Error, InputType, Value};
use cross_border::exchange::{
    DeliveryId, Message, MessageKind, Receipt, Refusal, RefusalCode, SharedId, SignedMessage, SignedReceipt,
};
use cross_border::trust::KeyId;
use serde_json::Value as Json;

use super::answers::ReceiptPayload;
use super::desk::{Desk, told};
use super::header::{MessageHeader, ReceiptInput, Statement};

/// Most receipts of one `recordReceipts`.
const RECEIPTS_MAX: usize = 100;

/// The body of a message that says nothing beside its header.
pub(super) fn nothing() -> Json {
    Json::Object(serde_json::Map::new())
}

/// An input as JSON: its members under their names in the contract, absent ones as null.
pub(super) fn members(input: &impl InputType) -> Json {
    json(input.to_value())
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Number(number) => Json::Number(number),
        Value::String(text) => Json::String(text),
        Value::Boolean(yes) => Json::Bool(yes),
        Value::Enum(name) => Json::from(name.as_str()),
        // No input of the contract is binary; the reader of messages would refuse the list.
        Value::Binary(bytes) => Json::from(bytes.to_vec()),
        Value::List(list) => list.into_iter().map(json).collect(),
        Value::Object(members) => {
            Json::Object(members.into_iter().map(|(name, member)| (name.to_string(), json(member))).collect())
        }
    }
}

/// Takes a message in, and answers with its receipt.
pub(super) async fn deliver(
    ctx: &Context<'_>,
    kind: MessageKind,
    header: MessageHeader,
    body: Json,
    statement: Statement,
) -> Result<ReceiptPayload, Error> {
    let desk = Desk::of(ctx)?;
    let signed = match assemble(kind, &header, body, statement) {
        Ok(signed) => signed,
        Err(refusal) => return Err(desk.refuse(kind.code(), refusal).await),
    };
    // Boxed: what takes a message in is a large future, and every kind of message has a resolver that would hold one.
    Box::pin(receive(&desk, &header, signed)).await
}

/// The message as its author signed it, put together again from its members, so that white space, the order of members
/// and absent ones cannot matter. If the author signed anything else, the statement does not hold.
fn assemble(
    kind: MessageKind,
    header: &MessageHeader,
    body: Json,
    statement: Statement,
) -> Result<SignedMessage, Refusal> {
    let text = Message::assemble(members(header), kind.code(), body)
        .map_err(|error| Refusal::new(error.refusal(), error.to_string()))?;
    Ok(SignedMessage { text, jws: statement.jws, key: key(&statement.key)? })
}

async fn receive(desk: &Desk<'_>, header: &MessageHeader, signed: SignedMessage) -> Result<ReceiptPayload, Error> {
    let repeated = is_here(desk, header).await?;
    let receipt = desk.council.receive(&desk.caller.partner, signed).await.map_err(|refusal| told(&refusal))?;
    payload(receipt, repeated)
}

/// Whether the message lay here before this request.
async fn is_here(desk: &Desk<'_>, header: &MessageHeader) -> Result<bool, Error> {
    let (Ok(shared), Ok(delivery)) = (SharedId::parse(&header.referral), DeliveryId::parse(&header.delivery)) else {
        return Ok(false);
    };
    let (_, loaded) = desk.council.find(&desk.caller.partner, shared).await.map_err(|error| desk.failed(&error))?;
    Ok(loaded.state.transfer().is_some_and(|transfer| transfer.segment.find(delivery).is_some()))
}

fn payload(signed: SignedReceipt, repeated: bool) -> Result<ReceiptPayload, Error> {
    // A receipt of our own that cannot be read is a fault of ours; the edge masks it and logs the request.
    let receipt = Receipt::parse(&signed.text).map_err(Error::new_with_source)?;
    Ok(ReceiptPayload {
        delivery: receipt.delivery.to_string().into(),
        digest: receipt.digest.to_string(),
        status: receipt.status.code().to_owned(),
        text: signed.text,
        jws: signed.jws,
        key: signed.key.to_string(),
        repeated,
    })
}

/// Takes receipts for messages of ours; how many of them are recorded.
pub(super) async fn record(ctx: &Context<'_>, receipts: Vec<ReceiptInput>) -> Result<u32, Error> {
    use async_graphql::ErrorExtensions as _;
    use cross_border::delivery::DeliveredBy;

    const WHAT: &str = "recordReceipts";
    let desk = Desk::of(ctx)?;
    if receipts.len() > RECEIPTS_MAX {
        return Err(desk.invalid(WHAT, format!("at most {RECEIPTS_MAX} receipts at once")).await);
    }
    let mut recorded: u32 = 0;
    for receipt in receipts {
        let taken = match key(&receipt.key) {
            Ok(key) => {
                let signed = SignedReceipt { text: receipt.text, jws: receipt.jws, key };
                let taking = desk.council.receipt_from(&desk.caller.partner, &signed, DeliveredBy::Pull);
                Box::pin(taking).await.map_err(|refusal| told(&refusal))
            }
            Err(refusal) => Err(desk.refuse(WHAT, refusal).await),
        };
        // Those before this one are recorded; the error says where to go on.
        taken.map_err(|error| error.extend_with(|_, values| values.set("index", recorded)))?;
        recorded = recorded.saturating_add(1);
    }
    Ok(recorded)
}

fn key(id: &str) -> Result<KeyId, Refusal> {
    KeyId::parse(id).map_err(|error| Refusal::new(RefusalCode::Invalid, format!("the id of a key: {error}")))
}

#[cfg(test)]
mod tests {
    use cross_border::exchange::MessageError;
    use serde_json::json;

    use super::super::bodies::OutcomeInput;
    use super::super::header::SeenInput;
    use super::super::submission::{LangTextInput, MoneyInput, WholeNumber};
    use super::*;

    fn header() -> MessageHeader {
        MessageHeader {
            version: 1,
            delivery: "a2ea19a9-7cbc-5142-aec0-6d36073afb14".into(),
            referral: "7c9e6679-7425-50de-944b-e07fc1f90ae7".into(),
            origin: "gd-consumer-council".to_owned(),
            from: "hk-consumer-council".to_owned(),
            to: "gd-consumer-council".to_owned(),
            sequence: 1,
            clock: 2,
            previous: None,
            seen: Some(SeenInput { sequence: 1, digest: "0".repeat(64) }),
            at: "2026-05-18T01:00:00Z".to_owned(),
            salt: "0".repeat(32),
        }
    }

    fn statement() -> Statement {
        Statement { key: "hk-consumer-council:2026a".to_owned(), jws: "e30..c2ln".to_owned() }
    }

    #[test]
    fn the_text_is_canonical_and_absent_members_are_left_out() {
        let body = OutcomeInput {
            outcome: "settled".to_owned(),
            recovered: Some(MoneyInput { minor: WholeNumber(129_900), currency: "HKD".to_owned() }),
            note: None,
        };
        let signed = assemble(MessageKind::Outcome, &header(), members(&body), statement()).unwrap();
        let body = r#"{"body":{"outcome":"settled","recovered":{"currency":"HKD","minor":129900}},"#;
        let header = r#""header":{"at":"2026-05-18T01:00:00Z","clock":2,"delivery":"a2ea19a9-"#;
        assert!(signed.text.starts_with(&format!("{body}{header}")), "{}", signed.text);
        assert!(!signed.text.contains("null") && !signed.text.contains("previous"), "{}", signed.text);
        let message = Message::parse(&signed.text).unwrap();
        assert_eq!((message.body.kind(), message.canonical().unwrap()), (MessageKind::Outcome, signed.text));
    }

    #[test]
    fn a_message_without_a_body_has_an_empty_one_in_its_text() {
        let signed = assemble(MessageKind::Retrieved, &header(), nothing(), statement()).unwrap();
        assert!(signed.text.starts_with(r#"{"body":{},"header":"#), "{}", signed.text);
        assert_eq!(Message::parse(&signed.text).unwrap().check(), Ok(()));
    }

    #[test]
    fn a_code_that_nobody_knows_is_told_as_such() {
        let note = LangTextInput { lang: "tlh".to_owned(), text: "Qapla'".to_owned() };
        let body = OutcomeInput { outcome: "settled".to_owned(), recovered: None, note: Some(note) };
        let signed = assemble(MessageKind::Outcome, &header(), members(&body), statement()).unwrap();
        assert!(matches!(Message::parse(&signed.text), Err(MessageError::UnknownCode { .. })));
    }

    #[test]
    fn the_statement_must_name_a_key() {
        let nameless = Statement { key: "No Key".to_owned(), ..statement() };
        let refused = assemble(MessageKind::Retrieved, &header(), nothing(), nameless).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Invalid);
    }

    #[test]
    fn every_kind_of_value_becomes_json() {
        let value = Value::from_json(json!({"a": [1, "b", true, null], "c": {"d": 1.5}})).unwrap();
        assert_eq!(json(value), json!({"a": [1, "b", true, null], "c": {"d": 1.5}}));
        assert_eq!(json(Value::Enum(async_graphql::Name::new("X"))), json!("X"));
    }
}

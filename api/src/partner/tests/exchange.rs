use axum::http::StatusCode;
use cross_border::council::Caller;
use cross_border::exchange::body::{Acknowledgement, Recall, Reminder, Retrieved};
use cross_border::exchange::{Body, Digest, Receipt, ReceiptStatus, SharedId, SignedMessage, SignedReceipt, Step};
use cross_border::referral::ReferralId;
use cross_border::referral::vocabulary::RecallReason;
use cross_border::trust::jws::{sign_detached, verify_detached};
use domain::id::CommandId;
use event_log::digest::command_digest;
use event_log::execute::Issue;
use event_log::port::CommandRef;
use serde_json::{Value, json};

use crate::partner::testing::{
    Author, GUANGDONG, HONG_KONG, House, MACAO, NAME, Reply, council_id, signing_key, submission,
};

const REFERRAL: &str = "query($id: ID!) { referral(id: $id) { id origin target stage reference segment { digest \
                        origin { count head entries { kind sequence clock } parked { sequence } } \
                        target { count head } } } }";
const MESSAGES: &str = "query($after: String, $first: Int) { messages(after: $after, first: $first) { \
                        messages { cursor delivery kind text jws key } next atEnd } }";
const RECEIPTS: &str = "mutation($receipts: [ReceiptInput!]!) { recordReceipts(receipts: $receipts) }";

/// The only answer of a mutation.
fn only(reply: &Reply) -> Value {
    let data = reply.data();
    data.as_object().unwrap().values().next().unwrap().clone()
}

async fn assert_refused(house: &House, message: &SignedMessage, council: &str, code: &str) {
    let reply = house.bring(council, message).await;
    assert_eq!(reply.code(), code, "{:#}", reply.json());
    assert_eq!(reply.json()["data"], Value::Null);
}

/// What our own officers tell the other council.
async fn tell(house: &House, shared: SharedId, body: impl Into<Body>) {
    let id = ReferralId::inbound(&council_id(GUANGDONG), &shared.to_string());
    let body = body.into();
    let name = format!("{shared} {}", body.kind());
    let command = CommandRef { id: CommandId::derived(&[name.as_str()]), digest: command_digest(name.as_bytes()) };
    let unit = house.council.own_unit();
    let caller = Caller { unit: &unit, actor: "officer", issue: Issue::default() };
    house.council.tell(id, command, caller, None, None, body).await.unwrap();
    house.catch_up();
}

#[tokio::test]
async fn a_submission_is_answered_with_a_signed_receipt_and_the_same_one_when_repeated() {
    let house = House::new();
    let mut author = Author::new(GUANGDONG);
    let message = author.write(house.clock.now(), submission(Vec::new()));
    let first = only(&house.bring(GUANGDONG, &message).await);
    assert_eq!((&first["status"], &first["repeated"]), (&json!("received"), &json!(false)));
    assert_eq!(first["digest"], message.digest().as_str());
    let text = first["text"].as_str().unwrap();
    let receipt = Receipt::parse(text).unwrap();
    assert_eq!((receipt.from, receipt.to), (council_id(HONG_KONG), council_id(GUANGDONG)));
    assert_eq!(first["delivery"], receipt.delivery.to_string());
    let key = signing_key(HONG_KONG, 0).verifying();
    verify_detached(&key, text.as_bytes(), first["jws"].as_str().unwrap()).unwrap();

    house.clock.advance(600);
    let mut again = only(&house.bring(GUANGDONG, &message).await);
    assert_eq!(again["repeated"], json!(true));
    again["repeated"] = json!(false);
    assert_eq!(again, first);
    assert!(!house.logged().await.contains(NAME), "no text of a message stands in the log in clear");
    assert!(house.journal().await.is_empty());
}

#[tokio::test]
async fn each_side_sees_the_same_history() {
    let house = House::new();
    let mut author = Author::new(GUANGDONG);
    let now = house.clock.now();
    let messages =
        [author.write(now, submission(Vec::new())), author.write(now, Recall { reason: RecallReason::SettledHere })];
    house.bring(GUANGDONG, &messages[0]).await.data();
    // The third comes before the second: it waits.
    let third = author.write(now, Reminder { step: Step::RecallAnswer });
    let parked = only(&house.bring(GUANGDONG, &third).await);
    assert_eq!(parked["status"], ReceiptStatus::Parked.code());
    let seen = house.ask(GUANGDONG, REFERRAL, json!({ "id": author.shared })).await.data()["referral"].clone();
    assert_eq!(seen["segment"]["origin"]["count"], 1);
    assert_eq!(seen["segment"]["origin"]["parked"], json!([{ "sequence": 3 }]));
    assert_eq!((&seen["origin"], &seen["target"]), (&json!(GUANGDONG), &json!(HONG_KONG)));

    house.bring(GUANGDONG, &messages[1]).await.data();
    let seen = house.ask(GUANGDONG, REFERRAL, json!({ "id": author.shared })).await.data()["referral"].clone();
    assert_eq!(seen["stage"], "recalled");
    assert_eq!(seen["segment"]["digest"], author.segment.digest(author.shared).as_str());
    assert_eq!(seen["segment"]["origin"]["head"], third.digest().as_str());
    let kinds: Vec<&str> = seen["segment"]["origin"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["submission", "recall", "reminder"]);
}

#[tokio::test]
async fn a_council_sees_nothing_of_others() {
    let house = House::new();
    let mut author = Author::new(GUANGDONG);
    house.bring(GUANGDONG, &author.write(house.clock.now(), submission(Vec::new()))).await.data();
    let nowhere = "11111111-2222-4333-8444-555555555555";
    for (council, id) in [(MACAO, author.shared.to_string()), (GUANGDONG, nowhere.to_owned())] {
        let mut told = Vec::new();
        for document in [
            REFERRAL.to_owned(),
            "query($id: ID!) { segment(referral: $id) { digest } }".to_owned(),
            "query($id: ID!) { evidence(referral: $id) { digest } }".to_owned(),
        ] {
            let reply = house.ask(council, &document, json!({ "id": id })).await;
            assert_eq!(reply.code(), "UNKNOWN_REFERRAL");
            told.push(reply.json()["errors"][0]["message"].clone());
        }
        assert!(told.iter().all(|message| *message == told[0]), "the answer is the same whether it exists or not");
    }
    assert_eq!(house.journal().await.len(), 6);
    tell(&house, author.shared, Retrieved {}).await;
    let page = house.ask(MACAO, MESSAGES, json!({})).await.data()["messages"].clone();
    assert_eq!((&page["messages"], &page["atEnd"]), (&json!([]), &json!(true)));
    let malformed = house.ask(GUANGDONG, REFERRAL, json!({ "id": "1" })).await;
    assert_eq!((malformed.code().as_str(), &malformed.extensions()["retryable"]), ("INVALID", &json!(false)));
}

#[tokio::test]
async fn what_is_not_the_senders_own_is_refused() {
    let house = House::new();
    let mut author = Author::new(GUANGDONG);
    let now = house.clock.now();
    let message = author.write(now, submission(Vec::new()));
    assert_refused(&house, &message, MACAO, "WRONG_SENDER").await;
    let forged = SignedMessage { text: message.text.replace("2027-05-18", "2037-05-18"), ..message.clone() };
    assert_refused(&house, &forged, GUANGDONG, "BAD_STATEMENT").await;
    let other_key = SignedMessage {
        jws: sign_detached(&signing_key(GUANGDONG, 1), message.text.as_bytes()).unwrap(),
        ..message.clone()
    };
    assert_refused(&house, &other_key, GUANGDONG, "BAD_STATEMENT").await;
    let misdirected = author.sign(message.text.replace(r#""to":"hk-"#, r#""to":"mo-"#));
    assert_refused(&house, &misdirected, GUANGDONG, "WRONG_RECIPIENT").await;
    let newer = author.sign(message.text.replace(r#""version":1"#, r#""version":2"#));
    assert_refused(&house, &newer, GUANGDONG, "VERSION_UNSUPPORTED").await;
    let unknown = author.sign(message.text.replace("conciliation", "duel"));
    let reply = house.bring(GUANGDONG, &unknown).await;
    assert_eq!(reply.code(), "UNKNOWN_CODE");
    let told = reply.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("purpose") && told.contains("conciliation"), "{told}");
    let early = author.write(now, Recall { reason: RecallReason::SettledHere });
    let reply = house.bring(GUANGDONG, &early).await;
    assert_eq!((reply.code().as_str(), &reply.extensions()["retryable"]), ("UNKNOWN_REFERRAL", &json!(true)));

    house.bring(GUANGDONG, &message).await.data();
    let mut second = Author::new(GUANGDONG);
    let twice = second.write(now + chrono::TimeDelta::seconds(1), submission(Vec::new()));
    assert_refused(&house, &twice, GUANGDONG, "EQUIVOCATION").await;
    assert!(!house.journal().await.is_empty());
    assert!(!house.logged().await.contains(NAME));
}

#[tokio::test]
async fn our_messages_are_fetched_page_by_page_and_receipted() {
    let house = House::new();
    let mut author = Author::new(GUANGDONG);
    house.bring(GUANGDONG, &author.write(house.clock.now(), submission(Vec::new()))).await.data();
    tell(&house, author.shared, Retrieved {}).await;
    tell(&house, author.shared, Acknowledgement { reference: "HK-1".to_owned() }).await;

    let page = |after: Value, first: Value| json!({ "after": after, "first": first });
    let first = house.ask(GUANGDONG, MESSAGES, page(Value::Null, json!(1))).await.data()["messages"].clone();
    assert_eq!((&first["messages"][0]["kind"], &first["atEnd"]), (&json!("retrieved"), &json!(false)));
    let rest =
        house.ask(GUANGDONG, MESSAGES, page(first["next"].clone(), Value::Null)).await.data()["messages"].clone();
    assert_eq!((&rest["messages"][0]["kind"], &rest["atEnd"]), (&json!("acknowledgement"), &json!(true)));
    let nothing = house.ask(GUANGDONG, MESSAGES, page(rest["next"].clone(), json!(1))).await.data()["messages"].clone();
    assert_eq!((&nothing["messages"], &nothing["next"]), (&json!([]), &rest["next"]));

    let message = &first["messages"][0];
    let text = message["text"].as_str().unwrap();
    let key = signing_key(HONG_KONG, 0).verifying();
    verify_detached(&key, text.as_bytes(), message["jws"].as_str().unwrap()).unwrap();
    let receipt = receipt(&author, &house, message, Digest::of(text.as_bytes()));
    let given = json!({ "receipts": [{ "text": receipt.text, "jws": receipt.jws, "key": receipt.key }] });
    for _ in 0..2 {
        assert_eq!(house.ask(GUANGDONG, RECEIPTS, given.clone()).await.data(), json!({ "recordReceipts": 1 }));
    }
    house.catch_up();
    let wrong = self::receipt(&author, &house, message, Digest::of(b"another"));
    let mixed =
        json!({ "receipts": [given["receipts"][0], { "text": wrong.text, "jws": wrong.jws, "key": wrong.key }] });
    let reply = house.ask(GUANGDONG, RECEIPTS, mixed).await;
    assert_eq!((reply.code().as_str(), &reply.extensions()["index"]), ("INVALID", &json!(1)));
    let reply = house.ask(MACAO, RECEIPTS, given).await;
    assert_eq!(reply.code(), "WRONG_SENDER");
}

/// The receipt of a council for a message of Hong Kong.
fn receipt(author: &Author, house: &House, message: &Value, digest: Digest) -> SignedReceipt {
    let text = Receipt {
        delivery: cross_border::exchange::DeliveryId::parse(message["delivery"].as_str().unwrap()).unwrap(),
        referral: author.shared,
        digest,
        from: author.id.clone(),
        to: council_id(HONG_KONG),
        at: house.clock.now(),
        status: ReceiptStatus::Received,
    }
    .canonical();
    let jws = sign_detached(&author.key, text.as_bytes()).unwrap();
    SignedReceipt { text, jws, key: author.key.id.clone() }
}

#[tokio::test]
async fn lists_hold_their_limits() {
    let house = House::new();
    for first in [0, 201] {
        let reply = house.ask(GUANGDONG, MESSAGES, json!({ "first": first })).await;
        assert_eq!(reply.code(), "INVALID", "{first}");
    }
    assert_eq!(house.ask(GUANGDONG, MESSAGES, json!({ "first": 200 })).await.status, StatusCode::OK);
    let reply = house.ask(GUANGDONG, MESSAGES, json!({ "after": "x" })).await;
    assert_eq!(reply.code(), "INVALID");
    let receipt = json!({ "text": "{}", "jws": "a..b", "key": "gd-consumer-council:2026a" });
    let many = |count: usize| json!({ "receipts": vec![receipt.clone(); count] });
    let at = house.ask(GUANGDONG, RECEIPTS, many(100)).await;
    assert_eq!(at.extensions()["index"], 0, "the list is read, and its first entry is no receipt");
    let past = house.ask(GUANGDONG, RECEIPTS, many(101)).await;
    assert_eq!((past.code().as_str(), &past.extensions()["index"]), ("INVALID", &Value::Null));
}

#[tokio::test]
async fn the_server_says_who_it_is_and_which_codes_pass() {
    let house = House::new();
    let document = "{ serverInfo { version messageVersion council time refusals { code retryable } } }";
    let info = house.ask(GUANGDONG, document, json!({})).await.data()["serverInfo"].clone();
    assert_eq!((&info["messageVersion"], &info["council"]), (&json!(1), &json!(HONG_KONG)));
    assert_eq!(info["time"], "2026-05-18T01:00:00Z");
    let refusals = info["refusals"].as_array().unwrap();
    assert!(refusals.contains(&json!({ "code": "RATE_LIMITED", "retryable": true })));
    assert!(refusals.contains(&json!({ "code": "INVALID", "retryable": false })));
}

//! The guide for other councils says what the program does: every value in it is reckoned here again.

use axum::http::{Method, Request, StatusCode, Version};
use chrono::{DateTime, Utc};
use cross_border::delivery::documents;
use cross_border::exchange::{
    DeliveryId, Digest, Entry, Message, MessageKind, Receipt, RefusalCode, Segment, SharedId, Side,
};
use cross_border::trust::http_signature::sign_request;
use cross_border::trust::jws::sign_detached;
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};
use serde_json::{Value, json};

use crate::config::PartnerConfig;
use crate::edge::refused_head;
use crate::intake::{PACE_BYTES_MIN, PACE_EVERY};
use crate::partner::testing::{GUANGDONG, HONG_KONG, council_id};
use crate::partner::{PartnerEdge, refused};

const GUIDE: &str = include_str!("../../../../cross-border/GUIDE.md");

/// The key of RFC 9421 appendix B.1.4.
const SEED: [u8; 32] = [
    0x9f, 0x83, 0x62, 0xf8, 0x7a, 0x48, 0x4a, 0x95, 0x4e, 0x6e, 0x74, 0x0c, 0x5b, 0x4c, 0x0e, 0x84, 0x22, 0x91, 0x39,
    0xa2, 0x0a, 0xa8, 0xab, 0x56, 0xff, 0x66, 0x58, 0x6f, 0x6a, 0x7d, 0x29, 0xc5,
];

const REFERRAL: &str = "7c9e6679-7425-50de-944b-e07fc1f90ae7";

fn key() -> SigningKey {
    SigningKey {
        id: KeyId::parse("gd-consumer-council:2026a").unwrap(),
        private: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &SEED).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T16:00:00Z".parse().unwrap(),
    }
}

fn assert_says(text: &str) {
    assert!(GUIDE.contains(text), "the guide does not say {text}");
}

/// The only line of the guide that begins like this.
fn line(begins: &str) -> &'static str {
    let mut lines = GUIDE.lines().filter(|line| line.starts_with(begins));
    let line = lines.next().unwrap_or_else(|| panic!("no line begins with {begins}"));
    assert!(lines.next().is_none(), "several lines begin with {begins}");
    line
}

fn shared() -> SharedId {
    SharedId::parse(REFERRAL).unwrap()
}

/// The text of the worked example.
fn text() -> &'static str {
    line(r#"{"body":{"consent":"#)
}

#[test]
fn the_signed_request_can_be_reckoned_again() {
    let body = br#"{"query":"{ serverInfo { council time } }"}"#;
    let now: DateTime<Utc> = "2026-05-18T01:00:00Z".parse().unwrap();
    let target = "https://exchange.hk.example/partner/graphql";
    let nonce = "TmV2ZXJVc2VkQmVmb3Jl";
    let signed = sign_request(&key(), &Method::POST, target, Some("application/json"), body, now, nonce).unwrap();
    assert_says(&format!("-H 'Content-Digest: {}'", signed.content_digest));
    assert_says(&format!("-H 'Signature-Input: {}'", signed.signature_input));
    assert_says(&format!("-H 'Signature: {}'", signed.signature));
    let params = signed.signature_input.strip_prefix("baycase=").unwrap();
    assert_says(&format!("\"content-digest\": {}\n\"content-type\": application/json\n", signed.content_digest));
    assert_says(&format!("\"@signature-params\": {params}\n"));
    assert_says(&format!("public = \"{}\"", key().verifying().public.to_base64()));
}

#[test]
fn the_message_can_be_reckoned_again() {
    let message = Message::parse(text()).unwrap();
    message.check().unwrap();
    assert_eq!(message.header.delivery, DeliveryId::derived(shared(), &council_id(GUANGDONG), 1));
    let next = DeliveryId::derived(shared(), &council_id(GUANGDONG), 2);
    assert_says(&format!("| the delivery of the next message of this lane | `{next}` |"));
    let digest = Digest::of(text().as_bytes());
    assert_says(&format!("| its digest | `{digest}` |"));
    assert_says(&format!("The text ({} bytes, one line)", text().len()));
    assert_eq!(line("eyJhbGciOiJ"), sign_detached(&key(), text().as_bytes()).unwrap());

    let mut segment = Segment::default();
    segment.insert(Side::Origin, Entry::of(&message, digest)).unwrap();
    assert_says(&format!("gives `{}`", segment.digest(shared())));
}

#[test]
fn the_receipt_is_one_for_the_message() {
    let from = GUIDE.find("{ \"data\": { \"submitReferral\"").unwrap();
    let block = &GUIDE[from..from + GUIDE[from..].find("```").unwrap()];
    let answer: Value = serde_json::from_str(block).unwrap();
    let payload = &answer["data"]["submitReferral"];
    let receipt = Receipt::parse(payload["text"].as_str().unwrap()).unwrap();
    let message = Message::parse(text()).unwrap();
    assert_eq!((receipt.delivery, receipt.digest), (message.header.delivery, Digest::of(text().as_bytes())));
    assert_eq!(payload["delivery"], json!(receipt.delivery));
    assert_eq!((receipt.from, receipt.to), (message.header.to, message.header.from));
}

#[test]
fn every_step_is_shown_with_a_body_that_is_taken() {
    for kind in MessageKind::ALL {
        let field = documents::of(*kind).field;
        let columns: Vec<&str> = line(&format!("| `{field}` ")).split(" | ").collect();
        assert_eq!(columns[2], format!("`{kind}`"));
        let side = match columns[1] {
            "origin" => vec![Side::Origin],
            "target" => vec![Side::Target],
            "either" => vec![Side::Origin, Side::Target],
            other => panic!("{other} is no side"),
        };
        assert_eq!(side, kind.sides(), "{kind}");
        let Some(body) = columns[3].strip_prefix("`{\"") else { continue };
        let body = format!("{{\"{}", body.trim_end_matches(" |").trim_end_matches('`'));
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{kind}: {error}: {body}"));
        let mut header = header(side[0]);
        // Written when every day that the examples name has come.
        header["at"] = json!("2026-06-02T01:00:00Z");
        let text = Message::assemble(header, kind.code(), body).unwrap();
        let message = Message::parse(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        message.check().unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn files_of_both_councils_are_given_says_the_guide_and_the_schema() {
    assert_says("gives the bytes of any file of that referral that is here");
    let sdl = crate::partner::schema::sdl();
    let said = "of both\n\tcouncils alike, with `GET /partner/evidence/{referral}/{digest}`";
    assert!(sdl.contains(said), "the schema does not say that both councils' files are given");
}

/// A header for a message that follows the submission.
fn header(side: Side) -> Value {
    let digest = Digest::of(text().as_bytes());
    let (from, to, sequence) = match side {
        Side::Origin => (GUANGDONG, HONG_KONG, 2),
        Side::Target => (HONG_KONG, GUANGDONG, 1),
    };
    let after = if side == Side::Origin { json!(digest) } else { Value::Null };
    let seen = if side == Side::Target { json!({ "sequence": 1, "digest": digest }) } else { Value::Null };
    json!({
        "version": 1, "delivery": DeliveryId::derived(shared(), &council_id(from), sequence), "referral": REFERRAL,
        "origin": GUANGDONG, "from": from, "to": to, "sequence": sequence, "clock": 2, "previous": after, "seen": seen,
        "at": "2026-05-18T03:20:00Z", "salt": "ffeeddccbbaa99887766554433221100",
    })
}

#[test]
fn the_header_of_the_first_answer_is_one() {
    let from = GUIDE.find("{ \"version\": 1, \"delivery\": \"a2ea19a9").unwrap();
    let block = &GUIDE[from..from + GUIDE[from..].find("```").unwrap()];
    let shown: Value = serde_json::from_str(block).unwrap();
    let mut expected = header(Side::Target);
    expected.as_object_mut().unwrap().remove("previous");
    assert_eq!(shown, expected);
}

#[test]
fn the_bounds_of_bodies_are_those_of_the_node() {
    let (kibibytes, seconds) = (PACE_BYTES_MIN / 1_024, PACE_EVERY.as_secs());
    assert_says(&format!("must bring {kibibytes} KiB in every {seconds} seconds"));
    assert_says(&format!("may take up to\n{seconds} seconds, in which your body is read"));
    let PartnerEdge { bodies_max, files_max, .. } = PartnerEdge::default();
    let (others, files) = (bodies_max / 2, files_max / 2);
    assert_says(&format!("Of one council at most {files} requests for files, and {others} others, are under way"));
    assert_says(&format!("({} usually)", PartnerConfig::default().requests_per_minute));
}

#[test]
fn what_is_refused_before_any_route_has_the_code_that_the_guide_says() {
    let nameless = Request::builder().version(Version::HTTP_11).body(()).unwrap();
    let credentials = Request::builder().version(Version::HTTP_11).header("host", "a");
    let two = credentials.header("authorization", "Bearer a").header("authorization", "Bearer b").body(()).unwrap();
    for request in [nameless, two] {
        assert_eq!(refused_head(&request).map(|refused| refused.status()), Some(StatusCode::BAD_REQUEST));
    }
    assert_says("A request of HTTP/1.1 without `Host`, and one\nwith `Authorization` more than once, is `BAD_REQUEST`");
}

#[test]
fn every_code_stands_in_the_table_with_its_status_and_whether_it_passes() {
    for code in RefusalCode::ALL {
        let columns: Vec<&str> = line(&format!("| `{code}` ")).split(" | ").collect();
        assert_eq!(columns[1], refused::status(*code).as_str(), "{code}");
        assert_eq!(columns[2], if code.is_retryable() { "yes" } else { "no" }, "{code}");
    }
}

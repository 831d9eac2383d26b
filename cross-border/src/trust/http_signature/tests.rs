mod refused;

use httpsig::prelude::message_component::HttpMessageComponentId;

use super::base::signature_base;
use super::*;
use crate::trust::{PrivateKey, SuiteName};

const TARGET: &str = "https://hk.example/partner/graphql";
const NONCE: &str = "c2l4dGVlbiBieXRlcyE";
const BODY: &[u8] = br#"{"query":"mutation { remind }"}"#;
const WITH_BODY: [&str; 4] = ["@method", "@target-uri", "content-digest", "content-type"];
const WITHOUT_BODY: [&str; 3] = ["@method", "@target-uri", "content-digest"];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-20T04:00:00.250Z")
}

/// The same moment as it stands in a parameter.
const CREATED: i64 = 1_795_147_200;

fn key(name: SuiteName) -> SigningKey {
    SigningKey {
        id: KeyId::parse("gd-consumer-council:2026a").unwrap(),
        private: PrivateKey::from_seed(name, &[3; 32]).unwrap(),
        not_before: at("2026-01-01T00:00:00Z"),
        not_after: at("2026-12-31T16:00:00Z"),
    }
}

fn ours() -> SigningKey {
    key(SuiteName::Ed25519Sha256)
}

#[derive(Clone)]
struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    /// Not signed yet, but with the digest and the type of its body.
    fn new(key: &SigningKey, method: Method, body: &[u8]) -> Self {
        let mut request = Self { method, target: TARGET.to_owned(), headers: HeaderMap::new(), body: body.to_vec() };
        request.set("content-digest", &digest_field(suite(key.private.suite()), body));
        if !body.is_empty() {
            request.set("content-type", "application/json");
        }
        request
    }

    fn signed(key: &SigningKey, method: Method, body: &[u8]) -> Self {
        let mut request = Self::new(key, method, body);
        let content_type = (!body.is_empty()).then_some("application/json");
        let headers = sign_request(key, &request.method, TARGET, content_type, body, now(), NONCE).unwrap();
        request.set("content-digest", &headers.content_digest);
        request.set("signature-input", &headers.signature_input);
        request.set("signature", &headers.signature);
        request
    }

    /// Signed genuinely, but with components and parameters of the caller's.
    fn signed_as(key: &SigningKey, body: &[u8], covered: &[&str], params: &str) -> Self {
        let mut request = Self::new(key, Method::POST, body);
        let component = |name: &&str| {
            let value = match *name {
                "@method" => "POST".to_owned(),
                "@target-uri" => TARGET.to_owned(),
                "@authority" => "hk.example".to_owned(),
                field => request.headers[field].to_str().unwrap().to_owned(),
            };
            (HttpMessageComponentId::try_from(*name).unwrap(), value)
        };
        let components: Vec<_> = covered.iter().map(component).collect();
        let names: Vec<String> = components.iter().map(|(id, _)| id.to_string()).collect();
        let params = format!("({}){params}", names.join(" "));
        let base = signature_base(&components, &params).unwrap();
        let signature = suite(key.private.suite()).sign(&key.private, &base).unwrap();
        request.set("signature-input", &format!("{LABEL}={params}"));
        request.set("signature", &format!("{LABEL}=:{}:", STANDARD.encode(signature)));
        request
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, value.parse().unwrap());
    }

    fn get(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    fn presented(&self) -> Presented<'_> {
        Presented { method: &self.method, target: &self.target, headers: &self.headers, body: &self.body }
    }

    fn verify(&self, key: &SigningKey) -> Result<Claimed, RequestRefused> {
        verify_request(&self.presented(), &key.verifying(), now())
    }
}

/// The parameters of the profile in our own order.
fn params(created: i64, expires: i64) -> String {
    format!(
        ";created={created};expires={expires};nonce=\"{NONCE}\";alg=\"ed25519\";\
         keyid=\"gd-consumer-council:2026a\";tag=\"baycase-partner\""
    )
}

fn usual() -> String {
    params(CREATED, CREATED + LIFE_SECONDS)
}

fn is_malformed(result: &Result<Claimed, RequestRefused>) -> bool {
    matches!(result, Err(RequestRefused::Malformed(_)))
}

#[test]
fn what_one_council_signs_the_other_verifies() {
    for name in SuiteName::ALL {
        let key = key(*name);
        let requests: [(Method, &[u8]); 4] =
            [(Method::POST, BODY), (Method::PUT, b"%PDF"), (Method::GET, b""), (Method::POST, b"")];
        for (method, body) in requests {
            let request = Request::signed(&key, method, body);
            let claimed = request.verify(&key).unwrap();
            assert_eq!(claimed.key, key.id);
            assert_eq!((claimed.created, claimed.nonce.as_str()), (at("2026-11-20T04:00:00Z"), NONCE));
            assert_eq!(claimed.expires, at("2026-11-20T04:02:00Z"));
            assert_eq!(super::claimed(&request.presented()), Ok(claimed));
        }
    }
}

#[test]
fn the_profile_is_frozen() {
    let [key, sm2] = [ours(), key(SuiteName::Sm2Sm3)];
    let signed = Request::signed(&key, Method::POST, BODY);
    assert_eq!(
        signed.get("signature-input"),
        format!("baycase=(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\"){}", usual())
    );
    // Reckoned with another implementation of Ed25519.
    let signature = "ZxR3EQhdrnZiyb1nobIabgndPTQ2omTwsRAuj1eiOZqtcJ3ssDTd3IaL3U+h7izC7UrCT3CTktLxt2RP4+aRAg==";
    assert_eq!(signed.get("signature"), format!("baycase=:{signature}:"));
    let nothing = Request::signed(&key, Method::GET, b"");
    assert_eq!(nothing.get("content-digest"), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    assert_eq!(
        nothing.get("signature-input"),
        format!("baycase=(\"@method\" \"@target-uri\" \"content-digest\"){}", usual())
    );
    let sm2 = Request::signed(&sm2, Method::GET, b"");
    assert_eq!(sm2.get("content-digest"), "sm3=:GrIdg1XPoX+OYRlIMegajyK+yMco/vt0ftA161CCqis=:");
    assert!(sm2.get("signature-input").contains(";alg=\"sm2-sm3\";"));

    let digest = signed.get("content-digest");
    let parts = Parts {
        method: &Method::POST,
        target: TARGET,
        content_digest: &digest,
        content_type: Some("application/json"),
    };
    let base = String::from_utf8(parts.signature_base("(..);created=1")).unwrap();
    let expected = format!(
        "\"@method\": POST\n\"@target-uri\": {TARGET}\n\"content-digest\": {digest}\n\
         \"content-type\": application/json\n\"@signature-params\": (..);created=1"
    );
    assert_eq!(base, expected);
}

#[test]
fn what_another_implementation_signs_holds() {
    // The Python package `http-message-signatures`, versions 1 and 3: each has an order of its own for the parameters.
    let key = ours();
    for (order, signature) in [
        (
            ["created", "keyid", "expires", "nonce", "tag", "alg"],
            "YtG2VkM+ZPPgycJC91vY4fsJy/m6Mhf8NZaibZYVqqiYqSqoA/yEEmq2bSn9Eob2P18IHL4tq0Nyj8rSVsQfAQ==",
        ),
        (
            ["created", "keyid", "alg", "expires", "nonce", "tag"],
            "BE42UdHx3g7OokiaROFvaSwSQ1JZSQl29Kieti9F5qmUYZ0Vwn2D+hs32NqHaU08Nxg5ejn7eQX+j6jgr3JVBA==",
        ),
    ] {
        let usual = usual();
        let piece = |name: &str| usual.split(';').find(|piece| piece.starts_with(name)).unwrap();
        let params = order.map(piece).join(";");
        let mut request = Request::new(&key, Method::POST, BODY);
        let covered = r#"("@method" "@target-uri" "content-digest" "content-type")"#;
        request.set("signature-input", &format!("baycase={covered};{params}"));
        request.set("signature", &format!("baycase=:{signature}:"));
        assert!(request.verify(&key).is_ok(), "{params}");
    }
}

#[test]
fn signatures_of_others_may_stand_beside_ours() {
    let key = ours();
    let mut request = Request::signed(&key, Method::POST, BODY);
    let [input, signature] = ["signature-input", "signature"].map(|name| request.get(name));
    let proxy = r#"proxy=("@authority");created=1;keyid="a, baycase=(b)""#;
    request.set("signature-input", &format!("{proxy}, {input}"));
    request.set("signature", &format!("proxy=:AAAA:, {signature}"));
    assert!(request.verify(&key).is_ok());
    // On lines of their own as well.
    request.set("signature-input", &input);
    request.headers.append("signature-input", proxy.parse().unwrap());
    assert!(request.verify(&key).is_ok());
    // But ours only once: readers differ in which of two they take.
    request.headers.append("signature-input", input.parse().unwrap());
    assert!(is_malformed(&request.verify(&key)));
}

#[test]
fn the_parameters_stand_in_any_order_but_all_and_no_other() {
    let key = ours();
    let usual = usual();
    let pieces: Vec<&str> = usual.split(';').skip(1).collect();
    for shift in 0..pieces.len() {
        let mut order = pieces.clone();
        order.rotate_left(shift);
        let request = Request::signed_as(&key, BODY, &WITH_BODY, &format!(";{}", order.join(";")));
        assert!(request.verify(&key).is_ok(), "{order:?}");

        order.remove(0);
        let request = Request::signed_as(&key, BODY, &WITH_BODY, &format!(";{}", order.join(";")));
        assert!(is_malformed(&request.verify(&key)), "{order:?}");
    }
    for (what, changed) in [
        ("one more", format!("{usual};colour=\"red\"")),
        ("a flag more", format!("{usual};verified")),
        ("one twice", format!("{usual};created={CREATED}")),
        ("two times", format!(";created=1{usual}")),
        ("a blank", usual.replace(";expires", "; expires")),
        ("a zero before", usual.replace("created=", "created=0")),
        ("a negative time", usual.replace("created=", "created=-")),
        ("a time in quotes", usual.replace(&format!("created={CREATED}"), &format!("created=\"{CREATED}\""))),
        ("a time of no calendar", usual.replace(&format!("expires={}", CREATED + 120), "expires=999999999999999")),
        ("a token for a text", usual.replace("\"ed25519\"", "ed25519")),
        ("another tag", usual.replace("baycase-partner", "other")),
        ("a short nonce", usual.replace(NONCE, &NONCE[..NONCE_CHARS_MIN - 1])),
        ("a long nonce", usual.replace(NONCE, &"n".repeat(NONCE_CHARS_MAX + 1))),
        ("a nonce with an escape", usual.replace(NONCE, "sixteen\\\"characters")),
        ("a nonce with a semicolon", usual.replace(NONCE, "sixteen;characters")),
    ] {
        let request = Request::signed_as(&key, BODY, &WITH_BODY, &changed);
        assert!(is_malformed(&request.verify(&key)), "{what}: {:?}", request.verify(&key));
    }
}

#[test]
fn two_keys_of_one_council_hold_at_once() {
    let old = ours();
    let mut new = key(SuiteName::Sm2Sm3);
    new.id = KeyId::parse("gd-consumer-council:2027a").unwrap();
    new.not_before = at("2026-11-01T00:00:00Z");
    for key in [&old, &new] {
        assert!(Request::signed(key, Method::POST, BODY).verify(key).is_ok(), "{}", key.id);
    }
}

#[test]
fn a_request_outside_the_profile_is_not_signed() {
    let key = ours();
    let signs = |target: &str, content_type: Option<&str>, body: &[u8], moment: DateTime<Utc>, nonce: &str| {
        let signed = sign_request(&key, &Method::POST, target, content_type, body, moment, nonce);
        assert!(matches!(signed, Ok(_) | Err(TrustError::Request(_))));
        signed.is_ok()
    };
    let json = Some("application/json");
    assert!(signs(TARGET, json, BODY, now(), NONCE));
    assert!(signs(TARGET, json, b"", now(), NONCE));
    for target in [
        "/partner/graphql",
        "hk.example",
        "ftp://hk.example/",
        "https:///partner",
        "https://hk.example/a\n\"@method\": GET",
        "https://hk.example/#here",
        "https://hk.example/a b",
        "https://hk.example/鑰",
        &format!("https://hk.example/{}", "a".repeat(2_048)),
        "",
    ] {
        assert!(!signs(target, json, BODY, now(), NONCE), "{target}");
    }
    for content_type in [None, Some("a\nb"), Some(" a/b"), Some("鑰")] {
        assert!(!signs(TARGET, content_type, BODY, now(), NONCE), "{content_type:?}");
    }
    for nonce in ["", "fifteen-charact", "sixteen\"characters", "sixteen;characters", &"n".repeat(NONCE_CHARS_MAX + 1)]
    {
        assert!(!signs(TARGET, json, BODY, now(), nonce), "{nonce}");
    }
    assert!(signs(TARGET, json, BODY, now(), &"n".repeat(NONCE_CHARS_MIN)));
    assert!(signs(TARGET, json, BODY, now(), &"n".repeat(NONCE_CHARS_MAX)));
    assert!(!signs(TARGET, json, BODY, at("1969-12-31T00:00:00Z"), NONCE));
}

#[test]
fn drawn_nonces_differ_and_fit() {
    let [one, other] = [draw_nonce().unwrap(), draw_nonce().unwrap()];
    assert_ne!(one, other);
    assert!(is_nonce(&one) && is_nonce(&other));
}

#[test]
fn every_refusal_has_its_code() {
    for (refused, code) in [
        (RequestRefused::Missing, RefusalCode::SignatureMissing),
        (RequestRefused::Malformed("x"), RefusalCode::BadSignature),
        (RequestRefused::Components, RefusalCode::BadSignature),
        (RequestRefused::UnknownKey, RefusalCode::UnknownKey),
        (RequestRefused::KeyNotValid, RefusalCode::KeyNotValid),
        (RequestRefused::Algorithm, RefusalCode::BadSignature),
        (RequestRefused::TooLongLived, RefusalCode::BadSignature),
        (RequestRefused::NotYet, RefusalCode::SignatureExpired),
        (RequestRefused::Expired, RefusalCode::SignatureExpired),
        (RequestRefused::Signature, RefusalCode::BadSignature),
        (RequestRefused::BodyDigest, RefusalCode::TamperedBody),
        (RequestRefused::Replayed, RefusalCode::NonceReplayed),
        (RequestRefused::BeforeStart, RefusalCode::Unavailable),
        (RequestRefused::Full, RefusalCode::Unavailable),
    ] {
        assert_eq!(refused.code(), code, "{refused}");
    }
}

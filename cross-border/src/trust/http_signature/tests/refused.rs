//! Requests that are not as they were signed, or not signed as they must be.

use super::*;

#[test]
fn a_request_without_our_signature_is_not_signed() {
    let key = ours();
    let signed = Request::signed(&key, Method::POST, BODY);
    for name in ["signature", "signature-input"] {
        let mut request = signed.clone();
        request.headers.remove(name);
        assert_eq!(request.verify(&key), Err(RequestRefused::Missing), "{name}");
        request.set(name, "");
        assert_eq!(request.verify(&key), Err(RequestRefused::Missing), "{name}");
    }
    let mut other = signed.clone();
    for name in ["signature", "signature-input"] {
        other.set(name, &signed.get(name).replace("baycase=", "sig1="));
    }
    assert_eq!(other.verify(&key), Err(RequestRefused::Missing));
}

#[test]
fn fields_that_are_not_of_the_form_are_refused() {
    let key = ours();
    let signed = Request::signed(&key, Method::POST, BODY);
    for name in ["signature", "signature-input"] {
        for value in ["baycase", "baycase=1", "baycase=(", "=", "baycase=:!:", "baycase=?1, x=(a b)"] {
            let mut request = signed.clone();
            request.set(name, value);
            assert!(is_malformed(&request.verify(&key)), "{name}: {value}");
        }
        let mut long = signed.clone();
        long.set(name, &format!("{}, {}", "a=1;b, ".repeat(2_000), signed.get(name)));
        assert!(is_malformed(&long.verify(&key)), "{name}");
        let mut not_ascii = signed.clone();
        not_ascii.headers.insert(name, HeaderValue::from_bytes(&[0xe9]).unwrap());
        assert!(is_malformed(&not_ascii.verify(&key)), "{name}");
    }
}

#[test]
fn it_covers_what_the_profile_names_and_nothing_else() {
    let key = ours();
    let cases: [(&[u8], &[&str]); 8] = [
        (BODY, &["@method", "@target-uri", "content-digest"]),
        (BODY, &["@method", "@target-uri", "content-type"]),
        (BODY, &["@method", "content-digest", "content-type"]),
        (BODY, &["@target-uri", "content-digest", "content-type"]),
        (BODY, &["@target-uri", "@method", "content-digest", "content-type"]),
        (BODY, &["@method", "@target-uri", "content-digest", "content-type", "@authority"]),
        (BODY, &[]),
        (b"", &["@method", "@target-uri"]),
    ];
    for (body, covered) in cases {
        let request = Request::signed_as(&key, body, covered, &usual());
        assert_eq!(request.verify(&key), Err(RequestRefused::Components), "{covered:?}");
    }
    assert!(Request::signed_as(&key, BODY, &WITH_BODY, &usual()).verify(&key).is_ok());
    assert!(Request::signed_as(&key, b"", &WITHOUT_BODY, &usual()).verify(&key).is_ok());

    // What is covered must be there, and once.
    for name in ["content-digest", "content-type"] {
        let mut request = Request::signed(&key, Method::POST, BODY);
        let value = request.headers.remove(name).unwrap();
        assert_eq!(request.verify(&key), Err(RequestRefused::Components), "{name}");
        request.headers.append(name, value.clone());
        assert!(request.verify(&key).is_ok(), "{name}");
        request.headers.append(name, value);
        assert_eq!(request.verify(&key), Err(RequestRefused::Components), "{name}");
    }
}

#[test]
fn it_lives_for_a_short_time() {
    let key = ours();
    let reversed = RequestRefused::Malformed("it expires before it is made");
    for (created, expires, expected) in [
        (CREATED, CREATED + 1, None),
        (CREATED - 10, CREATED - 10 + LIFE_SECONDS_MAX, None),
        (CREATED, CREATED + LIFE_SECONDS_MAX, None),
        (CREATED, CREATED + LIFE_SECONDS_MAX + 1, Some(RequestRefused::TooLongLived)),
        (CREATED + SKEW_SECONDS, CREATED + 120, None),
        (CREATED + SKEW_SECONDS + 1, CREATED + 120, Some(RequestRefused::NotYet)),
        // Our clock is a quarter of a second past.
        (CREATED - 120, CREATED, Some(RequestRefused::Expired)),
        (CREATED - 120, CREATED - 1, Some(RequestRefused::Expired)),
        (CREATED, CREATED, Some(reversed)),
        (CREATED, CREATED - 1, Some(reversed)),
    ] {
        let request = Request::signed_as(&key, BODY, &WITH_BODY, &params(created, expires));
        assert_eq!(request.verify(&key).err(), expected, "{created} {expires}");
    }
    let request = Request::signed(&key, Method::POST, BODY);
    let verified = |moment| verify_request(&request.presented(), &key.verifying(), at(moment)).err();
    assert_eq!(verified("2026-11-20T04:02:00Z"), None);
    assert_eq!(verified("2026-11-20T04:02:00.000001Z"), Some(RequestRefused::Expired));
    assert_eq!(verified("2026-11-20T03:59:30Z"), None);
    assert_eq!(verified("2026-11-20T03:59:29.999999Z"), Some(RequestRefused::NotYet));
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let key = ours();
    let signed = Request::signed(&key, Method::POST, BODY);
    let refused = |change: fn(&mut Request)| {
        let mut request = signed.clone();
        change(&mut request);
        request.verify(&key).unwrap_err()
    };
    assert_eq!(refused(|request| request.method = Method::PUT), RequestRefused::Signature);
    assert_eq!(refused(|request| request.target.push_str("?a=1")), RequestRefused::Signature);
    assert_eq!(refused(|request| request.target = TARGET.replace("hk.", "mo.")), RequestRefused::Signature);
    assert_eq!(refused(|request| request.target = TARGET.replace("https", "http")), RequestRefused::Signature);
    assert_eq!(refused(|request| request.set("content-type", "text/plain")), RequestRefused::Signature);
    assert_eq!(refused(|request| request.body.push(b' ')), RequestRefused::BodyDigest);
    assert_eq!(refused(|request| request.body.clear()), RequestRefused::Components);
    // The digest fits the new body, but is not the one that was signed.
    let fitted = refused(|request| {
        request.body = b"{}".to_vec();
        request.set("content-digest", &digest_field(suite(SuiteName::Ed25519Sha256), b"{}"));
    });
    assert_eq!(fitted, RequestRefused::Signature);
    for (from, to) in [("nonce=\"c", "nonce=\"d"), ("expires=1795147320", "expires=1795147321")] {
        let mut request = signed.clone();
        request.set("signature-input", &signed.get("signature-input").replace(from, to));
        assert_eq!(request.verify(&key), Err(RequestRefused::Signature), "{to}");
    }
    let mut short = signed.clone();
    short.set("signature", "baycase=:AAAA:");
    assert_eq!(short.verify(&key), Err(RequestRefused::Signature));
}

#[test]
fn a_body_cannot_be_slipped_into_a_request_without_one() {
    let key = ours();
    let mut request = Request::signed(&key, Method::GET, b"");
    request.body = BODY.to_vec();
    assert_eq!(request.verify(&key), Err(RequestRefused::Components));
    request.set("content-type", "application/json");
    assert_eq!(request.verify(&key), Err(RequestRefused::Components));
}

#[test]
fn a_genuine_signature_over_a_wrong_digest_is_refused() {
    let key = ours();
    for digest in [
        digest_field(suite(SuiteName::Ed25519Sha256), b"another body"),
        digest_field(suite(SuiteName::Sm2Sm3), BODY),
        format!("{}, sha-512=:AAAA:", digest_field(suite(SuiteName::Ed25519Sha256), BODY)),
        "sha-256=:AAAA:".to_owned(),
        "md5=:AAAA:".to_owned(),
    ] {
        let mut request = Request::new(&key, Method::POST, BODY);
        request.set("content-digest", &digest);
        let parts = Parts {
            method: &Method::POST,
            target: TARGET,
            content_digest: &digest,
            content_type: Some("application/json"),
        };
        let params = format!("{}{}", parts.covered_text(), usual());
        let signature = suite(SuiteName::Ed25519Sha256).sign(&key.private, &parts.signature_base(&params)).unwrap();
        request.set("signature-input", &format!("{LABEL}={params}"));
        request.set("signature", &format!("{LABEL}=:{}:", STANDARD.encode(signature)));
        assert_eq!(request.verify(&key), Err(RequestRefused::BodyDigest), "{digest}");
    }
}

#[test]
fn the_key_is_the_one_it_names_and_valid_now() {
    let key = ours();
    let request = Request::signed(&key, Method::POST, BODY);
    let mut renamed = key.clone();
    renamed.id = KeyId::parse("gd-consumer-council:2026b").unwrap();
    assert_eq!(request.verify(&renamed), Err(RequestRefused::UnknownKey));
    let mut other = key.clone();
    other.private = PrivateKey::from_seed(SuiteName::Ed25519Sha256, &[4; 32]).unwrap();
    assert_eq!(request.verify(&other), Err(RequestRefused::Signature));
    for (not_before, not_after) in
        [("2026-11-20T04:00:01Z", "2027-01-01T00:00:00Z"), ("2026-01-01T00:00:00Z", "2026-11-20T04:00:00Z")]
    {
        let mut elsewhen = key.clone();
        (elsewhen.not_before, elsewhen.not_after) = (at(not_before), at(not_after));
        assert_eq!(request.verify(&elsewhen), Err(RequestRefused::KeyNotValid), "{not_before}");
    }
    let capital = Request::signed_as(&key, BODY, &WITH_BODY, &usual().replace("gd-", "GD-"));
    assert_eq!(capital.verify(&key), Err(RequestRefused::UnknownKey));
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    for name in SuiteName::ALL {
        let key = key(*name);
        for algorithm in ["ed25519", "sm2-sm3", "hmac-sha256", "rsa-pss-sha512", "Ed25519", "none", ""] {
            let params = usual().replace("alg=\"ed25519\"", &format!("alg=\"{algorithm}\""));
            let verified = Request::signed_as(&key, BODY, &WITH_BODY, &params).verify(&key);
            if algorithm == suite(*name).http_algorithm() {
                assert!(verified.is_ok(), "{name} {algorithm}");
            } else {
                assert_eq!(verified, Err(RequestRefused::Algorithm), "{name} {algorithm}");
            }
        }
    }
    // The name of the key's algorithm, over a genuine signature of the other.
    let [ed25519, sm2] = [ours(), key(SuiteName::Sm2Sm3)];
    let request = Request::signed_as(&sm2, BODY, &WITH_BODY, &usual());
    assert_eq!(request.verify(&ed25519), Err(RequestRefused::Signature));
}

#[test]
fn a_method_is_told_apart_by_case() {
    let key = ours();
    let mut request = Request::signed(&key, Method::POST, BODY);
    request.method = Method::from_bytes(b"post").unwrap();
    assert!(is_malformed(&request.verify(&key)));
    let refused = sign_request(&key, &request.method, TARGET, Some("application/json"), BODY, now(), NONCE);
    assert!(matches!(refused, Err(TrustError::Request(_))));
}

use aws_lc_rs::hmac;

use super::*;
use crate::trust::{PrivateKey, SuiteName};

const TEXT: &[u8] = "{\"事实\":\"相機沒有送到\"}".as_bytes();

fn key(name: SuiteName, id: &str) -> SigningKey {
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        private: PrivateKey::from_seed(name, &[5; 32]).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T00:00:00Z".parse().unwrap(),
    }
}

fn council() -> SigningKey {
    key(SuiteName::Ed25519Sha256, "hk-consumer-council:2026a")
}

/// A signature that our key did make, under a header of the caller's.
fn under(key: &SigningKey, header: &str) -> String {
    let protected = URL_SAFE_NO_PAD.encode(header);
    let signature = suite(key.private.suite()).sign(&key.private, &signed_bytes(&protected, TEXT)).unwrap();
    format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn the_text_is_signed_as_rfc_7797_shows() {
    // Section 4: the same text attached (section 4.1) and detached (section 4.2). Its algorithm is not one of ours, so
    // the bytes that are signed are compared through it.
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(secret).unwrap());
    let protected = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19";
    let tag = hmac::sign(&secret, &signed_bytes(protected, b"$.02"));
    assert_eq!(URL_SAFE_NO_PAD.encode(tag), "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY");
}

#[test]
fn a_signature_holds_for_its_text_and_key_alone() {
    for name in SuiteName::ALL {
        let key = key(*name, "hk-consumer-council:2026a");
        let jws = sign_detached(&key, TEXT).unwrap();
        assert_eq!(jws, sign_detached(&key, TEXT).unwrap(), "{name} signs the same way twice");
        assert_eq!(key_of(&jws).unwrap(), key.id);
        verify_detached(&key.verifying(), TEXT, &jws).unwrap();
        let longer = [TEXT, b"\n"].concat();
        for text in [&TEXT[1..], longer.as_slice(), &TEXT[..0]] {
            assert!(matches!(verify_detached(&key.verifying(), text, &jws), Err(TrustError::Signature)));
        }
        let mut other = key.verifying();
        other.public = PrivateKey::generate(*name).unwrap().public();
        assert!(matches!(verify_detached(&other, TEXT, &jws), Err(TrustError::Signature)));
    }
}

#[test]
fn the_form_is_frozen() {
    let jws = sign_detached(&council(), TEXT).unwrap();
    let (protected, signature) = jws.split_once("..").unwrap();
    assert_eq!(
        URL_SAFE_NO_PAD.decode(protected).unwrap(),
        br#"{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"hk-consumer-council:2026a"}"#
    );
    assert_eq!(signature.len(), 86);
    let sm2 = sign_detached(&key(SuiteName::Sm2Sm3, "gd:1"), TEXT).unwrap();
    let (protected, _) = sm2.split_once("..").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(protected).unwrap(), br#"{"alg":"SM2","b64":false,"crit":["b64"],"kid":"gd:1"}"#);
    assert!(jws.len() < JWS_BYTES_MAX && sm2.len() < JWS_BYTES_MAX);
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    let id = "hk-consumer-council:2026a";
    for name in SuiteName::ALL {
        let key = key(*name, id);
        for alg in ["none", "HS256", "ES256", "Ed25519", "eddsa", "", "EdDSA", "SM2"] {
            let header = format!(r#"{{"alg":"{alg}","b64":false,"crit":["b64"],"kid":"{id}"}}"#);
            let verified = verify_detached(&key.verifying(), TEXT, &under(&key, &header));
            assert_eq!(verified.is_ok(), alg == suite(*name).jws_algorithm(), "{name} {alg}");
        }
    }
    // The name is right and the signature genuine, but of another suite's key.
    let [ed25519, sm2] = [key(SuiteName::Ed25519Sha256, id), key(SuiteName::Sm2Sm3, id)];
    for (signer, verifier) in [(&ed25519, &sm2), (&sm2, &ed25519)] {
        let alg = suite(verifier.private.suite()).jws_algorithm();
        let header = format!(r#"{{"alg":"{alg}","b64":false,"crit":["b64"],"kid":"{id}"}}"#);
        let refused = verify_detached(&verifier.verifying(), TEXT, &under(signer, &header));
        assert!(matches!(refused, Err(TrustError::Signature)), "{alg}");
    }
}

#[test]
fn the_key_is_the_one_it_names() {
    let jws = sign_detached(&council(), TEXT).unwrap();
    let renamed = key(SuiteName::Ed25519Sha256, "hk-consumer-council:2026b").verifying();
    assert!(matches!(verify_detached(&renamed, TEXT, &jws), Err(TrustError::Jws("it names another key"))));
}

#[test]
fn a_header_has_our_four_parameters_and_no_other() {
    let key = council();
    let kid = key.id.as_str();
    for header in [
        format!(r#"{{"alg":"EdDSA","b64":true,"crit":["b64"],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":"false","crit":["b64"],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","crit":["b64"],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":[],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":["b64","exp"],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":["exp"],"kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"{kid}","jwk":{{}}}}"#),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"{kid}","kid":"{kid}"}}"#),
        r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#.to_owned(),
        r#"{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"HK"}"#.to_owned(),
        format!(r#"{{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"{kid}"}} x"#),
        "[]".to_owned(),
        String::new(),
    ] {
        let jws = under(&key, &header);
        assert!(matches!(verify_detached(&key.verifying(), TEXT, &jws), Err(TrustError::Jws(_))), "{header}");
        assert!(matches!(key_of(&jws), Err(TrustError::Jws(_))), "{header}");
    }
}

#[test]
fn one_form_alone_is_a_signature() {
    let key = council();
    let jws = sign_detached(&key, TEXT).unwrap();
    let (protected, signature) = jws.split_once("..").unwrap();
    // 64 bytes end in four bits that say nothing: a text with another last character would be the same signature.
    let stray = |last| format!("{protected}..{}{last}", &signature[..signature.len() - 1]);
    let strays = ["A", "Q", "g", "w"].map(stray);
    assert_eq!(strays.iter().filter(|jws| **jws == jws_of(&key)).count(), 1);
    let stray_bits = format!("{protected}..{}B", &signature[..signature.len() - 1]);
    for refused in [
        stray_bits,
        format!("{jws}="),
        format!("{jws}=="),
        format!("{jws}\n"),
        format!(" {jws}"),
        format!("{protected}.{}.{signature}", URL_SAFE_NO_PAD.encode(TEXT)),
        format!("{protected}.{signature}"),
        format!("{protected}..{signature}."),
        format!("..{signature}"),
        protected.to_owned(),
        String::new(),
        format!("{protected}..{}", "A".repeat(JWS_BYTES_MAX)),
    ] {
        assert!(matches!(verify_detached(&key.verifying(), TEXT, &refused), Err(TrustError::Jws(_))), "{refused}");
    }
    let nothing = format!("{protected}..");
    assert!(matches!(verify_detached(&key.verifying(), TEXT, &nothing), Err(TrustError::Signature)));
}

fn jws_of(key: &SigningKey) -> String {
    sign_detached(key, TEXT).unwrap()
}

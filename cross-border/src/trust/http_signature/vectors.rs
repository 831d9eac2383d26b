//! The examples of RFC 9421, appendix B.2: the text that is signed, and the signature over it.
//!
//! They cover other components than our profile does, and four are signed with algorithms that no council uses. That
//! their signatures hold over the text made here shows all the more that it is the right one.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httpsig::prelude::HttpSignatureParams;
use httpsig::prelude::message_component::HttpMessageComponentId;
use serde::Deserialize;

use super::base::signature_base;
use crate::trust::{PrivateKey, PublicKey, SuiteName, suite};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "source")]
    _source: String,
    keys: BTreeMap<String, BTreeMap<String, String>>,
    messages: BTreeMap<String, BTreeMap<String, String>>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    section: String,
    #[serde(rename = "label")]
    _label: String,
    key: String,
    message: String,
    covered: Vec<String>,
    params: String,
    base: Vec<String>,
    signature: String,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../../testdata/rfc9421/vectors.json")).unwrap()
}

fn bytes(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

/// The value of a component as the library takes it: for a parameter of the query, its pair.
fn value(message: &BTreeMap<String, String>, covered: &str) -> String {
    let names: Vec<&str> = covered.split('"').collect();
    match names[1] {
        "@query-param" => {
            let begin = format!("{}=", names[3]);
            let pairs = message["@query"].trim_start_matches('?').split('&');
            pairs.filter(|pair| pair.starts_with(&begin)).collect()
        }
        name => message[name].clone(),
    }
}

#[test]
fn the_signed_text_is_that_of_the_examples() {
    let file = file();
    let sections: Vec<&str> = file.vectors.iter().map(|vector| vector.section.as_str()).collect();
    assert_eq!(sections, ["B.2.1", "B.2.2", "B.2.3", "B.2.4", "B.2.5", "B.2.6"]);
    for vector in &file.vectors {
        let message = &file.messages[&vector.message];
        let component =
            |covered: &String| (HttpMessageComponentId::try_from(covered.as_str()).unwrap(), value(message, covered));
        let components: Vec<_> = vector.covered.iter().map(component).collect();
        let base = signature_base(&components, &vector.params).unwrap();
        assert_eq!(String::from_utf8(base.clone()).unwrap(), vector.base.join("\n"), "{}", vector.section);

        let key = &file.keys[&vector.key];
        let signature = bytes(&vector.signature);
        let holds = match vector.key.as_str() {
            "test-key-rsa-pss" => {
                let key = bytes(&key["spki"]);
                UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, key).verify(&base, &signature).is_ok()
            }
            "test-key-ecc-p256" => {
                let key = bytes(&key["point"]);
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(&base, &signature).is_ok()
            }
            "test-shared-secret" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(&key["secret"]));
                hmac::verify(&key, &base, &signature).is_ok()
            }
            "test-key-ed25519" => {
                let key = PublicKey::from_base64(SuiteName::Ed25519Sha256, &key["public"]).unwrap();
                suite(SuiteName::Ed25519Sha256).verify(&key, &base, &signature).is_ok()
            }
            other => panic!("the file has no key `{other}`"),
        };
        assert!(holds, "{}", vector.section);
    }
}

#[test]
fn our_suite_signs_example_b_2_6_as_it_stands() {
    let file = file();
    let vector = file.vectors.iter().find(|vector| vector.section == "B.2.6").unwrap();
    let key = &file.keys[&vector.key];
    let private = PrivateKey::from_seed(SuiteName::Ed25519Sha256, &bytes(&key["seed"]).try_into().unwrap()).unwrap();
    assert_eq!(private.public().to_base64(), key["public"]);
    let signature = suite(SuiteName::Ed25519Sha256).sign(&private, vector.base.join("\n").as_bytes()).unwrap();
    assert_eq!(STANDARD.encode(signature), vector.signature);
}

#[test]
fn the_library_orders_parameters_as_it_likes() {
    // Why the signed text is put together here: example B.2.1 has its nonce behind the key's id. Should the library
    // keep the order one day, it can do this as well.
    let file = file();
    let params = &file.vectors[0].params;
    let understood = HttpSignatureParams::try_from(params.as_str()).unwrap();
    assert_ne!(understood.to_string(), *params);
}

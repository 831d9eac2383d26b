use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::Role;
use super::*;

const NOW: i64 = 1_800_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

struct Dev {
    dir: tempfile::TempDir,
    key: DevKey,
    verifier: Verifier,
}

fn dev() -> Dev {
    let dir = tempfile::tempdir().unwrap();
    let verifier = Verifier::from_config(&AuthConfig::default(), dir.path(), true).unwrap();
    let key = DevKey::load(dir.path()).unwrap();
    Dev { dir, key, verifier }
}

impl Dev {
    fn token(&self) -> String {
        self.key.issue(&[Role::Handler], "gz-tianhe", "u-17", HOUR, at(NOW)).unwrap()
    }

    async fn refusal(&self, token: &str) -> Option<AuthError> {
        self.verifier.verify(token, at(NOW)).await.err()
    }
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn dev_claims() -> Value {
    json!({
        "iss": "baycase-dev", "aud": "baycase", "sub": "u-17", "unit": "gz-tianhe",
        "roles": ["handler"], "exp": NOW + 600,
    })
}

/// A token whose header and claims are as given, signed with the development key's file.
fn signed(dev: &Dev, header: &Value, claims: &Value) -> String {
    let pem = std::fs::read(dev.dir.path().join(super::super::DEV_KEY_FILE)).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ed_pem(&pem).unwrap();
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn a_good_token_names_its_bearer() {
    let dev = dev();

    let principal = dev.verifier.verify(&dev.token(), at(NOW)).await.unwrap();

    assert_eq!(principal.subject, "u-17");
    assert_eq!(principal.unit, "gz-tianhe");
    assert!(principal.has(Role::Handler));
    assert_eq!(principal.expires_at, at(NOW + 3_600));
}

#[tokio::test]
async fn the_time_is_the_callers_with_leeway_also_for_a_remembered_token() {
    let dev = dev();
    let token = dev.token();
    let verify = async |seconds| dev.verifier.verify(&token, at(seconds)).await.err();

    assert_eq!(verify(NOW - 31).await, Some(AuthError::NotYetValid));
    assert_eq!(verify(NOW - 30).await, None);
    assert_eq!(verify(NOW + 3_629).await, None);
    assert_eq!(verify(NOW + 3_630).await, Some(AuthError::Expired));
    assert_eq!(verify(NOW - 31).await, Some(AuthError::NotYetValid));
}

#[tokio::test]
async fn claims_that_are_not_ours_are_refused_whoever_signed() {
    let dev = dev();
    let header = json!({ "alg": "EdDSA", "kid": dev.key.kid() });
    let with = |name: &str, value: Value| {
        let mut claims = dev_claims();
        claims.as_object_mut().unwrap().insert(name.to_owned(), value);
        signed(&dev, &header, &claims)
    };

    assert_eq!(dev.refusal(&signed(&dev, &header, &dev_claims())).await, None);
    let cases = [
        (with("iss", json!("https://login.example.org")), AuthError::WrongIssuer),
        (with("aud", json!("somebody")), AuthError::WrongAudience),
        (with("exp", Value::Null), AuthError::BadClaims("exp")),
        (with("exp", json!(NOW - 31)), AuthError::Expired),
        (with("nbf", json!(NOW + 31)), AuthError::NotYetValid),
        (with("roles", json!(["king"])), AuthError::BadClaims("roles")),
    ];
    for (token, expected) in cases {
        assert_eq!(dev.refusal(&token).await, Some(expected));
    }
    let mut without = dev_claims();
    without.as_object_mut().unwrap().remove("exp");
    let token = signed(&dev, &header, &without);
    assert_eq!(dev.refusal(&token).await, Some(AuthError::BadClaims("exp")));
}

#[tokio::test]
async fn forged_signatures_are_refused() {
    let dev = dev();
    let kid = dev.key.kid();
    let public = dev.key.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();

    let none = format!("{}.{}.", encode(&json!({ "alg": "none", "kid": kid })), encode(&dev_claims()));
    assert_eq!(dev.refusal(&none).await, Some(AuthError::BadSignature));

    // The classic confusion: the public key, which everybody has, used as a shared secret.
    let message = format!("{}.{}", encode(&json!({ "alg": "HS256", "kid": kid })), encode(&dev_claims()));
    for secret in
        [URL_SAFE_NO_PAD.decode(&public).unwrap(), public.clone().into_bytes(), dev.key.jwks().to_string().into_bytes()]
    {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
        let token = format!("{message}.{tag}");
        assert_eq!(dev.refusal(&token).await, Some(AuthError::BadSignature));
    }

    // The same payload with another role, under the signature of the honest one.
    let honest = dev.token();
    let parts: Vec<&str> = honest.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let promoted = URL_SAFE_NO_PAD.encode(payload.replace("handler", "auditor"));
    let tampered = format!("{}.{promoted}.{}", parts[0], parts[2]);
    assert_eq!(dev.refusal(&tampered).await, Some(AuthError::BadSignature));

    // A key of one's own under the name of ours.
    let other = self::dev();
    let header = json!({ "alg": "EdDSA", "kid": kid });
    let stolen_name = signed(&other, &header, &dev_claims());
    assert_eq!(dev.refusal(&stolen_name).await, Some(AuthError::BadSignature));
    assert_eq!(dev.refusal(&other.token()).await, Some(AuthError::UnknownKey));
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_anything_is_parsed() {
    let dev = dev();
    let longest = "a".repeat(TOKEN_BYTES_MAX);
    let longer = "a".repeat(TOKEN_BYTES_MAX + 1);

    assert_eq!(dev.refusal("").await, Some(AuthError::Missing));
    for bad in ["x", "a.b.c", longest.as_str(), longer.as_str()] {
        assert_eq!(dev.refusal(bad).await, Some(AuthError::Malformed));
    }

    // A token of just the right length is read; one byte more and it is not, however well it is signed.
    let header = json!({ "alg": "EdDSA", "kid": dev.key.kid() });
    let padded = |bytes: usize| {
        let mut claims = dev_claims();
        claims["padding"] = json!("x".repeat(bytes));
        signed(&dev, &header, &claims)
    };
    let fits = (5_000..6_100).rev().map(padded).find(|token| token.len() <= TOKEN_BYTES_MAX).unwrap();
    assert!(fits.len() > TOKEN_BYTES_MAX - 4);
    assert_eq!(dev.refusal(&fits).await, None);
    let too_long = padded(6_100);
    assert!(too_long.len() > TOKEN_BYTES_MAX);
    assert_eq!(dev.refusal(&too_long).await, Some(AuthError::Malformed));
}

#[tokio::test]
async fn issuers_may_sign_with_es256_or_rs256() {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let point: &[u8] = ec.public_key().as_ref();
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(rsa.public_key());
    let jwks = json!({ "keys": [
        {
            "kty": "EC", "crv": "P-256", "kid": "ec",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        },
        {
            "kty": "RSA", "kid": "rsa", "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(&parts.n),
            "e": URL_SAFE_NO_PAD.encode(&parts.e),
        },
    ] });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, jwks.to_string()).unwrap();
    let config = AuthConfig {
        issuer: Some("baycase-dev".to_owned()),
        audience: Some("baycase".to_owned()),
        jwks_file: Some(file),
        ..AuthConfig::default()
    };
    let verifier = Verifier::from_config(&config, dir.path(), false).unwrap();
    let message = |alg: &str, kid: &str| {
        let header = json!({ "alg": alg, "kid": kid });
        format!("{}.{}", encode(&header), encode(&dev_claims()))
    };

    let by_ec = message("ES256", "ec");
    let signature = ec.sign(&random, by_ec.as_bytes()).unwrap();
    let by_ec = format!("{by_ec}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(verifier.verify(&by_ec, at(NOW)).await.is_ok());

    let by_rsa = message("RS256", "rsa");
    let mut signature = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &random, by_rsa.as_bytes(), &mut signature).unwrap();
    let by_rsa = format!("{by_rsa}.{}", URL_SAFE_NO_PAD.encode(&signature));
    assert!(verifier.verify(&by_rsa, at(NOW)).await.is_ok());

    // The one's signature under the other's name.
    let honest = encode(&json!({ "alg": "RS256", "kid": "rsa" }));
    let crossed = by_rsa.replacen(&honest, &encode(&json!({ "alg": "RS256", "kid": "ec" })), 1);
    let refusal = verifier.verify(&crossed, at(NOW)).await.err();
    assert_eq!(refusal, Some(AuthError::BadSignature));
}

#[tokio::test]
async fn without_an_answer_of_the_issuer_the_client_is_told_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    // A port that was free a moment ago, and where nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = AuthConfig {
        issuer: Some("issuer".to_owned()),
        audience: Some("baycase".to_owned()),
        jwks_url: Some(format!("http://{address}/jwks")),
        ..AuthConfig::default()
    };
    let verifier = Verifier::from_config(&config, dir.path(), true).unwrap();
    let dev = dev();
    let own = DevKey::load(dir.path()).unwrap();
    let own_token = own.issue(&[Role::Viewer], "province", "u-1", HOUR, at(NOW)).unwrap();

    assert!(verifier.refresh_keys().await.is_err());
    let refusal = verifier.verify(&dev.token(), at(NOW)).await.err();
    assert_eq!(refusal, Some(AuthError::KeysUnavailable));
    assert!(AuthError::KeysUnavailable.is_temporary());
    assert!(verifier.verify(&own_token, at(NOW)).await.is_ok());
}

#[test]
fn a_server_without_authentication_is_told_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let setup = |change: fn(&mut AuthConfig)| {
        let mut config = AuthConfig::default();
        change(&mut config);
        let refused = Verifier::from_config(&config, dir.path(), false).err();
        refused.unwrap().to_string()
    };

    let text = setup(|_| {});
    assert!(text.contains("auth.jwks_file") && text.contains("--dev"), "{text}");
    let text = setup(|c| c.jwks_file = Some("no/such/file".into()));
    assert!(text.contains("auth.issuer"), "{text}");
    let text = setup(|c| {
        c.jwks_file = Some("no/such/file".into());
        c.issuer = Some("issuer".to_owned());
    });
    assert!(text.contains("auth.audience"), "{text}");
    let text = setup(|c| {
        c.jwks_file = Some("no/such/file".into());
        c.issuer = Some("issuer".to_owned());
        c.audience = Some("baycase".to_owned());
    });
    assert!(text.contains("no/such/file"), "{text}");
    assert!(!dir.path().join(super::super::DEV_KEY_FILE).exists());
}

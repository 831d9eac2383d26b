//! The public keys that check tokens (JWKS, RFC 7517).
//!
//! Only the signature is left to the library: its own checks read the wall clock and pass over an absent `aud`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::AuthError;
use super::claims::Trust;

const KEYS_MAX: usize = 100;

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is not a key set.
    #[error("it is not a JSON Web Key Set")]
    Malformed {
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It holds no key we accept.
    #[error("it holds no key for signatures of a kind that is accepted (EdDSA, ES256, RS256)")]
    NothingUsable,
    /// It holds more keys than anybody needs.
    #[error("it holds more than {max} keys", max = KEYS_MAX)]
    TooMany,
    /// It holds a private key, which nobody should have sent us.
    #[error("it holds a private key, which must be replaced: it is no secret any more")]
    Private,
}

/// The start of a token, which says how to check the rest.
#[derive(Debug, Deserialize)]
pub(super) struct TokenHeader {
    pub(super) kid: Option<String>,
    alg: String,
    crit: Option<IgnoredAny>,
}

impl TokenHeader {
    /// Reads the header and refuses kinds of signatures that no key is for, before anybody looks for a key.
    pub(super) fn parse(token: &str) -> Result<Self, AuthError> {
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(AuthError::Malformed);
        };
        let Ok(json) = URL_SAFE_NO_PAD.decode(header) else {
            return Err(AuthError::Malformed);
        };
        let Ok(header) = serde_json::from_slice::<Self>(&json) else {
            return Err(AuthError::Malformed);
        };
        // RFC 7515: a critical extension that is not understood makes the token invalid. We understand none.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        match accepted(&header.alg) {
            Some(_) => Ok(header),
            None => Err(AuthError::BadSignature),
        }
    }
}

/// The kinds of signatures that are accepted: no shared secrets, and not "none".
fn accepted(name: &str) -> Option<Algorithm> {
    match name {
        "EdDSA" => Some(Algorithm::EdDSA),
        "ES256" => Some(Algorithm::ES256),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}

/// One public key, for one kind of signature and the tokens of one issuer.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
    pub(super) trust: Arc<Trust>,
}

impl VerifyingKey {
    /// The claims of a token, once its signature is verified. What they say is not checked here.
    pub(super) fn claims(&self, token: &str) -> Result<Map<String, Value>, AuthError> {
        let (message, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        match verify(signature, message.as_bytes(), &self.key, self.algorithm) {
            Ok(true) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => {
                return Err(AuthError::Malformed);
            }
            Ok(false) | Err(_) => return Err(AuthError::BadSignature),
        }
        let (_, payload) = message.split_once('.').ok_or(AuthError::Malformed)?;
        let Ok(json) = URL_SAFE_NO_PAD.decode(payload) else {
            return Err(AuthError::Malformed);
        };
        match serde_json::from_slice(&json) {
            Ok(claims) => Ok(claims),
            Err(_) => Err(AuthError::Malformed),
        }
    }
}

/// The keys in use.
#[derive(Clone)]
pub(super) struct KeySet {
    /// Rises whenever the keys change.
    pub(super) generation: u64,
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    pub(super) fn empty() -> Self {
        Self { generation: 0, keys: Vec::new() }
    }

    /// Reads a JWKS. Keys for encryption, shared secrets and unknown kinds are passed over.
    pub(super) fn parse(json: &[u8], trust: &Arc<Trust>) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|source| KeySetError::Malformed { source })?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let mut keys = Vec::new();
        for jwk in set.keys {
            // A key we cannot even read is of a kind we do not know.
            let Ok(jwk) = serde_json::from_value::<Jwk>(jwk) else {
                continue;
            };
            if jwk.d.is_some() {
                return Err(KeySetError::Private);
            }
            if let Some((algorithm, key)) = jwk.verifying() {
                keys.push(VerifyingKey { kid: jwk.kid, algorithm, key, trust: Arc::clone(trust) });
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NothingUsable);
        }
        Ok(Self { generation: 0, keys })
    }

    /// These keys and those.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.keys.extend(others.keys.iter().cloned());
        self
    }

    /// Whether any key could have signed a token with this `kid`.
    pub(super) fn knows(&self, kid: Option<&str>) -> bool {
        self.keys.iter().any(|key| self.is_named(key, kid))
    }

    /// The key for a token. Its kind of signature is the key's, not the token's choice.
    pub(super) fn find(&self, header: &TokenHeader) -> Result<&VerifyingKey, AuthError> {
        let kid = header.kid.as_deref();
        let algorithm = accepted(&header.alg);
        let mut named = self.keys.iter().filter(|key| self.is_named(key, kid)).peekable();
        if named.peek().is_none() {
            return Err(AuthError::UnknownKey);
        }
        named.find(|key| Some(key.algorithm) == algorithm).ok_or(AuthError::BadSignature)
    }

    /// A token without a `kid` is for the only key there is.
    fn is_named(&self, key: &VerifyingKey, kid: Option<&str>) -> bool {
        match kid {
            Some(_) => key.kid.as_deref() == kid,
            None => self.keys.len() == 1,
        }
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

impl Jwk {
    fn verifying(&self) -> Option<(Algorithm, DecodingKey)> {
        let is_for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let may_verify = self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures || !may_verify {
            return None;
        }
        let (name, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => {
                let x = self.x.as_deref().filter(|x| has_bytes(x, 32..=32))?;
                ("EdDSA", DecodingKey::from_ed_components(x))
            }
            ("EC", Some("P-256")) => {
                let x = self.x.as_deref().filter(|x| has_bytes(x, 32..=32))?;
                let y = self.y.as_deref().filter(|y| has_bytes(y, 32..=32))?;
                ("ES256", DecodingKey::from_ec_components(x, y))
            }
            ("RSA", _) => {
                let n = self.n.as_deref().filter(|n| has_bytes(n, 256..=1_024))?;
                ("RS256", DecodingKey::from_rsa_components(n, self.e.as_deref()?))
            }
            _ => return None,
        };
        if self.alg.as_deref().is_some_and(|alg| alg != name) {
            return None;
        }
        Some((accepted(name)?, key.ok()?))
    }
}

fn has_bytes(base64: &str, count: std::ops::RangeInclusive<usize>) -> bool {
    URL_SAFE_NO_PAD.decode(base64).is_ok_and(|bytes| count.contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(keys: Value) -> Result<KeySet, KeySetError> {
        let trust = Arc::new(Trust { issuer: "issuer".to_owned(), audience: "baycase".to_owned() });
        let jwks = json!({ "keys": keys });
        KeySet::parse(jwks.to_string().as_bytes(), &trust)
    }

    fn bytes(count: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![7; count])
    }

    fn header(alg: &str, kid: Option<&str>) -> TokenHeader {
        TokenHeader { kid: kid.map(str::to_owned), alg: alg.to_owned(), crit: None }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let good = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "good", "x": bytes(32) });
        let set = parse(json!([
            { "kty": "oct", "kid": "secret", "k": bytes(32) },
            { "kty": "OKP", "crv": "X25519", "kid": "exchange", "x": bytes(32) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "sealing", "use": "enc", "x": bytes(32) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "signing", "key_ops": ["sign"], "x": bytes(32) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "short", "x": bytes(31) },
            { "kty": "RSA", "kid": "weak", "n": bytes(128), "e": "AQAB" },
            { "kty": "RSA", "kid": "padded", "alg": "PS256", "n": bytes(256), "e": "AQAB" },
            { "kty": "EC", "crv": "P-384", "kid": "large", "x": bytes(48), "y": bytes(48) },
            7,
            good,
        ]))
        .unwrap();

        assert_eq!(set.keys.len(), 1);
        assert!(set.knows(Some("good")));
        assert!(!set.knows(Some("secret")));
    }

    #[test]
    fn sets_that_cannot_be_right_are_refused() {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(32) });
        let private = json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(32), "d": bytes(32) });
        let many = |count: usize| Value::Array(vec![key.clone(); count]);

        assert!(parse(many(KEYS_MAX)).is_ok());
        assert!(matches!(parse(many(KEYS_MAX + 1)), Err(KeySetError::TooMany)));
        assert!(matches!(parse(json!([])), Err(KeySetError::NothingUsable)));
        assert!(matches!(parse(json!([private])), Err(KeySetError::Private)));
        assert!(matches!(parse(json!("x")), Err(KeySetError::Malformed { .. })));
    }

    #[test]
    fn a_token_does_not_choose_how_its_key_is_used() {
        let set = parse(json!([
            { "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": bytes(32) },
            { "kty": "EC", "crv": "P-256", "kid": "b", "x": bytes(32), "y": bytes(32) },
        ]))
        .unwrap();

        assert!(set.find(&header("EdDSA", Some("a"))).is_ok());
        assert!(set.find(&header("ES256", Some("b"))).is_ok());
        let refusal = |alg, kid| set.find(&header(alg, kid)).err();
        assert_eq!(refusal("ES256", Some("a")), Some(AuthError::BadSignature));
        assert_eq!(refusal("RS256", Some("b")), Some(AuthError::BadSignature));
        assert_eq!(refusal("EdDSA", Some("c")), Some(AuthError::UnknownKey));
        assert_eq!(refusal("EdDSA", None), Some(AuthError::UnknownKey));
    }

    #[test]
    fn the_only_key_needs_no_name() {
        let set = parse(json!([{ "kty": "OKP", "crv": "Ed25519", "x": bytes(32) }])).unwrap();
        assert!(set.find(&header("EdDSA", None)).is_ok());
    }

    #[test]
    fn headers_with_other_kinds_of_signatures_are_refused_at_once() {
        let token = |header: Value| format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header.to_string()));

        assert!(TokenHeader::parse(&token(json!({ "alg": "EdDSA", "kid": "a" }))).is_ok());
        for alg in ["none", "None", "HS256", "PS256", "ES384", "eddsa", ""] {
            let refused = TokenHeader::parse(&token(json!({ "alg": alg }))).err();
            assert_eq!(refused, Some(AuthError::BadSignature), "{alg}");
        }
        let critical = token(json!({ "alg": "EdDSA", "crit": ["exp"] }));
        for bad in ["", "a.b", "a.b.c.d", "!!.e30.AA", "e30.e30.AA", critical.as_str()] {
            let refused = TokenHeader::parse(bad).err();
            assert_eq!(refused, Some(AuthError::Malformed), "{bad}");
        }
    }
}

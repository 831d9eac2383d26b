//! What a token with a good signature says, and whether that lets its bearer in now.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{AuthError, Principal, Role};

const SUBJECT_BYTES_MAX: usize = 256;
const UNIT_BYTES_MAX: usize = 128;
const NAME_BYTES_MAX: usize = 256;
const ROLES_MAX: usize = 32;

/// What tokens signed by a key must say about where they come from and whom they are for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trust {
    pub(super) issuer: String,
    pub(super) audience: String,
}

/// When a token may be used, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Option<i64>,
    pub(super) expires: i64,
}

impl Validity {
    pub(super) fn check(self, now: DateTime<Utc>, leeway_secs: u32) -> Result<(), AuthError> {
        let now = now.timestamp();
        let leeway = i64::from(leeway_secs);
        if now >= self.expires.saturating_add(leeway) {
            return Err(AuthError::Expired);
        }
        match self.not_before {
            Some(not_before) if now.saturating_add(leeway) < not_before => Err(AuthError::NotYetValid),
            _ => Ok(()),
        }
    }
}

/// Reads the claims; the caller has verified the signature.
pub(super) fn read(
    claims: &Map<String, Value>,
    trust: &Trust,
    now: DateTime<Utc>,
    leeway_secs: u32,
) -> Result<(Principal, Validity), AuthError> {
    if claims.get("iss").and_then(Value::as_str) != Some(trust.issuer.as_str()) {
        return Err(AuthError::WrongIssuer);
    }
    if !is_addressed_to(claims.get("aud"), &trust.audience) {
        return Err(AuthError::WrongAudience);
    }
    let expires = seconds(claims, "exp")?.ok_or(AuthError::BadClaims("exp"))?;
    let validity = Validity { not_before: seconds(claims, "nbf")?, expires };
    validity.check(now, leeway_secs)?;
    seconds(claims, "iat")?;

    let principal = Principal {
        subject: text(claims, "sub", SUBJECT_BYTES_MAX)?.to_owned(),
        roles: roles(claims)?,
        unit: text(claims, "unit", UNIT_BYTES_MAX)?.to_owned(),
        expires_at: DateTime::from_timestamp(expires, 0).ok_or(AuthError::BadClaims("exp"))?,
        display_name: match claims.get("name") {
            Some(_) => Some(text(claims, "name", NAME_BYTES_MAX)?.to_owned()),
            None => None,
        },
    };
    Ok((principal, validity))
}

/// `aud` is one name or a list of names.
fn is_addressed_to(audience: Option<&Value>, us: &str) -> bool {
    match audience {
        Some(Value::String(name)) => name == us,
        Some(Value::Array(names)) => names.iter().any(|name| name.as_str() == Some(us)),
        _ => false,
    }
}

fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, AuthError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(AuthError::BadClaims(name)),
        },
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str, bytes_max: usize) -> Result<&'a str, AuthError> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty() && text.len() <= bytes_max)
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or(AuthError::BadClaims(name))
}

/// Every role must be known: half of what an issuer granted is not what it granted.
fn roles(claims: &Map<String, Value>) -> Result<BTreeSet<Role>, AuthError> {
    let bad = AuthError::BadClaims("roles");
    let names = claims.get("roles").and_then(Value::as_array).ok_or(bad)?;
    if names.is_empty() || names.len() > ROLES_MAX {
        return Err(bad);
    }
    names
        .iter()
        .map(|name| {
            let known = name.as_str().and_then(|name| Role::parse(name).ok());
            known.ok_or(bad)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const LEEWAY: u32 = 30;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": "issuer", "aud": ["other", "baycase"], "sub": "u-17", "unit": "gz-tianhe",
            "roles": ["handler", "mediator"], "exp": NOW + 600, "nbf": NOW - 5, "iat": NOW - 5,
        })
    }

    fn read_with(name: &str, value: Value) -> Result<Principal, AuthError> {
        let mut claims = claims();
        let object = claims.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.to_owned(), value);
        }
        let trust = Trust { issuer: "issuer".to_owned(), audience: "baycase".to_owned() };
        read(object, &trust, now(), LEEWAY).map(|(principal, _)| principal)
    }

    #[test]
    fn good_claims_make_a_principal() {
        let principal = read_with("name", json!("陈大文")).unwrap();

        assert_eq!(principal.subject, "u-17");
        assert_eq!(principal.unit, "gz-tianhe");
        assert_eq!(principal.roles, BTreeSet::from([Role::Handler, Role::Mediator]));
        assert_eq!(principal.expires_at.timestamp(), NOW + 600);
        assert_eq!(principal.display_name.as_deref(), Some("陈大文"));
    }

    #[test]
    fn times_hold_at_the_edge_and_refuse_one_past_it() {
        let leeway = i64::from(LEEWAY);
        assert!(read_with("exp", json!(NOW - leeway + 1)).is_ok());
        assert_eq!(read_with("exp", json!(NOW - leeway)), Err(AuthError::Expired));
        assert!(read_with("nbf", json!(NOW + leeway)).is_ok());
        assert_eq!(read_with("nbf", json!(NOW + leeway + 1)), Err(AuthError::NotYetValid));
        assert!(read_with("nbf", Value::Null).is_ok());
    }

    #[test]
    fn each_claim_that_is_missing_or_wrong_is_named() {
        let long = |bytes: usize| json!("x".repeat(bytes));
        let cases = [
            ("iss", Value::Null, AuthError::WrongIssuer),
            ("iss", json!("issuer2"), AuthError::WrongIssuer),
            ("aud", Value::Null, AuthError::WrongAudience),
            ("aud", json!("baycase2"), AuthError::WrongAudience),
            ("aud", json!(["other"]), AuthError::WrongAudience),
            ("exp", Value::Null, AuthError::BadClaims("exp")),
            ("exp", json!("soon"), AuthError::BadClaims("exp")),
            ("exp", json!(i64::MAX), AuthError::BadClaims("exp")),
            ("nbf", json!("now"), AuthError::BadClaims("nbf")),
            ("iat", json!([]), AuthError::BadClaims("iat")),
            ("sub", Value::Null, AuthError::BadClaims("sub")),
            ("sub", json!(" "), AuthError::BadClaims("sub")),
            ("sub", json!("a\nb"), AuthError::BadClaims("sub")),
            ("sub", long(SUBJECT_BYTES_MAX + 1), AuthError::BadClaims("sub")),
            ("unit", Value::Null, AuthError::BadClaims("unit")),
            ("unit", long(UNIT_BYTES_MAX + 1), AuthError::BadClaims("unit")),
            ("name", json!(7), AuthError::BadClaims("name")),
            ("roles", Value::Null, AuthError::BadClaims("roles")),
            ("roles", json!([]), AuthError::BadClaims("roles")),
            ("roles", json!("handler"), AuthError::BadClaims("roles")),
            ("roles", json!(["handler", "king"]), AuthError::BadClaims("roles")),
            ("roles", json!(vec!["handler"; ROLES_MAX + 1]), AuthError::BadClaims("roles")),
        ];
        for (name, value, expected) in cases {
            assert_eq!(read_with(name, value.clone()), Err(expected), "{name} = {value}");
        }
        assert!(read_with("sub", long(SUBJECT_BYTES_MAX)).is_ok());
        assert!(read_with("unit", long(UNIT_BYTES_MAX)).is_ok());
        assert!(read_with("roles", json!(vec!["handler"; ROLES_MAX])).is_ok());
    }
}

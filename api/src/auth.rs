//! Who is asking: bearer tokens and the principals they stand for.
//!
//! What a principal may do is decided elsewhere, on every node; this module only says who it is. Signatures are
//! `EdDSA`, ES256 or RS256, by a key that the key set publishes for that algorithm: a token cannot choose how it is
//! checked.

mod cache;
mod claims;
mod dev_key;
mod key_set;
mod remote;
mod role;
mod verifier;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};

pub use self::dev_key::{DEV_KEY_FILE, DEV_TOKEN_TTL_MAX, DevKey, DevKeyError};
pub use self::key_set::KeySetError;
pub use self::remote::KeyFetchError;
pub use self::role::{Role, UnknownRole};
pub use self::verifier::{AuthSetupError, TOKEN_BYTES_MAX, Verifier};

/// Somebody or something that a verified token stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    /// The issuer's name for them (`sub`): an account, never a person's name.
    pub subject: String,
    /// What they may act as; never empty.
    pub roles: BTreeSet<Role>,
    /// The unit they act for. Whether it exists is checked where units are known.
    pub unit: String,
    /// When the token ends. A connection that outlives it must be closed.
    pub expires_at: DateTime<Utc>,
    /// A name to show to the person themselves (`name`); never logged.
    pub display_name: Option<String>,
}

impl Principal {
    /// Whether they hold this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether they hold one of these roles.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.has(*role))
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("subject", &self.subject)
            .field("roles", &self.roles)
            .field("unit", &self.unit)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a token does not let its bearer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no token.
    #[error("no bearer token was sent")]
    Missing,
    /// It is not a token, or too long to be one.
    #[error("the bearer token is malformed")]
    Malformed,
    /// It names a key that the key set does not hold.
    #[error("the bearer token is signed by an unknown key")]
    UnknownKey,
    /// The signature is wrong, or of a kind that its key is not for.
    #[error("the signature of the bearer token is not valid")]
    BadSignature,
    /// Its `exp` has passed.
    #[error("the bearer token has expired")]
    Expired,
    /// Its `nbf` lies ahead.
    #[error("the bearer token is not valid yet")]
    NotYetValid,
    /// Its `iss` is another than the key's.
    #[error("the bearer token was issued by somebody else")]
    WrongIssuer,
    /// Its `aud` does not contain us.
    #[error("the bearer token is meant for somebody else")]
    WrongAudience,
    /// A claim is missing or not what it should be.
    #[error("the claim `{0}` of the bearer token is missing or not usable")]
    BadClaims(&'static str),
    /// No keys could be fetched yet. The token may be good: the client should keep it and try again.
    #[error("the keys that check bearer tokens are not available")]
    KeysUnavailable,
}

impl AuthError {
    /// Whether the fault is ours for now, so that the client should come again with the same token.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::KeysUnavailable)
    }
}

/// The token in an `Authorization` header.
pub fn bearer_token(authorization: Option<&str>) -> Result<&str, AuthError> {
    let header = authorization.ok_or(AuthError::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(AuthError::Malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthError::Malformed);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_from_a_bearer_header_only() {
        assert_eq!(bearer_token(None), Err(AuthError::Missing));
        assert_eq!(bearer_token(Some("Bearer abc")), Ok("abc"));
        assert_eq!(bearer_token(Some("bearer  abc ")), Ok("abc"));
        for bad in ["", "abc", "Bearer", "Bearer ", "Basic abc"] {
            assert_eq!(bearer_token(Some(bad)), Err(AuthError::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_principal_is_shown_without_its_name() {
        let principal = Principal {
            subject: "u-17".to_owned(),
            roles: BTreeSet::from([Role::Handler, Role::Mediator]),
            unit: "gz-tianhe".to_owned(),
            expires_at: DateTime::UNIX_EPOCH,
            display_name: Some("陈大文".to_owned()),
        };

        assert!(!format!("{principal:?}").contains("陈大文"));
        assert!(principal.has(Role::Handler));
        assert!(principal.has_any(&[Role::Auditor, Role::Mediator]));
        assert!(!principal.has_any(&[Role::Auditor]));
    }
}

//! What a client is told when the vault of subject keys does not do what it should.

use event_log::vault::VaultError;

use crate::graphql::error::{ApiError, Code};

impl From<&VaultError> for ApiError {
    fn from(error: &VaultError) -> Self {
        match error {
            VaultError::TooLong { .. } => Self::invalid(error),
            // A vault node that does not answer, or a full disk: it heals.
            error if error.is_retryable() => {
                tracing::warn!(error = %error, "The vault does not do its work now");
                let message = "the keys of personal data cannot be reached now; try again, an act with the same \
                               `commandId`";
                Self::new(Code::Unavailable, message)
            }
            error => Self::internal(error),
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{FilingId, SubjectId};

    use super::*;

    #[test]
    fn a_vault_that_does_not_answer_is_to_be_tried_again() {
        let subject = SubjectId::in_filing(FilingId::derived("test", "1"), "complainant");
        let reason = "connection to 192.0.2.7 refused".to_owned();
        for (error, code) in [
            (VaultError::Unavailable { reason }, Code::Unavailable),
            (VaultError::HalfDestroyed { subject }, Code::Unavailable),
            (VaultError::Lingering { subject }, Code::Unavailable),
            (VaultError::TooLong { bytes: 2, max: 1 }, Code::InvalidInput),
            (VaultError::KeyDamaged { subject }, Code::Internal),
            (VaultError::NoKey { subject }, Code::Internal),
            (VaultError::Protocol { what: "status 404".to_owned() }, Code::Internal),
        ] {
            let told = ApiError::from(error);
            assert_eq!(told.code, code, "{}", told.message);
            assert!(!told.message.contains("192.0.2.7"), "where the vault is, is nobody's business");
        }
    }
}

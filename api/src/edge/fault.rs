//! What the edge refuses, and under which code.

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use axum::http::StatusCode;

use super::Refusal;

/// Every code the edge itself answers with, in `extensions.code`. The application adds its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body or its parameters are not a GraphQL request.
    BadRequest,
    /// The document has more bytes than allowed.
    DocumentTooLarge,
    /// The body has more bytes than allowed.
    BodyTooLarge,
    /// The document nests deeper than allowed.
    DocumentTooDeep,
    /// The document selects more, or carries more directives, than allowed.
    DocumentTooComplex,
    /// The document uses more aliases than allowed.
    TooManyAliases,
    /// A mutation's root holds one response key twice; the executor would run it twice.
    DuplicateMutationField,
    /// A mutation's root holds more fields than are carried out at once.
    TooManyMutationFields,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document, its variables or its arguments do not fit the schema.
    GraphqlValidationFailed,
    /// The body is not `application/json` in UTF-8.
    UnsupportedMediaType,
    /// Nothing the client accepts can carry the answer.
    NotAcceptable,
    /// Nothing is served at the address.
    NotFound,
    /// The method is not allowed here, or not for this operation.
    MethodNotAllowed,
    /// Several requests came in one body.
    BatchNotSupported,
    /// No valid token came, or it has expired.
    Unauthenticated,
    /// One WebSocket connection has more operations, or the server more subscriptions, open at once than allowed.
    TooManySubscriptions,
    /// The time for this request is over.
    Timeout,
    /// Our fault; the request id leads to the log.
    Internal,
}

impl Code {
    /// All of them, for the documentation and its tests.
    pub const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::DocumentTooLarge,
        Self::BodyTooLarge,
        Self::DocumentTooDeep,
        Self::DocumentTooComplex,
        Self::TooManyAliases,
        Self::DuplicateMutationField,
        Self::TooManyMutationFields,
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::UnsupportedMediaType,
        Self::NotAcceptable,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BatchNotSupported,
        Self::Unauthenticated,
        Self::TooManySubscriptions,
        Self::Timeout,
        Self::Internal,
    ];

    /// The text clients see; it never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::DocumentTooLarge => "DOCUMENT_TOO_LARGE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::DocumentTooDeep => "DOCUMENT_TOO_DEEP",
            Self::DocumentTooComplex => "DOCUMENT_TOO_COMPLEX",
            Self::TooManyAliases => "TOO_MANY_ALIASES",
            Self::DuplicateMutationField => "DUPLICATE_MUTATION_FIELD",
            Self::TooManyMutationFields => "TOO_MANY_MUTATION_FIELDS",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::BatchNotSupported => "BATCH_NOT_SUPPORTED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Self::Timeout => "TIMEOUT",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Why the edge did not do what it was asked. Everything in it may be shown to the client.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) locations: Vec<Pos>,
    pub(super) scope: Scope,
    /// The value of the `Allow` header, for 405.
    pub(super) allow: &'static str,
}

/// What was at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The exchange: its status is the same for every media type.
    Exchange,
    /// The document of a well-formed exchange: 400, but 200 to a client that reads `application/json`.
    Document,
}

impl Fault {
    /// The exchange itself cannot go on.
    pub(super) fn exchange(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.as_str(),
            message: message.into(),
            locations: Vec::new(),
            scope: Scope::Exchange,
            allow: "",
        }
    }

    /// The request is not a GraphQL request.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::exchange(StatusCode::BAD_REQUEST, Code::BadRequest, message)
    }

    /// The method is not one of those in `allow`.
    pub(super) fn method(allow: &'static str, message: impl Into<String>) -> Self {
        Self { allow, ..Self::exchange(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, message) }
    }

    /// The document cannot be executed.
    pub(super) fn document(code: Code, message: impl Into<String>, locations: Vec<Pos>) -> Self {
        Self { locations, scope: Scope::Document, ..Self::exchange(StatusCode::BAD_REQUEST, code, message) }
    }

    /// The gatekeeper's refusal.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let Refusal { status, code, message } = refusal;
        Self { code, ..Self::exchange(status, Code::Unauthenticated, message) }
    }

    /// The code a client sees.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The text a client sees.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fault in the executor's own type.
    pub(super) fn to_error(&self) -> ServerError {
        let mut error = ServerError::new(self.message.as_str(), None);
        error.locations.clone_from(&self.locations);
        let mut values = ErrorExtensionValues::default();
        values.set("code", self.code);
        error.extensions = Some(values);
        error
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Value;

    use super::*;

    #[test]
    fn the_codes_are_a_contract() {
        let codes = Code::ALL.map(Code::as_str);
        assert_eq!(
            codes,
            [
                "BAD_REQUEST",
                "DOCUMENT_TOO_LARGE",
                "BODY_TOO_LARGE",
                "DOCUMENT_TOO_DEEP",
                "DOCUMENT_TOO_COMPLEX",
                "TOO_MANY_ALIASES",
                "DUPLICATE_MUTATION_FIELD",
                "TOO_MANY_MUTATION_FIELDS",
                "GRAPHQL_PARSE_FAILED",
                "GRAPHQL_VALIDATION_FAILED",
                "UNSUPPORTED_MEDIA_TYPE",
                "NOT_ACCEPTABLE",
                "NOT_FOUND",
                "METHOD_NOT_ALLOWED",
                "BATCH_NOT_SUPPORTED",
                "UNAUTHENTICATED",
                "TOO_MANY_SUBSCRIPTIONS",
                "TIMEOUT",
                "INTERNAL",
            ]
        );
    }

    #[test]
    fn a_refusal_keeps_its_own_code() {
        let fault = Fault::refused(Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "RATE_LIMITED",
            message: "slow down".to_owned(),
        });
        assert_eq!((fault.code(), fault.message()), ("RATE_LIMITED", "slow down"));
        assert_eq!(fault.status, StatusCode::TOO_MANY_REQUESTS);
        let values = fault.to_error().extensions.expect("extensions");
        assert_eq!(values.get("code"), Some(&Value::from("RATE_LIMITED")));
    }
}

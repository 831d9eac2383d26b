//! Answers that are safe to show: every error has a code, and internal text stays inside.

use std::collections::{BTreeMap, HashSet};

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, Response, ServerError, Value};
use axum::http::StatusCode;
use serde::{Serialize, Serializer};

use super::RequestFacts;
use super::fault::{Code, Fault, Scope};
use super::negotiation::MediaType;

/// What is known about an operation when its answer is judged.
pub(super) struct Inquiry {
    pub(super) facts: RequestFacts,
    /// Where the document's fields are.
    pub(super) fields: HashSet<Pos>,
}

/// One answer to an operation, or one event of a subscription.
#[derive(Debug)]
pub(super) struct Answer {
    errors: Vec<ServerError>,
    /// `None` when nothing was executed: then the answer has no `data` entry at all.
    data: Option<Value>,
    extensions: BTreeMap<String, Value>,
    status: StatusCode,
    /// The status for clients that read `application/json`.
    json_status: StatusCode,
}

impl Answer {
    /// The answer to a request that was not executed.
    pub(super) fn of_fault(fault: &Fault) -> Self {
        let json_status = match fault.scope {
            Scope::Exchange => fault.status,
            Scope::Document => StatusCode::OK,
        };
        Self::refusal(vec![fault.to_error()], fault.status, json_status)
    }

    /// The answer when execution panicked. The panic's text has gone to the panic hook, and nowhere else.
    pub(super) fn of_panic(inquiry: &Inquiry) -> Self {
        let error = internal(&inquiry.facts.request_id, Vec::new(), Vec::new());
        Self::refusal(vec![error], StatusCode::INTERNAL_SERVER_ERROR, StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer of an executed query or mutation, or the executor's refusal to execute it.
    pub(super) fn of_execution(response: Response, inquiry: &Inquiry) -> Self {
        let Response { data, errors, extensions, .. } = response;
        // A resolver's error has a path; what the executor found wrong with the request has none.
        let refused = data == Value::Null && !errors.is_empty() && errors.iter().all(|error| error.path.is_empty());
        let errors: Vec<ServerError> = errors.into_iter().map(|error| coded(error, refused, inquiry)).collect();
        if !refused {
            return Self { errors, data: Some(data), extensions, status: StatusCode::OK, json_status: StatusCode::OK };
        }
        if errors.iter().any(is_internal) {
            return Self::refusal(errors, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::INTERNAL_SERVER_ERROR);
        }
        Self::refusal(errors, StatusCode::BAD_REQUEST, StatusCode::OK)
    }

    /// An event of a subscription. One without data means that its source has failed, and ends the subscription.
    pub(super) fn of_event(response: Response, inquiry: &Inquiry) -> Self {
        let mut answer = Self::of_execution(response, inquiry);
        if !answer.errors.is_empty() && answer.data == Some(Value::Null) {
            answer.data = None;
        }
        answer
    }

    fn refusal(errors: Vec<ServerError>, status: StatusCode, json_status: StatusCode) -> Self {
        Self { errors, data: None, extensions: BTreeMap::new(), status, json_status }
    }

    /// The same with what is known of its codes: whether to come again, where an error does not say so itself.
    pub(super) fn with_retryable(mut self, is_retryable: impl Fn(&str) -> Option<bool>) -> Self {
        for values in self.errors.iter_mut().filter_map(|error| error.extensions.as_mut()) {
            let Some(Value::String(code)) = values.get("code") else { continue };
            if let Some(retryable) = is_retryable(code).filter(|_| values.get("retryable").is_none()) {
                values.set("retryable", retryable);
            }
        }
        self
    }

    /// Whether nothing was executed, or nothing more will be.
    pub(super) fn is_refusal(&self) -> bool {
        self.data.is_none()
    }

    /// The first code of an answer to a request that was not executed; the code of an argument that does not fit where
    /// it was.
    ///
    /// The executor finds the latter only when it comes to the field, after others may have been executed. Yet nobody
    /// has seen it but the executor, so it is told like the former.
    pub(super) fn refusal_code(&self) -> Option<&str> {
        let mut codes = self.errors.iter().filter_map(|error| match code(error) {
            Some(Value::String(code)) => Some(code.as_str()),
            _ => None,
        });
        if self.is_refusal() {
            return codes.next();
        }
        codes.find(|code| *code == Code::GraphqlValidationFailed.as_str())
    }

    /// What went wrong.
    pub(super) fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// The HTTP status of the answer in this media type.
    pub(super) fn status(&self, media: MediaType) -> StatusCode {
        match media {
            MediaType::Json => self.json_status,
            MediaType::GraphqlResponse => self.status,
            MediaType::EventStream => StatusCode::OK,
        }
    }

    /// The answer as JSON, on one line.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an answer holds nothing but JSON values")
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Absent parts are left out; the order puts errors where a reader sees them.
        #[derive(Serialize)]
        struct Wire<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            errors: Option<&'a [ServerError]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            extensions: Option<&'a BTreeMap<String, Value>>,
        }
        let wire = Wire {
            errors: (!self.errors.is_empty()).then_some(self.errors.as_slice()),
            data: self.data.as_ref(),
            extensions: (!self.extensions.is_empty()).then_some(&self.extensions),
        };
        wire.serialize(serializer)
    }
}

/// Gives an error its code, and masks it when it is none of the client's business.
fn coded(mut error: ServerError, refused: bool, inquiry: &Inquiry) -> ServerError {
    if is_internal(&error) {
        // The resolver has logged the cause under the same request.
        error.extensions.get_or_insert_default().set("requestId", inquiry.facts.request_id.as_str());
        return error;
    }
    if code(&error).is_some() {
        return error;
    }
    // Resolvers fail at their field. What lies elsewhere is an argument's value that does not fit its type.
    let of_an_argument = !error.locations.is_empty() && error.locations.iter().all(|at| !inquiry.fields.contains(at));
    if error.source.is_none() && (refused || of_an_argument) {
        let values = error.extensions.get_or_insert_default();
        values.set("code", Code::GraphqlValidationFailed.as_str());
        return error;
    }
    let id = inquiry.facts.request_id.as_str();
    tracing::error!(request.id = %id, path = ?error.path, "A resolver failed without a client code in request `{id}`");
    // The text may quote the data at hand, so it is not for the ordinary log.
    tracing::debug!(request.id = %id, error = %error.message, "The masked error of request `{id}`");
    internal(id, error.locations, error.path)
}

fn code(error: &ServerError) -> Option<&Value> {
    error.extensions.as_ref()?.get("code")
}

fn is_internal(error: &ServerError) -> bool {
    matches!(code(error), Some(Value::String(code)) if code == Code::Internal.as_str())
}

fn internal(request_id: &str, locations: Vec<Pos>, path: Vec<PathSegment>) -> ServerError {
    let mut error = ServerError::new(format!("internal error; quote request {request_id}"), None);
    error.locations = locations;
    error.path = path;
    let mut values = ErrorExtensionValues::default();
    values.set("code", Code::Internal.as_str());
    values.set("requestId", request_id);
    error.extensions = Some(values);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inquiry(fields: &[(usize, usize)]) -> Inquiry {
        Inquiry {
            facts: RequestFacts { request_id: "r1".to_owned(), traceparent: None },
            fields: fields.iter().copied().map(Pos::from).collect(),
        }
    }

    fn failing(path: &[&str], at: (usize, usize), data: Value) -> Response {
        let mut error = ServerError::new("secret", Some(Pos::from(at)));
        error.path = path.iter().map(|key| PathSegment::Field((*key).to_owned())).collect();
        let mut response = Response::new(data);
        response.errors.push(error);
        response
    }

    #[test]
    fn an_error_without_a_code_at_a_field_is_masked() {
        let answer = Answer::of_execution(failing(&["a"], (1, 3), Value::Null), &inquiry(&[(1, 3)]));
        let json = answer.to_json();
        assert!(json.contains("INTERNAL") && json.contains("\"requestId\":\"r1\""), "{json}");
        assert!(json.ends_with("\"data\":null}"), "{json}");
        assert!(!json.contains("secret"), "{json}");
        assert!(!answer.is_refusal());
    }

    #[test]
    fn an_internal_error_of_a_resolver_gets_the_request_id_and_others_do_not() {
        let answer_to = |own: &str| {
            let mut response = failing(&["a"], (1, 3), Value::Null);
            for error in &mut response.errors {
                error.extensions.get_or_insert_default().set("code", own);
            }
            Answer::of_execution(response, &inquiry(&[(1, 3)])).to_json()
        };
        let internal = answer_to("INTERNAL");
        assert!(internal.contains("\"requestId\":\"r1\"") && internal.contains("INTERNAL"), "{internal}");
        let forbidden = answer_to("FORBIDDEN");
        assert!(forbidden.contains("FORBIDDEN") && !forbidden.contains("requestId"), "{forbidden}");
    }

    #[test]
    fn an_error_away_from_every_field_keeps_its_text() {
        let answer = Answer::of_execution(failing(&["a"], (1, 9), Value::Null), &inquiry(&[(1, 3)]));
        let json = answer.to_json();
        assert!(json.contains("secret") && json.contains("GRAPHQL_VALIDATION_FAILED"), "{json}");
        assert!(!answer.is_refusal(), "fields beside it may have been executed");
        assert_eq!(answer.refusal_code(), Some("GRAPHQL_VALIDATION_FAILED"));
        let masked = Answer::of_execution(failing(&["a"], (1, 3), Value::Null), &inquiry(&[(1, 3)]));
        assert_eq!(masked.refusal_code(), None);
    }

    #[test]
    fn an_error_with_a_source_is_masked_wherever_it_lies() {
        let mut response = failing(&[], (1, 9), Value::Null);
        for error in &mut response.errors {
            error.source = Some(std::sync::Arc::new("cause"));
        }
        let answer = Answer::of_execution(response, &inquiry(&[]));
        assert_eq!(answer.status(MediaType::Json), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.to_json().contains("secret"));
    }

    #[test]
    fn what_is_known_of_a_code_is_told_unless_the_error_tells_it() {
        let mut response = failing(&["a"], (1, 3), Value::Null);
        let mut told = failing(&["b"], (1, 3), Value::Null);
        for error in &mut told.errors {
            let values = error.extensions.get_or_insert_default();
            values.set("code", "BUSY");
            values.set("retryable", false);
        }
        response.errors.append(&mut told.errors);
        let retryable = |code: &str| matches!(code, "INTERNAL" | "BUSY").then_some(true);
        let answer = Answer::of_execution(response, &inquiry(&[(1, 3)])).with_retryable(retryable);
        let told: Vec<_> =
            answer.errors().iter().map(|error| error.extensions.as_ref().unwrap().get("retryable").cloned()).collect();
        assert_eq!(told, [Some(Value::from(true)), Some(Value::from(false))]);
        let fault = Fault::bad_request("not a request");
        let silent = Answer::of_fault(&fault).with_retryable(retryable).to_json();
        assert!(!silent.contains("retryable"), "{silent}");
    }

    #[test]
    fn a_request_error_has_no_data_entry() {
        let answer = Answer::of_execution(failing(&[], (1, 3), Value::Null), &inquiry(&[(1, 3)]));
        assert!(answer.is_refusal());
        assert_eq!(answer.status(MediaType::GraphqlResponse), StatusCode::BAD_REQUEST);
        assert_eq!(answer.status(MediaType::Json), StatusCode::OK);
        assert!(!answer.to_json().contains("\"data\""));
    }

    #[test]
    fn an_event_without_data_ends_a_subscription_and_one_with_data_does_not() {
        let dead = Answer::of_event(failing(&["a"], (1, 3), Value::Null), &inquiry(&[(1, 3)]));
        assert!(dead.is_refusal());
        let limping = Answer::of_event(failing(&["a", "b"], (1, 3), Value::from(1)), &inquiry(&[(1, 3)]));
        assert!(!limping.is_refusal());
    }
}

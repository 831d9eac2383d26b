//! How servers from version 20 on answer what they do not do; the client tells these apart.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

fn with(code: Code, message: String, exception: &'static str, details: &[(&'static str, &str)]) -> Status {
    let mut status = Status::new(code, message);
    let metadata = status.metadata_mut();
    metadata.insert("exception", MetadataValue::from_static(exception));
    for (key, value) in details {
        // A stream name may hold what a header may not; the client asks for none of these.
        if let Ok(value) = MetadataValue::try_from(*value) {
            metadata.insert(*key, value);
        }
    }
    status
}

pub(super) fn not_leader(host: &str, port: u16) -> Status {
    let port = port.to_string();
    let details = [("leader-endpoint-host", host), ("leader-endpoint-port", port.as_str())];
    with(Code::NotFound, "Leader info available".to_owned(), "not-leader", &details)
}

pub(super) fn no_leader() -> Status {
    Status::new(Code::Unknown, "No leader info available in response")
}

pub(super) fn not_ready() -> Status {
    Status::new(Code::Unavailable, "Server Is Not Ready")
}

pub(super) fn too_busy() -> Status {
    Status::new(Code::Unavailable, "Server Is Too Busy")
}

pub(super) fn timed_out(what: &str) -> Status {
    Status::new(Code::Aborted, format!("Operation timed out: {what}"))
}

pub(super) fn access_denied() -> Status {
    with(Code::PermissionDenied, "Access Denied".to_owned(), "access-denied", &[])
}

pub(super) fn unauthenticated() -> Status {
    Status::new(Code::Unauthenticated, "Unauthenticated")
}

pub(super) fn stream_deleted(stream: &str) -> Status {
    let message = format!("Event stream '{stream}' is deleted.");
    with(Code::FailedPrecondition, message, "stream-deleted", &[("stream-name", stream)])
}

pub(super) fn wrong_expected_version(stream: &str) -> Status {
    let message = format!("Delete failed due to WrongExpectedVersion. Stream: {stream}");
    with(Code::FailedPrecondition, message, "wrong-expected-version", &[("stream-name", stream)])
}

pub(super) fn append_too_large(most: u32) -> Status {
    let message = format!("Maximum Append Size of {most} Exceeded.");
    let most = most.to_string();
    let details = [("maximum-append-size", most.as_str())];
    with(Code::InvalidArgument, message, "maximum-append-size-exceeded", &details)
}

pub(super) fn invalid_transaction() -> Status {
    with(Code::InvalidArgument, "Invalid Transaction".to_owned(), "invalid-transaction", &[])
}

pub(super) fn missing_property(name: &str) -> Status {
    let message = format!("Required Metadata Property '{name}' is missing");
    let details = [("required-metadata-properties", "type,content-type")];
    with(Code::InvalidArgument, message, "missing-required-metadata-property", &details)
}

pub(super) fn invalid_position() -> Status {
    Status::new(Code::Unknown, "Unexpected ReadAllResult: InvalidPosition")
}

/// What a server answers when its own code has failed on a request.
pub(super) fn exception() -> Status {
    Status::new(Code::Unknown, "Exception was thrown by handler.")
}

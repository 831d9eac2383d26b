//! What may differ between two engines, taken out of an answer: places in the log, moments of the run, signatures.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// Places in the log, and what is worked out from them.
const PLACES: [&str; 7] =
    ["position", "logPosition", "readPosition", "cursor", "startCursor", "endCursor", "asKnownAtPosition"];
/// Signatures and digests over texts that hold moments of the run.
const SIGNED: [&str; 5] = ["jws", "signature", "payloadDigest", "previous", "head"];
/// What goes by how fast the machine is at the moment.
const HURRY: [&str; 6] = ["lagEvents", "lagSeconds", "alarms", "holder", "requestId", "traceId"];
/// Hexadecimal digits of a digest.
const DIGEST: usize = 64;

/// Takes it out. Moments before `since` are given ones, which both engines must keep.
pub(super) fn masked(value: &Value, since: DateTime<Utc>) -> Value {
    match value {
        Value::Object(fields) => Value::Object(of_fields(fields, since)),
        Value::Array(items) => items.iter().map(|item| masked(item, since)).collect(),
        Value::String(text) => of_text(text, since),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn of_fields(fields: &Map<String, Value>, since: DateTime<Utc>) -> Map<String, Value> {
    // The text of a message or a receipt holds the moment at which it was written.
    let is_signed = fields.contains_key("jws");
    let one = |(name, value): (&String, &Value)| {
        let hidden = PLACES.contains(&name.as_str())
            || SIGNED.contains(&name.as_str())
            || HURRY.contains(&name.as_str())
            || (is_signed && name == "text");
        // Whether there is something is told all the same.
        let told = if hidden && !value.is_null() { "<masked>".into() } else { masked(value, since) };
        (name.clone(), told)
    };
    fields.iter().map(one).collect()
}

fn of_text(text: &str, since: DateTime<Utc>) -> Value {
    if DateTime::parse_from_rfc3339(text).is_ok_and(|at| at >= since) {
        return "<moment>".into();
    }
    let is_digest = text.len() == DIGEST && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { "<digest>".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_given_stays_and_what_the_run_made_goes() {
        let since = "2026-05-06T00:00:00Z".parse().unwrap();
        let seen = json!({
            "number": "A-1", "position": "77", "closedAt": null, "registeredAt": "2026-05-05T23:59:00Z",
            "recordedAt": "2026-05-06T08:00:00+08:00", "at": "2026-05-06T08:00:01+08:00",
            "messages": [{"jws": "e30..x", "text": "{}", "digest": "ab".repeat(32)}], "trace": {"text": "休息日"},
        });
        let left = json!({
            "number": "A-1", "position": "<masked>", "closedAt": null, "registeredAt": "2026-05-05T23:59:00Z",
            "recordedAt": "<moment>", "at": "<moment>",
            "messages": [{"jws": "<masked>", "text": "<masked>", "digest": "<digest>"}], "trace": {"text": "休息日"},
        });
        assert_eq!(masked(&seen, since), left);
    }
}

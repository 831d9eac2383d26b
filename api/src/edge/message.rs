//! The messages of `graphql-transport-ws`, read strictly.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::Message;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::document::Params;
use super::json;

/// A message a client may send.
#[derive(Debug)]
pub(super) enum ClientMessage {
    Init(Option<Map<String, Value>>),
    Ping(Option<Map<String, Value>>),
    Pong,
    Subscribe { id: String, params: Params },
    Complete { id: String },
}

impl ClientMessage {
    /// Reads a text message; the error is the reason to close with 4400.
    pub(super) fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        let mut message = match json::parse(text.as_bytes()) {
            Ok(Value::Object(message)) => message,
            Ok(_) => return Err("Invalid message: not a JSON object".into()),
            Err(fault) => return Err(format!("Invalid message: it {fault}").into()),
        };
        let Some(Value::String(kind)) = message.remove("type") else {
            return Err("Invalid message: `type` must be a string".into());
        };
        match kind.as_str() {
            "connection_init" => Ok(Self::Init(object(message)?)),
            "ping" => Ok(Self::Ping(object(message)?)),
            "pong" => object(message).map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut message)?;
                let payload = message.remove("payload").unwrap_or_default();
                let params =
                    Params::from_json(payload).map_err(|fault| format!("Invalid message: {}", fault.message()))?;
                Ok(Self::Subscribe { id, params })
            }
            "complete" => Ok(Self::Complete { id: id(&mut message)? }),
            _ => Err("Invalid message: unknown `type`".into()),
        }
    }
}

/// The operation's id, which names it to both sides.
fn id(message: &mut Map<String, Value>) -> Result<String, Cow<'static, str>> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err("Invalid message: `id` must be a string that is not empty".into()),
    }
}

/// A payload that is optional, and an object when it is there.
fn object(mut message: Map<String, Value>) -> Result<Option<Map<String, Value>>, Cow<'static, str>> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err("Invalid message: `payload` must be an object".into()),
    }
}

/// The connection is open for operations.
pub(super) fn ack() -> Message {
    encode::<()>(None, "connection_ack", None)
}

/// The answer to a ping, with its payload.
pub(super) fn pong(payload: Option<&Map<String, Value>>) -> Message {
    encode(None, "pong", payload)
}

/// One answer of an operation.
pub(super) fn next(id: &str, answer: &Answer) -> Message {
    encode(Some(id), "next", Some(answer))
}

/// The end of an operation that was refused or has failed.
pub(super) fn error(id: &str, errors: &[ServerError]) -> Message {
    encode(Some(id), "error", Some(errors))
}

/// The end of an operation.
pub(super) fn complete(id: &str) -> Message {
    encode::<()>(Some(id), "complete", None)
}

fn encode<P: Serialize>(id: Option<&str>, kind: &'static str, payload: Option<P>) -> Message {
    #[derive(Serialize)]
    struct Wire<'a, P> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<P>,
    }
    let text = serde_json::to_string(&Wire { id, kind, payload }).expect("a message holds nothing but JSON values");
    Message::text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_clients_are_read() {
        let init = r#"{"type":"connection_init","payload":{"authorization":"Bearer t"}}"#;
        assert!(matches!(ClientMessage::parse(init), Ok(ClientMessage::Init(Some(_)))));
        let bare = r#"{"type":"connection_init"}"#;
        assert!(matches!(ClientMessage::parse(bare), Ok(ClientMessage::Init(None))));
        assert!(matches!(ClientMessage::parse(r#"{"type":"ping","payload":null}"#), Ok(ClientMessage::Ping(None))));
        assert!(matches!(ClientMessage::parse(r#"{"type":"pong"}"#), Ok(ClientMessage::Pong)));
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":null}}"#;
        assert!(matches!(ClientMessage::parse(subscribe), Ok(ClientMessage::Subscribe { id, .. }) if id == "1"));
        let complete = r#"{"type":"complete","id":"1"}"#;
        assert!(matches!(ClientMessage::parse(complete), Ok(ClientMessage::Complete { id }) if id == "1"));
    }

    #[test]
    fn anything_else_is_invalid() {
        let invalid = [
            "",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":[]}"#,
            r#"{"type":"pong","payload":1}"#,
            r#"{"type":"subscribe","payload":{"query":"{ a }"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{ a }"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":[]}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":[]}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"pong","type":"ping"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","query":"{ b }"}}"#,
        ];
        for text in invalid {
            assert!(ClientMessage::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn our_messages_have_the_shape_of_the_protocol() {
        let text = |message: Message| message.into_text().expect("a text").to_string();
        assert_eq!(text(ack()), r#"{"type":"connection_ack"}"#);
        assert_eq!(text(pong(None)), r#"{"type":"pong"}"#);
        assert_eq!(text(complete("1")), r#"{"id":"1","type":"complete"}"#);
        let errors = [ServerError::new("no", None)];
        assert_eq!(text(error("1", &errors)), r#"{"id":"1","type":"error","payload":[{"message":"no"}]}"#);
    }
}

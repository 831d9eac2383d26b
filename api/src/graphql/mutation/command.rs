//! What every command carries: its id, the digest of its body, and what its events say of it.

use async_graphql::{Context, InputType, Value};
use domain::envelope::CommandDigest;
use domain::id::CommandId;
use event_log::execute::Issue;
use uuid::Uuid;

use crate::app::App;
use crate::edge::RequestFacts;
use crate::graphql::authority::{Authority, check_on_behalf_of};
use crate::graphql::error::ApiError;

/// The digest of a mutation's input: nulls left out and keys sorted, so that a field added later changes nothing.
///
/// # Errors
/// `INTERNAL` where the input is no JSON, which is our own fault.
pub(in crate::graphql) fn body_digest(
    app: &App,
    authority: &Authority,
    name: &str,
    input: &impl InputType,
) -> Result<CommandDigest, ApiError> {
    fn plain(value: Value) -> Option<serde_json::Value> {
        match value.into_json().ok()? {
            serde_json::Value::Null => None,
            other => Some(strip(other)),
        }
    }
    fn strip(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(fields) => serde_json::Value::Object(
                fields
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, strip(value)))
                    .collect(),
            ),
            serde_json::Value::Array(items) => serde_json::Value::Array(items.into_iter().map(strip).collect()),
            other => other,
        }
    }
    // The same words from another person are another command.
    let body = (name, &authority.principal.subject, &authority.unit.id, plain(input.to_value()));
    let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(app.command_digest(&bytes))
}

/// What every event of a command says of it, once it is known for whom the caller acts.
///
/// # Errors
/// `INVALID_INPUT` or `UNKNOWN_UNIT` for whom nobody knows.
pub(in crate::graphql) fn issue(
    ctx: &Context<'_>,
    command: CommandId,
    on_behalf_of: Option<String>,
) -> Result<Issue, ApiError> {
    if let Some(id) = &on_behalf_of {
        check_on_behalf_of(ctx.data_unchecked::<App>(), id)?;
    }
    Ok(issue_unchecked(ctx, command, on_behalf_of))
}

/// The same, where it is known elsewhere for whom the caller acts.
pub(super) fn issue_unchecked(ctx: &Context<'_>, command: CommandId, on_behalf_of: Option<String>) -> Issue {
    let traceparent = crate::telemetry::current_traceparent()
        .or_else(|| ctx.data_opt::<RequestFacts>().and_then(|facts| facts.traceparent.clone()));
    Issue {
        on_behalf_of: on_behalf_of.map(Into::into),
        causation: None,
        correlation: Some(command),
        traceparent: traceparent.map(Into::into),
    }
}

/// The id of a command, chosen by the caller.
///
/// # Errors
/// `INVALID_INPUT` for the nil UUID.
pub(in crate::graphql) fn command_id(raw: Uuid) -> Result<CommandId, ApiError> {
    if raw.is_nil() {
        Err(ApiError::invalid("`commandId` must not be the nil UUID"))
    } else {
        Ok(CommandId::from_uuid(raw))
    }
}

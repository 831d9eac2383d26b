//! A case's events as a client may see them: texts opened for those who may read the case, ciphertext for nobody.

use async_graphql::{SimpleObject, types::Json};
use chrono::{DateTime, Utc};
use domain::envelope::RecordedEvent;
use domain::privacy::Sealed;
use event_log::vault::{Opened, SubjectVault};
use serde_json::Value;
use uuid::Uuid;

use super::connection::{PageInfo, decode_cursor, encode_cursor};
use super::error::ApiError;
use super::scalars::{Position, Revision};
use crate::app::App;

/// Most events of one page of a history.
pub const HISTORY_PAGE_MAX: u32 = 200;

/// One event of a case.
#[derive(Debug, Clone, SimpleObject)]
pub struct CaseEvent {
    pub id: Uuid,
    /// Resume a subscription behind it with `after`.
    pub position: Position,
    pub case_id: Option<Uuid>,
    pub revision: Revision,
    /// The stored name, for example `complaint.accepted`.
    pub kind: String,
    pub schema: u16,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When the log recorded it.
    pub recorded_at: DateTime<Utc>,
    /// Who acted, by work id.
    pub actor: String,
    /// The unit in whose name.
    pub unit_id: String,
    pub on_behalf_of: Option<String>,
    pub command_id: Uuid,
    pub causation_id: Option<Uuid>,
    /// The payload, its texts opened; null stands for what was erased.
    pub data: Json<Value>,
}

impl CaseEvent {
    /// An event for a client.
    ///
    /// # Errors
    /// The stored bytes are damaged.
    pub fn new(event: &RecordedEvent) -> Result<Self, ApiError> {
        let meta = event.meta().map_err(|error| ApiError::internal(&error))?;
        let data: Value = serde_json::from_str(&event.payload).map_err(|error| ApiError::internal(&error))?;
        Ok(Self {
            id: event.id.as_uuid(),
            position: Position(event.position),
            case_id: (event.stream.category() == "complaint")
                .then(|| Uuid::try_parse(event.stream.name()).ok())
                .flatten(),
            revision: Revision(event.revision),
            kind: event.kind.to_string(),
            schema: event.schema,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: meta.actor.into(),
            unit_id: meta.unit.to_string(),
            on_behalf_of: meta.on_behalf_of.map(Into::into),
            command_id: meta.command.as_uuid(),
            causation_id: meta.causation.map(domain::id::EventId::as_uuid),
            data: Json(data),
        })
    }
}

/// Opens the texts of events for those who may read the case; what was erased stands as null. Blocks.
///
/// # Errors
/// The vault cannot be read, or a value was changed.
pub fn open_texts(vault: &SubjectVault, events: &mut [CaseEvent]) -> Result<(), ApiError> {
    events.iter_mut().try_for_each(|event| open_value(vault, "", &mut event.data.0))
}

/// Replaces every sealed value by a mark, for those who have no vault at hand.
pub fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.contains_key("ciphertext") && fields.contains_key("nonce") => {
            fields.clear();
            fields.insert("sealed".to_owned(), Value::Bool(true));
        }
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A sealed value was sealed for the name of the field it stands in.
fn open_value(vault: &SubjectVault, field: &str, value: &mut Value) -> Result<(), ApiError> {
    match value {
        Value::Object(fields) if fields.contains_key("ciphertext") && fields.contains_key("nonce") => {
            let sealed: Sealed =
                serde_json::from_value(std::mem::take(value)).map_err(|error| ApiError::internal(&error))?;
            *value = match vault.open_sealed(sealed.subject, field, &sealed)? {
                Opened::Plain(text) => Value::String(text),
                Opened::Erased => Value::Null,
            };
            Ok(())
        }
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| open_value(vault, name, value)),
        Value::Array(items) => items.iter_mut().try_for_each(|item| open_value(vault, field, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// An event in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct HistoryEdge {
    pub cursor: String,
    pub node: CaseEvent,
}

/// Events of a case, oldest first.
#[derive(Debug, Clone, SimpleObject)]
pub struct HistoryConnection {
    pub edges: Vec<HistoryEdge>,
    pub page_info: PageInfo,
    pub total_count: u32,
}

/// A page of a case's events.
///
/// # Errors
/// `INVALID_INPUT` for a page that is too large or a cursor of another list.
pub async fn history(
    app: &App,
    events: &[RecordedEvent],
    first: Option<u32>,
    after: Option<String>,
) -> Result<HistoryConnection, ApiError> {
    let first = first.unwrap_or(HISTORY_PAGE_MAX);
    if first == 0 || first > HISTORY_PAGE_MAX {
        return Err(ApiError::invalid(format!("`first` is 1 to {HISTORY_PAGE_MAX}")));
    }
    let after = after.map(|cursor| decode_cursor::<u64>("history", &cursor)).transpose()?;
    let mut rest = events.iter().filter(|event| after.is_none_or(|after| event.revision.get() > after));
    let page: Vec<_> = rest.by_ref().take(usize::try_from(first).unwrap_or(usize::MAX)).collect();
    let nodes = page.into_iter().map(CaseEvent::new).collect::<Result<Vec<_>, _>>()?;
    let edges: Vec<_> = opened(app, nodes)
        .await?
        .into_iter()
        .map(|node| HistoryEdge { cursor: encode_cursor("history", &node.revision.0.get()), node })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), rest.next().is_some(), after.is_some());
    Ok(HistoryConnection { edges, page_info, total_count: u32::try_from(events.len()).unwrap_or(u32::MAX) })
}

/// Opens the texts of events off the async threads.
///
/// # Errors
/// See [`open_texts`].
pub async fn opened(app: &App, mut events: Vec<CaseEvent>) -> Result<Vec<CaseEvent>, ApiError> {
    let vault = std::sync::Arc::clone(&app.vault);
    let opened = tokio::task::spawn_blocking(move || open_texts(&vault, &mut events).map(|()| events)).await;
    opened.map_err(|error| ApiError::internal(&error))?
}

//! A case's events as a client may see them: what is sealed stays sealed.

use async_graphql::{SimpleObject, types::Json};
use chrono::{DateTime, Utc};
use domain::envelope::RecordedEvent;
use serde_json::Value;
use uuid::Uuid;

use super::connection::{PageInfo, decode_cursor, encode_cursor};
use super::error::ApiError;
use super::scalars::{Position, Revision};

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
    /// The payload; sealed values show only that they are sealed.
    pub data: Json<Value>,
}

impl CaseEvent {
    /// An event for a client.
    ///
    /// # Errors
    /// The stored bytes are damaged.
    pub fn new(event: &RecordedEvent) -> Result<Self, ApiError> {
        let meta = event.meta().map_err(|error| ApiError::internal(&error))?;
        let mut data: Value = serde_json::from_str(&event.payload).map_err(|error| ApiError::internal(&error))?;
        mask(&mut data);
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

/// Replaces every sealed value by a mark: its ciphertext is nobody's business outside.
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
pub fn history(
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
    let mut edges = Vec::new();
    for event in rest.by_ref().take(usize::try_from(first).unwrap_or(usize::MAX)) {
        edges.push(HistoryEdge {
            cursor: encode_cursor("history", &event.revision.get()),
            node: CaseEvent::new(event)?,
        });
    }
    let page_info = PageInfo {
        has_next_page: rest.next().is_some(),
        has_previous_page: after.is_some(),
        start_cursor: edges.first().map(|edge| edge.cursor.clone()),
        end_cursor: edges.last().map(|edge| edge.cursor.clone()),
    };
    Ok(HistoryConnection { edges, page_info, total_count: u32::try_from(events.len()).unwrap_or(u32::MAX) })
}

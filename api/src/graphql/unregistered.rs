//! Matters of filings that led to no complaint (登记未成): seen, and tried again.

use async_graphql::{Context, SimpleObject};
use chrono::{DateTime, Utc};
use domain::filing::{Filing, FilingCommand};
use domain::id::FilingId;
use event_log::execute::{execute, load};
use event_log::port::CommandRef;
use projections::UnregisteredRow;
use uuid::Uuid;

use super::authority::{Read, authority};
use super::connection::{PageInfo, decode_cursor, encode_cursor, page_size};
use super::enums::RegistrationObstacle;
use super::error::ApiError;
use super::inputs::RetryRegistrationInput;
use super::mutation::{FilingPayload, body_digest, command_id, filing_payload, issue};
use super::scalars::Position;
use crate::app::App;
use crate::auth::Role;
use crate::process::Unregistered;

/// The name of the list in its cursors.
const LIST: &str = "unregistered";

/// A matter of a filing that was taken in and led to no complaint (登记未成).
#[derive(Debug, Clone, SimpleObject)]
pub struct UnregisteredMatter {
    pub filing_id: Uuid,
    /// Its number within the filing.
    pub item: u16,
    /// The number that the complaint would have had.
    pub number: String,
    /// The unit that took the filing in.
    pub unit_id: String,
    pub obstacle: RegistrationObstacle,
    /// When that was found.
    pub failed_at: DateTime<Utc>,
}

impl UnregisteredMatter {
    /// One of a filing that was just completed.
    pub(super) fn of_filing(filing: FilingId, matter: Unregistered) -> Self {
        Self {
            filing_id: filing.as_uuid(),
            item: matter.item,
            number: matter.number,
            unit_id: matter.unit.to_string(),
            obstacle: matter.failure.obstacle.into(),
            failed_at: matter.failure.at,
        }
    }
}

impl From<UnregisteredRow> for UnregisteredMatter {
    fn from(row: UnregisteredRow) -> Self {
        Self {
            filing_id: row.filing.as_uuid(),
            item: row.item,
            number: row.number,
            unit_id: row.unit.to_string(),
            obstacle: row.obstacle.into(),
            failed_at: row.at,
        }
    }
}

/// A matter without a complaint in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnregisteredMatterEdge {
    pub cursor: String,
    pub node: UnregisteredMatter,
}

/// Matters without a complaint, the longest waiting first.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnregisteredMatterConnection {
    pub edges: Vec<UnregisteredMatterEdge>,
    pub page_info: PageInfo,
}

/// A page of them, of filings that units of the caller's area took in.
///
/// # Errors
/// `FORBIDDEN`, or `INVALID_INPUT` for a page that is too large or a cursor of another list.
pub(super) async fn list(
    ctx: &Context<'_>,
    first: Option<u32>,
    after: Option<String>,
    at_least: Option<Position>,
) -> Result<UnregisteredMatterConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Cases)?;
    app.reach(at_least.map(|position| position.0)).await?;
    let limit = page_size(first, app.pages)?;
    let after = after.map(|cursor| decode_cursor::<u64>(LIST, &cursor)).transpose()?;
    let had_before = after.is_some();
    let after = after.map(domain::envelope::Position::new);
    let scope = authority.scope;
    let (rows, has_more) = app.query(move |models| models.unregistered(&scope, after, limit)).await?;
    let edges: Vec<_> = rows
        .into_iter()
        .map(|row| UnregisteredMatterEdge { cursor: encode_cursor(LIST, &row.position.get()), node: row.into() })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), has_more, had_before);
    Ok(UnregisteredMatterConnection { edges, page_info })
}

/// Has the registration of a matter tried again.
///
/// # Errors
/// `NOT_FOUND`, the same whether the filing was taken in elsewhere or not at all; `RULE_VIOLATED` for a matter that did
/// not fail to become a complaint; `FORBIDDEN`.
pub(super) async fn retry(ctx: &Context<'_>, input: RetryRegistrationInput) -> Result<FilingPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    if !authority.is(&[Role::IntakeClerk, Role::Handler, Role::Dispatcher, Role::Head]) {
        return Err(ApiError::forbidden("your role does not let you `retryRegistration`"));
    }
    let command = CommandRef {
        id: command_id(input.command_id)?,
        digest: body_digest(app, &authority, "retry_registration", &input)?,
    };
    let issue = issue(ctx, command.id, input.on_behalf_of)?;
    let filing = FilingId::from_uuid(input.filing_id);
    let (log, stream) = (app.log.as_ref(), filing.stream());
    let loaded = load::<Filing>(log, &stream, None).await?;
    let Filing::Received(received, ..) = &loaded.state else { return Err(ApiError::not_found("filing")) };
    if !authority.sees_unit(&received.unit, &app.models)? {
        return Err(ApiError::not_found("filing"));
    }
    let unit = authority.unit.id.clone();
    let context = app.context(&unit, &authority.principal.subject);
    let body = FilingCommand::RetryRegistration { item: input.item };
    let done = execute::<Filing>(log, &stream, command, &issue, None, &context, body).await?;
    filing_payload(app, filing, &done).await
}

//! Matters of filings that led to no complaint (登记未成): seen, tried again, or settled.
//!
//! Those above the unit that took the filing in see them. That unit alone decides: it answers for what comes in there,
//! and the log names the unit and the officer whose act it was.

use async_graphql::{Context, InputType, SimpleObject};
use chrono::{DateTime, Utc};
use domain::filing::{Filing, FilingCommand};
use domain::id::FilingId;
use event_log::execute::{execute, load};
use event_log::port::CommandRef;
use projections::UnregisteredRow;
use serde_json::json;
use uuid::Uuid;

use super::authority::{Read, authority};
use super::connection::{PageInfo, decode_cursor, encode_cursor, page_size};
use super::enums::RegistrationObstacle;
use super::error::ApiError;
use super::inputs::{RetryRegistrationInput, SettleRegistrationInput};
use super::mutation::FilingPayload;
use super::mutation::command::{body_digest, command_id, issue};
use super::mutation::filing::filing_payload;
use super::scalars::Position;
use crate::app::App;
use crate::auth::Role;
use crate::process::Unregistered;

/// The name of the list in its cursors.
const LIST: &str = "unregistered";
/// The roles that decide what becomes of them.
const DECIDING: [Role; 4] = [Role::IntakeClerk, Role::Handler, Role::Dispatcher, Role::Head];

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
///
/// A page may end before it is full, even empty, where the matters of many other units lie in between: `hasNextPage`
/// says whether there may be more behind `endCursor`.
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
    let page = app.query(move |models| models.unregistered(&scope, after, limit)).await?;
    let edges: Vec<_> = page
        .rows
        .into_iter()
        .map(|row| UnregisteredMatterEdge { cursor: encode_cursor(LIST, &row.position.get()), node: row.into() })
        .collect();
    let mut page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), page.has_more, had_before);
    if page.has_more {
        // Where the look ended early, that is behind the last edge.
        page_info.end_cursor = page.end.map(|end| encode_cursor(LIST, &end.get()));
    }
    Ok(UnregisteredMatterConnection { edges, page_info })
}

/// Has the registration of a matter tried again.
///
/// # Errors
/// As [`decide`].
pub(super) async fn retry(ctx: &Context<'_>, input: &RetryRegistrationInput) -> Result<FilingPayload, ApiError> {
    let act = Act {
        name: "retryRegistration",
        stored_name: "retry_registration",
        command: input.command_id,
        filing: input.filing_id,
        on_behalf_of: input.on_behalf_of.clone(),
        body: FilingCommand::RetryRegistration { item: input.item },
    };
    Box::pin(decide(ctx, input, act)).await
}

/// Says that a matter needs no complaint.
///
/// # Errors
/// As [`decide`].
pub(super) async fn settle(ctx: &Context<'_>, input: &SettleRegistrationInput) -> Result<FilingPayload, ApiError> {
    let act = Act {
        name: "settleRegistration",
        stored_name: "settle_registration",
        command: input.command_id,
        filing: input.filing_id,
        on_behalf_of: input.on_behalf_of.clone(),
        body: FilingCommand::SettleRegistration { item: input.item, reason: input.reason.into() },
    };
    Box::pin(decide(ctx, input, act)).await
}

/// What is decided of a matter without a complaint.
struct Act {
    /// As the schema calls it.
    name: &'static str,
    /// As it stands in the digest of its body, and never changes.
    stored_name: &'static str,
    command: Uuid,
    filing: Uuid,
    on_behalf_of: Option<String>,
    body: FilingCommand,
}

/// Decides what becomes of a matter, in the name of the unit that took its filing in.
///
/// # Errors
/// `FORBIDDEN` with `roles` for a role that may not, and with `unit` for a unit above the one that took the filing in;
/// `NOT_FOUND`, the same whether the filing was taken in elsewhere or not at all; `RULE_VIOLATED` for a matter that did
/// not fail to become a complaint or is settled, `INVALID_INPUT` for one that there is not, `COMMAND_REUSED`,
/// `UNAVAILABLE`.
async fn decide(ctx: &Context<'_>, input: &impl InputType, act: Act) -> Result<FilingPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    if !authority.is(&DECIDING) {
        return Err(ApiError::forbidden(format!("your role does not let you `{}`", act.name))
            .with("roles", DECIDING.iter().map(|role| role.as_str()).collect()));
    }
    let command =
        CommandRef { id: command_id(act.command)?, digest: body_digest(app, &authority, act.stored_name, input)? };
    let issue = issue(ctx, command.id, act.on_behalf_of)?;
    let filing = FilingId::from_uuid(act.filing);
    let (log, stream) = (app.log.as_ref(), filing.stream());
    let loaded = load::<Filing>(log, &stream, None).await?;
    let Filing::Received(received, ..) = &loaded.state else { return Err(ApiError::not_found("filing")) };
    if !authority.sees_unit(&received.unit, &app.models)? {
        return Err(ApiError::not_found("filing"));
    }
    // A filing never changes hands, so this holds for whatever is appended below.
    let unit = authority.unit.id.clone();
    if unit != received.unit {
        let message = format!("`{}` took the filing in and decides; your unit may look at it", received.unit);
        return Err(ApiError::forbidden(message).with("unit", json!(received.unit.as_str())));
    }
    let context = app.context(&unit, &authority.principal.subject);
    let done = execute::<Filing>(log, &stream, command, &issue, None, &context, act.body).await?;
    filing_payload(app, filing, &done).await
}

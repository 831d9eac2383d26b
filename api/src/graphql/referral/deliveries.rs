//! How our messages fare on their way to the partners, without a word of what they say.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cross_border::index::{Cursor, DeliveryFilter, OutboxRow};
use uuid::Uuid;

use super::enums::{DeliveryState, MessageKind};
use super::lists::partner_id;
use super::rights::{Look, councils_seen, may_look};
use crate::app::App;
use crate::graphql::authority::authority;
use crate::graphql::connection::{PageInfo, decode_cursor, encode_cursor, page_size};
use crate::graphql::error::ApiError;
use crate::graphql::scalars::Position;

/// One message of ours on its way to one partner.
#[derive(Debug, Clone)]
pub struct Delivery(OutboxRow);

impl Delivery {
    /// A row of the index.
    #[must_use]
    pub const fn new(row: OutboxRow) -> Self {
        Self(row)
    }
}

/// One message of ours on its way to one partner (投递).
#[Object]
impl Delivery {
    /// The same on every attempt, and at both councils.
    async fn delivery_id(&self) -> Uuid {
        self.0.delivery.as_uuid()
    }

    async fn referral_id(&self) -> Uuid {
        self.0.referral.as_uuid()
    }

    /// Id of the partner.
    async fn partner(&self) -> &str {
        self.0.partner.as_str()
    }

    async fn kind(&self) -> MessageKind {
        self.0.kind.into()
    }

    /// The message's place in our lane, from 1.
    async fn sequence(&self) -> u32 {
        self.0.sequence
    }

    async fn state(&self) -> DeliveryState {
        self.0.state.into()
    }

    async fn issued_at(&self) -> DateTime<Utc> {
        self.0.issued_at
    }

    /// Attempts since it was issued or set going again.
    async fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The earliest moment of the next attempt.
    async fn next_at(&self) -> DateTime<Utc> {
        self.0.next_at
    }

    /// It waits for an earlier message of the same referral.
    async fn waits(&self) -> bool {
        self.0.waits
    }

    /// The worker that tries now, and until when.
    async fn holder(&self) -> Option<&str> {
        self.0.holder.as_deref()
    }

    async fn lease_until(&self) -> Option<DateTime<Utc>> {
        self.0.lease_until
    }

    /// Why the last attempt failed, as a code: connect, timeout, tls, refused …
    async fn last_code(&self) -> Option<&str> {
        self.0.last_code.as_deref()
    }

    /// HTTP status of the last attempt's answer.
    async fn last_status(&self) -> Option<u16> {
        self.0.last_status
    }

    /// More of the last failure: a code of the partner's, or a few words of ours.
    async fn last_detail(&self) -> Option<&str> {
        self.0.last_detail.as_deref()
    }

    /// Alarms since it was given up.
    async fn alarms(&self) -> u32 {
        self.0.alarms
    }

    /// When it was delivered or given up.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }
}

/// A delivery in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct DeliveryEdge {
    pub cursor: String,
    pub node: Delivery,
}

/// Deliveries, the newest message first.
#[derive(Debug, Clone, SimpleObject)]
pub struct DeliveryConnection {
    pub edges: Vec<DeliveryEdge>,
    pub page_info: PageInfo,
}

/// A page of the deliveries of councils in the caller's area.
///
/// # Errors
/// `FORBIDDEN`, or `INVALID_INPUT` for a page that is too large or a cursor of another list.
pub(super) async fn deliveries(
    ctx: &Context<'_>,
    state: Option<DeliveryState>,
    partner: Option<String>,
    first: Option<u32>,
    after: Option<String>,
    at_least: Option<Position>,
) -> Result<DeliveryConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    may_look(&authority, Look::Deliveries)?;
    app.reach_index(at_least.map(|position| position.0)).await?;
    let limit = page_size(first, app.pages)?;
    let after = after.map(|cursor| place("deliveries", &cursor)).transpose()?;
    let had_before = after.is_some();
    let filter = DeliveryFilter {
        partner: partner.as_deref().map(partner_id).transpose()?,
        state: state.map(Into::into),
        councils: Some(councils_seen(app, &authority).await?),
    };
    let mut rows =
        app.ask_index(move |index| index.deliveries(&filter, after.as_ref(), limit.saturating_add(1))).await?;
    let has_more = cut(&mut rows, limit);
    let edges: Vec<_> = rows
        .into_iter()
        .map(|row| DeliveryEdge { cursor: encode_cursor("deliveries", &row.cursor().to_string()), node: Delivery(row) })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), has_more, had_before);
    Ok(DeliveryConnection { edges, page_info })
}

/// Reads a cursor of one of the index's lists.
pub(super) fn place(list: &str, cursor: &str) -> Result<Cursor, ApiError> {
    let text = decode_cursor::<String>(list, cursor)?;
    Cursor::parse(&text).ok_or_else(|| ApiError::invalid("`after` is not a cursor of this list"))
}

/// Keeps a page, and says whether there is more: one row more than the page was asked for.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    has_more
}

//! The signed messages of both councils, and the receipts for ours.

use std::sync::Arc;

use async_graphql::types::Json;
use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cross_border::council::MESSAGE_PURPOSE;
use cross_border::delivery::{self, Phase};
use cross_border::exchange::Side;
use domain::privacy::Sealed;
use event_log::execute::load;
use event_log::vault::Opened;
use serde_json::Value;
use uuid::Uuid;

use super::deliveries::Delivery;
use super::enums::{MessageKind, ReferralSide};
use super::folded::{Folded, Kept};
use super::rights::{Look, content_of, may_look};
use crate::app::App;
use crate::graphql::authority::authority;
use crate::graphql::connection::{PageInfo, decode_cursor, encode_cursor, page_size};
use crate::graphql::error::{ApiError, Field};
use crate::graphql::scalars::Position;

/// Opens a text of a referral for those who may read its content, which `look` says; `None` once the person was erased.
///
/// # Errors
/// `FORBIDDEN` for a role that reads no content, `ERASED` for one that reads none of what was called back.
pub(super) async fn open(
    ctx: &Context<'_>,
    look: Look,
    purpose: &'static str,
    sealed: &Sealed,
) -> Result<Option<String>, ApiError> {
    may_look(&authority(ctx)?, look)?;
    let (vault, sealed) = (Arc::clone(&ctx.data_unchecked::<App>().vault), sealed.clone());
    let opened = tokio::task::spawn_blocking(move || vault.open_sealed(sealed.subject, purpose, &sealed)).await;
    match opened.map_err(|error| ApiError::internal(&error))?? {
        Opened::Plain(text) => Ok(Some(text)),
        Opened::Erased => Ok(None),
    }
}

/// The partner's signed receipt for a message of ours.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralReceipt {
    /// The receipt letter by letter, as it was signed.
    pub text: String,
    /// The detached signature over the text (RFC 7515, RFC 7797).
    pub jws: String,
    /// The partner's key.
    pub key: String,
    pub at: DateTime<Utc>,
}

/// One message between the two councils.
#[derive(Debug, Clone)]
pub struct ReferralMessage {
    kept: Kept,
    side: Side,
    /// What whoever reads its text asks for.
    look: Look,
}

/// One message between the two councils, signed by its author.
#[Object]
impl ReferralMessage {
    /// The same on every attempt of its delivery, and at both councils.
    async fn delivery_id(&self) -> Uuid {
        self.kept.meta.entry.delivery.as_uuid()
    }

    async fn kind(&self) -> MessageKind {
        self.kept.meta.entry.kind.into()
    }

    /// Id of the council that wrote it.
    async fn from(&self) -> &str {
        self.kept.meta.entry.from.as_str()
    }

    /// The lane it stands in.
    async fn side(&self) -> ReferralSide {
        self.side.into()
    }

    /// We wrote it.
    async fn issued(&self) -> bool {
        self.kept.issued
    }

    /// Its place in the lane, from 1.
    async fn sequence(&self) -> u32 {
        self.kept.meta.entry.sequence
    }

    /// The Lamport clock, which orders the messages of both lanes.
    async fn clock(&self) -> u32 {
        self.kept.meta.entry.clock
    }

    /// When its author wrote it, by its author's clock.
    async fn at(&self) -> DateTime<Utc> {
        self.kept.meta.entry.at
    }

    /// When our log took it.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.kept.recorded.recorded_at
    }

    async fn position(&self) -> Position {
        Position(self.kept.recorded.position)
    }

    /// SHA-256 of its text.
    async fn digest(&self) -> &str {
        self.kept.meta.entry.digest.as_str()
    }

    /// Digest of the message before it in its lane.
    async fn previous(&self) -> Option<&str> {
        self.kept.meta.entry.previous.as_ref().map(|digest| digest.as_str())
    }

    /// The key of its signature.
    async fn key(&self) -> &str {
        self.kept.meta.key.as_str()
    }

    /// The detached signature over its text (RFC 7515, RFC 7797).
    async fn jws(&self) -> &str {
        &self.kept.meta.jws
    }

    /// How its delivery fares; null for a message of the partner's.
    async fn delivery(&self, ctx: &Context<'_>) -> Field<Delivery> {
        self.find_delivery(ctx).await.map_err(Into::into).transpose()
    }

    /// The partner's receipt; null until there is one, and for a message of the partner's.
    async fn receipt(&self, ctx: &Context<'_>) -> Field<ReferralReceipt> {
        self.find_receipt(ctx).await.map_err(Into::into).transpose()
    }

    /// The text letter by letter, as it was signed, for those who may read it; null once the person was erased. A head
    /// alone reads it, and others are told ERASED, from when a partner calls back what it sent until that is erased.
    async fn text(&self, ctx: &Context<'_>) -> Field<String> {
        self.open(ctx).await.map_err(Into::into).transpose()
    }

    /// What it says, for those who may read it, as `text`; null once the person was erased.
    async fn content(&self, ctx: &Context<'_>) -> Field<Json<Value>> {
        self.body(ctx).await.map_err(Into::into).transpose()
    }
}

impl ReferralMessage {
    async fn open(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        open(ctx, self.look, MESSAGE_PURPOSE, &self.kept.meta.content).await
    }

    async fn find_delivery(&self, ctx: &Context<'_>) -> Result<Option<Delivery>, ApiError> {
        if !self.kept.issued {
            return Ok(None);
        }
        may_look(&authority(ctx)?, Look::Deliveries)?;
        let id = self.kept.meta.entry.delivery;
        let row = ctx.data_unchecked::<App>().ask_index(move |index| index.delivery(id)).await?;
        Ok(row.map(Delivery::new))
    }

    async fn find_receipt(&self, ctx: &Context<'_>) -> Result<Option<ReferralReceipt>, ApiError> {
        if !self.kept.issued {
            return Ok(None);
        }
        let stream = self.kept.meta.entry.delivery.stream();
        let log = ctx.data_unchecked::<App>().log.as_ref();
        let loaded = load::<delivery::Delivery>(log, &stream, None).await?;
        Ok(match loaded.state.phase {
            Phase::Delivered { at, receipt, .. } => {
                let delivery::SignedReceiptStored { text, jws, key } = *receipt;
                Some(ReferralReceipt { text, jws, key: key.to_string(), at })
            }
            Phase::Pending { .. } | Phase::Leased(_) | Phase::Dead { .. } => None,
        })
    }

    async fn body(&self, ctx: &Context<'_>) -> Result<Option<Json<Value>>, ApiError> {
        let Some(text) = self.open(ctx).await? else { return Ok(None) };
        let mut message: Value = serde_json::from_str(&text).map_err(|error| ApiError::internal(&error))?;
        Ok(message.get_mut("body").map(|body| Json(body.take())))
    }
}

/// A message in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralMessageEdge {
    pub cursor: String,
    pub node: ReferralMessage,
}

/// The messages of a referral, in the order in which our log took them.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralMessageConnection {
    pub edges: Vec<ReferralMessageEdge>,
    pub page_info: PageInfo,
    pub total_count: u32,
}

/// A page of a referral's messages.
///
/// # Errors
/// `INVALID_INPUT` for a page that is too large or a cursor of another list.
pub(super) fn page(
    app: &App,
    folded: &Folded,
    first: Option<u32>,
    after: Option<String>,
) -> Result<ReferralMessageConnection, ApiError> {
    let limit = usize::try_from(page_size(first, app.pages)?).unwrap_or(usize::MAX);
    let after = after.map(|cursor| decode_cursor::<u64>("messages", &cursor)).transpose()?;
    let (own, look) = (folded.transfer.own_side(), content_of(&folded.transfer));
    let messages = folded.messages()?;
    let total = messages.len();
    let mut rest = messages.into_iter().filter(|kept| after.is_none_or(|after| kept.recorded.revision.get() > after));
    let edges: Vec<_> = rest
        .by_ref()
        .take(limit)
        .map(|kept| ReferralMessageEdge {
            cursor: encode_cursor("messages", &kept.recorded.revision.get()),
            node: ReferralMessage { side: if kept.issued { own } else { own.other() }, look, kept },
        })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), rest.next().is_some(), after.is_some());
    Ok(ReferralMessageConnection { edges, page_info, total_count: u32::try_from(total).unwrap_or(u32::MAX) })
}

//! A referral folded from its events, straight from the log, so that nobody waits for the index.

use std::sync::Arc;

use async_graphql::Context;
use cross_border::referral::event::{MessageMeta, TransferRecorded};
use cross_border::referral::{Referral, ReferralEvent, ReferralId, Transfer};
use domain::envelope::{Position, RecordedEvent, Revision};
use domain::wire::Stored as _;
use event_log::execute::load;

use super::rights::{Look, may_look};
use crate::app::App;
use crate::graphql::authority::{Authority, authority};
use crate::graphql::error::ApiError;

/// The kinds of the two events that hold a message.
const ISSUED: &str = "referral.message-issued";
const RECEIVED: &str = "referral.message-received";
/// The kind of the event that holds the whole basis of a transfer.
const RECORDED: &str = "referral.transfer-recorded";

/// A referral with the events it is folded from.
#[derive(Debug, Clone)]
pub struct Folded {
    pub id: ReferralId,
    pub transfer: Arc<Transfer>,
    pub events: Arc<Vec<RecordedEvent>>,
    pub revision: Revision,
    pub position: Position,
}

/// A message as our stream holds it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// We wrote it.
    pub issued: bool,
    pub recorded: RecordedEvent,
    pub meta: Arc<MessageMeta>,
}

impl Folded {
    /// Reads a referral, up to and including `until` when it is given; `None` when there is none.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn read(app: &App, id: ReferralId, until: Option<Revision>) -> Result<Option<Self>, ApiError> {
        let loaded = load::<Referral>(app.log.as_ref(), &id.stream(), until).await?;
        let (Referral::Known(transfer), Some(revision), Some(position)) =
            (loaded.state, loaded.revision, loaded.position)
        else {
            return Ok(None);
        };
        let transfer = Arc::new(*transfer);
        Ok(Some(Self { id, transfer, events: Arc::new(loaded.events), revision, position }))
    }

    /// Reads a referral that the caller may see.
    ///
    /// # Errors
    /// `NOT_FOUND`, the same whether the referral exists elsewhere or not at all; `FORBIDDEN` for a role that reads no
    /// referrals.
    pub async fn visible(ctx: &Context<'_>, id: ReferralId) -> Result<Self, ApiError> {
        Self::seen_by(ctx.data_unchecked::<App>(), &authority(ctx)?, id).await
    }

    /// As [`Folded::visible`], outside GraphQL.
    ///
    /// # Errors
    /// See [`Folded::visible`].
    pub async fn seen_by(app: &App, authority: &Authority, id: ReferralId) -> Result<Self, ApiError> {
        may_look(authority, Look::Referrals)?;
        let folded = Self::read(app, id, None).await?.ok_or_else(|| ApiError::not_found("referral"))?;
        if !authority.sees_unit(&folded.transfer.drafted.council, &app.models)? {
            return Err(ApiError::not_found("referral"));
        }
        Ok(folded)
    }

    /// The messages of both lanes, in the order in which our stream took them.
    ///
    /// # Errors
    /// A stored event cannot be read.
    pub fn messages(&self) -> Result<Vec<Kept>, ApiError> {
        let mut kept = Vec::new();
        for event in self.events.iter().filter(|event| matches!(&*event.kind, ISSUED | RECEIVED)) {
            match decode(event)? {
                ReferralEvent::MessageIssued(meta) => {
                    kept.push(Kept { issued: true, recorded: event.clone(), meta: Arc::new(*meta) });
                }
                ReferralEvent::MessageReceived(meta) => {
                    kept.push(Kept { issued: false, recorded: event.clone(), meta: Arc::new(*meta) });
                }
                _ => {}
            }
        }
        Ok(kept)
    }

    /// The record of the transfer, once it was sent, with the moment of sending.
    ///
    /// # Errors
    /// A stored event cannot be read.
    pub fn recorded(&self) -> Result<Option<(RecordedEvent, TransferRecorded)>, ApiError> {
        let Some(event) = self.events.iter().find(|event| &*event.kind == RECORDED) else { return Ok(None) };
        match decode(event)? {
            ReferralEvent::TransferRecorded(recorded) => Ok(Some((event.clone(), *recorded))),
            _ => Ok(None),
        }
    }
}

fn decode(event: &RecordedEvent) -> Result<ReferralEvent, ApiError> {
    Ok(ReferralEvent::decode(&event.kind, event.schema, &event.payload)?)
}

//! One referral, as an officer sees it.

use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};
use cross_border::partner::PartnerRegister;
use cross_border::referral::{Stage, gate};
use domain::id::ComplaintId;
use uuid::Uuid;

use super::enums::{
    ProgressKind, ReferralDirection, ReferralOutcome, ReferralPurpose, ReferralSide, ReferralStage, ReturnCode,
};
use super::folded::Folded;
use super::lists::{Partner, partner};
use super::messages::{ReferralMessageConnection, page};
use super::mutations::mutations_of;
use super::parts::{
    CouncilSession, ReferralAssessment, ReferralConsent, ReferralEvidence, ReferralStep, SharedSegment,
};
use super::presentation::ReferralPresentation;
use super::record::TransferRecord;
use super::rights::content_of;
use crate::app::App;
use crate::graphql::error::{ApiError, Field};
use crate::graphql::scalars::{Date, Position, Revision};
use crate::graphql::unit::Unit;

/// One hand-over of a dispute to a partner council or from one.
#[derive(Debug, Clone)]
pub struct Referral {
    folded: Folded,
}

impl Referral {
    /// A referral that the caller may see; the caller of this has asked.
    #[must_use]
    pub const fn new(folded: Folded) -> Self {
        Self { folded }
    }
}

/// One hand-over of a dispute to a partner council or from one (跨境转办).
#[Object]
impl Referral {
    async fn id(&self) -> Uuid {
        self.folded.id.as_uuid()
    }

    /// The id under which both councils know it.
    async fn shared_id(&self) -> Uuid {
        self.folded.transfer.shared().as_uuid()
    }

    async fn direction(&self) -> ReferralDirection {
        self.folded.transfer.drafted.direction.into()
    }

    /// The part that our council plays.
    async fn side(&self) -> ReferralSide {
        self.folded.transfer.own_side().into()
    }

    /// The unit of our council.
    async fn council(&self, ctx: &Context<'_>) -> Field<Unit> {
        Some(Unit::of_case(ctx, &self.folded.transfer.drafted.council).await.map_err(Into::into))
    }

    /// The partner council.
    async fn partner(&self, ctx: &Context<'_>) -> Field<Partner> {
        Some(self.of_register(ctx).map_err(Into::into))
    }

    /// The complaint of ours that it concerns; what comes in has none.
    async fn case_id(&self) -> Option<Uuid> {
        self.folded.transfer.drafted.complaint.map(ComplaintId::as_uuid)
    }

    async fn purpose(&self) -> ReferralPurpose {
        self.folded.transfer.drafted.purpose.into()
    }

    async fn stage(&self) -> Option<ReferralStage> {
        ReferralStage::from_code(self.folded.transfer.stage.code())
    }

    /// The newest that was reported on the way.
    async fn progress(&self) -> Option<ProgressKind> {
        match self.folded.transfer.stage {
            Stage::InProgress(kind) => Some(kind.into()),
            _ => None,
        }
    }

    /// Why it was sent back.
    async fn return_code(&self) -> Option<ReturnCode> {
        match self.folded.transfer.stage {
            Stage::Returned(code) => Some(code.into()),
            _ => None,
        }
    }

    /// What became of the dispute.
    async fn outcome(&self) -> Option<ReferralOutcome> {
        self.folded.transfer.outcome.map(Into::into)
    }

    /// After a recall: whether the partner could erase what it had; null while it has not said.
    async fn erased(&self) -> Option<bool> {
        match self.folded.transfer.stage {
            Stage::Recalled { erased, .. } => erased,
            _ => None,
        }
    }

    /// After a recall: whether the data had left. Where nothing had, nobody is asked and nothing is to be erased.
    async fn recalled_after_sending(&self) -> Option<bool> {
        match self.folded.transfer.stage {
            Stage::Recalled { after_sending, .. } => Some(after_sending),
            _ => None,
        }
    }

    /// The last day on which the receiving council may keep the data; null before they have left.
    async fn retention_to(&self) -> Option<Date> {
        self.folded.transfer.retention_to().map(Date)
    }

    /// Whether what lay here was erased: all that was received, or the files that were kept for the referral alone.
    async fn data_erased(&self) -> bool {
        self.folded.transfer.erasure.done.is_some()
    }

    /// Why data that should be gone are not, by its code: `not-ended` or `outstanding`. They go when the referral has
    /// ended and its messages have got through, or when a head orders it with `eraseReferral`.
    async fn erasure_held_for(&self) -> Option<&'static str> {
        let erasure = &self.folded.transfer.erasure;
        erasure.held.filter(|_| erasure.done.is_none()).map(|why| why.code())
    }

    /// The receiving council's own number.
    async fn reference(&self) -> Option<&str> {
        self.folded.transfer.reference.as_deref()
    }

    /// The sending council's number of what came in.
    async fn partner_reference(&self) -> Option<&str> {
        self.folded.transfer.drafted.partner_reference.as_deref()
    }

    async fn drafted_at(&self) -> DateTime<Utc> {
        self.folded.transfer.drafted_at
    }

    async fn last_act_at(&self) -> DateTime<Utc> {
        self.folded.transfer.last_act_at
    }

    /// The mutations that are allowed now, to somebody with the right role in our council.
    async fn allowed_actions(&self) -> Vec<&'static str> {
        mutations_of(&self.folded.transfer.allowed())
    }

    /// The gates that would be shut if it were approved now, by their codes; none for what is sent already.
    async fn shut_gates(&self, ctx: &Context<'_>) -> Vec<&'static str> {
        let transfer = &self.folded.transfer;
        if !transfer.is_outbound() || !transfer.stage.is_before_sending() {
            return Vec::new();
        }
        let today = ctx.data_unchecked::<App>().today();
        gate::ahead(transfer, today).into_iter().map(|gate| gate.code()).collect()
    }

    async fn consent(&self) -> Option<ReferralConsent> {
        self.folded.transfer.consent.as_ref().map(Into::into)
    }

    async fn assessment(&self) -> Option<ReferralAssessment> {
        self.folded.transfer.assessed.as_ref().map(Into::into)
    }

    async fn presentation(&self) -> Option<ReferralPresentation> {
        self.folded.transfer.presented.as_ref().map(ReferralPresentation::new)
    }

    /// The whole basis of the transfer, once it was sent from here.
    async fn transfer_record(&self) -> Field<TransferRecord> {
        let recorded = self.folded.recorded().map_err(Into::into).transpose()?;
        Some(recorded.map(|(event, recorded)| TransferRecord { sent_at: event.occurred_at, recorded }))
    }

    /// Every step that is or was awaited, of either council.
    async fn steps(&self, ctx: &Context<'_>) -> Vec<ReferralStep> {
        let today = ctx.data_unchecked::<App>().today();
        self.folded.transfer.clocks.iter().map(|(step, clock)| ReferralStep::on(*step, clock, today)).collect()
    }

    /// The messages that went to and fro.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Field<ReferralMessageConnection> {
        Some(page(ctx.data_unchecked::<App>(), &self.folded, first, after).map_err(Into::into))
    }

    async fn sessions(&self) -> Vec<CouncilSession> {
        self.folded.transfer.sessions.iter().map(|(id, session)| CouncilSession::new(*id, session)).collect()
    }

    async fn evidence(&self) -> Vec<ReferralEvidence> {
        let transfer = &self.folded.transfer;
        let look = content_of(transfer);
        transfer.evidence.iter().map(|(digest, state)| ReferralEvidence::new(digest, state, look)).collect()
    }

    /// What both councils hold in common; compare its digest with the partner's.
    async fn segment(&self) -> SharedSegment {
        SharedSegment::new(&self.folded.transfer.segment, self.folded.transfer.shared())
    }

    /// The revision of the last event shown.
    async fn revision(&self) -> Revision {
        Revision(self.folded.revision)
    }

    /// The position of the last event shown.
    async fn position(&self) -> Position {
        Position(self.folded.position)
    }
}

impl Referral {
    fn of_register(&self, ctx: &Context<'_>) -> Result<Partner, ApiError> {
        let known = PartnerRegister::builtin().get(&self.folded.transfer.drafted.partner);
        let council = known.ok_or_else(|| ApiError::not_found("partner"))?;
        Ok(partner(ctx.data_unchecked::<App>(), council))
    }
}

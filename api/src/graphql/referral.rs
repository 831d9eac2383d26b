//! Referrals across the border: questions and acts of our own officers. What partners ask and say comes in elsewhere.

pub mod acts;
pub mod deliveries;
pub mod enums;
pub mod error;
pub mod folded;
pub mod inputs;
pub mod lists;
pub mod messages;
mod mutations;
pub mod object;
pub mod parts;
pub mod plan;
pub mod presentation;
pub mod record;
pub mod rights;

use async_graphql::{Context, Object};
use uuid::Uuid;

use self::acts::{DeliveryPayload, ReferralPayload, perform};
use self::deliveries::DeliveryConnection;
use self::enums::DeliveryState;
use self::inputs::{
    AcknowledgeOutcomeInput, AcknowledgeReferralInput, AnnounceEvidenceInput, AnswerOfferInput, ApproveReferralInput,
    AssessReferralInput, EraseReferralInput, OfferSessionInput, PresentReferralInput, RecallReferralInput,
    RecordConsentInput, RecordCouncilSessionInput, RedriveDeliveryInput, ReferAcrossBorderInput, ReferralFilterInput,
    ReportOutcomeInput, ReportProgressInput, RetrieveReferralInput, ReturnReferralInput, WithdrawConsentInput,
};
use self::lists::{CrossBorderCounter, Partner, ReferralConnection};
use self::object::Referral;
use super::error::{ApiError, Field};
use super::scalars::Position;
use crate::app::App;

/// The questions one may ask about referrals.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferralQuery;

#[Object]
impl ReferralQuery {
    /// One referral, as it is.
    async fn referral(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<Referral> {
        Some(one(ctx, id, at_least).await.map_err(Into::into))
    }

    /// Referrals of the councils in your area, the newest first.
    async fn referrals(
        &self,
        ctx: &Context<'_>,
        filter: Option<ReferralFilterInput>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<ReferralConnection> {
        let filter = filter.unwrap_or_default();
        Some(lists::referrals(ctx, filter, first, after, at_least).await.map_err(Into::into))
    }

    /// The councils that refer disputes to each other, our own among them.
    async fn partners(&self, ctx: &Context<'_>) -> Field<Vec<Partner>> {
        Some(lists::partners(ctx).map_err(Into::into))
    }

    /// Our messages on their way to partners, the newest first; those that were given up are DEAD.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        state: Option<DeliveryState>,
        #[graphql(desc = "Id of a partner.")] partner: Option<String>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<DeliveryConnection> {
        Some(deliveries::deliveries(ctx, state, partner, first, after, at_least).await.map_err(Into::into))
    }

    /// How much personal data left in a year, by council and partner.
    async fn cross_border_counters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Calendar year of the province (UTC+8).")] year: i32,
    ) -> Field<Vec<CrossBorderCounter>> {
        Some(lists::counters(ctx, year).await.map_err(Into::into))
    }
}

async fn one(ctx: &Context<'_>, id: Uuid, at_least: Option<Position>) -> Result<Referral, ApiError> {
    ctx.data_unchecked::<App>().reach_index(at_least.map(|position| position.0)).await?;
    Ok(Referral::new(folded::Folded::visible(ctx, rights::referral_id(id)?).await?))
}

/// The acts on referrals.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferralMutation;

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident($input:ty);)+) => {
        #[Object]
        impl ReferralMutation {
            /// 跨境转办: begins the referral of a case to a partner council, with all that is given or not at all.
            async fn refer_across_border(
                &self,
                ctx: &Context<'_>,
                input: ReferAcrossBorderInput,
            ) -> Field<ReferralPayload> {
                Some(acts::refer(ctx, input).await.map_err(Into::into))
            }

            /// 审批发出: lets leave what is presented, word for word; by another person than whoever presented it or
            /// added a file to it.
            async fn approve_referral(&self, ctx: &Context<'_>, input: ApproveReferralInput) -> Field<ReferralPayload> {
                Some(acts::approve(ctx, input).await.map_err(Into::into))
            }

            /// 重新投递: tries a delivery again that was given up.
            async fn redrive_delivery(&self, ctx: &Context<'_>, input: RedriveDeliveryInput) -> Field<DeliveryPayload> {
                Some(acts::redrive(ctx, input).await.map_err(Into::into))
            }

            $(
                $(#[$doc])*
                async fn $name(&self, ctx: &Context<'_>, input: $input) -> Field<ReferralPayload> {
                    Some(perform(ctx, stringify!($name), input).await.map_err(Into::into))
                }
            )+
        }
    };
}

acts! {
    /// 取得单独同意: records the consumer's consent to this partner.
    record_consent(RecordConsentInput);
    /// 撤回同意: the consumer withdraws; what has left is called back by itself, and what has not ends here.
    withdraw_consent(WithdrawConsentInput);
    /// 合法性评估: records the way on which the data may leave.
    assess_referral(AssessReferralInput);
    /// 送审: lays what is to leave, word for word, before a second person.
    present_referral(PresentReferralInput);
    /// 撤回转办: calls a referral back.
    recall_referral(RecallReferralInput);
    /// 取件: somebody of ours has fetched what came in.
    retrieve_referral(RetrieveReferralInput);
    /// 签收: we have the case, under our own number.
    acknowledge_referral(AcknowledgeReferralInput);
    /// 退回: we do not take the case.
    return_referral(ReturnReferralInput);
    /// 通报进展: tells the partner how it goes.
    report_progress(ReportProgressInput);
    /// 建议调解或者仲裁: offers a session of both councils.
    offer_session(OfferSessionInput);
    /// 答复建议: tells the partner what the consumer says to an offer.
    answer_offer(AnswerOfferInput);
    /// 记录调解或者仲裁: tells the partner what came of a session.
    record_council_session(RecordCouncilSessionInput);
    /// 通报结果: tells the partner what became of the dispute.
    report_outcome(ReportOutcomeInput);
    /// 转告结果: the consumer has been told; the referral is closed.
    acknowledge_outcome(AcknowledgeOutcomeInput);
    /// 补充证据: announces a file; its bytes follow by `PUT /evidence/{referralId}/{digest}`.
    announce_evidence(AnnounceEvidenceInput);
    /// 删除: erases what may not be kept any longer, although the referral has not ended or messages of it are on their
    /// way. By itself it is done once neither is so.
    erase_referral(EraseReferralInput);
}

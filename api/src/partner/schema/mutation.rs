//! What a partner council tells us: one mutation for each kind of message, and receipts.

use async_graphql::{Context, Object, Result};
use cross_border::exchange::MessageKind;

use super::answers::ReceiptPayload;
use super::bodies::{
    AcknowledgementInput, EvidenceInput, OfferAnswerInput, OfferInput, OutcomeInput, ProgressInput, RecallAnswerInput,
    RecallInput, ReminderInput, ReturnInput, SessionReportInput,
};
use super::deliver::{deliver, members, nothing, record};
use super::header::{MessageHeader, ReceiptInput, Statement};
use super::submission::SubmissionInput;

/// The root of what changes something.
pub struct Mutation;

/// Each mutation delivers one signed message and is answered with a signed receipt. Repeating it does no harm: the
/// answer is the same receipt. Keep the receipt; it proves that the message was taken, and when.
///
/// A request carries one of them; a second one at the root is answered `TOO_MANY_MUTATION_FIELDS`, and then none is
/// carried out. An answer with an error means that nothing was stored; after `TIMEOUT` and `INTERNAL` it may have been,
/// and the same message again tells. `extensions.retryable` says whether it can succeed later; then repeat it with the
/// same `delivery` and a new request signature.
#[Object]
impl Mutation {
    /// Hands a dispute over (转办): the origin's first message of a referral, always at sequence 1.
    async fn submit_referral(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: SubmissionInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Submission, header, members(&body), statement).await
    }

    /// The recipient has taken the submission out of its mailbox and can read it. Has no body: in the signed text it is
    /// `{}`.
    async fn mark_retrieved(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Retrieved, header, nothing(), statement).await
    }

    /// The recipient has opened a file (签收).
    async fn acknowledge_referral(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: AcknowledgementInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Acknowledgement, header, members(&body), statement).await
    }

    /// The recipient sends the dispute back (退回) and is done with it.
    async fn return_referral(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: ReturnInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Return, header, members(&body), statement).await
    }

    /// The recipient tells how far it is.
    async fn report_progress(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: ProgressInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Progress, header, members(&body), statement).await
    }

    /// The recipient offers a mediation by video or an arbitration.
    async fn offer_session(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: OfferInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Offer, header, members(&body), statement).await
    }

    /// The origin passes the consumer's answer to an offer on.
    async fn answer_offer(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: OfferAnswerInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::OfferAnswer, header, members(&body), statement).await
    }

    /// The recipient reports what came of a session.
    async fn report_session(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: SessionReportInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::SessionReport, header, members(&body), statement).await
    }

    /// The recipient reports what became of the dispute (结果通报).
    async fn report_outcome(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: OutcomeInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Outcome, header, members(&body), statement).await
    }

    /// The origin has passed the outcome on to the consumer; the referral is closed. Has no body: in the signed text it
    /// is `{}`.
    async fn acknowledge_outcome(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::OutcomeAcknowledgement, header, nothing(), statement).await
    }

    /// The origin takes the dispute back (撤回). It wins over whatever crosses it: the recipient stops, erases the
    /// consumer's data and answers with `answerRecall`.
    async fn recall_referral(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: RecallInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Recall, header, members(&body), statement).await
    }

    /// The recipient tells what it has done about a recall.
    async fn answer_recall(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: RecallAnswerInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::RecallAnswer, header, members(&body), statement).await
    }

    /// Either side reminds the other of a step that is overdue (催办). It changes nothing else.
    async fn remind(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: ReminderInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Reminder, header, members(&body), statement).await
    }

    /// Either side announces a file that follows the submission. Send its bytes afterwards with
    /// `PUT /partner/evidence/{referral}/{digest}`.
    async fn announce_evidence(
        &self,
        ctx: &Context<'_>,
        header: MessageHeader,
        body: EvidenceInput,
        statement: Statement,
    ) -> Result<ReceiptPayload> {
        deliver(ctx, MessageKind::Evidence, header, members(&body), statement).await
    }

    /// Gives us the receipts for messages that you fetched with `messages`, at most 100 at once. Answers how many were
    /// recorded. A receipt that is recorded already counts again. With an error the receipts before `index` were
    /// recorded.
    async fn record_receipts(&self, ctx: &Context<'_>, receipts: Vec<ReceiptInput>) -> Result<u32> {
        record(ctx, receipts).await
    }
}

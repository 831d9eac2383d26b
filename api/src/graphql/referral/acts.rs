//! Carrying out what is asked of a referral: by whoever may, once, however often it is asked.

use async_graphql::{Context, InputType, SimpleObject};
use cross_border::council::{Beginning, Caller, CouncilError, EVIDENCE_NAME_PURPOSE};
use cross_border::delivery::{self, DeliveryCommand};
use cross_border::exchange::body::Evidence;
use cross_border::exchange::{DeliveryId, Digest, EvidenceItem};
use cross_border::referral::add_evidence::AddEvidence;
use cross_border::referral::draft::Draft;
use cross_border::referral::event::Drafted;
use cross_border::referral::vocabulary::Direction;
use cross_border::referral::{Act, Referral as State, ReferralId, Stage, Transfer};
use domain::complaint::Complaint;
use domain::envelope;
use domain::id::{ComplaintId, SubjectId};
use event_log::execute::{Done, execute, load};
use event_log::port::CommandRef;
use uuid::Uuid;

use super::error::command_reused;
use super::folded::Folded;
use super::inputs::{ApproveReferralInput, HasHead as _, RedriveDeliveryInput, ReferAcrossBorderInput};
use super::lists::partner_id;
use super::object::Referral;
use super::plan::{self, Plan, Planned};
use super::presentation::presentation;
use super::rights::{Deed, Look, has_role_for, may_begin, may_do, may_look, referral_id};
use crate::app::App;
use crate::graphql::authority::{Authority, authority};
use crate::graphql::error::{ApiError, Code};
use crate::graphql::mutation::command::{body_digest, command_id, issue};
use crate::graphql::scalars::{Position, Revision};

/// Most referrals of one case to one partner.
const ATTEMPT_MAX: u16 = 100;

/// What an act on a referral answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralPayload {
    /// The referral right behind the act.
    pub referral: Referral,
    pub revision: Revision,
    /// Pass it as `atLeast` to see the act in lists.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// What setting a delivery going again answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct DeliveryPayload {
    pub delivery_id: Uuid,
    /// Pass it as `atLeast` to see the delivery in lists.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// Where the events of a command stand.
struct Answer {
    revision: envelope::Revision,
    position: envelope::Position,
    repeated: bool,
}

impl From<Done<State>> for Answer {
    fn from(done: Done<State>) -> Self {
        Self { revision: done.revision, position: done.position, repeated: done.repeated }
    }
}

async fn payload(app: &App, id: ReferralId, answer: Answer) -> Result<ReferralPayload, ApiError> {
    let folded = Folded::read(app, id, Some(answer.revision)).await?;
    let folded = folded.ok_or_else(|| ApiError::not_found("referral"))?;
    Ok(ReferralPayload {
        referral: Referral::new(folded),
        revision: Revision(answer.revision),
        position: Position(answer.position),
        repeated: answer.repeated,
    })
}

/// The first answer of a command that was carried out before. Asked before anything is looked up or worked out for it:
/// what it rested on may be gone by now.
async fn answered(app: &App, id: ReferralId, command: CommandRef) -> Result<Option<Answer>, ApiError> {
    let found = app.log.find_command(command.id).await?;
    let Some((digest, appended)) = found else { return Ok(None) };
    if digest != command.digest || appended.stream != id.stream() {
        return Err(command_reused());
    }
    Ok(Some(Answer { revision: appended.last_revision, position: appended.last_position, repeated: true }))
}

/// Does one act on a referral of the caller's council.
pub(super) async fn perform<I: Planned + InputType>(
    ctx: &Context<'_>,
    name: &str,
    input: I,
) -> Result<ReferralPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    let head = input.head();
    let id = referral_id(head.referral_id)?;
    let folded = Folded::seen_by(app, &authority, id).await?;
    may_do(&authority, I::DEED, &folded.transfer.drafted.council)?;
    let command = CommandRef { id: command_id(head.command_id)?, digest: body_digest(app, &authority, name, &input)? };
    let issue = issue(ctx, command.id, head.on_behalf_of)?;
    if let Some(answer) = answered(app, id, command).await? {
        return payload(app, id, answer).await;
    }
    let caller = Caller { unit: &authority.unit.id, actor: &authority.principal.subject, issue };
    let (read, at) = (head.expected_revision.map(|revision| revision.0), head.at);
    let done = match input.plan(&folded.transfer)? {
        Plan::Tell(body) => Box::pin(app.council.tell(id, command, caller, read, at, body)).await?,
        Plan::Stay(act) => Box::pin(app.council.act(id, command, caller, read, at, act)).await?,
        Plan::Present(input) => {
            let presentation = presentation(*input)?;
            Box::pin(app.council.present(id, command, caller, read, at, presentation)).await?
        }
        Plan::Recall(reason) => Box::pin(app.council.recall(id, command, caller, read, at, reason)).await?,
        Plan::Withdraw => Box::pin(app.council.withdraw_consent(id, command, caller, read, at)).await?,
        Plan::Attach(item) if folded.transfer.stage.has_left() => {
            Box::pin(app.council.tell(id, command, caller, read, at, Evidence { item }.into())).await?
        }
        Plan::Erase if at.is_some() => {
            return Err(ApiError::invalid("`at` is not given: what is erased is erased when it is asked for"));
        }
        Plan::Erase => Box::pin(app.council.order_erasure(id, command, caller, read)).await?,
        Plan::Attach(item) => {
            let act = added(app, subject_of(app, &folded.transfer).await?, item).await?;
            Box::pin(app.council.act(id, command, caller, read, at, act)).await?
        }
    };
    payload(app, id, done.into()).await
}

/// Whose data it is: whoever filed the complaint.
async fn subject_of(app: &App, transfer: &Transfer) -> Result<SubjectId, ApiError> {
    let of_referral = SubjectId::of_referral(transfer.drafted.referral.as_uuid());
    let Some(complaint) = transfer.drafted.complaint.filter(|_| transfer.is_outbound()) else { return Ok(of_referral) };
    let loaded = load::<Complaint>(app.log.as_ref(), &complaint.stream(), None).await?;
    Ok(loaded.state.case().map_or(of_referral, |case| SubjectId::in_filing(case.filing, "complainant")))
}

/// A file of a draft: its name is sealed before anything is decided.
async fn added(app: &App, subject: SubjectId, item: EvidenceItem) -> Result<Act, ApiError> {
    let EvidenceItem { digest, name, bytes, media } = item;
    let vault = std::sync::Arc::clone(&app.vault);
    let sealed = tokio::task::spawn_blocking(move || vault.seal(subject, EVIDENCE_NAME_PURPOSE, &name)).await;
    let name = sealed.map_err(|error| ApiError::internal(&error))?.map_err(CouncilError::from)?;
    Ok(Act::AddEvidence(AddEvidence { digest, name, bytes, media }))
}

/// Lets leave what was presented: the second pair of eyes.
pub(super) async fn approve(ctx: &Context<'_>, input: ApproveReferralInput) -> Result<ReferralPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    let head = input.head();
    let id = referral_id(head.referral_id)?;
    let folded = Folded::seen_by(app, &authority, id).await?;
    may_do(&authority, Deed::Approve, &folded.transfer.drafted.council)?;
    let digest = body_digest(app, &authority, "approve_referral", &input)?;
    let command = CommandRef { id: command_id(head.command_id)?, digest };
    let issue = issue(ctx, command.id, head.on_behalf_of)?;
    if head.at.is_some() {
        return Err(ApiError::invalid("`at` is not given: a referral leaves when it is approved"));
    }
    if let Some(answer) = answered(app, id, command).await? {
        return payload(app, id, answer).await;
    }
    let approved = Digest::parse(&input.content_digest).map_err(|error| {
        ApiError::invalid(format!("`contentDigest` is that of the presentation that you have read: {error}"))
    })?;
    let caller = Caller { unit: &authority.unit.id, actor: &authority.principal.subject, issue };
    let read = head.expected_revision.map(|revision| revision.0);
    let done = Box::pin(app.council.submit(id, command, caller, read, approved)).await?;
    payload(app, id, done.into()).await
}

/// Begins a referral, and takes it as far as what is given allows: in one append, or not at all.
pub(super) async fn refer(ctx: &Context<'_>, input: ReferAcrossBorderInput) -> Result<ReferralPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    may_look(&authority, Look::Referrals)?;
    may_begin(&authority)?;
    let case = ComplaintId::from_uuid(input.case_id);
    sees_case(app, &authority, case).await?;
    let digest = body_digest(app, &authority, "refer_across_border", &input)?;
    let command = CommandRef { id: command_id(input.command_id)?, digest };
    let issue = issue(ctx, command.id, input.on_behalf_of.clone())?;
    let drafted = draft(app, &authority, case, &input)?;
    let id = drafted.referral;
    if input.attempt > 1 {
        let before = ReferralId::outbound(case, &drafted.partner, input.attempt - 1);
        has_ended(app, before).await?;
    }
    let caller = Caller { unit: &authority.unit.id, actor: &authority.principal.subject, issue };
    let mut then = Vec::new();
    if let Some(consent) = input.consent {
        then.push(plan::consent(consent, &drafted));
    }
    if let Some(assessment) = input.assessment {
        then.push(plan::assessment(assessment)?);
    }
    let presentation = input.presentation.map(presentation).transpose()?;
    let beginning = Beginning { draft: Draft { drafted }, then, presentation };
    let done = Box::pin(app.council.begin(command, caller, input.at, beginning)).await?;
    payload(app, id, done.into()).await
}

/// Another attempt follows one that was sent back or called back: the consumer's data do not leave twice for one dispute.
async fn has_ended(app: &App, before: ReferralId) -> Result<(), ApiError> {
    let loaded = load::<State>(app.log.as_ref(), &before.stream(), None).await?;
    match loaded.state.transfer().map(|transfer| transfer.stage) {
        Some(Stage::Returned(_) | Stage::Recalled { .. }) => Ok(()),
        Some(stage) => Err(ApiError::new(
            Code::NotAllowedNow,
            format!("the attempt before this one is `{stage}`; another follows only a return or a recall"),
        )),
        None => Err(ApiError::new(Code::NotAllowedNow, "there is no attempt before this one")),
    }
}

/// Whether the caller sees a case.
async fn sees_case(app: &App, authority: &Authority, case: ComplaintId) -> Result<(), ApiError> {
    let loaded = load::<Complaint>(app.log.as_ref(), &case.stream(), None).await?;
    let known = loaded.state.case().ok_or_else(|| ApiError::not_found("case"))?;
    if authority.sees_unit(&known.custody, &app.models)? { Ok(()) } else { Err(ApiError::not_found("case")) }
}

fn draft(
    app: &App,
    authority: &Authority,
    case: ComplaintId,
    input: &ReferAcrossBorderInput,
) -> Result<Drafted, ApiError> {
    if input.attempt == 0 || input.attempt > ATTEMPT_MAX {
        return Err(ApiError::invalid(format!("`attempt` is 1 to {ATTEMPT_MAX}")));
    }
    let partner = partner_id(&input.partner)?;
    if app.council.partner(&partner).is_none() {
        return Err(ApiError::new(Code::UnknownPartner, "no such council in the register; `partners` lists them"));
    }
    if partner == app.council.own {
        return Err(ApiError::invalid("a dispute is not referred to the council that has it"));
    }
    let unit = &authority.unit;
    // The council of the node is registered where its configuration says; the others where their unit is.
    let own = unit.id == app.council.own_unit();
    Ok(Drafted {
        referral: ReferralId::outbound(case, &partner, input.attempt),
        direction: Direction::Outbound,
        complaint: Some(case),
        council: unit.id.clone(),
        seat: if own { app.seat } else { unit.region },
        partner,
        purpose: input.purpose.into(),
        partner_reference: None,
        retention_to: None,
    })
}

/// Sets a delivery going again that was given up.
pub(super) async fn redrive(ctx: &Context<'_>, input: RedriveDeliveryInput) -> Result<DeliveryPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    may_look(&authority, Look::Deliveries)?;
    has_role_for(&authority, Deed::Redrive)?;
    let delivery = DeliveryId::from_uuid(input.delivery_id);
    let row = app.ask_index(move |index| index.delivery(delivery)).await?;
    let row = row.ok_or_else(|| ApiError::not_found("delivery"))?;
    if !authority.sees_unit(&row.council, &app.models)? {
        return Err(ApiError::not_found("delivery"));
    }
    may_do(&authority, Deed::Redrive, &row.council)?;
    let digest = body_digest(app, &authority, "redrive_delivery", &input)?;
    let command = CommandRef { id: command_id(input.command_id)?, digest };
    let issue = issue(ctx, command.id, None)?;
    let context = app.context(&authority.unit.id, &authority.principal.subject);
    let (log, stream) = (app.log.as_ref(), delivery.stream());
    let body = DeliveryCommand::Redrive;
    let done = execute::<delivery::Delivery>(log, &stream, command, &issue, None, &context, body).await?;
    Ok(DeliveryPayload { delivery_id: delivery.as_uuid(), position: Position(done.position), repeated: done.repeated })
}

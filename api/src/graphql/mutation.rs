//! The acts one may do; each appends events or changes nothing.

use async_graphql::{Context, InputType, Object, SimpleObject, Value};
use domain::complaint::{Act, Case, Complaint, ComplaintCommand};
use domain::envelope::CommandDigest;
use domain::filing::{Complainant, Filing, FilingCommand, FilingItem, ItemKind, Received, RegisterFiling};
use domain::id::{CommandId, ComplaintId, FilingId, StreamId, SubjectId, UnitId};
use domain::org::{Unit as UnitState, UnitCommand, UnitRegistered};
use domain::privacy::FreeText;
use domain::region::{RegionCode, RegionTable};
use event_log::execute::{Done, ExecuteError, Issue, execute, load};
use event_log::port::CommandRef;
use event_log::vault::VaultError;
use uuid::Uuid;

use super::authority::{Authority, Read, authority, check_on_behalf_of};
use super::case::{self, Folded, Glance};
use super::error::{ApiError, Code, Field};
use super::inputs::{
    AcceptComplaintInput, ActInput, AssignHandlerInput, CloseCaseInput, DecideClueInput, DispatchCaseInput,
    ExtendClockInput, GiveNoticeInput, NoteWorkInput, OpenMediationInput, ReachAgreementInput, ReceiveCaseInput,
    RecordClueInput, RecordSessionInput, RefuseComplaintInput, RegisterFilingInput, RegisterUnitInput, ReopenCaseInput,
    ResumeClockInput, RetryRegistrationInput, ReturnToIntakeInput, SettleCaseInput, SettleRegistrationInput,
    StopClockInput, TerminateMediationInput, UrgeCaseInput, WithdrawCaseInput,
};
use super::scalars::{Position, Revision};
use super::unregistered::{self, UnregisteredMatter};
use crate::app::App;
use crate::auth::Role;
use crate::edge::RequestFacts;
use crate::process::{ChainError, complete_filing};

/// How often an act is judged anew when others change the case meanwhile.
const AUTHORISE_ATTEMPTS_MAX: u32 = 64;
/// Longest outside number or source name in characters.
pub const EXTERNAL_CHARS_MAX: usize = 64;
/// Longest name of a person in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest telephone number in characters.
pub const PHONE_CHARS_MAX: usize = 32;
/// Longest facts of a matter in characters.
pub const FACTS_CHARS_MAX: usize = 8_000;

/// What an act on a case answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct CasePayload {
    /// The case right behind the act.
    pub case: case::Case,
    pub revision: Revision,
    /// Pass it as `atLeast` to see the act in lists and dashboards.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// What a filing answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct FilingPayload {
    pub filing_id: Uuid,
    /// The complaints it led to, in the order of its matters.
    pub cases: Vec<case::Case>,
    /// Its matters that led to no complaint, though the filing stands: see `unregisteredMatters`.
    pub unregistered: Vec<UnregisteredMatter>,
    /// Pass it as `atLeast` to see the cases in lists and dashboards.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// What the register of units answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnitPayload {
    pub unit_id: String,
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// The acts one may do on cases, filings and units.
#[derive(Debug, Clone, Copy, Default)]
pub struct CaseMutation;

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident($input:ty);)+) => {
        #[Object]
        impl CaseMutation {
            /// 来件登记: takes in a filing, splits it, and registers its complaints.
            async fn register_filing(&self, ctx: &Context<'_>, input: RegisterFilingInput) -> Field<FilingPayload> {
                Some(register_filing(ctx, input).await.map_err(Into::into))
            }

            /// 重新登记: has a matter of `unregisteredMatters` tried again, by a command of its own. Only the unit that
            /// took the filing in may.
            async fn retry_registration(
                &self,
                ctx: &Context<'_>,
                input: RetryRegistrationInput,
            ) -> Field<FilingPayload> {
                Some(unregistered::retry(ctx, &input).await.map_err(Into::into))
            }

            /// 登记了结: a matter of `unregisteredMatters` needs no complaint. It leaves the list and is never tried again.
            /// Only the unit that took the filing in may.
            async fn settle_registration(
                &self,
                ctx: &Context<'_>,
                input: SettleRegistrationInput,
            ) -> Field<FilingPayload> {
                Some(unregistered::settle(ctx, &input).await.map_err(Into::into))
            }

            /// Registers a unit (办理单位).
            async fn register_unit(&self, ctx: &Context<'_>, input: RegisterUnitInput) -> Field<UnitPayload> {
                Some(register_unit(ctx, input).await.map_err(Into::into))
            }

            $(
                $(#[$doc])*
                async fn $name(&self, ctx: &Context<'_>, input: $input) -> Field<CasePayload> {
                    Some(act(ctx, stringify!($name), input).await.map_err(Into::into))
                }
            )+
        }
    };
}

acts! {
    /// 分送: sends the case to a unit below yours.
    dispatch_case(DispatchCaseInput);
    /// 退回: hands the case back to intake; a unit may not pass it on itself.
    return_to_intake(ReturnToIntakeInput);
    /// 签收: your unit has the case; the acceptance period begins.
    receive_case(ReceiveCaseInput);
    /// 指派: gives the case to a handler.
    assign_handler(AssignHandlerInput);
    /// 受理: accepts the complaint; the mediation period begins.
    accept_complaint(AcceptComplaintInput);
    /// 不予受理: refuses the complaint on a ground of the closed list.
    refuse_complaint(RefuseComplaintInput);
    /// 开始调解: opens the mediation.
    open_mediation(OpenMediationInput);
    /// 调解记录: records a session.
    record_session(RecordSessionInput);
    /// 达成调解协议: the mediation ends in agreement.
    reach_agreement(ReachAgreementInput);
    /// 自行和解: the sides settled themselves.
    settle_case(SettleCaseInput);
    /// 撤回投诉: the complainant withdraws.
    withdraw_case(WithdrawCaseInput);
    /// 终止调解: ends the mediation on a ground of the closed list.
    terminate_mediation(TerminateMediationInput);
    /// 告知: records that a side was told.
    give_notice(GiveNoticeInput);
    /// 中止计时: stops a clock for appraisal or testing.
    stop_clock(StopClockInput);
    /// 恢复计时: the clock runs again.
    resume_clock(ResumeClockInput);
    /// 延期: extends a clock where an article allows it.
    extend_clock(ExtendClockInput);
    /// 发现违法线索: records a lead; its verification period begins.
    record_clue(RecordClueInput);
    /// 线索核查决定: decides on the lead.
    decide_clue(DecideClueInput);
    /// 办结: closes the case with its outcome.
    close_case(CloseCaseInput);
    /// 重办: takes a closed case up again.
    reopen_case(ReopenCaseInput);
    /// 工作记录: adds a work note.
    note_work(NoteWorkInput);
    /// 催办: urges the unit that has the case.
    urge_case(UrgeCaseInput);
}

/// The digest of a mutation's input: nulls left out and keys sorted, so that a field added later changes nothing.
pub(super) fn body_digest(
    app: &App,
    authority: &Authority,
    name: &str,
    input: &impl InputType,
) -> Result<CommandDigest, ApiError> {
    fn plain(value: Value) -> Option<serde_json::Value> {
        match value.into_json().ok()? {
            serde_json::Value::Null => None,
            other => Some(strip(other)),
        }
    }
    fn strip(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(fields) => serde_json::Value::Object(
                fields
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, strip(value)))
                    .collect(),
            ),
            serde_json::Value::Array(items) => serde_json::Value::Array(items.into_iter().map(strip).collect()),
            other => other,
        }
    }
    // The same words from another person are another command.
    let body = (name, &authority.principal.subject, &authority.unit.id, plain(input.to_value()));
    let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok(app.command_digest(&bytes))
}

/// What every event of a command says of it, once it is known for whom the caller acts.
///
/// # Errors
/// `INVALID_INPUT` or `UNKNOWN_UNIT` for whom nobody knows.
pub(super) fn issue(ctx: &Context<'_>, command: CommandId, on_behalf_of: Option<String>) -> Result<Issue, ApiError> {
    if let Some(id) = &on_behalf_of {
        check_on_behalf_of(ctx.data_unchecked::<App>(), id)?;
    }
    Ok(issue_unchecked(ctx, command, on_behalf_of))
}

fn issue_unchecked(ctx: &Context<'_>, command: CommandId, on_behalf_of: Option<String>) -> Issue {
    let traceparent = crate::telemetry::current_traceparent()
        .or_else(|| ctx.data_opt::<RequestFacts>().and_then(|facts| facts.traceparent.clone()));
    Issue {
        on_behalf_of: on_behalf_of.map(Into::into),
        causation: None,
        correlation: Some(command),
        traceparent: traceparent.map(Into::into),
    }
}

pub(super) fn command_id(raw: Uuid) -> Result<CommandId, ApiError> {
    if raw.is_nil() {
        Err(ApiError::invalid("`commandId` must not be the nil UUID"))
    } else {
        Ok(CommandId::from_uuid(raw))
    }
}

async fn act<I: ActInput + InputType>(ctx: &Context<'_>, name: &str, input: I) -> Result<CasePayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Cases)?;
    let head = input.head();
    let id = ComplaintId::from_uuid(head.case_id);
    let command = CommandRef { id: command_id(head.command_id)?, digest: body_digest(app, &authority, name, &input)? };
    let issue = issue_unchecked(ctx, command.id, head.on_behalf_of.clone());
    let mut act = input.act()?;
    act.check_texts()?;
    let unit = authority.unit.id.clone();
    for _ in 0..AUTHORISE_ATTEMPTS_MAX {
        let loaded = load::<Complaint>(app.log.as_ref(), &id.stream(), None).await?;
        // A repeated command is answered even though its own effect took the case out of the caller's hands.
        let repeats =
            loaded.events.iter().filter_map(|event| event.meta().ok()).any(|meta| {
                meta.command == command.id && meta.unit == unit && *meta.actor == *authority.principal.subject
            });
        if !repeats {
            let case = loaded.state.case().ok_or_else(|| ApiError::not_found("case"))?;
            may_act(app, &authority, case, &act)?;
            if let Some(id) = &head.on_behalf_of {
                check_on_behalf_of(app, id)?;
            }
            seal_texts(app, case.filing, &mut act).await?;
        }
        let context = app.context(&unit, &authority.principal.subject);
        let body = ComplaintCommand { at: head.at, act: act.clone() };
        // Decided on the very revision the right to act was judged by; the caller's own expectation goes first.
        let read = head.expected_revision.map(|revision| revision.0).or(loaded.revision);
        let log = app.log.as_ref();
        match execute::<Complaint>(log, &id.stream(), command, &issue, read, &context, body).await {
            Ok(done) => return payload(app, id, &done).await,
            Err(ExecuteError::Stale { .. }) if head.expected_revision.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::new(Code::Unavailable, "others keep changing this case; try again"))
}

fn may_act(app: &App, authority: &Authority, case: &Case, act: &Act) -> Result<(), ApiError> {
    if !authority.sees_unit(&case.custody, &app.models)? {
        return Err(ApiError::not_found("case"));
    }
    if let Some(action) = act.action() {
        authority.may_act(action, case)?;
    }
    match act {
        Act::Dispatch(dispatch) => check_target(app, authority, &dispatch.to),
        _ => Ok(()),
    }
}

/// Seals the free texts of an act under the key of the person who filed: officers name people in them.
async fn seal_texts(app: &App, filing: FilingId, act: &mut Act) -> Result<(), ApiError> {
    let subject = SubjectId::in_filing(filing, "complainant");
    for (field, text) in act.free_texts_mut() {
        if let FreeText::Open(open) = text {
            let (vault, plain) = (std::sync::Arc::clone(&app.vault), open.clone());
            let sealed = tokio::task::spawn_blocking(move || vault.seal(subject, field, &plain)).await;
            *text = FreeText::Sealed(sealed.map_err(|error| ApiError::internal(&error))?.map_err(sealing)?);
        }
    }
    Ok(())
}

/// What a client is told when something cannot be sealed.
fn sealing(error: VaultError) -> ApiError {
    match error {
        VaultError::Destroyed { .. } => ApiError::new(
            Code::RuleViolated,
            "the person of this case was erased; nothing more can be said of it in free text",
        ),
        error => error.into(),
    }
}

/// The receiving unit must be registered, active and below the acting one: there is no edge to a peer (Art. 41(2)).
fn check_target(app: &App, authority: &Authority, to: &UnitId) -> Result<(), ApiError> {
    let unknown = || ApiError::new(Code::UnknownUnit, format!("no active unit `{to}` below yours"));
    let target = app.models.unit(to)?.ok_or_else(unknown)?;
    if target.retired_to.is_some() || !app.models.is_within(to, &authority.unit.id)? {
        return Err(unknown());
    }
    Ok(())
}

async fn payload(app: &App, id: ComplaintId, done: &Done<Complaint>) -> Result<CasePayload, ApiError> {
    let glance = Glance { as_known_at_position: Some(done.position), ..Glance::default() };
    let folded = Folded::read(app, id, glance).await?.ok_or_else(|| ApiError::not_found("case"))?;
    Ok(CasePayload {
        case: case::Case::new(folded, glance),
        revision: Revision(done.revision),
        position: Position(done.position),
        repeated: done.repeated,
    })
}

async fn register_filing(ctx: &Context<'_>, input: RegisterFilingInput) -> Result<FilingPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    if !authority.is(&[Role::IntakeClerk, Role::Handler, Role::Dispatcher]) {
        return Err(ApiError::forbidden("your role does not let you `registerFiling`"));
    }
    check_filing(&input)?;
    let command = CommandRef {
        id: command_id(input.command_id)?,
        digest: body_digest(app, &authority, "register_filing", &input)?,
    };
    let region = super::authority::region_in_area(&authority, &input.region).or_else(|error| {
        // A station files for its own region, whatever level that is.
        let own = authority.unit.region;
        match RegionCode::parse(&input.region) {
            Ok(region) if region == own || RegionTable::builtin().contains(own, region) => Ok(region),
            _ => Err(error),
        }
    })?;
    let issue = issue(ctx, command.id, input.on_behalf_of.clone())?;
    let filing = FilingId::derived(&input.source, &input.external_number);
    refuse_adopted(app, filing, command.id).await?;
    let at = input.at;
    let body = seal(app, filing, region, &authority.unit.id, input).await?;
    let unit = authority.unit.id.clone();
    let context = app.context(&unit, &authority.principal.subject);
    let command_body = FilingCommand::Register(Box::new(RegisterFiling { at, ..body }));
    let stream = filing.stream();
    let done = execute::<Filing>(app.log.as_ref(), &stream, command, &issue, None, &context, command_body).await?;
    filing_payload(app, filing, &done).await
}

/// What the matters of a filing have led to, once everything that can follow from it has.
///
/// # Errors
/// The log cannot be read or written now; the filing stands, and what could not follow follows by itself.
pub(super) async fn filing_payload(
    app: &App,
    filing: FilingId,
    done: &Done<Filing>,
) -> Result<FilingPayload, ApiError> {
    let completed = complete_filing(app, &filing.stream()).await.map_err(chain)?;
    let mut cases = Vec::new();
    let mut position = completed.position.map_or(done.position, |newest| newest.max(done.position));
    for led in completed.led {
        let case = payload(app, led.complaint, &led.done).await?;
        position = position.max(case.position.0);
        cases.push(case.case);
    }
    let of_filing = |matter| UnregisteredMatter::of_filing(filing, matter);
    Ok(FilingPayload {
        filing_id: filing.as_uuid(),
        cases,
        unregistered: completed.unregistered.into_iter().map(of_filing).collect(),
        position: Position(position),
        repeated: done.repeated,
    })
}

/// The filing stands; what could not follow now follows by itself, and the same command asked again tells.
fn chain(error: ChainError) -> ApiError {
    match error {
        ChainError::Register(error) => error.into(),
        ChainError::Note(error) => error.into(),
        ChainError::Load(error) => error.into(),
        ChainError::Read(error) => error.into(),
        error @ (ChainError::Bookmark(_) | ChainError::Newer { .. }) => ApiError::internal(&error),
    }
}

/// An imported history may hold the number already: its complaint stands without a filing of ours.
async fn refuse_adopted(app: &App, filing: FilingId, command: CommandId) -> Result<(), ApiError> {
    let first = ComplaintId::of_item(filing, 1).stream();
    let known = !app.log.read_stream(&first, None, 1).await?.is_empty();
    let filed = !app.log.read_stream(&filing.stream(), None, 1).await?.is_empty();
    if known && !filed && app.log.find_command(command).await?.is_none() {
        return Err(ApiError::new(Code::AlreadyExists, "this outside number was imported already"));
    }
    Ok(())
}

fn check_filing(input: &RegisterFilingInput) -> Result<(), ApiError> {
    let within = |field: &str, text: &str, max: usize| {
        let chars = text.chars().count();
        if text.trim().is_empty() || chars > max {
            return Err(ApiError::invalid(format!("`{field}` has 1 to {max} characters, this one has {chars}")));
        }
        if text.contains(domain::complaint::is_unseen) {
            let why = "has a character that nobody sees or that means nothing elsewhere; write it without";
            return Err(ApiError::invalid(format!("`{field}` {why}")));
        }
        Ok(())
    };
    within("source", &input.source, EXTERNAL_CHARS_MAX)?;
    within("externalNumber", &input.external_number, EXTERNAL_CHARS_MAX - 4)?;
    if let Some(person) = &input.complainant {
        within("complainant.name", &person.name, NAME_CHARS_MAX)?;
        within("complainant.phone", &person.phone, PHONE_CHARS_MAX)?;
        if let Some(address) = &person.address {
            within("complainant.address", address, NAME_CHARS_MAX * 2)?;
        }
    }
    for item in &input.items {
        within("items.facts", &item.facts, FACTS_CHARS_MAX)?;
        if let Some(respondent) = &item.respondent {
            within("items.respondent.name", &respondent.name, NAME_CHARS_MAX * 2)?;
        }
    }
    Ok(())
}

/// Seals what is known of people, durably, before anything of it is decided or appended.
async fn seal(
    app: &App,
    filing: FilingId,
    region: RegionCode,
    unit: &UnitId,
    input: RegisterFilingInput,
) -> Result<RegisterFiling, ApiError> {
    let subject = SubjectId::in_filing(filing, "complainant");
    let mut texts: Vec<(SubjectId, &'static str, String)> = Vec::new();
    if let Some(person) = &input.complainant {
        texts.push((subject, "name", person.name.clone()));
        texts.push((subject, "phone", person.phone.clone()));
        texts.extend(person.address.clone().map(|address| (subject, "address", address)));
    }
    texts.extend(input.items.iter().map(|item| (subject, "facts", item.facts.clone())));
    let vault = std::sync::Arc::clone(&app.vault);
    let sealed = tokio::task::spawn_blocking(move || {
        let parts: Vec<_> = texts.iter().map(|(subject, purpose, text)| (*subject, *purpose, text.as_str())).collect();
        vault.seal_many(&parts)
    })
    .await
    .map_err(|error| ApiError::internal(&error))?
    .map_err(sealing)?;
    let mut sealed = sealed.into_iter();
    let mut next = || sealed.next().ok_or_else(|| ApiError::new(Code::Internal, "an error of ours"));
    let complainant = match input.complainant {
        Some(person) => Some(Complainant {
            name: next()?,
            phone: next()?,
            address: person.address.is_some().then(&mut next).transpose()?,
            consents_to_disclosure: person.consents_to_disclosure,
            consents_to_delegation: person.consents_to_delegation,
        }),
        None => None,
    };
    let mut items = Vec::with_capacity(input.items.len());
    for (number, item) in (1_u16..).zip(input.items) {
        let kind: ItemKind = item.kind.into();
        items.push(FilingItem {
            item: number,
            kind,
            number: item_number(&input.external_number, kind, number),
            category: item.category.into(),
            respondent: item.respondent.map(|respondent| domain::complaint::event::Respondent {
                name: respondent.name,
                uscc: respondent.credit_code,
                address: respondent.address,
            }),
            amount: item.amount.map(TryInto::try_into).transpose()?,
            remedies: item.remedies.into_iter().map(Into::into).collect(),
            facts: Some(next()?),
            source: None,
        });
    }
    let received = Received {
        filing,
        source: input.source,
        external_number: input.external_number,
        channel: input.channel.into(),
        region,
        unit: unit.clone(),
        complainant,
    };
    Ok(RegisterFiling { at: None, received, items })
}

/// `<outside number>-C1`: the matter's kind and place behind the filing's number.
#[must_use]
pub fn item_number(external: &str, kind: ItemKind, item: u16) -> String {
    let letter = match kind {
        ItemKind::Complaint => 'C',
        ItemKind::Report => 'R',
        ItemKind::Enquiry => 'E',
    };
    format!("{external}-{letter}{item}")
}

async fn register_unit(ctx: &Context<'_>, input: RegisterUnitInput) -> Result<UnitPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    if !authority.is(&[Role::Administrator]) {
        return Err(ApiError::forbidden("your role does not let you `registerUnit`"));
    }
    let command = CommandRef {
        id: command_id(input.command_id)?,
        digest: body_digest(app, &authority, "register_unit", &input)?,
    };
    let region = super::authority::region_in_area(&authority, &input.region)?;
    let parent = input.parent.as_deref().map(case::unit_id).transpose()?;
    if let Some(parent) = &parent
        && !authority.sees_unit(parent, &app.models)?
    {
        return Err(ApiError::new(Code::UnknownUnit, format!("no unit `{parent}` in your area")));
    }
    let unit =
        UnitRegistered { unit: case::unit_id(&input.id)?, kind: input.kind.into(), name: input.name, region, parent };
    let stream = StreamId::unit(&unit.unit);
    let id = unit.unit.to_string();
    let own = authority.unit.id.clone();
    let context = app.context(&own, &authority.principal.subject);
    let issue = issue(ctx, command.id, None)?;
    let body = UnitCommand::Register(unit);
    let done = execute::<UnitState>(app.log.as_ref(), &stream, command, &issue, None, &context, body).await?;
    Ok(UnitPayload { unit_id: id, position: Position(done.position), repeated: done.repeated })
}

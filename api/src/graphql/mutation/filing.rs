//! 来件登记: a filing is taken in, sealed, split, and what it leads to is answered.

use std::sync::Arc;

use async_graphql::Context;
use domain::complaint::event::Respondent;
use domain::filing::{Complainant, Filing, FilingCommand, FilingItem, ItemKind, Received, RegisterFiling};
use domain::id::{CommandId, ComplaintId, FilingId, SubjectId, UnitId};
use domain::region::{RegionCode, RegionTable};
use event_log::execute::{Done, execute};
use event_log::port::CommandRef;

use super::FilingPayload;
use super::act::{payload, sealing};
use super::command::{body_digest, command_id, issue};
use crate::app::App;
use crate::auth::Role;
use crate::graphql::authority::{authority, region_in_area};
use crate::graphql::error::{ApiError, Code};
use crate::graphql::inputs::RegisterFilingInput;
use crate::graphql::scalars::Position;
use crate::graphql::unregistered::UnregisteredMatter;
use crate::process::{ChainError, complete_filing};

/// Longest outside number or source name in characters.
const EXTERNAL_CHARS_MAX: usize = 64;
/// Longest name of a person in characters.
const NAME_CHARS_MAX: usize = 100;
/// Longest telephone number in characters.
const PHONE_CHARS_MAX: usize = 32;
/// Longest facts of a matter in characters.
const FACTS_CHARS_MAX: usize = 8_000;

/// Takes a filing in, or answers for one that was taken in before.
pub(super) async fn register_filing(ctx: &Context<'_>, input: RegisterFilingInput) -> Result<FilingPayload, ApiError> {
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
    let region = region_in_area(&authority, &input.region).or_else(|error| {
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
pub(in crate::graphql) async fn filing_payload(
    app: &App,
    filing: FilingId,
    done: &Done<Filing>,
) -> Result<FilingPayload, ApiError> {
    let completed = complete_filing(app, &filing.stream()).await.map_err(incomplete)?;
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
fn incomplete(error: ChainError) -> ApiError {
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

fn within(field: &str, text: &str, max: usize) -> Result<(), ApiError> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > max {
        return Err(ApiError::invalid(format!("`{field}` has 1 to {max} characters, this one has {chars}")));
    }
    if text.contains(domain::complaint::is_unseen) {
        let why = "has a character that nobody sees or that means nothing elsewhere; write it without";
        return Err(ApiError::invalid(format!("`{field}` {why}")));
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
    let vault = Arc::clone(&app.vault);
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
            respondent: item.respondent.map(|respondent| Respondent {
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

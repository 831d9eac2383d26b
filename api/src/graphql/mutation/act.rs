//! One act on one case: who may do it, what of it is sealed, and the case right behind it.

use std::sync::Arc;

use async_graphql::{Context, InputType};
use domain::complaint::{Act, Case, Complaint, ComplaintCommand};
use domain::id::{ComplaintId, FilingId, SubjectId, UnitId};
use domain::privacy::FreeText;
use event_log::execute::{Done, ExecuteError, execute, load};
use event_log::port::CommandRef;
use event_log::vault::VaultError;

use super::CasePayload;
use super::command::{body_digest, command_id, issue_unchecked};
use crate::app::App;
use crate::graphql::authority::{Authority, Read, authority, check_on_behalf_of};
use crate::graphql::case::{self, Folded, Glance};
use crate::graphql::error::{ApiError, Code};
use crate::graphql::inputs::ActInput;
use crate::graphql::scalars::{Position, Revision};

/// How often an act is judged anew when others change the case meanwhile.
const AUTHORISE_ATTEMPTS_MAX: u32 = 64;

/// Does an act, or answers for one that was done before.
pub(super) async fn act<I: ActInput + InputType>(
    ctx: &Context<'_>,
    name: &str,
    input: I,
) -> Result<CasePayload, ApiError> {
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
            let (vault, plain) = (Arc::clone(&app.vault), open.clone());
            let sealed = tokio::task::spawn_blocking(move || vault.seal(subject, field, &plain)).await;
            *text = FreeText::Sealed(sealed.map_err(|error| ApiError::internal(&error))?.map_err(sealing)?);
        }
    }
    Ok(())
}

/// What a client is told when something cannot be sealed.
pub(super) fn sealing(error: VaultError) -> ApiError {
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

/// The case right behind an act.
pub(super) async fn payload(app: &App, id: ComplaintId, done: &Done<Complaint>) -> Result<CasePayload, ApiError> {
    let glance = Glance { as_known_at_position: Some(done.position), ..Glance::default() };
    let folded = Folded::read(app, id, glance).await?.ok_or_else(|| ApiError::not_found("case"))?;
    Ok(CasePayload {
        case: case::Case::new(folded, glance),
        revision: Revision(done.revision),
        position: Position(done.position),
        repeated: done.repeated,
    })
}

//! The register of units (办理单位).

use async_graphql::Context;
use domain::id::StreamId;
use domain::org::{Unit, UnitCommand, UnitRegistered};
use event_log::execute::execute;
use event_log::port::CommandRef;

use super::UnitPayload;
use super::command::{body_digest, command_id, issue};
use crate::app::App;
use crate::auth::Role;
use crate::graphql::authority::{authority, region_in_area};
use crate::graphql::case;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::inputs::RegisterUnitInput;
use crate::graphql::scalars::Position;

/// Registers a unit below the caller's.
pub(super) async fn register_unit(ctx: &Context<'_>, input: RegisterUnitInput) -> Result<UnitPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    if !authority.is(&[Role::Administrator]) {
        return Err(ApiError::forbidden("your role does not let you `registerUnit`"));
    }
    let command = CommandRef {
        id: command_id(input.command_id)?,
        digest: body_digest(app, &authority, "register_unit", &input)?,
    };
    let region = region_in_area(&authority, &input.region)?;
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
    let done = execute::<Unit>(app.log.as_ref(), &stream, command, &issue, None, &context, body).await?;
    Ok(UnitPayload { unit_id: id, position: Position(done.position), repeated: done.repeated })
}

//! The units that a mapping names: registered before the first case, once.

use domain::decider::{Context, Decider, fold};
use domain::id::{CommandId, StreamId, UnitId};
use domain::org::{Unit, UnitCommand, UnitEvent, UnitRegistered, UnitRejection};
use domain::wire::WireError;
use event_log::digest::command_digest;
use event_log::execute::{self, ExecuteError, Issue};
use event_log::port::{CommandRef, EventLog, READ_EVENTS_MAX, ReadError};
use thiserror::Error;

use super::mapping::Mapping;
use super::rows::SeenUnit;
use crate::log::AnyReader;

/// Why the units could not be registered. Nothing of the file was imported then.
#[derive(Debug, Error)]
pub(super) enum UnitsError {
    #[error("unit `{unit}` of the mapping cannot be registered")]
    Refused {
        unit: UnitId,
        #[source]
        source: UnitRejection,
    },
    #[error("unit `{0}` of the mapping is not in the register, and the mapping does not say what to register it as")]
    NotRegistered(UnitId),
    #[error("what is stored of unit `{unit}` cannot be read")]
    Read {
        unit: UnitId,
        #[source]
        source: ReadError,
    },
    #[error("a stored event of unit `{unit}` cannot be read")]
    Wire {
        unit: UnitId,
        #[source]
        source: WireError,
    },
    #[error("unit `{unit}` cannot be written as JSON")]
    Encode {
        unit: UnitId,
        #[source]
        source: serde_json::Error,
    },
    #[error("unit `{unit}` could not be registered; the import can be run again")]
    Register {
        unit: UnitId,
        #[source]
        source: ExecuteError<UnitRejection>,
    },
}

/// Checks the units against the register, which may be missing yet; answers which are to be registered.
///
/// # Errors
/// A unit is registered as something else, or is not there and may not be registered.
pub(super) fn check(
    mapping: &Mapping,
    seen: &[SeenUnit],
    mut reader: Option<&mut AnyReader>,
    ctx: &Context<'_>,
) -> Result<Vec<UnitRegistered>, UnitsError> {
    let mut missing = Vec::new();
    for (id, wanted) in named(mapping, seen) {
        let state = match reader.as_deref_mut() {
            Some(reader) => stored(&id, reader)?,
            None => Unit::initial(),
        };
        let Some(wanted) = wanted else {
            match state {
                Unit::Active(_) => continue,
                Unit::Unknown | Unit::Retired(..) => return Err(UnitsError::NotRegistered(id)),
            }
        };
        match Unit::decide(&state, UnitCommand::Register(wanted.clone()), ctx) {
            Ok(events) if events.is_empty() => {}
            Ok(_) => missing.push(wanted),
            Err(source) => return Err(UnitsError::Refused { unit: id, source }),
        }
    }
    Ok(missing)
}

/// Every unit of the mapping, the intake unit first, with what it is to be registered as.
fn named(mapping: &Mapping, seen: &[SeenUnit]) -> Vec<(UnitId, Option<UnitRegistered>)> {
    let mut named = vec![(mapping.intake.clone(), mapping.intake_unit.clone())];
    let Some(map) = &mapping.unit else { return named };
    for unit in seen.iter().filter(|unit| unit.id != mapping.intake) {
        let wanted = map.register.then(|| UnitRegistered {
            unit: unit.id.clone(),
            kind: map.kind,
            name: map.names.get(&unit.value).unwrap_or(&unit.value).clone(),
            region: map.region,
            parent: Some(map.parent.clone()),
        });
        named.push((unit.id.clone(), wanted));
    }
    named
}

fn stored(id: &UnitId, reader: &mut AnyReader) -> Result<Unit, UnitsError> {
    let page = reader
        .read_stream_blocking(&StreamId::unit(id), None, READ_EVENTS_MAX)
        .map_err(|source| UnitsError::Read { unit: id.clone(), source })?;
    let happened = page.iter().map(execute::read::<UnitEvent>).collect::<Result<Vec<_>, _>>();
    let happened = happened.map_err(|source| UnitsError::Wire { unit: id.clone(), source })?;
    Ok(fold::<Unit>(&happened))
}

/// Registers units; answers how many. A unit that is registered as the same already is none of them.
///
/// # Errors
/// The log cannot be written.
pub(super) async fn register(
    units: &[UnitRegistered],
    log: &dyn EventLog,
    ctx: &Context<'_>,
) -> Result<u64, UnitsError> {
    let mut registered = 0;
    for unit in units {
        let id = &unit.unit;
        let body = serde_json::to_string(unit).map_err(|source| UnitsError::Encode { unit: id.clone(), source })?;
        let command = CommandRef {
            id: CommandId::derived(&["import-unit", id.as_str(), &body]),
            digest: command_digest(body.as_bytes()),
        };
        let stream = StreamId::unit(id);
        let register = UnitCommand::Register(unit.clone());
        let done = execute::execute::<Unit>(log, &stream, command, &Issue::default(), None, ctx, register)
            .await
            .map_err(|source| UnitsError::Register { unit: id.clone(), source })?;
        registered += u64::from(!done.repeated);
    }
    Ok(registered)
}

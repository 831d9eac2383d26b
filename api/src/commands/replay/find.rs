//! Finding a case by its id or by its number.

use std::ops::ControlFlow;

use domain::complaint::ComplaintEvent;
use domain::decider::Happened;
use domain::envelope::{Position, RecordedEvent};
use domain::id::ComplaintId;
use event_log::execute;
use uuid::Uuid;

use super::super::Failure;
use super::super::import::progress;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::AnyReader;

const REGISTERED: &str = "complaint.registered";
/// Events after which the progress bar is told.
const PROGRESS_EVENTS: u64 = 16_384;

/// The case with its whole history.
///
/// A number is looked up in the read models where they can be opened, and else in the log itself, event by event.
///
/// # Errors
/// There is no such case, or the log cannot be read.
pub(super) fn find(
    wanted: &str,
    dir: &DataDir,
    config: &Config,
    reader: &mut AnyReader,
) -> Result<(ComplaintId, Vec<RecordedEvent>), Failure> {
    if let Ok(id) = ComplaintId::parse(wanted) {
        let events = super::read(id, reader)?;
        if !events.is_empty() {
            return Ok((id, events));
        }
    }
    let known = in_models(wanted, dir, config);
    let id = match known {
        Some(id) => Some(id),
        None => {
            eprintln!("looking for number `{wanted}` in the log itself; the read models do not have it");
            in_log(wanted, reader)?
        }
    };
    let Some(id) = id else { return Err(format!("there is no case with the id or the number `{wanted}`").into()) };
    Ok((id, super::read(id, reader)?))
}

/// Looks a number up in the read models. They are a convenience here: where they are missing or cannot be read, the
/// log has the answer too.
fn in_models(number: &str, dir: &DataDir, config: &Config) -> Option<ComplaintId> {
    if !dir.models_path().exists() {
        return None;
    }
    let models = projections::ReadModels::open(dir.model_options(config, None)).ok()?;
    models.case_by_number(number).ok()?.map(|row| row.id)
}

/// Looks for a registration with this number in the whole log.
pub(super) fn in_log(number: &str, reader: &mut AnyReader) -> Result<Option<ComplaintId>, Failure> {
    let head = reader.head_blocking()?.map_or(0, Position::get);
    let bar = progress::bar("looking", head, false);
    let mut found = None;
    let mut unreadable = None;
    let mut seen = 0_u64;
    reader.scan(None, u64::MAX, &mut |event| {
        seen += 1;
        if seen.is_multiple_of(PROGRESS_EVENTS) {
            bar.set_position(event.position.get());
        }
        if &*event.kind != REGISTERED {
            return ControlFlow::Continue(());
        }
        match is_number(&event, number) {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => {
                found = of_stream(&event);
                ControlFlow::Break(())
            }
            Err(error) => {
                unreadable = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    bar.finish_and_clear();
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}

fn is_number(event: &RecordedEvent, number: &str) -> Result<bool, domain::wire::WireError> {
    let happened: Happened<ComplaintEvent> = execute::read(event)?;
    Ok(matches!(&happened.event, ComplaintEvent::Registered(registered) if registered.number == number))
}

fn of_stream(event: &RecordedEvent) -> Option<ComplaintId> {
    Uuid::try_parse(event.stream.name()).ok().map(ComplaintId::from_uuid)
}

//! One row for each case, from the read models.

use std::io::Write;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use domain::envelope::Position;
use domain::region::RegionCode;
use event_log::port::READ_EVENTS_MAX;
use projections::{CaseFilter, CaseRow, PageRequest, ReadModels, Scope};
use serde::Serialize;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::super::Failure;
use super::super::import::progress;
use super::{ExportError, line};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::{AnyReader, OpenedLog, is_in_use};
use crate::origin;

/// Cases read at once.
const PAGE_ROWS: u32 = 1_000;

/// One line. Amounts are whole minor units as text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseLine<'a> {
    id: Uuid,
    number: &'a str,
    filing: Uuid,
    channel: &'static str,
    category: &'static str,
    region: String,
    intake_unit: &'a str,
    unit: &'a str,
    handler: Option<&'a str>,
    stage: &'static str,
    outcome: Option<&'static str>,
    round: u16,
    registered_at: String,
    closed_at: Option<String>,
    closed_late: bool,
    recovered: Option<String>,
    currency: Option<&'static str>,
    respondent: Option<&'a str>,
    respondent_uscc: Option<&'a str>,
    due_on: Option<NaiveDate>,
    due_clock: Option<&'static str>,
    due_provisional: Option<bool>,
    urged: u32,
    revision: u64,
    position: u64,
    last_event_at: String,
}

impl<'a> CaseLine<'a> {
    fn new(row: &'a CaseRow) -> Self {
        Self {
            id: row.id.as_uuid(),
            number: &row.number,
            filing: row.filing.as_uuid(),
            channel: row.channel.code(),
            category: row.category.code(),
            region: row.region.to_string(),
            intake_unit: row.intake_unit.as_str(),
            unit: row.unit.as_str(),
            handler: row.handler.as_deref(),
            stage: row.stage.code(),
            outcome: row.outcome.map(|outcome| outcome.code()),
            round: row.round,
            registered_at: instant(row.registered_at),
            closed_at: row.closed_at.map(instant),
            closed_late: row.closed_late,
            recovered: row.recovered.map(|money| money.minor().to_string()),
            currency: row.recovered.map(|money| money.currency().code()),
            respondent: row.respondent.as_deref(),
            respondent_uscc: row.respondent_uscc.as_deref(),
            due_on: row.due.map(|due| due.day),
            due_clock: row.due.and_then(|due| due.clock).map(|clock| clock.as_str()),
            due_provisional: row.due.map(|due| due.provisional),
            urged: row.urged,
            revision: row.revision.get(),
            position: row.position.get(),
            last_event_at: instant(row.last_event_at),
        }
    }
}

/// Opens the read models as they stand, and brings them up to the log when no server does.
///
/// # Errors
/// They can neither be opened nor built, or the log cannot be read.
pub(super) async fn models(dir: &DataDir, config: &Config) -> Result<ReadModels, Failure> {
    let log = match dir.open(config, false).await {
        Ok(log) => log,
        // A server has the folder, and keeps the models up to date.
        Err(error) if is_in_use(&error) => return Ok(ReadModels::open(dir.model_options(config, None))?),
        Err(error) => return Err(error),
    };
    let (of_dir, of_config, of_log) = (dir.clone(), config.clone(), log.clone());
    let models = spawn_blocking(move || open(&of_dir, &of_config, &of_log)).await??;
    origin::check(dir, &log, &models, &dir.open_index(config)?).await??;
    let of_task = models.clone();
    let mut reader = log.reader()?;
    spawn_blocking(move || catch_up(&of_task, &mut reader)).await??;
    log.close().await;
    Ok(models)
}

fn open(dir: &DataDir, config: &Config, log: &OpenedLog) -> Result<ReadModels, Failure> {
    // A log without a vault has nothing sealed in it.
    let vault = if dir.has_vault(config) { Some(dir.open_vault(config)?) } else { None };
    dir.open_models(config, vault, log)
}

fn catch_up(models: &ReadModels, reader: &mut AnyReader) -> Result<(), ExportError> {
    loop {
        let page = reader.read_all_blocking(models.position(), READ_EVENTS_MAX).map_err(ExportError::Read)?;
        if !page.events.is_empty() {
            models.apply(&page.events).map_err(ExportError::Apply)?;
        }
        if page.at_end {
            return Ok(());
        }
    }
}

/// Writes every case; answers how many.
///
/// # Errors
/// The read models cannot be asked, or the output cannot be written.
pub(super) fn write(models: &ReadModels, out: &mut impl Write, quiet: bool) -> Result<u64, ExportError> {
    let filter = CaseFilter::new(vec![Scope::Region(RegionCode::GUANGDONG)]);
    let total = models.count_cases(&filter).map_err(ExportError::Query)?;
    eprintln!("cases as of position {}", models.position().map_or(0, Position::get));
    let bar = progress::bar("exporting", total, quiet);
    let mut written = 0;
    let mut after = None;
    loop {
        let page = models.cases(&filter, &PageRequest { after, limit: PAGE_ROWS }).map_err(ExportError::Query)?;
        for (row, cursor) in &page.rows {
            line(out, &CaseLine::new(row))?;
            after = Some(*cursor);
            written += 1;
        }
        bar.set_position(written);
        if !page.has_more || page.rows.is_empty() {
            bar.finish_and_clear();
            return Ok(written);
        }
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

//! Takes up where the stored read models ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::envelope::Position;
use domain::id::UnitId;
use domain::org::UnitKind;
use domain::region::RegionCode;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Assembler, Mark};
use crate::error::ApplyError;
use crate::names::Names;
use crate::register::{Register, UnitRow};
use crate::unregistered;

/// The name of the checkpoint of rows and ledger.
pub(super) const CHECKPOINT: &str = "models";

impl Assembler {
    /// An assembler that continues behind the stored checkpoint.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn load(conn: &Connection) -> Result<Self, ApplyError> {
        let last_case: Option<u32> = conn.query_row("SELECT max(key) FROM case_row", [], |row| row.get(0))?;
        Ok(Self {
            register: Arc::new(load_register(conn)?),
            mark: load_mark(conn)?,
            handlers: load_handlers(conn)?,
            known_days: load_known_days(conn)?,
            last_case: last_case.unwrap_or(0),
            unregistered: unregistered::load(conn)?,
            ..Self::default()
        })
    }
}

/// The stored checkpoint.
pub(crate) fn load_mark(conn: &Connection) -> rusqlite::Result<Mark> {
    let mut statement = conn.prepare_cached("SELECT position, events, known FROM checkpoint WHERE name = ?1")?;
    let mark = statement.query_row([CHECKPOINT], |row| {
        Ok(Mark {
            position: row.get::<_, Option<i64>>(0)?.map(|position| Position::new(position.cast_unsigned())),
            events: row.get::<_, i64>(1)?.cast_unsigned(),
            known: row.get(2)?,
        })
    });
    Ok(mark.optional()?.unwrap_or_default())
}

/// The stored register of units.
pub(crate) fn load_register(conn: &Connection) -> Result<Register, ApplyError> {
    let mut register = Register::default();
    let mut statement = conn.prepare("SELECT id, kind, name, region, parent, retired_to FROM unit ORDER BY key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, unit) = unit_of(row)?.ok_or(rusqlite::Error::InvalidQuery)?;
        register.load(id, unit)?;
    }
    register.relink();
    Ok(register)
}

/// A stored unit; `None` for damage.
fn unit_of(row: &Row<'_>) -> rusqlite::Result<Option<(UnitId, Option<UnitRow>)>> {
    let id: String = row.get(0)?;
    let kind: Option<String> = row.get(1)?;
    let name: Option<String> = row.get(2)?;
    let region: Option<String> = row.get(3)?;
    let parent: Option<String> = row.get(4)?;
    let retired_to: Option<String> = row.get(5)?;
    let Ok(id) = UnitId::parse(&id) else { return Ok(None) };
    let (Some(kind), Some(name), Some(region)) = (kind, name, region) else { return Ok(Some((id, None))) };
    let other = |raw: Option<String>| raw.and_then(|raw| UnitId::parse(&raw).ok());
    let (Some(kind), Ok(region)) = (UnitKind::from_code(&kind), RegionCode::parse(&region)) else { return Ok(None) };
    let unit = UnitRow { id: id.clone(), kind, name, region, parent: other(parent), retired_to: other(retired_to) };
    Ok(Some((id, Some(unit))))
}

fn load_handlers(conn: &Connection) -> rusqlite::Result<Names> {
    let mut names = Names::default();
    let mut statement = conn.prepare("SELECT name FROM handler ORDER BY key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        names.load(row.get(0)?);
    }
    Ok(names)
}

fn load_known_days(conn: &Connection) -> rusqlite::Result<BTreeMap<i32, u64>> {
    let mut statement = conn.prepare("SELECT day, position FROM known_day")?;
    let days = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    days.collect()
}

//! From the keys as written to a mapping that can be used; every refusal names its key.

use std::collections::{BTreeMap, HashMap};

use chrono::FixedOffset;
use domain::id::UnitId;
use domain::org::{UnitKind, UnitRegistered};
use domain::region::{RegionCode, RegionTable};
use domain::vocabulary::{Category, Channel};

use super::{
    Coded, CodedKeys, HandlerKeys, HandlerMap, IntakeKeys, Keys, Mapping, MappingError, RegisteredKeys, SourceKeys,
    Status, StatusKeys, StatusMap, UnitKeys, UnitMap,
};

/// Longest name of a source system in characters.
const SYSTEM_CHARS_MAX: usize = 40;
const ZONE_DEFAULT: &str = "+08:00";

pub(super) fn check(keys: Keys) -> Result<Mapping, MappingError> {
    let (zone, delimiter) = source(&keys.source)?;
    if keys.activity.is_some() && !keys.activity_is_free_of_personal_data {
        return Err(MappingError::key(
            "activity_is_free_of_personal_data",
            "the texts of [activity] are stored in clear and for ever; look through them, then set this key to true, \
             or leave [activity] out",
        ));
    }
    let registered = registered(keys.registered)?;
    let status = keys.status.map(status).transpose()?;
    if keys.closed.is_some() && status.as_ref().is_some_and(tells_closing) {
        return Err(MappingError::key("closed", "closing is told by this column or by [status], not by both"));
    }
    let intake = unit_id("intake.id", &keys.intake.id)?;
    let intake_region = region("intake.region", &keys.intake.region)?;
    let unit = match keys.unit {
        Some(unit) => Some(units(unit, keys.unit_ids, keys.unit_names, &intake, intake_region)?),
        None if keys.unit_ids.is_empty() && keys.unit_names.is_empty() => None,
        None => return Err(MappingError::key("unit", "[unit_ids] and [unit_names] are of use only with [unit]")),
    };
    Ok(Mapping {
        system: keys.source.system,
        zone,
        delimiter,
        case: keys.case.column,
        number_prefix: keys.case.number_prefix,
        time: keys.time.column,
        row_id: keys.row_id.map(|key| key.column),
        registered,
        deadline: keys.deadline.map(|key| key.column),
        closed: keys.closed.map(|key| key.column),
        status,
        channel: coded("channel", keys.channel, Channel::from_code, &codes(Channel::ALL))?,
        category: coded("category", keys.category, Category::from_code, &codes(Category::ALL))?,
        region: coded("region", keys.region, known_region, "codes of divisions such as 440300")?,
        intake_unit: intake_unit(keys.intake, &intake, intake_region)?,
        intake,
        unit,
        handler: keys.handler.map(handler).transpose()?,
        activity: keys.activity,
    })
}

fn tells_closing(status: &StatusMap) -> bool {
    status.meanings.values().any(|meaning| matches!(meaning, Status::Closed | Status::OpenAgain))
}

fn source(keys: &SourceKeys) -> Result<(FixedOffset, u8), MappingError> {
    let system = &keys.system;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if system.is_empty() || system.chars().count() > SYSTEM_CHARS_MAX || !system.chars().all(plain) {
        return Err(MappingError::key(
            "source.system",
            format!("`{system}` is not 1 to {SYSTEM_CHARS_MAX} lower-case letters, digits, hyphens and dots"),
        ));
    }
    let zone = keys.time_zone.as_deref().unwrap_or(ZONE_DEFAULT);
    let Ok(offset) = zone.parse() else {
        return Err(MappingError::key("source.time_zone", format!("`{zone}` is not an offset such as +08:00")));
    };
    let delimiter = keys.delimiter.as_deref().unwrap_or(",");
    match delimiter.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok((offset, *byte)),
        _ => Err(MappingError::key("source.delimiter", format!("`{delimiter}` is not one ASCII character"))),
    }
}

fn registered(keys: RegisteredKeys) -> Result<Option<String>, MappingError> {
    if keys.column.is_some() == keys.first_row {
        return Err(MappingError::key("registered", "say either `column = \"…\"` or `first_row = true`"));
    }
    Ok(keys.column)
}

fn status(keys: StatusKeys) -> Result<StatusMap, MappingError> {
    let lists = [
        (keys.closed, Status::Closed),
        (keys.waiting, Status::Waiting),
        (keys.open_again, Status::OpenAgain),
        (keys.in_work, Status::InWork),
    ];
    let mut meanings = HashMap::new();
    for (values, meaning) in lists {
        for value in values {
            if let Some(other) = meanings.insert(value.clone(), meaning).filter(|other| *other != meaning) {
                return Err(MappingError::key("status", format!("`{value}` means {other:?} and {meaning:?}")));
            }
        }
    }
    Ok(StatusMap { column: keys.column, meanings, ignore_unlisted: keys.ignore_unlisted })
}

fn coded<T: Copy>(
    key: &str,
    keys: CodedKeys,
    parse: fn(&str) -> Option<T>,
    known: &str,
) -> Result<Coded<T>, MappingError> {
    if keys.column.is_none() && keys.default.is_none() {
        return Err(MappingError::key(key, "say `column`, `default`, or both"));
    }
    let read = |key: String, code: &str| {
        parse(code).ok_or_else(|| MappingError::key(key, format!("`{code}` is not known; known are {known}")))
    };
    let default = keys.default.map(|code| read(format!("{key}.default"), &code)).transpose()?;
    let mut map = HashMap::with_capacity(keys.map.len());
    for (word, code) in keys.map {
        let code = read(format!("{key}.map.\"{word}\""), &code)?;
        map.insert(word, code);
    }
    Ok(Coded { column: keys.column, default, map, parse })
}

fn codes<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn known_region(raw: &str) -> Option<RegionCode> {
    RegionCode::parse(raw).ok().filter(|code| RegionTable::builtin().get(*code).is_some())
}

fn region(key: &str, raw: &str) -> Result<RegionCode, MappingError> {
    known_region(raw).ok_or_else(|| MappingError::key(key, format!("`{raw}` is not in the table of divisions")))
}

fn unit_id(key: &str, raw: &str) -> Result<UnitId, MappingError> {
    UnitId::parse(raw).map_err(|error| MappingError::key(key, format!("`{raw}` is no unit id: {error}")))
}

fn unit_kind(key: &str, raw: &str) -> Result<UnitKind, MappingError> {
    UnitKind::from_code(raw)
        .ok_or_else(|| MappingError::key(key, format!("`{raw}` is not known; known are {}", codes(UnitKind::ALL))))
}

fn intake_unit(keys: IntakeKeys, intake: &UnitId, region: RegionCode) -> Result<Option<UnitRegistered>, MappingError> {
    let parent = keys.parent.map(|raw| unit_id("intake.parent", &raw)).transpose()?;
    match (keys.name, keys.kind) {
        (Some(name), Some(kind)) => {
            let kind = unit_kind("intake.kind", &kind)?;
            Ok(Some(UnitRegistered { unit: intake.clone(), kind, name, region, parent }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(MappingError::key("intake.kind", "it is needed beside `name`")),
        (None, Some(_)) => Err(MappingError::key("intake.name", "it is needed beside `kind`")),
    }
}

fn units(
    keys: UnitKeys,
    ids: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
    intake: &UnitId,
    intake_region: RegionCode,
) -> Result<UnitMap, MappingError> {
    // A prefix that spoils every id is told here, not at the first row.
    if !keys.id_prefix.is_empty() {
        unit_id("unit.id_prefix", &keys.id_prefix)?;
    }
    let mut parsed = BTreeMap::new();
    for (value, id) in ids {
        let id = unit_id(&format!("unit_ids.\"{value}\""), &id)?;
        parsed.insert(value, id);
    }
    Ok(UnitMap {
        column: keys.column,
        ignore: keys.ignore,
        id_prefix: keys.id_prefix,
        ids: parsed,
        names,
        register: keys.register.unwrap_or(true),
        kind: keys.kind.map_or(Ok(UnitKind::Station), |kind| unit_kind("unit.kind", &kind))?,
        region: keys.region.map_or(Ok(intake_region), |raw| region("unit.region", &raw))?,
        parent: keys.parent.map_or_else(|| Ok(intake.clone()), |raw| unit_id("unit.parent", &raw))?,
    })
}

fn handler(keys: HandlerKeys) -> Result<HandlerMap, MappingError> {
    let per_case = match keys.per.as_str() {
        "case" => true,
        "row" => false,
        other => return Err(MappingError::key("handler.per", format!("`{other}` is neither `case` nor `row`"))),
    };
    Ok(HandlerMap { column: keys.column, per_case, ignore: keys.ignore })
}

//! The register a new installation begins with: the bureaus, stations and councils of the table of divisions.

use cross_border::partner::{Partner, Place};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::decider::{Context, Decider};
use domain::id::{CommandId, StreamId, UnitId};
use domain::org::{Unit, UnitCommand, UnitKind, UnitRegistered};
use domain::region::{Region, RegionCode, RegionLevel, RegionTable};
use event_log::digest::command_digest;
use event_log::execute::{Issue, new_events};
use event_log::port::{Append, AppendError, CommandRef, Expected};

use crate::commands::Failure;
use crate::log::TakesMany;

/// The actor of what the program does by itself.
pub const SYSTEM_ACTOR: &str = "system";
/// Units appended at a time.
const BATCH: usize = 1_000;

/// The id of the provincial bureau.
///
/// # Panics
/// Never: the text is a unit id.
#[must_use]
pub fn province_unit() -> UnitId {
    UnitId::parse("gd").expect("`gd` is a unit id")
}

/// The unit of a region: `gd-440100` for the bureau of Guangzhou.
///
/// # Panics
/// Never: a region code is made of digits.
#[must_use]
pub fn bureau(region: RegionCode) -> UnitId {
    if region == RegionCode::GUANGDONG {
        return province_unit();
    }
    UnitId::parse(&format!("gd-{region}")).expect("a region code is made of digits")
}

/// The unit of a consumer council: `cc-440100` for that of Guangzhou. The province's stands in the register of partners
/// too, and has the same id in both.
fn council(region: RegionCode) -> UnitId {
    if region == RegionCode::GUANGDONG {
        return UnitId::parse("gd-consumer-council").expect("lower-case letters and hyphens are an id");
    }
    UnitId::parse(&format!("cc-{region}")).expect("a region code is made of digits")
}

/// The units that the node of a council begins with: in Guangdong those of the table of divisions, elsewhere the
/// council alone.
#[must_use]
pub fn of_node(council: &Partner) -> Vec<UnitRegistered> {
    let region = match council.place {
        Place::Guangdong => return of_divisions(),
        Place::HongKong => "810000",
        Place::Macao => "820000",
    };
    vec![UnitRegistered {
        unit: UnitId::parse(council.id.as_str()).expect("a partner's id has the form of a unit's"),
        kind: UnitKind::Council,
        name: council.name.zh_hant.clone(),
        region: RegionCode::parse(region).expect("six digits are a region code"),
        parent: None,
    }]
}

/// Every unit of the table of divisions: a bureau for each province, city and county, a station for each town-level
/// entry, a consumer council for the province and each city.
#[must_use]
pub fn of_divisions() -> Vec<UnitRegistered> {
    let mut units = Vec::new();
    add(RegionCode::GUANGDONG, &mut units);
    units
}

fn add(code: RegionCode, units: &mut Vec<UnitRegistered>) {
    let regions = RegionTable::builtin();
    let Some(region) = regions.get(code) else { return };
    units.push(bureau_of(region));
    if matches!(region.level, RegionLevel::Province | RegionLevel::City) {
        units.push(UnitRegistered {
            unit: council(code),
            kind: UnitKind::Council,
            name: format!("{}消费者委员会", region.name),
            region: code,
            parent: region.parent.map(council),
        });
    }
    for child in regions.children(code) {
        add(child.code, units);
    }
}

fn bureau_of(region: &Region) -> UnitRegistered {
    let (kind, suffix) = match region.level {
        RegionLevel::Province => (UnitKind::Province, "市场监督管理局"),
        RegionLevel::City => (UnitKind::City, "市场监督管理局"),
        RegionLevel::County => (UnitKind::County, "市场监督管理局"),
        RegionLevel::Town => (UnitKind::Station, "市场监督管理所"),
    };
    UnitRegistered {
        unit: bureau(region.code),
        kind,
        name: format!("{}{suffix}", region.name),
        region: region.code,
        parent: region.parent.map(bureau),
    }
}

/// Registers units that are not registered yet; repeating it changes nothing.
///
/// # Errors
/// A unit is refused by the register, or the log cannot be written.
pub async fn register(
    log: &impl TakesMany,
    units: &[UnitRegistered],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<u64, Failure> {
    let own = province_unit();
    let ctx = Context {
        now,
        unit: &own,
        actor: SYSTEM_ACTOR,
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    let mut registered = 0;
    for batch in units.chunks(BATCH) {
        let appends = batch.iter().map(|unit| append(unit, &ctx)).collect::<Result<Vec<_>, _>>()?;
        for answer in log.append_many(appends).await? {
            match answer {
                Ok(appended) => registered += u64::from(!appended.repeated),
                // It was registered by hand; that registration stands.
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(registered)
}

fn append(unit: &UnitRegistered, ctx: &Context<'_>) -> Result<Append, Failure> {
    let stream = StreamId::unit(&unit.unit);
    let id = CommandId::derived(&["register-unit", unit.unit.as_str()]);
    let happened = Unit::decide(&Unit::initial(), UnitCommand::Register(unit.clone()), ctx)?;
    let events = new_events(&stream, id, &Issue::default(), ctx, &happened)?;
    let digest = command_digest(unit.unit.as_str().as_bytes());
    Ok(Append { stream, expected: Expected::NoStream, command: CommandRef { id, digest }, events })
}

#[cfg(test)]
mod tests {
    use cross_border::partner::PartnerRegister;

    use super::*;

    #[test]
    fn every_division_has_its_unit() {
        let units = of_divisions();
        let count = |kind| units.iter().filter(|unit| unit.kind == kind).count();
        assert_eq!(count(UnitKind::Province), 1);
        assert_eq!(count(UnitKind::City), 21);
        assert_eq!(count(UnitKind::County), 122);
        assert_eq!(count(UnitKind::Station), 1_757);
        assert_eq!(count(UnitKind::Council), 22);
    }

    #[test]
    fn every_council_of_the_partner_register_has_its_unit_on_its_own_node() {
        for council in PartnerRegister::builtin().partners() {
            let units = of_node(council);
            let own = units.iter().find(|unit| unit.unit.as_str() == council.id.as_str()).unwrap();
            assert_eq!((own.kind, Place::of_seat(own.region)), (UnitKind::Council, Some(council.place)));
            assert_eq!(units.len() > 1, council.place == Place::Guangdong);
        }
    }
}

//! The register of units (办理单位): who may hold a case, where, and under whom.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decider::{Context, Decider, Happened};
use crate::id::UnitId;
use crate::region::{RegionCode, RegionLevel, RegionTable};
use crate::vocabulary::vocabulary;

/// Longest unit name in characters.
pub const UNIT_NAME_CHARS_MAX: usize = 100;

vocabulary! {
    /// What a unit is.
    UnitKind {
        Province = "province", "省级市场监督管理局";
        City = "city", "市级市场监督管理局";
        County = "county", "县级市场监督管理局";
        Station = "station", "市场监督管理所";
        Council = "council", "消费者委员会";
        ServiceStation = "service-station", "消费维权服务站";
        OdrEnterprise = "odr-enterprise", "在线消费纠纷解决企业";
    }
}

/// A unit as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitRegistered {
    pub unit: UnitId,
    pub kind: UnitKind,
    pub name: String,
    /// An attribute only: functional areas have units but no code of their own.
    pub region: RegionCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<UnitId>,
}

/// A unit that takes no more work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitRetired {
    pub successor: UnitId,
}

/// What can happen to a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitEvent {
    Registered(UnitRegistered),
    Retired(UnitRetired),
}

crate::wire::event_kinds! {
    UnitEvent {
        Registered = "unit.registered", 1;
        Retired = "unit.retired", 1;
    }
}

/// What may be asked of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitCommand {
    Register(UnitRegistered),
    Retire(UnitRetired),
}

/// Why the register refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitRejection {
    #[error("region `{0}` is not in the table of divisions")]
    UnknownRegion(RegionCode),
    #[error("a unit's name has 1 to {UNIT_NAME_CHARS_MAX} characters, this one has {0}")]
    Name(usize),
    #[error("unit `{0}` is registered already, with other data")]
    AlreadyRegistered(UnitId),
    #[error("a unit of kind `{kind}` cannot stand in region `{region}`")]
    WrongLevel { kind: UnitKind, region: RegionCode },
    #[error("a unit cannot be its own successor")]
    OwnSuccessor,
    #[error("the unit is not registered")]
    NotRegistered,
    #[error("the unit is retired; its work went to `{0}`")]
    Retired(UnitId),
}

/// A unit's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    Unknown,
    Active(UnitRegistered),
    Retired(UnitRegistered, UnitId),
}

impl Decider for Unit {
    const CATEGORY: &'static str = "unit";
    type Command = UnitCommand;
    type Event = UnitEvent;
    type State = Self;
    type Rejection = UnitRejection;

    fn initial() -> Self {
        Self::Unknown
    }

    fn decide(
        state: &Self,
        command: UnitCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<UnitEvent>>, UnitRejection> {
        let event = match (state, command) {
            (Self::Unknown, UnitCommand::Register(unit)) => {
                check(&unit)?;
                UnitEvent::Registered(unit)
            }
            (Self::Active(known), UnitCommand::Register(unit)) if *known == unit => return Ok(Vec::new()),
            (Self::Active(known) | Self::Retired(known, _), UnitCommand::Register(_)) => {
                return Err(UnitRejection::AlreadyRegistered(known.unit.clone()));
            }
            (Self::Active(known), UnitCommand::Retire(retired)) if known.unit == retired.successor => {
                return Err(UnitRejection::OwnSuccessor);
            }
            (Self::Active(_), UnitCommand::Retire(retired)) => UnitEvent::Retired(retired),
            (Self::Retired(_, successor), UnitCommand::Retire(_)) => {
                return Err(UnitRejection::Retired(successor.clone()));
            }
            (Self::Unknown, UnitCommand::Retire(_)) => return Err(UnitRejection::NotRegistered),
        };
        Ok(vec![Happened { at: ctx.now, event }])
    }

    fn evolve(state: Self, event: &Happened<UnitEvent>) -> Self {
        match (&event.event, state) {
            (UnitEvent::Registered(unit), _) => Self::Active(unit.clone()),
            (UnitEvent::Retired(retired), Self::Active(unit) | Self::Retired(unit, _)) => {
                Self::Retired(unit, retired.successor.clone())
            }
            (UnitEvent::Retired(_), Self::Unknown) => Self::Unknown,
        }
    }
}

fn check(unit: &UnitRegistered) -> Result<(), UnitRejection> {
    let chars = unit.name.chars().count();
    if chars == 0 || chars > UNIT_NAME_CHARS_MAX {
        return Err(UnitRejection::Name(chars));
    }
    let regions = RegionTable::builtin();
    let Some(region) = regions.get(unit.region) else {
        return Err(UnitRejection::UnknownRegion(unit.region));
    };
    let fits = match unit.kind {
        UnitKind::Province => region.level == RegionLevel::Province,
        UnitKind::City => region.level == RegionLevel::City,
        // Dongguan and Zhongshan have no counties: there the city bureau and its branches play the county's part.
        UnitKind::County => regions.is_county_role(unit.region),
        UnitKind::Station => region.level != RegionLevel::Province,
        UnitKind::Council | UnitKind::ServiceStation | UnitKind::OdrEnterprise => true,
    };
    if fits { Ok(()) } else { Err(UnitRejection::WrongLevel { kind: unit.kind, region: unit.region }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::WorkingCalendar;
    use crate::clock::RuleTable;
    use crate::decider::fold;

    const NOW: &str = "2026-05-06T09:00:00+08:00";

    fn id(id: &str) -> UnitId {
        UnitId::parse(id).unwrap()
    }

    fn bureau(kind: UnitKind, region: &str) -> UnitRegistered {
        UnitRegistered {
            unit: id("gd-unit"),
            kind,
            name: "某某市场监督管理局".to_owned(),
            region: RegionCode::parse(region).unwrap(),
            parent: Some(id("gd")),
        }
    }

    fn tianhe() -> UnitRegistered {
        bureau(UnitKind::County, "440106")
    }

    fn decide(state: &Unit, command: UnitCommand) -> Result<Vec<UnitEvent>, UnitRejection> {
        let ctx = Context {
            now: NOW.parse().unwrap(),
            unit: &id("gd"),
            actor: "officer-1",
            calendar: WorkingCalendar::mainland(),
            rules: RuleTable::builtin(),
        };
        let happened = Unit::decide(state, command, &ctx)?;
        assert!(happened.iter().all(|happened| happened.at == ctx.now));
        Ok(happened.into_iter().map(|happened| happened.event).collect())
    }

    fn after(events: impl IntoIterator<Item = UnitEvent>) -> Unit {
        let events: Vec<Happened<UnitEvent>> =
            events.into_iter().map(|event| Happened { at: NOW.parse().unwrap(), event }).collect();
        fold::<Unit>(&events)
    }

    fn retired(successor: &str) -> UnitEvent {
        UnitEvent::Retired(UnitRetired { successor: id(successor) })
    }

    fn retire(successor: &str) -> UnitCommand {
        UnitCommand::Retire(UnitRetired { successor: id(successor) })
    }

    #[test]
    fn a_unit_is_registered_once_and_the_same_again_is_nothing() {
        assert_eq!(decide(&Unit::Unknown, UnitCommand::Register(tianhe())), Ok(vec![UnitEvent::Registered(tianhe())]));
        let known = after([UnitEvent::Registered(tianhe())]);
        assert_eq!(known, Unit::Active(tianhe()));
        assert_eq!(decide(&known, UnitCommand::Register(tianhe())), Ok(Vec::new()));
        let renamed = UnitRegistered { name: "另一个局".to_owned(), ..tianhe() };
        assert_eq!(
            decide(&known, UnitCommand::Register(renamed)),
            Err(UnitRejection::AlreadyRegistered(id("gd-unit")))
        );
    }

    #[test]
    fn a_name_has_one_to_a_hundred_characters() {
        for (chars, fits) in [(0, false), (1, true), (UNIT_NAME_CHARS_MAX, true), (UNIT_NAME_CHARS_MAX + 1, false)] {
            let named = UnitRegistered { name: "局".repeat(chars), ..tianhe() };
            let expected =
                if fits { Ok(vec![UnitEvent::Registered(named.clone())]) } else { Err(UnitRejection::Name(chars)) };
            assert_eq!(decide(&Unit::Unknown, UnitCommand::Register(named)), expected);
        }
    }

    #[test]
    fn a_unit_stands_in_a_division_of_its_rank() {
        for (kind, region, fits) in [
            (UnitKind::Province, "440000", true),
            (UnitKind::Province, "440100", false),
            (UnitKind::City, "440100", true),
            (UnitKind::City, "440106", false),
            (UnitKind::County, "440106", true),
            (UnitKind::County, "440100", false),
            (UnitKind::County, "440000", false),
            // Dongguan and Zhongshan have no counties: the city's bureau is the county's.
            (UnitKind::County, "441900", true),
            (UnitKind::County, "442000", true),
            (UnitKind::Station, "440106", true),
            (UnitKind::Station, "441900", true),
            (UnitKind::Station, "440000", false),
            (UnitKind::Council, "440000", true),
            (UnitKind::ServiceStation, "440106", true),
            (UnitKind::OdrEnterprise, "440300", true),
        ] {
            let unit = bureau(kind, region);
            let rejected = UnitRejection::WrongLevel { kind, region: unit.region };
            let expected = if fits { Ok(vec![UnitEvent::Registered(unit.clone())]) } else { Err(rejected) };
            assert_eq!(decide(&Unit::Unknown, UnitCommand::Register(unit)), expected, "{kind} in {region}");
        }
    }

    #[test]
    fn a_division_that_is_not_in_the_table_has_no_units() {
        let elsewhere = bureau(UnitKind::Council, "830000");
        let region = elsewhere.region;
        assert_eq!(decide(&Unit::Unknown, UnitCommand::Register(elsewhere)), Err(UnitRejection::UnknownRegion(region)));
    }

    #[test]
    fn a_retired_unit_names_its_successor_and_stays_retired() {
        let known = after([UnitEvent::Registered(tianhe())]);
        assert_eq!(decide(&known, retire("gz-tianhe-2")), Ok(vec![retired("gz-tianhe-2")]));
        let gone = after([UnitEvent::Registered(tianhe()), retired("gz-tianhe-2")]);
        assert_eq!(gone, Unit::Retired(tianhe(), id("gz-tianhe-2")));
        assert_eq!(decide(&gone, retire("gz-tianhe-3")), Err(UnitRejection::Retired(id("gz-tianhe-2"))));
        assert_eq!(
            decide(&gone, UnitCommand::Register(tianhe())),
            Err(UnitRejection::AlreadyRegistered(id("gd-unit")))
        );
    }

    #[test]
    fn what_is_not_registered_is_not_retired() {
        assert_eq!(decide(&Unit::Unknown, retire("gz-tianhe-2")), Err(UnitRejection::NotRegistered));
        assert_eq!(after([retired("gz-tianhe-2")]), Unit::Unknown);
    }
}

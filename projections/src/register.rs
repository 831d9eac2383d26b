//! The register of units in memory: who stands where and under whom, and which part of the province that makes.

mod reach;

use std::collections::HashMap;

use domain::id::UnitId;
use domain::org::{UnitEvent, UnitKind};
use domain::region::{RegionCode, RegionLevel, RegionTable};

use crate::error::ApplyError;
use crate::names::KEY_MAX;
use crate::scope::Scope;

pub(crate) use self::reach::Reach;

/// Steps upwards that are followed; the deepest tree in practice has four levels.
const DEPTH_MAX: usize = 16;

/// A unit of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitRow {
    pub id: UnitId,
    pub kind: UnitKind,
    pub name: String,
    pub region: RegionCode,
    pub parent: Option<UnitId>,
    /// Who took over its work, once it is retired.
    pub retired_to: Option<UnitId>,
}

/// A unit that somebody has named.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) id: UnitId,
    /// See [`city_of`]; 0 as well while the unit is not registered.
    pub(crate) city: u8,
    pub(crate) row: Option<UnitRow>,
    /// The key of the unit above, as far as it is registered.
    parent: u32,
}

/// What the part of the province asked for is, for finding the quickest way to its numbers.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Province,
    City(u8),
    /// One unit with nothing below it.
    Unit(u32),
    Set(Reach),
}

/// Every unit, by a key that counts from 1 in log order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Register {
    slots: Vec<Slot>,
    keys: HashMap<UnitId, u32>,
}

/// The third and fourth digit of the city that a region lies in; 0 for the province level and for unknown regions.
pub(crate) fn city_of(region: RegionCode) -> u8 {
    let city = RegionTable::builtin().city_of(region).map_or(0, RegionCode::number);
    u8::try_from(city / 100 % 100).unwrap_or(0)
}

/// The code of a city by its number; the province's for 0.
pub(crate) fn region_of(city: u8) -> RegionCode {
    let city = RegionTable::builtin().cities().find(|region| city_of(region.code) == city && city != 0);
    city.map_or(RegionCode::GUANGDONG, |region| region.code)
}

impl Register {
    pub(crate) fn find(&self, id: &UnitId) -> Option<u32> {
        self.keys.get(id).copied()
    }

    pub(crate) fn slot(&self, key: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(key).ok()?.checked_sub(1)?)
    }

    pub(crate) fn city(&self, key: u32) -> u8 {
        self.slot(key).map_or(0, |slot| slot.city)
    }

    pub(crate) fn row(&self, id: &UnitId) -> Option<&UnitRow> {
        self.slot(self.find(id)?)?.row.as_ref()
    }

    /// Every unit with its key.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (1_u32..).zip(&self.slots)
    }

    /// The largest key.
    pub(crate) fn last_key(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Gives a unit its key.
    pub(crate) fn name(&mut self, id: &UnitId) -> Result<u32, ApplyError> {
        if let Some(key) = self.find(id) {
            return Ok(key);
        }
        self.slots.push(Slot { id: id.clone(), city: 0, row: None, parent: 0 });
        let key = self.last_key();
        if key > KEY_MAX {
            return Err(ApplyError::Full { what: "units" });
        }
        self.keys.insert(id.clone(), key);
        Ok(key)
    }

    /// Takes in an event of the register and says which unit it changed.
    pub(crate) fn apply(&mut self, event: &UnitEvent, id: &UnitId) -> Result<u32, ApplyError> {
        let key = self.name(id)?;
        let index = usize::try_from(key).unwrap_or(0).wrapping_sub(1);
        if let Some(slot) = self.slots.get_mut(index) {
            match event {
                UnitEvent::Registered(unit) => slot.set(UnitRow {
                    id: unit.unit.clone(),
                    kind: unit.kind,
                    name: unit.name.clone(),
                    region: unit.region,
                    parent: unit.parent.clone(),
                    retired_to: None,
                }),
                UnitEvent::Retired(retired) => {
                    if let Some(row) = &mut slot.row {
                        row.retired_to = Some(retired.successor.clone());
                    }
                }
            }
        }
        Ok(key)
    }

    /// Takes a stored unit in; they come in the order of their keys.
    pub(crate) fn load(&mut self, id: UnitId, row: Option<UnitRow>) -> Result<(), ApplyError> {
        self.name(&id)?;
        if let (Some(row), Some(slot)) = (row, self.slots.last_mut()) {
            slot.set(row);
        }
        Ok(())
    }

    /// Finds the keys of the units above, after units were registered.
    pub(crate) fn relink(&mut self) {
        let Self { slots, keys } = self;
        for slot in slots.iter_mut() {
            let parent = slot.row.as_ref().and_then(|row| row.parent.as_ref());
            slot.parent = parent.and_then(|parent| keys.get(parent)).copied().unwrap_or(0);
        }
    }

    /// Whether a unit is another one or stands below it.
    pub(crate) fn is_within(&self, unit: u32, ancestor: u32) -> bool {
        let mut key = unit;
        for _ in 0..DEPTH_MAX {
            if key == ancestor {
                return true;
            }
            match self.slot(key) {
                Some(slot) if slot.parent != 0 => key = slot.parent,
                Some(_) | None => return false,
            }
        }
        false
    }

    /// The units inside a scope.
    pub(crate) fn resolve(&self, scope: &Scope) -> Reach {
        match scope {
            Scope::Region(region) if *region == RegionCode::GUANGDONG => Reach::everything(self),
            Scope::Region(region) => {
                let regions = RegionTable::builtin();
                Reach::of(self, |_, slot| slot.row.as_ref().is_some_and(|row| regions.contains(*region, row.region)))
            }
            Scope::Unit(id) => match self.find(id) {
                Some(ancestor) => Reach::of(self, |key, _| self.is_within(key, ancestor)),
                None => Reach::default(),
            },
        }
    }

    /// What a scope is.
    pub(crate) fn shape(&self, scope: &Scope) -> Shape {
        if let Scope::Region(region) = scope {
            if *region == RegionCode::GUANGDONG {
                return Shape::Province;
            }
            let level = RegionTable::builtin().get(*region).map(|region| region.level);
            if level == Some(RegionLevel::City) {
                return Shape::City(city_of(*region));
            }
        }
        let reach = self.resolve(scope);
        match reach.members().as_slice() {
            [only] => Shape::Unit(*only),
            _ => Shape::Set(reach),
        }
    }
}

impl Slot {
    fn set(&mut self, row: UnitRow) {
        self.city = city_of(row.region);
        self.row = Some(row);
    }
}

#[cfg(test)]
mod tests {
    use domain::org::UnitRegistered;

    use super::*;

    fn region(code: &str) -> RegionCode {
        RegionCode::parse(code).unwrap()
    }

    fn unit(id: &str) -> UnitId {
        UnitId::parse(id).unwrap()
    }

    fn register() -> Register {
        let mut register = Register::default();
        for (id, kind, code, parent) in [
            ("gd", UnitKind::Province, "440000", None),
            ("gz-th", UnitKind::County, "440106", Some("gz")),
            ("gz", UnitKind::City, "440100", Some("gd")),
            ("gz-th-1", UnitKind::Station, "440106", Some("gz-th")),
            ("dg", UnitKind::City, "441900", Some("gd")),
        ] {
            let event = UnitEvent::Registered(UnitRegistered {
                unit: unit(id),
                kind,
                name: id.to_owned(),
                region: region(code),
                parent: parent.map(unit),
            });
            register.apply(&event, &unit(id)).unwrap();
        }
        register.name(&unit("stranger")).unwrap();
        register.relink();
        register
    }

    fn inside(scope: &Scope) -> Vec<String> {
        let register = register();
        let reach = register.resolve(scope);
        reach.members().into_iter().map(|key| register.slot(key).unwrap().id.to_string()).collect()
    }

    #[test]
    fn a_region_holds_the_units_registered_in_it() {
        assert_eq!(inside(&Scope::Region(region("440000"))), ["gd", "gz-th", "gz", "gz-th-1", "dg", "stranger"]);
        assert_eq!(inside(&Scope::Region(region("440100"))), ["gz-th", "gz", "gz-th-1"]);
        assert_eq!(inside(&Scope::Region(region("440106"))), ["gz-th", "gz-th-1"]);
        assert!(inside(&Scope::Region(region("440300"))).is_empty());
    }

    #[test]
    fn a_unit_holds_itself_and_those_below() {
        assert_eq!(inside(&Scope::Unit(unit("gz"))), ["gz-th", "gz", "gz-th-1"]);
        assert_eq!(inside(&Scope::Unit(unit("stranger"))), ["stranger"]);
        assert!(inside(&Scope::Unit(unit("nobody"))).is_empty());
    }

    #[test]
    fn cities_have_small_numbers() {
        assert_eq!(city_of(region("440106")), 1);
        assert_eq!(city_of(region("445300")), 53);
        assert_eq!(city_of(region("440000")), 0);
        assert_eq!(region_of(19), region("441900"));
        assert_eq!(region_of(0), RegionCode::GUANGDONG);
    }

    #[test]
    fn shapes_are_recognised() {
        let register = register();
        assert!(matches!(register.shape(&Scope::Region(region("440100"))), Shape::City(1)));
        assert!(matches!(register.shape(&Scope::Unit(unit("gz-th-1"))), Shape::Unit(4)));
        assert!(matches!(register.shape(&Scope::Unit(unit("gz"))), Shape::Set(_)));
        assert!(matches!(register.shape(&Scope::Region(region("440106"))), Shape::Set(_)));
    }
}

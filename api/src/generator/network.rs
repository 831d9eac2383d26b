//! Who works where: the cities with their bureaus, counties and stations, by the table of divisions.

use domain::id::UnitId;
use domain::region::{RegionCode, RegionLevel, RegionTable};

use super::dice::Dice;
use super::mix::{CITY_SHARES, INHABITANTS};
use crate::units::{bureau, province_unit};

/// Officers of a station, of a county bureau, and of a city's intake.
const STATION_STAFF: u32 = 5;
const COUNTY_STAFF: u32 = 14;
const INTAKE_STAFF: u32 = 8;
/// Thousandths that fall on the cities of [`CITY_SHARES`].
const SHARES_SUM: u32 = 740;

/// The bureau that a city's intake sends cases to, and what is below it.
#[derive(Debug)]
pub(super) struct Area {
    /// A county; in a city without counties a town.
    pub(super) region: RegionCode,
    pub(super) name: &'static str,
    pub(super) unit: UnitId,
    pub(super) stations: Vec<UnitId>,
}

#[derive(Debug)]
pub(super) struct City {
    pub(super) code: RegionCode,
    pub(super) name: &'static str,
    pub(super) unit: UnitId,
    pub(super) areas: Vec<Area>,
}

/// Where a case is handled: the place of a city and of one of its areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) city: usize,
    pub(super) area: usize,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) province: UnitId,
    cities: Vec<City>,
    /// Places of the cities of [`CITY_SHARES`], with their shares.
    by_share: Vec<(usize, u32)>,
    /// Places of the others, with their inhabitants.
    by_inhabitants: Vec<(usize, u32)>,
}

impl Network {
    pub(super) fn of_divisions() -> Self {
        let regions = RegionTable::builtin();
        let cities: Vec<City> = regions
            .cities()
            .map(|city| City {
                code: city.code,
                name: &city.name,
                unit: bureau(city.code),
                areas: regions.children(city.code).map(|child| area(regions, child.code, &child.name)).collect(),
            })
            .collect();
        let places = |table: &[(u32, u32)]| {
            let place = |code: u32| cities.iter().position(|city| city.code.number() == code);
            table.iter().filter_map(|(code, weight)| Some((place(*code)?, *weight))).collect::<Vec<_>>()
        };
        let (by_share, by_inhabitants) = (places(&CITY_SHARES), places(&INHABITANTS));
        Self { province: province_unit(), by_share, by_inhabitants, cities }
    }

    /// Draws where a complaint is to be handled. That the areas of a city have equally many is an assumption.
    pub(super) fn draw(&self, dice: &mut Dice) -> Seat {
        let large = dice.chance(SHARES_SUM);
        let city = dice.weighted(if large { &self.by_share } else { &self.by_inhabitants });
        Seat { city, area: dice.index(self.cities.get(city).map_or(0, |city| city.areas.len())) }
    }

    /// # Panics
    /// The seat was not drawn here.
    pub(super) fn city(&self, seat: Seat) -> &City {
        self.cities.get(seat.city).expect("a seat is drawn from the cities")
    }

    /// # Panics
    /// The seat was not drawn here.
    pub(super) fn area(&self, seat: Seat) -> &Area {
        self.city(seat).areas.get(seat.area).expect("a seat is drawn from the areas of its city")
    }

    pub(super) fn city_count(&self) -> usize {
        self.cities.len()
    }
}

fn area(regions: &RegionTable, region: RegionCode, name: &'static str) -> Area {
    let stations = regions
        .children(region)
        .filter(|child| child.level == RegionLevel::Town)
        .map(|child| bureau(child.code))
        .collect();
    Area { region, name, unit: bureau(region), stations }
}

/// The work id of one of a unit's people.
pub(super) fn officer(unit: &UnitId, dice: &mut Dice) -> String {
    let digits = unit.as_str().trim_start_matches("gd-");
    // Six digits are a city or a county; the cities end in 00.
    let staff = match digits.len() {
        6 if digits.ends_with("00") => INTAKE_STAFF,
        6 => COUNTY_STAFF,
        _ => STATION_STAFF,
    };
    format!("{digits}-{:02}", dice.skewed(usize::try_from(staff).unwrap_or(1)).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_has_its_share_and_every_area_a_unit() {
        let network = Network::of_divisions();
        assert_eq!(network.city_count(), 21);
        assert_eq!(network.by_share.len() + network.by_inhabitants.len(), 21);
        assert!(network.cities.iter().all(|city| !city.areas.is_empty()));
        let towns: usize = network.cities.iter().flat_map(|city| &city.areas).map(|area| area.stations.len()).sum();
        assert!(towns > 1_500, "{towns}");
    }

    #[test]
    fn guangzhou_gets_three_in_ten() {
        let network = Network::of_divisions();
        let mut dice = Dice::new(7, 0);
        let hits = (0..10_000).filter(|_| {
            let seat = network.draw(&mut dice);
            network.city(seat).code.number() == 440_100
        });
        assert!((2_800..3_200).contains(&hits.count()));
    }

    #[test]
    fn towns_of_a_city_without_counties_are_areas() {
        let network = Network::of_divisions();
        let dongguan = network.cities.iter().find(|city| city.code.number() == 441_900).unwrap();
        assert!(dongguan.areas.iter().all(|area| area.stations.is_empty()));
        assert!(dongguan.areas.iter().any(|area| area.unit.as_str() == "gd-441900003"));
    }
}

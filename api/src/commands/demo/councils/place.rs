//! What is known beforehand of the three councils.

use async_graphql::resolver_utils::EnumType;
use cross_border::partner::{Partner, PartnerRegister, Place};

use crate::graphql::enums::Currency;
use crate::graphql::referral::enums::Language;

/// Where the councils of the play are.
pub(super) const PLACES: [Place; 3] = [Place::Guangdong, Place::HongKong, Place::Macao];

/// The council of a place, as the register has it.
///
/// # Panics
/// Never: the register has a council for each place.
pub(super) fn council(place: Place) -> &'static Partner {
    PartnerRegister::builtin().at(place).expect("the register has a council for each place: its tests say so")
}

/// The unit that prepares and sends: in Guangdong the council of Guangzhou, one of the nine cities whose councils may send
/// under the contracts of the Greater Bay Area.
pub(super) fn sender(place: Place) -> &'static str {
    match place {
        Place::Guangdong => "cc-440100",
        Place::HongKong | Place::Macao => taker(place),
    }
}

/// The unit that takes what comes in, and sees what the council's other units send.
pub(super) fn taker(place: Place) -> &'static str {
    council(place).id.as_str()
}

/// Where the sender's consumers file.
pub(super) const fn region(place: Place) -> &'static str {
    match place {
        Place::Guangdong => "440100",
        Place::HongKong => "810000",
        Place::Macao => "820000",
    }
}

/// The language that the council writes in, as the API names it.
pub(super) fn language(place: Place) -> &'static str {
    council(place).languages.first().map_or("", |language| name_of(Language::from(*language)))
}

/// The currency of the place, as the API names it.
pub(super) fn currency(place: Place) -> &'static str {
    council(place).currencies.first().map_or("", |currency| name_of(Currency::from(*currency)))
}

/// The name of an entry of a list in the API.
pub(super) fn name_of<E: EnumType>(entry: E) -> &'static str {
    E::items().iter().find(|item| item.value == entry).map_or("", |item| item.name)
}

/// The entry of a list by its name in the API.
pub(super) fn entry_of<E: EnumType>(name: &str) -> Option<E> {
    E::items().iter().find(|item| item.name == name).map(|item| item.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;

    #[test]
    fn the_units_of_the_play_are_registered_at_their_councils() {
        for place in PLACES {
            let units = units::of_node(council(place));
            for unit in [sender(place), taker(place)] {
                assert!(units.iter().any(|known| known.unit.as_str() == unit), "{unit}");
            }
            let sends = units.iter().find(|known| known.unit.as_str() == sender(place)).unwrap();
            assert_eq!(sends.region.to_string(), region(place));
        }
    }

    #[test]
    fn names_are_those_of_the_api() {
        assert_eq!(PLACES.map(language), ["SIMPLIFIED_CHINESE", "TRADITIONAL_HONG_KONG", "TRADITIONAL_MACAO"]);
        assert_eq!(PLACES.map(currency), ["CNY", "HKD", "MOP"]);
        assert_eq!(entry_of::<Language>("ENGLISH"), Some(Language::English));
        assert_eq!(entry_of::<Language>("english"), None);
    }
}

//! A set of units, quick to ask about one of them.

use super::{Register, Slot};

/// The units that a question is about. Holding none, it finds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    /// One bit for each key.
    bits: Vec<u64>,
    /// Every unit there is, those not named yet included.
    all: bool,
    /// One bit for each city that a member stands in.
    cities: u64,
}

impl Reach {
    pub(crate) fn of(register: &Register, mut is_member: impl FnMut(u32, &Slot) -> bool) -> Self {
        let mut reach = Self::default();
        for (key, slot) in register.slots() {
            if is_member(key, slot) {
                reach.insert(key, slot.city);
            }
        }
        reach
    }

    pub(crate) fn everything(register: &Register) -> Self {
        Self { all: true, ..Self::of(register, |_, _| true) }
    }

    pub(crate) fn contains(&self, key: u32) -> bool {
        let (word, bit) = place(key);
        self.all || self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.bits.iter().all(|word| *word == 0)
    }

    /// The keys of the members, smallest first.
    pub(crate) fn members(&self) -> Vec<u32> {
        let mut members = Vec::new();
        for (index, word) in (0_u32..).zip(&self.bits) {
            let mut word = *word;
            while word != 0 {
                members.push(index * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        members
    }

    /// The numbers of the cities that a member stands in, smallest first; see [`super::city_of`].
    pub(crate) fn cities(&self) -> Vec<u8> {
        (0..64).filter(|city| self.cities & city_bit(*city) != 0).collect()
    }

    /// The cities, when the set is all the units of some cities and nothing else.
    pub(crate) fn whole_cities(&self, register: &Register) -> Option<Vec<u8>> {
        let whole = register
            .slots()
            .filter(|(_, slot)| self.cities & city_bit(slot.city) != 0)
            .all(|(key, _)| self.contains(key));
        whole.then(|| self.cities())
    }

    /// The members of either.
    pub(crate) fn union(mut self, other: &Self) -> Self {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (word, others) in self.bits.iter_mut().zip(&other.bits) {
            *word |= others;
        }
        Self { bits: self.bits, all: self.all || other.all, cities: self.cities | other.cities }
    }

    /// The members of both.
    pub(crate) fn intersection(&self, other: &Self, register: &Register) -> Self {
        if self.all && other.all {
            return self.clone();
        }
        Self::of(register, |key, _| self.contains(key) && other.contains(key))
    }

    fn insert(&mut self, key: u32, city: u8) {
        let (word, bit) = place(key);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        self.cities |= city_bit(city);
    }
}

fn place(key: u32) -> (usize, u64) {
    (usize::try_from(key / 64).unwrap_or(usize::MAX), 1 << (key % 64))
}

const fn city_bit(city: u8) -> u64 {
    1 << (city % 64)
}

//! Chance, reproducible: the same seed rolls the same numbers on every machine and in every release.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};

/// A stream of rolls. Two streams of one seed have nothing to do with each other.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number from 0 up to, not including, `sides`; 0 for a die without sides.
    pub(super) fn below(&mut self, sides: u32) -> u32 {
        // The high half of the product: as fair as 32 bits allow, and without a division.
        let wide = u64::from(self.0.next_u32()) * u64::from(sides);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// A number between the two, both included.
    pub(super) fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to.saturating_sub(from).saturating_add(1))
    }

    /// A span of time between the two, both included, in whatever unit the caller means.
    pub(super) fn span(&mut self, from: u32, to: u32) -> i64 {
        i64::from(self.between(from, to))
    }

    /// Whether something happens that happens `in_thousand` times in a thousand.
    pub(super) fn chance(&mut self, in_thousand: u32) -> bool {
        self.below(1_000) < in_thousand
    }

    /// The place of one of `length` things.
    pub(super) fn index(&mut self, length: usize) -> usize {
        let sides = u32::try_from(length).unwrap_or(u32::MAX);
        usize::try_from(self.below(sides)).unwrap_or(0)
    }

    /// The place of one of `length` things, the first ones oftener: the lower of two rolls.
    pub(super) fn skewed(&mut self, length: usize) -> usize {
        let first = self.index(length);
        first.min(self.index(length))
    }

    /// One of the things, each as often as the others.
    ///
    /// # Panics
    /// There is nothing to pick from; every table here has entries.
    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        let index = self.index(from.len());
        from.get(index).expect("an index below the length of a table that has entries")
    }

    /// One of the things, each as often as its weight says.
    ///
    /// # Panics
    /// There is nothing to pick from; every table here has entries.
    pub(super) fn weighted<T: Copy>(&mut self, table: &[(T, u32)]) -> T {
        let mut roll = self.below(table.iter().map(|(_, weight)| weight).sum());
        for (thing, weight) in table {
            match roll.checked_sub(*weight) {
                None => return *thing,
                Some(rest) => roll = rest,
            }
        }
        table.last().expect("every table has entries").0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_rolls_the_same_numbers_each_time() {
        let rolls = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(42, 0), rolls(42, 0));
        assert_ne!(rolls(42, 0), rolls(42, 1));
        assert_ne!(rolls(42, 0), rolls(43, 0));
    }

    #[test]
    fn rolls_stay_within_their_bounds() {
        let mut dice = Dice::new(1, 0);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.below(1), 0);
        assert_eq!(dice.between(7, 7), 7);
        for _ in 0..10_000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!(dice.skewed(4) < 4);
        }
    }

    #[test]
    fn weights_are_kept_and_a_weight_of_nothing_is_never_rolled() {
        let mut dice = Dice::new(1, 0);
        let mut counts = [0_u32; 3];
        for _ in 0..30_000 {
            counts[dice.weighted(&[(0_usize, 200), (1, 0), (2, 100)])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((19_000..21_000).contains(&counts[0]), "{counts:?}");
    }
}

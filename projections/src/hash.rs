//! A hasher for keys that are packed integers of our own making: no attacker chooses them, and there are millions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Close to 2^64 divided by the golden ratio; odd, so that multiplying by it loses nothing.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PackedHasher(u64);

/// A map from packed integers.
pub(crate) type PackedMap<V> = HashMap<u64, V, BuildHasherDefault<PackedHasher>>;

impl Hasher for PackedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(FACTOR);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_spread() {
        let hash = |number: u64| {
            let mut hasher = PackedHasher::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        // The table takes its slot from the low bits and its tag from the high ones.
        let low: std::collections::HashSet<u64> = (0..1_000).map(|number| hash(number << 20) & 0xffff).collect();
        assert!(low.len() > 900, "{}", low.len());
    }
}

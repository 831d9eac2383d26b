//! Chance, by a seed that reproduces it: the ids and salts of a run.
//!
//! The nonces of requests are not drawn here. A nonce is good for one request, and a seed is there to be used again.

use aws_lc_rs::rand;
use cross_border::exchange::SharedId;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use uuid::Builder;

use crate::commands::Failure;

/// A stream of draws.
#[derive(Debug)]
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn bits(&mut self) -> [u8; 16] {
        let mut bits = [0; 16];
        self.0.fill_bytes(&mut bits);
        bits
    }

    /// The id of a referral: a random UUID (version 4).
    pub(super) fn referral(&mut self) -> SharedId {
        SharedId::from_uuid(Builder::from_random_bytes(self.bits()).into_uuid())
    }

    /// 128 bits in 32 lower-case hexadecimal digits.
    pub(super) fn digits(&mut self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.bits()))
    }
}

/// A seed that nobody has used.
///
/// # Errors
/// No random bytes could be drawn.
pub(super) fn fresh_seed() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_unspecified| "no random bytes could be drawn")?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_another_does_not() {
        let drawn = |seed| {
            let mut draw = Draw::new(seed);
            (draw.referral(), draw.digits(), draw.digits())
        };
        assert_eq!(drawn(7), drawn(7));
        let (one, other) = (drawn(7), drawn(8));
        assert!(one.0 != other.0 && one.1 != other.1 && one.1 != one.2);
        assert_eq!(one.0.as_uuid().get_version_num(), 4);
        assert!(one.1.len() == 32 && one.1.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    }
}

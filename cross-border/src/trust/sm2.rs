//! SM2 signatures (GB/T 32918.2 on the curve of GB/T 32918.5) with SM3 (GB/T 32905).
//!
//! A software implementation that no test centre has certified: an assessment of commercial cryptography (密评) asks
//! for a certified one behind the same trait.

use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm3::{Digest as _, Sm3};

use crate::trust::TrustError;
use crate::trust::key::{PrivateKey, PublicKey, SEED_BYTES};
use crate::trust::suite::{Suite, SuiteName, check_suite};

/// The signer's name that is hashed with the text when no other was agreed (GB/T 35276).
const DISTINGUISHING_ID: &str = "1234567812345678";
/// A public key is a point, uncompressed: this byte, then x and y.
const UNCOMPRESSED: u8 = 4;
const PUBLIC_BYTES: usize = 65;
/// The order of the curve less one. GB/T 32918.1 leaves it out of the private keys: with it, no signature can be
/// reckoned.
const ORDER_LESS_ONE: [u8; SEED_BYTES] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x72, 0x03, 0xdf,
    0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x22,
];

/// The suite [`SuiteName::Sm2Sm3`].
pub(super) struct Sm2;

impl Sm2 {
    fn signing_key(&self, seed: &[u8; SEED_BYTES]) -> Result<SigningKey, TrustError> {
        let refused = || TrustError::Key { suite: self.name() };
        if *seed == ORDER_LESS_ONE {
            return Err(refused());
        }
        SigningKey::from_slice(DISTINGUISHING_ID, seed).map_err(|_error| refused())
    }

    fn verifying_key(&self, bytes: &[u8]) -> Result<VerifyingKey, TrustError> {
        let refused = || TrustError::Key { suite: self.name() };
        // One form per key, so that equal keys are equal bytes.
        if bytes.len() != PUBLIC_BYTES || bytes.first() != Some(&UNCOMPRESSED) {
            return Err(refused());
        }
        VerifyingKey::from_sec1_bytes(DISTINGUISHING_ID, bytes).map_err(|_error| refused())
    }
}

impl Suite for Sm2 {
    fn name(&self) -> SuiteName {
        SuiteName::Sm2Sm3
    }

    fn jws_algorithm(&self) -> &'static str {
        "SM2"
    }

    fn http_algorithm(&self) -> &'static str {
        "sm2-sm3"
    }

    fn digest_name(&self) -> &'static str {
        "sm3"
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        Sm3::digest(bytes).to_vec()
    }

    fn public_of(&self, seed: &[u8; SEED_BYTES]) -> Result<Vec<u8>, TrustError> {
        Ok(self.signing_key(seed)?.verifying_key().to_sec1_bytes().to_vec())
    }

    fn check_public(&self, bytes: &[u8]) -> Result<(), TrustError> {
        self.verifying_key(bytes).map(drop)
    }

    fn sign(&self, private: &PrivateKey, bytes: &[u8]) -> Result<Vec<u8>, TrustError> {
        check_suite(self, private.suite())?;
        // The library derives the number that must never repeat from the key and the text (RFC 6979).
        let signature: Signature = self
            .signing_key(private.seed())?
            .try_sign(bytes)
            .map_err(|_error| TrustError::Sign { suite: self.name() })?;
        Ok(signature.to_bytes().to_vec())
    }

    fn verify(&self, public: &PublicKey, bytes: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        check_suite(self, public.suite())?;
        let signature = Signature::from_slice(signature).map_err(|_error| TrustError::Signature)?;
        self.verifying_key(public.as_bytes())?.verify(bytes, &signature).map_err(|_error| TrustError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn seed(hex: &str) -> [u8; SEED_BYTES] {
        bytes(hex).try_into().unwrap()
    }

    // GB/T 32918.5-2017 appendix A.2: the key, its public part, and the signature over "message digest".
    const PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const PUBLIC: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                          ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    const SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                             b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

    #[test]
    fn it_digests_as_gb_t_32905_shows() {
        let abc = bytes("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        assert_eq!(Sm2.digest(b"abc"), abc);
        let sixty_four_bytes = bytes("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
        assert_eq!(Sm2.digest(&b"abcd".repeat(16)), sixty_four_bytes);
    }

    #[test]
    fn it_verifies_as_gb_t_32918_shows() {
        let private = PrivateKey::from_seed(SuiteName::Sm2Sm3, &seed(PRIVATE)).unwrap();
        let public = private.public();
        assert_eq!(public.as_bytes(), bytes(PUBLIC));
        Sm2.verify(&public, b"message digest", &bytes(SIGNATURE)).unwrap();
        assert!(matches!(Sm2.verify(&public, b"message digests", &bytes(SIGNATURE)), Err(TrustError::Signature)));
        // The standard's example draws another number than ours, so only the check of a signature can be compared.
        let ours = Sm2.sign(&private, b"message digest").unwrap();
        assert_ne!(ours, bytes(SIGNATURE));
        Sm2.verify(&public, b"message digest", &ours).unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let order = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
        let order_less_one = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
        let order_less_two = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121";
        let zero = "00".repeat(SEED_BYTES);
        assert_eq!(bytes(order_less_one), ORDER_LESS_ONE);
        for refused in [order, order_less_one, &zero, &"ff".repeat(SEED_BYTES)] {
            assert!(matches!(Sm2.public_of(&seed(refused)), Err(TrustError::Key { .. })), "{refused}");
        }
        let greatest = PrivateKey::from_seed(SuiteName::Sm2Sm3, &seed(order_less_two)).unwrap();
        let signature = Sm2.sign(&greatest, b"").unwrap();
        Sm2.verify(&greatest.public(), b"", &signature).unwrap();

        let public = bytes(PUBLIC);
        assert!(Sm2.check_public(&public).is_ok());
        let mut off_the_curve = public.clone();
        off_the_curve[64] ^= 1;
        let compressed = [&[3][..], &public[1..33]].concat();
        let hybrid = [&[7][..], &public[1..]].concat();
        for refused in [off_the_curve, compressed, hybrid, public[..64].to_vec(), vec![0], Vec::new()] {
            assert!(matches!(Sm2.check_public(&refused), Err(TrustError::Key { .. })), "{refused:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_no_signature() {
        let public = PrivateKey::from_seed(SuiteName::Sm2Sm3, &seed(PRIVATE)).unwrap().public();
        for signature in [vec![0; 64], vec![0xff; 64]] {
            assert!(matches!(Sm2.verify(&public, b"message digest", &signature), Err(TrustError::Signature)));
        }
    }
}

//! AES-256-GCM over texts and keys, each bound to whom and what it is for.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::SubjectId;

/// Bytes of an AES-256 key.
pub(super) const KEY_BYTES: usize = 32;
/// Texts are padded to a multiple of this, so that a ciphertext does not tell a short name from a long one.
const BUCKET_BYTES: usize = 32;
/// The length of the text stands before it in this many bytes.
const LENGTH_BYTES: usize = 4;
/// Begins what a sealed text is bound to; a later form gets another number.
const SEALED_LABEL: &[u8] = b"baycase-sealed-1";
/// Begins what sealed bytes are bound to, so that they can never be taken for a sealed text.
const BYTES_LABEL: &[u8] = b"baycase-bytes-1";

/// The key of one data subject, expanded and ready. The library wipes it when it is dropped.
#[derive(Debug)]
pub(super) struct DataKey(pub(super) LessSafeKey);

/// Draws random bytes.
pub(super) fn draw<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// Expands key bytes and wipes them.
pub(super) fn expand(bytes: &mut [u8; KEY_BYTES]) -> Result<LessSafeKey, Unspecified> {
    let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map(LessSafeKey::new);
    wipe(bytes);
    key
}

/// Overwrites secret bytes. `black_box` keeps the compiler from leaving out a write that nothing reads.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    let _ = std::hint::black_box(bytes);
}

/// Encrypts with a fresh random nonce, bound to `bound_to`; the tag stands behind the ciphertext.
///
/// Random nonces of 96 bits are safe for far more values than one key ever seals here: a subject has a few dozen, and
/// the master key wraps one key for each subject, some hundred million in ten years.
pub(super) fn seal(
    key: &LessSafeKey,
    bound_to: &[u8],
    mut plain: Vec<u8>,
) -> Result<([u8; NONCE_LEN], Vec<u8>), Unspecified> {
    let nonce = draw::<NONCE_LEN>()?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut plain)?;
    Ok((nonce, plain))
}

/// Decrypts in place what [`seal`] made; `None` when anything about it was changed.
pub(super) fn open<'t>(
    key: &LessSafeKey,
    bound_to: &[u8],
    nonce: [u8; NONCE_LEN],
    text: &'t mut [u8],
) -> Option<&'t mut [u8]> {
    key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), text).ok()
}

/// Seals a text; nonce and ciphertext in base64.
pub(super) fn seal_text(
    key: &DataKey,
    subject: SubjectId,
    purpose: &str,
    plain: &str,
) -> Result<(String, String), Unspecified> {
    let (nonce, ciphertext) = seal(&key.0, &bound_to(SEALED_LABEL, subject, purpose), pad(plain)?)?;
    Ok((STANDARD.encode(nonce), STANDARD.encode(ciphertext)))
}

/// Opens what [`seal_text`] made; `None` when it was changed, or sealed for another subject or purpose.
pub(super) fn open_text(
    key: &DataKey,
    subject: SubjectId,
    purpose: &str,
    nonce: &str,
    ciphertext: &str,
) -> Option<String> {
    let nonce = <[u8; NONCE_LEN]>::try_from(STANDARD.decode(nonce).ok()?).ok()?;
    let mut text = STANDARD.decode(ciphertext).ok()?;
    let bound_to = bound_to(SEALED_LABEL, subject, purpose);
    let plain = open(&key.0, &bound_to, nonce, &mut text).and_then(|padded| unpad(padded));
    wipe(&mut text);
    plain
}

/// Seals bytes as they are: the nonce, the ciphertext of the same length, the tag.
pub(super) fn seal_bytes(
    key: &DataKey,
    subject: SubjectId,
    purpose: &str,
    plain: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let nonce = draw::<NONCE_LEN>()?;
    // Encrypted where it will stand, so that nothing in clear is left behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + MAX_TAG_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (_, text) = sealed.split_at_mut(NONCE_LEN);
    let bound_to = bound_to(BYTES_LABEL, subject, purpose);
    let tag =
        key.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to.as_slice()), text)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal_bytes`] made; `None` when it was changed, or sealed for another subject or purpose.
pub(super) fn open_bytes(key: &DataKey, subject: SubjectId, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut text = ciphertext.to_vec();
    let length = open(&key.0, &bound_to(BYTES_LABEL, subject, purpose), *nonce, &mut text)?.len();
    text.truncate(length);
    Some(text)
}

/// The label and the subject have fixed lengths, so nothing can be moved between them and the purpose.
fn bound_to(label: &[u8], subject: SubjectId, purpose: &str) -> Vec<u8> {
    [label, subject.as_uuid().as_bytes(), purpose.as_bytes()].concat()
}

fn pad(plain: &str) -> Result<Vec<u8>, Unspecified> {
    let length = u32::try_from(plain.len()).ok().ok_or(Unspecified)?;
    let padded = (LENGTH_BYTES + plain.len()).next_multiple_of(BUCKET_BYTES);
    // Room for the tag, so that sealing does not move the text and leave a copy of it behind.
    let mut bytes = Vec::with_capacity(padded + MAX_TAG_LEN);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(plain.as_bytes());
    bytes.resize(padded, 0);
    Ok(bytes)
}

fn unpad(padded: &[u8]) -> Option<String> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>()?;
    let text = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_hides_the_length_within_a_bucket() {
        assert_eq!(pad("").unwrap().len(), BUCKET_BYTES);
        assert_eq!(pad("陈大文").unwrap().len(), BUCKET_BYTES);
        assert_eq!(pad(&"x".repeat(BUCKET_BYTES - LENGTH_BYTES)).unwrap().len(), BUCKET_BYTES);
        assert_eq!(pad(&"x".repeat(BUCKET_BYTES - LENGTH_BYTES + 1)).unwrap().len(), 2 * BUCKET_BYTES);
        for text in ["", "a", "陈大文", "长".repeat(1_000).as_str()] {
            assert_eq!(unpad(&pad(text).unwrap()).as_deref(), Some(text));
        }
        assert_eq!(unpad(&[0, 0, 0, 5, b'a']), None);
        assert_eq!(unpad(&[0]), None);
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let key = DataKey(expand(&mut [7; KEY_BYTES]).unwrap());
        let subject = SubjectId::parse("00000000-0000-4000-8000-000000000001").unwrap();
        let one = seal_text(&key, subject, "name", "陈大文").unwrap();
        let two = seal_text(&key, subject, "name", "陈大文").unwrap();
        assert_ne!(one.0, two.0);
        assert_ne!(one.1, two.1);
        assert_eq!(open_text(&key, subject, "name", &one.0, &one.1).as_deref(), Some("陈大文"));
        assert_eq!(open_text(&key, subject, "phone", &one.0, &one.1), None);
    }

    #[test]
    fn sealed_bytes_are_bound_to_what_they_are_for() {
        let key = DataKey(expand(&mut [7; KEY_BYTES]).unwrap());
        let subject = SubjectId::parse("00000000-0000-4000-8000-000000000001").unwrap();
        for plain in [b"".as_slice(), b"%PDF-1.7", &[0; 1_000]] {
            let sealed = seal_bytes(&key, subject, "evidence", plain).unwrap();
            assert_eq!(sealed.len(), NONCE_LEN + plain.len() + MAX_TAG_LEN);
            assert_ne!(sealed, seal_bytes(&key, subject, "evidence", plain).unwrap());
            assert_eq!(open_bytes(&key, subject, "evidence", &sealed).as_deref(), Some(plain));
            assert_eq!(open_bytes(&key, subject, "message", &sealed), None);
            assert_eq!(open_bytes(&key, subject, "evidence", sealed.get(1..).unwrap()), None);
        }
        assert_eq!(open_bytes(&key, subject, "evidence", &[]), None);
        assert_eq!(open_bytes(&key, subject, "evidence", &[0; NONCE_LEN]), None);
        // A text is no bytes, under the same key, subject and purpose.
        let (nonce, ciphertext) = seal_text(&key, subject, "evidence", "text").unwrap();
        let joined = [STANDARD.decode(nonce).unwrap(), STANDARD.decode(ciphertext).unwrap()].concat();
        assert_eq!(open_bytes(&key, subject, "evidence", &joined), None);
    }
}

//! Digests: of one event, of a command's body, of a whole log as it stands, of what a log holds in whatever order.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use domain::envelope::{Canonical, CommandDigest, RecordedEvent, canonical};

/// Bytes of a SHA-256 digest.
pub const DIGEST_BYTES: usize = 32;

/// Room for everything in the canonical form beside the metadata and the payload, so that it is allocated once.
const FORM_FRAME_BYTES: usize = 320;

/// SHA-256 of the event's canonical form: the same in every store, because the position is no part of it.
#[must_use]
pub fn event_digest(event: &RecordedEvent) -> [u8; DIGEST_BYTES] {
    let mut form = Vec::with_capacity(FORM_FRAME_BYTES + event.metadata.len() + event.payload.len());
    event.canonical(&mut |part: &[u8]| form.extend_from_slice(part));
    sha256(&form)
}

/// SHA-256 of the canonical form of an event that is about to be written.
#[must_use]
pub fn canonical_digest(event: &Canonical<'_>) -> [u8; DIGEST_BYTES] {
    let mut form = Vec::with_capacity(FORM_FRAME_BYTES + event.metadata.len() + event.payload.len());
    canonical(event, &mut |part: &[u8]| form.extend_from_slice(part));
    sha256(&form)
}

/// SHA-256 of a command's body, as the caller sent it in its canonical form.
#[must_use]
pub fn command_digest(body: &[u8]) -> CommandDigest {
    CommandDigest(sha256(body))
}

/// SHA-256 of any bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut value = [0; DIGEST_BYTES];
    value.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    value
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SHA-256 of what a stream holds: its name behind the length of it, how many they are, and the digest over them.
/// Numbers are eight big-endian bytes.
pub(crate) fn stream_digest(name: &str, count: u64, chain: &[u8; DIGEST_BYTES]) -> [u8; DIGEST_BYTES] {
    let mut form = Vec::with_capacity(name.len() + 2 * 8 + DIGEST_BYTES);
    form.extend_from_slice(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
    form.extend_from_slice(name.as_bytes());
    form.extend_from_slice(&count.to_be_bytes());
    form.extend_from_slice(chain);
    sha256(&form)
}

/// The digest of what a log holds, whatever order its streams stand in: equal for a log and its copy in another engine,
/// and the one that [`crate::copy::Totals::digest`] is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentDigest(LogDigest);

impl ContentDigest {
    /// The digest of the empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self(LogDigest::new())
    }

    /// Takes in the next stream, with the digest over its events in their order. Streams come in the order of the bytes
    /// of their names.
    pub fn push(&mut self, name: &str, events: &LogDigest) {
        self.0.push(&stream_digest(name, events.events(), &events.value()));
    }

    /// The digest of the streams taken in so far.
    #[must_use]
    pub const fn value(&self) -> [u8; DIGEST_BYTES] {
        self.0.value()
    }
}

/// The digest of a whole log, built event by event in log order.
///
/// It begins as 32 zero bytes; each event makes it the SHA-256 of itself followed by the event's digest. Two logs with
/// the same events in the same order have the same value in whatever engine they lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogDigest {
    chain: [u8; DIGEST_BYTES],
    events: u64,
}

impl LogDigest {
    /// The digest of the empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self { chain: [0; DIGEST_BYTES], events: 0 }
    }

    /// Takes in the digest of the next event.
    pub fn push(&mut self, event: &[u8; DIGEST_BYTES]) {
        let mut link = [0; 2 * DIGEST_BYTES];
        let (before, next) = link.split_at_mut(DIGEST_BYTES);
        before.copy_from_slice(&self.chain);
        next.copy_from_slice(event);
        self.chain = sha256(&link);
        self.events = self.events.saturating_add(1);
    }

    /// The digest of the events taken in so far.
    #[must_use]
    pub const fn value(&self) -> [u8; DIGEST_BYTES] {
        self.chain
    }

    /// How many events were taken in.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_agrees_with_the_published_vectors() {
        assert_eq!(hex(&sha256(b"")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_log_digest_depends_on_the_order() {
        let (one, two) = (sha256(b"1"), sha256(b"2"));
        let digest_of = |events: &[[u8; DIGEST_BYTES]]| {
            let mut digest = LogDigest::new();
            events.iter().for_each(|event| digest.push(event));
            digest
        };
        assert_ne!(digest_of(&[one, two]), digest_of(&[two, one]));
        assert_eq!(digest_of(&[one, two]).events(), 2);
        assert_eq!(digest_of(&[]), LogDigest::default());
    }

    #[test]
    fn a_content_digest_tells_streams_apart_by_name_and_by_what_they_hold() {
        let events = |texts: &[&str]| {
            let mut digest = LogDigest::new();
            texts.iter().for_each(|text| digest.push(&sha256(text.as_bytes())));
            digest
        };
        let digest_of = |streams: &[(&str, &[&str])]| {
            let mut digest = ContentDigest::new();
            streams.iter().for_each(|(name, texts)| digest.push(name, &events(texts)));
            digest.value()
        };
        let whole = digest_of(&[("a-1", &["1", "2"]), ("b-1", &["3"])]);
        assert_eq!(whole, digest_of(&[("a-1", &["1", "2"]), ("b-1", &["3"])]));
        for other in [
            digest_of(&[("a-1", &["2", "1"]), ("b-1", &["3"])]),
            digest_of(&[("a-1", &["1"]), ("b-1", &["2", "3"])]),
            digest_of(&[("a-1", &["1", "2"]), ("c-1", &["3"])]),
            digest_of(&[("a-1", &["1", "2"])]),
        ] {
            assert_ne!(whole, other);
        }
        assert_eq!(digest_of(&[]), [0; DIGEST_BYTES]);
    }
}

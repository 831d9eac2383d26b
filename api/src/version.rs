//! What this program is, and which events of a log it can read: two versions may serve one log side by side for as long
//! as the older one meets nothing that only the newer one knows.

use std::sync::LazyLock;

use cross_border::wire::kinds;
use event_log::digest::{hex, sha256};
use serde::Serialize;

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Digits of the digest that are shown; enough to tell two versions apart by eye.
const DIGITS: usize = 16;

/// The events that a program can read, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownEvents {
    /// How many kinds there are.
    pub kinds: usize,
    /// The highest schema number among them.
    pub newest_schema: u16,
    /// The same for two programs that read the same kinds and schemas, in hexadecimal.
    pub digest: String,
}

impl KnownEvents {
    /// Those of this program.
    #[must_use]
    pub fn own() -> &'static Self {
        static OWN: LazyLock<KnownEvents> = LazyLock::new(|| KnownEvents::of(&kinds()));
        &OWN
    }

    fn of(kinds: &[(&str, u16)]) -> Self {
        let text: String = kinds.iter().map(|(kind, schema)| format!("{kind} {schema}\n")).collect();
        let digest = hex(&sha256(text.as_bytes())).chars().take(DIGITS).collect();
        let newest_schema = kinds.iter().map(|(_, schema)| *schema).max().unwrap_or(0);
        Self { kinds: kinds.len(), newest_schema, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_programs_apart_that_read_other_events() {
        let own = KnownEvents::own();
        assert_eq!((own.kinds, own.digest.len()), (kinds().len(), DIGITS));
        let of = |kinds: &[(&str, u16)]| KnownEvents::of(kinds).digest;
        assert_eq!(of(&[("a.b", 1)]), of(&[("a.b", 1)]));
        assert_ne!(of(&[("a.b", 1)]), of(&[("a.b", 2)]));
        assert_ne!(of(&[("a.b", 1)]), of(&[("a.b", 1), ("a.c", 1)]));
        assert_eq!(KnownEvents::of(&[("a.b", 1), ("a.c", 3)]).newest_schema, 3);
    }
}

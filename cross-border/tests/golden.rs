//! What was ever stored of a referral, a delivery or a refused attempt can be read for ever; see
//! `domain/events/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cross_border::delivery::DeliveryEvent;
use cross_border::referral::ReferralEvent;
use cross_border::security::SecurityEvent;
use cross_border::wire::{AnyEvent, decode_any};
use domain::wire::Stored;

/// Raised with every new file, never lowered: the index only grows.
const INDEX_LINES_MIN: usize = 44;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// Every file that must be there, with its kind, its schema number and whether that is the newest.
fn files() -> BTreeMap<String, (&'static str, u16, bool)> {
    [ReferralEvent::KINDS, DeliveryEvent::KINDS, SecurityEvent::KINDS]
        .into_iter()
        .flatten()
        .flat_map(|(kind, newest)| {
            (1..=*newest).map(move |schema| (format!("{kind}/v{schema}.json"), (*kind, schema, schema == *newest)))
        })
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files that are there, by path.
fn found() -> Vec<String> {
    let list = |path: PathBuf| -> Vec<String> {
        fs::read_dir(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .map(|entry| entry.expect("a folder can be listed").file_name().into_string().expect("names are ASCII"))
            .collect()
    };
    let kinds = list(folder()).into_iter().filter(|name| !matches!(name.as_str(), "INDEX" | "README.md"));
    let mut found: Vec<String> = kinds
        .flat_map(|kind| list(folder().join(&kind)).into_iter().map(move |name| format!("{kind}/{name}")))
        .collect();
    found.sort_unstable();
    found
}

/// FNV-1a, 64 bits: tells an edited file from an untouched one.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn every_schema_of_every_kind_decodes_and_the_newest_encodes_to_the_same_bytes() {
    for (path, (kind, schema, newest)) in files() {
        let text = read(&path);
        let payload = text.strip_suffix('\n').expect("a golden file ends with a newline");
        let encoded = match decode_any(kind, schema, payload) {
            Ok(AnyEvent::Referral(event)) => event.encode(),
            Ok(AnyEvent::Delivery(event)) => event.encode(),
            Ok(AnyEvent::Security(event)) => event.encode(),
            other => panic!("{path}: {other:?}"),
        };
        if newest {
            assert_eq!(encoded.unwrap(), payload, "{path}");
        }
    }
}

#[test]
fn no_kind_and_no_schema_is_forgotten() {
    assert_eq!(found(), files().into_keys().collect::<Vec<_>>());
}

#[test]
fn the_index_has_the_hash_of_every_file_and_loses_no_line() {
    let expected: Vec<String> = files()
        .into_keys()
        .map(|path| {
            let text = read(&path);
            format!("{:016x}  {}  {path}", fnv1a(text.as_bytes()), text.len())
        })
        .collect();
    let index = read("INDEX");
    assert_eq!(index.lines().collect::<Vec<_>>(), expected, "a golden file is never edited; a new one gets its line");
    assert!(expected.len() >= INDEX_LINES_MIN);
}

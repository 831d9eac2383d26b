//! What was ever stored can be read for ever: each golden file decodes, and the newest of a kind encodes to the same
//! bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain::complaint::ComplaintEvent;
use domain::filing::FilingEvent;
use domain::org::UnitEvent;
use domain::wire::{AnyEvent, Stored, decode};

/// Raised with every new file, never lowered: the index only grows.
const INDEX_LINES_MIN: usize = 34;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// Every kind with its newest schema number.
fn kinds() -> BTreeMap<&'static str, u16> {
    [ComplaintEvent::KINDS, FilingEvent::KINDS, UnitEvent::KINDS].into_iter().flatten().copied().collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a folder, in order.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a folder can be listed").file_name().into_string().expect("names are ASCII"))
        .collect();
    names.sort_unstable();
    names
}

fn encode(event: &AnyEvent) -> String {
    let encoded = match event {
        AnyEvent::Filing(event) => event.encode(),
        AnyEvent::Complaint(event) => event.encode(),
        AnyEvent::Unit(event) => event.encode(),
    };
    encoded.expect("a stored shape is JSON")
}

/// FNV-1a, 64 bits: tells an edited file from an untouched one. Nobody's signature hangs on it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn every_schema_of_every_kind_decodes_and_the_newest_encodes_to_the_same_bytes() {
    for (kind, newest) in kinds() {
        for schema in 1..=newest {
            let path = folder().join(kind).join(format!("v{schema}.json"));
            let text = read(&path);
            let payload = text.strip_suffix('\n').expect("a golden file ends with a newline");
            let event = decode(kind, schema, payload).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
            if schema == newest {
                assert_eq!(encode(&event), payload, "{}", path.display());
            }
        }
    }
}

#[test]
fn no_kind_and_no_schema_is_forgotten() {
    let kinds = kinds();
    for kind in names(&folder()).iter().filter(|name| !matches!(name.as_str(), "INDEX" | "README.md")) {
        let newest = kinds.get(kind.as_str()).unwrap_or_else(|| panic!("events of kind {kind} can no longer be read"));
        let mut expected: Vec<String> = (1..=*newest).map(|schema| format!("v{schema}.json")).collect();
        expected.sort_unstable();
        assert_eq!(names(&folder().join(kind)), expected, "{kind}");
    }
}

#[test]
fn the_index_has_the_hash_of_every_file_and_loses_no_line() {
    let mut expected: Vec<(String, String)> = Vec::new();
    for (kind, newest) in kinds() {
        for schema in 1..=newest {
            let path = format!("{kind}/v{schema}.json");
            let bytes = fs::read(folder().join(&path)).expect("the golden file is there");
            let line = format!("{:016x}  {}  {path}", fnv1a(&bytes), bytes.len());
            expected.push((path, line));
        }
    }
    expected.sort_unstable();
    let expected: Vec<String> = expected.into_iter().map(|(_, line)| line).collect();
    let index = read(&folder().join("INDEX"));
    let found: Vec<&str> = index.lines().collect();
    assert_eq!(found, expected, "a golden file is never edited; a new one gets its line");
    assert!(found.len() >= INDEX_LINES_MIN);
}

#[test]
fn the_hash_is_the_published_one() {
    assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
}

//! The client is somebody else's and may be exchanged for its successor: it is named in one file.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a line names the client's crate: not a module of ours with its name, and not in a text.
fn names_the_client(line: &str) -> bool {
    let of_another_name = |c: char| c == '_' || c.is_alphanumeric();
    let begins = |at: usize| {
        let before = &line[..at];
        if before.matches('"').count() % 2 == 1 {
            return false;
        }
        let before = before.strip_suffix("::").unwrap_or(before);
        before.chars().next_back().is_none_or(|c| !of_another_name(c))
    };
    line.match_indices("eventstore::").any(|(at, _)| begins(at))
}

#[test]
fn a_line_that_names_the_client_is_told_from_one_that_names_a_module() {
    for line in ["use eventstore::Client;", "use ::eventstore::{Client};", "Box<eventstore::ReadStream>"] {
        assert!(names_the_client(line), "{line}");
    }
    for line in ["use event_log::eventstore::Log;", "use crate::eventstore::{a};", "heard(\"info,eventstore::grpc\")"] {
        assert!(!names_the_client(line), "{line}");
    }
}

#[test]
fn one_file_names_the_client() {
    let mut files = Vec::new();
    for folder in ["domain", "projections", "cross-border", "api", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "the sources are found");
    let mut naming: Vec<String> = files
        .iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().lines().any(names_the_client))
        .map(|file| file.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    naming.retain(|file| !file.ends_with("eventstore/plan.rs"));
    assert_eq!(naming, ["domain/event-log/src/eventstore.rs"]);
}

#[test]
fn one_member_asks_for_the_client() {
    for member in ["domain", "domain/event-log", "projections", "cross-border", "api", "tests"] {
        let text = std::fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let asks = ["dependencies", "dev-dependencies", "build-dependencies"]
            .iter()
            .filter_map(|section| manifest.get(*section).and_then(toml::Value::as_table))
            .any(|table| table.contains_key("eventstore"));
        assert_eq!(asks, member == "domain/event-log", "{member}");
    }
}

//! The plan of the house: what stands at the root, and which way dependencies run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_visible_root_holds_the_rooms_and_nothing_else() {
    let tracked = Command::new("git").args(["ls-files"]).current_dir(root()).output();
    let listed =
        tracked.ok().filter(|output| output.status.success()).map(|output| String::from_utf8(output.stdout).unwrap());
    let Some(listed) = listed else {
        eprintln!("not a git checkout: the root list was not checked");
        return;
    };
    let names: BTreeSet<&str> =
        listed.lines().map(|path| path.split('/').next().unwrap()).filter(|name| !name.starts_with('.')).collect();
    let plan = ["Cargo.lock", "Cargo.toml", "README.md", "api", "cross-border", "domain", "projections", "tests"];
    assert!(names.iter().all(|name| plan.contains(name)), "the root holds more than its plan: {names:?}");
}

#[test]
fn dependencies_run_one_way() {
    let order = ["domain", "event-log", "projections", "cross-border", "api", "tests"];
    let folders = ["domain", "domain/event-log", "projections", "cross-border", "api", "tests"];
    for (place, folder) in folders.iter().enumerate() {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        for later in &order[place..] {
            assert!(
                !manifest.lines().any(|line| line.starts_with(&format!("{later}."))),
                "{folder} must not depend on {later}"
            );
        }
    }
}

#[test]
fn only_their_rooms_name_the_engines_and_the_web() {
    let allowed = [
        ("rusqlite", &["domain/event-log", "projections", "api", "tests"][..]),
        ("axum", &["api"][..]),
        ("async-graphql", &["api"][..]),
        ("opentelemetry", &["api"][..]),
    ];
    for folder in ["domain", "domain/event-log", "projections", "cross-border", "api", "tests"] {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        for (name, rooms) in allowed {
            let named = manifest.lines().any(|line| line.starts_with(&format!("{name}.")));
            assert!(!named || rooms.contains(&folder), "{folder} must not name {name}");
        }
    }
}

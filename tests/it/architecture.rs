//! The plan of the house: what stands at the root, and which way dependencies run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The members of the workspace, each by its folder and its name, in the order in which they may depend on each other.
const MEMBERS: [(&str, &str); 6] = [
    ("domain", "domain"),
    ("domain/event-log", "event-log"),
    ("projections", "projections"),
    ("cross-border", "cross-border"),
    ("api", "api"),
    ("tests", "tests"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The names of all crates that a table of a manifest asks for, by whatever other name, for this or another platform.
fn named_in(table: &toml::Table, names: &mut BTreeSet<String>) {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (key, wanted) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            let package = wanted.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            names.insert(package.to_owned());
        }
    }
    for (_, platform) in table.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
        named_in(platform.as_table().unwrap(), names);
    }
}

/// The names of all crates that a member asks for.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let mut names = BTreeSet::new();
    named_in(&manifest, &mut names);
    assert!(!names.is_empty(), "{folder} asks for something");
    names
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
fn the_plan_names_every_member() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let planned: BTreeSet<&str> = MEMBERS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(members, planned);
}

#[test]
fn dependencies_run_one_way() {
    for (place, (folder, _)) in MEMBERS.iter().enumerate() {
        let names = dependencies(folder);
        for (_, later) in &MEMBERS[place..] {
            assert!(!names.contains(*later), "{folder} must not depend on {later}");
        }
    }
    assert!(dependencies("tests").contains("api"), "the check does read the names");
}

#[test]
fn only_their_rooms_name_the_engines_and_the_web() {
    let allowed = [
        ("rusqlite", &["domain/event-log", "projections", "cross-border", "api", "tests"][..]),
        ("axum", &["api"][..]),
        ("async-graphql", &["api"][..]),
    ];
    for (folder, _) in MEMBERS {
        let names = dependencies(folder);
        for (name, rooms) in allowed {
            assert!(!names.contains(name) || rooms.contains(&folder), "{folder} must not name {name}");
        }
        let telemetry: Vec<&String> = names.iter().filter(|name| name.contains("opentelemetry")).collect();
        assert!(folder == "api" || telemetry.is_empty(), "{folder} must not name {telemetry:?}");
    }
}

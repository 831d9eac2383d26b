//! `baycase demo --councils --once`: three councils in one process, disputes that cross over real HTTP, one verdict.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The six ways between three councils.
const WAYS: [(&str, &str); 6] = [("GD", "HK"), ("GD", "MO"), ("HK", "GD"), ("HK", "MO"), ("MO", "GD"), ("MO", "HK")];
/// Letters of a referral's id in the moving view.
const SHORT: usize = 8;

fn demo(data: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_baycase-under-test"))
        .args(["demo", "--councils", "--once", "--data"])
        .arg(data)
        .args(args)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a run printed: nothing but lines of JSON, every one of a referral that is the same on both sides.
fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), stderr(output));
    let printed = std::str::from_utf8(&output.stdout).unwrap();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!(line["equal"], true, "{line}");
        assert_eq!(line["originDigest"], line["targetDigest"], "{line}");
        assert_eq!(line["originDigest"].as_str().unwrap().len(), 64, "{line}");
        let stage = line["stage"].as_str().unwrap();
        assert!(["closed", "returned", "recalled"].contains(&stage), "{line}");
        // What is closed has an outcome, and nothing else has one.
        assert_eq!(line["outcome"].is_string(), stage == "closed", "{line}");
        assert!(line["messages"].as_u64().unwrap() >= 3 || stage == "returned", "{line}");
    }
    lines
}

fn ids(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().map(|line| line["referral"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn both_councils_of_every_dispute_hold_the_same_and_the_folder_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = demo(dir.path(), &["--referrals", "6"]);
    let played = lines(&first);
    assert_eq!(ids(&played).len(), 6);
    let ways: BTreeSet<(&str, &str)> =
        played.iter().map(|line| (line["origin"].as_str().unwrap(), line["target"].as_str().unwrap())).collect();
    assert_eq!(ways, BTreeSet::from(WAYS));

    // Each side's view of each referral was shown, up to the same last stage.
    let shown = stderr(&first);
    for line in &played {
        let short = &line["referral"].as_str().unwrap()[..SHORT];
        for council in ["origin", "target"] {
            let council = line[council].as_str().unwrap();
            let view = format!("  {council}  {short}  ");
            let last = shown.lines().rfind(|shown| shown.contains(&view));
            let last = last.unwrap_or_else(|| panic!("{council} never showed {short}:\n{shown}"));
            assert!(last.contains(line["stage"].as_str().unwrap()), "{last}\n{line}");
            assert!(last.ends_with("nothing awaited"), "{last}");
        }
    }

    let second = demo(dir.path(), &["--referrals", "1"]);
    let again = lines(&second);
    assert_eq!(again.len(), 1);
    assert!(ids(&again).is_disjoint(&ids(&played)), "the second run has no numbers of its own");
    assert!(stderr(&second).contains("run 2"), "{}", stderr(&second));
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log.sqlite"), b"somebody's").unwrap();
    let refused = demo(dir.path(), &[]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("name another folder with --data"), "{}", stderr(&refused));
    assert!(refused.stdout.is_empty());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["log.sqlite"]);
}

#[test]
fn a_play_of_councils_has_no_cases_and_at_least_one_dispute() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--cases", "5"][..], &["--listen", "127.0.0.1:0"], &["--referrals", "0"]] {
        let refused = demo(dir.path(), args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", stderr(&refused));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

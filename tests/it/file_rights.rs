//! What the program writes is its user's alone, whatever the shell that starts it would allow.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Rights of a file's group and of everybody else.
const OF_OTHERS: u32 = 0o077;

/// The files and folders below a folder that others may do anything with, and how many there are in all.
fn open_to_others(folder: &Path, found: &mut Vec<String>) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        seen += 1;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        if mode & OF_OTHERS != 0 {
            found.push(format!("{} {mode:o}", path.display()));
        }
        if path.is_dir() {
            seen += open_to_others(&path, found);
        }
    }
    seen
}

#[test]
fn no_file_of_an_installation_is_open_to_others() {
    let world = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_baycase-under-test");
    // The search index holds words of the complaints in clear, and SQLite makes files of its own beside it.
    let demo = r#"umask 000; exec "$0" demo --once --cases 200 --data "$1""#;
    let ran = Command::new("sh").args(["-c", demo, program]).arg(world.path().join("demo")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut open = Vec::new();
    let seen = open_to_others(world.path(), &mut open);
    assert!(seen > 5, "a log, a vault, read models: {seen}");
    assert_eq!(open, Vec::<String>::new());
}

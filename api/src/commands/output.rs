//! Files that a command writes anew under a name its caller chose: over its own of an earlier run, and over nothing else.
//! A slip of the hand must not cost a log.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// More than there is before the end of the first member's name.
const HEAD_BYTES: u64 = 256;

/// Whether JSON may be written to `path`: nothing is there, or nothing in it, or an object with this member at its head.
///
/// # Errors
/// It is a name of a database, there is something else, or it cannot be read.
pub fn check_replaceable(path: &Path, first_member: &str) -> io::Result<()> {
    // A log, a vault and what stands beside them, there already or made in the course of the command.
    if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".sqlite")) {
        let why = "a name with `.sqlite` is one of a database; name another one";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let kind = match fs::metadata(path) {
        Ok(known) => known.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A terminal, a pipe or the like: nothing there can be lost, and to open it may take for ever.
    if !kind.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    if head.is_empty() || begins_with(&head, first_member) {
        return Ok(());
    }
    let why = "there is another file of that name, which stays as it is; name a new one";
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

fn begins_with(head: &[u8], first_member: &str) -> bool {
    let inside = head.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let name = inside.and_then(|inside| inside.strip_prefix(b"\""));
    let rest = name.and_then(|name| name.strip_prefix(first_member.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_and_what_an_earlier_run_wrote_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let check = || check_replaceable(&path, "stream").map_err(|error| error.kind());
        assert_eq!(check(), Ok(()), "nothing is there");
        let long = format!("{{\"stream\":\"{}\"}}\n", "x".repeat(2 * 1024 * 1024));
        for ours in ["", &long, "{\n  \"stream\": 1\n}"] {
            fs::write(&path, ours).unwrap();
            assert_eq!(check(), Ok(()));
        }
        for other in ["SQLite format 3\0", "{\"streams\":1}\n", "{\"a\":1,\"stream\":2}", "[\"stream\"]\n", "\n", "{"] {
            fs::write(&path, other).unwrap();
            assert_eq!(check(), Err(io::ErrorKind::AlreadyExists), "{other}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }

    #[test]
    fn a_folder_and_names_of_databases_are_refused_and_a_device_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let checked = |path: &Path| check_replaceable(path, "stream").map_err(|error| error.kind());
        assert_eq!(checked(folder.path()), Err(io::ErrorKind::IsADirectory));
        for name in ["log.sqlite", "log.sqlite-wal", "log.sqlite.copying"] {
            assert_eq!(checked(&folder.path().join(name)), Err(io::ErrorKind::InvalidInput), "{name}");
        }
        #[cfg(unix)]
        assert_eq!(checked(Path::new("/dev/null")), Ok(()));
    }
}

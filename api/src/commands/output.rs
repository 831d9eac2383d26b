//! Files of lines of JSON that a command writes anew under a name its caller chose: over those of an earlier run, and
//! over nothing else. A slip of the hand must not cost a log.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::{Map, Value};

/// Bytes of the first line that are looked at; no line of ours is longer.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Whether lines may be written to `path`: nothing is there, or nothing in it, or lines whose first has these members.
///
/// # Errors
/// It is a name of a database, there is something else, or it cannot be read.
pub fn check_replaceable(path: &Path, members: &[&str]) -> io::Result<()> {
    // A log, a vault and what stands beside them, there already or made in the course of the command.
    if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".sqlite")) {
        let why = "a name with `.sqlite` is one of a database; name another one";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A terminal, a pipe or the like: nothing there can be lost.
    if !kind.is_file() {
        return Ok(());
    }
    let mut line = Vec::new();
    BufReader::new(file.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    let is_ours = |line: Map<String, Value>| members.iter().all(|member| line.contains_key(*member));
    if line.is_empty() || serde_json::from_slice(&line).is_ok_and(is_ours) {
        return Ok(());
    }
    let why = "there is another file of that name, which stays as it is; name a new one";
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_nothing_and_lines_of_an_earlier_run_are_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let check = || check_replaceable(&path, &["stream", "digest"]).map_err(|error| error.kind());
        assert_eq!(check(), Ok(()), "nothing is there");
        for ours in ["", "{\"digest\":\"00\",\"events\":1,\"stream\":\"complaint-1\"}\nand more\n"] {
            fs::write(&path, ours).unwrap();
            assert_eq!(check(), Ok(()), "{ours}");
        }
        for other in ["SQLite format 3\0", "{\"stream\":\"complaint-1\"}\n", "[1]\n", "\n", "{\"kty\":\"OKP\"}"] {
            fs::write(&path, other).unwrap();
            assert_eq!(check(), Err(io::ErrorKind::AlreadyExists), "{other}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }

    #[test]
    fn a_folder_and_names_of_databases_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| check_replaceable(path, &["stream"]).map_err(|error| error.kind());
        assert_eq!(refused(folder.path()), Err(io::ErrorKind::IsADirectory));
        for name in ["log.sqlite", "log.sqlite-wal", "log.sqlite.copying"] {
            assert_eq!(refused(&folder.path().join(name)), Err(io::ErrorKind::InvalidInput), "{name}");
        }
    }
}

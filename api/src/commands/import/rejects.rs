//! Bad rows: the first one stops the import, or all are collected in a file and their cases are left out.
//!
//! A stray, which is a bad row that names no case, may be a step of any case: which one to leave out cannot be told, and
//! a case that is stored without one of its steps can never be mended. So no case is imported beside a stray.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::commands::output::check_replaceable;

/// What is wrong with a row, or with a case as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Bad {
    /// Where the row begins; for a case as a whole, its first row.
    pub(super) line: u64,
    /// Of a stray, none.
    pub(super) case: Option<String>,
    pub(super) column: Option<String>,
    pub(super) reason: String,
    /// The row as it was read; of a case as a whole, none.
    pub(super) row: Option<Map<String, Value>>,
}

/// A bad row that stops the import, or a reject file that cannot be written.
#[derive(Debug, Error)]
pub(super) enum RejectError {
    #[error("{}", describe(.file, .bad))]
    Stop { file: PathBuf, bad: Box<Bad> },
    #[error("the reject file is the file that is imported; name another one")]
    SameFile,
    #[error(
        "{}: rows that cannot be read at all, or that have no case number: {rows}, the first in line {line}. Any case \
         may lack one of them, so nothing was imported. `{}` lists them, without a case, among the other bad rows: mend \
         them and run the same command again",
        .file.display(), .list.display()
    )]
    Strays { file: PathBuf, list: PathBuf, rows: u64, line: u64 },
    #[error("the reject file `{}` cannot be written", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

fn describe(file: &Path, bad: &Bad) -> String {
    let column = bad.column.as_ref().map(|column| format!(", column `{column}`")).unwrap_or_default();
    let case = bad.case.as_ref().map(|case| format!(" (case `{case}`)")).unwrap_or_default();
    let rejects = match bad.case {
        Some(_) => "leave such cases out and go on",
        None => "list every bad row; one that names no case has to be mended",
    };
    format!(
        "{}, line {}{column}: {}{case}; nothing was imported, `--rejects FILE` would {rejects}",
        file.display(),
        bad.line,
        bad.reason,
    )
}

/// The first member of a line, by which the reject file of an earlier run is known.
const FIRST_MEMBER: &str = "file";

/// One line of the reject file.
#[derive(Serialize)]
struct Rejected<'a> {
    file: &'a str,
    #[serde(flatten)]
    bad: &'a Bad,
}

/// Where bad rows go.
#[derive(Debug)]
pub(super) struct Rejects {
    file: PathBuf,
    sink: Option<(PathBuf, BufWriter<File>)>,
    rows: u64,
    strays: Option<Strays>,
}

/// The bad rows that name no case.
#[derive(Debug, Clone, Copy)]
struct Strays {
    rows: u64,
    first_line: u64,
}

impl Rejects {
    /// Stops at the first bad row of `file`, or collects them in the file `to`, which is made anew.
    ///
    /// # Errors
    /// The reject file cannot be made, is `file` itself, or is there and no reject file.
    pub(super) fn open(file: &Path, to: Option<&Path>) -> Result<Self, RejectError> {
        let sink = match to {
            None => None,
            Some(to) => {
                if fs::canonicalize(to).is_ok_and(|to| fs::canonicalize(file).is_ok_and(|file| file == to)) {
                    return Err(RejectError::SameFile);
                }
                let failed = |source| RejectError::Write { path: to.to_owned(), source };
                check_replaceable(to, FIRST_MEMBER).map_err(failed)?;
                let made = File::create(to).map_err(failed)?;
                Some((to.to_owned(), BufWriter::new(made)))
            }
        };
        Ok(Self { file: file.to_owned(), sink, rows: 0, strays: None })
    }

    /// How many were collected.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a bad row.
    ///
    /// # Errors
    /// [`RejectError::Stop`] when none are collected.
    pub(super) fn take(&mut self, bad: Bad) -> Result<(), RejectError> {
        let Some((path, sink)) = &mut self.sink else {
            return Err(RejectError::Stop { file: self.file.clone(), bad: Box::new(bad) });
        };
        self.rows = self.rows.saturating_add(1);
        if bad.case.is_none() {
            let before = self.strays.unwrap_or(Strays { rows: 0, first_line: bad.line });
            self.strays = Some(Strays { rows: before.rows.saturating_add(1), ..before });
        }
        let rejected = Rejected { file: &self.file.to_string_lossy(), bad: &bad };
        let written = serde_json::to_vec(&rejected).map_err(io::Error::other).and_then(|mut line| {
            line.push(b'\n');
            sink.write_all(&line)
        });
        written.map_err(|source| RejectError::Write { path: path.clone(), source })
    }

    /// Refuses to go on with a file that has strays, once all its rows were read and the bad ones are written down.
    ///
    /// # Errors
    /// [`RejectError::Strays`] when there is one; or the reject file cannot be written.
    pub(super) fn check_strays(&mut self) -> Result<(), RejectError> {
        self.flush()?;
        let (Some((list, _)), Some(Strays { rows, first_line })) = (&self.sink, self.strays) else { return Ok(()) };
        Err(RejectError::Strays { file: self.file.clone(), list: list.clone(), rows, line: first_line })
    }

    /// Writes down what is still in memory.
    ///
    /// # Errors
    /// The reject file cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), RejectError> {
        match &mut self.sink {
            None => Ok(()),
            Some((path, sink)) => sink.flush().map_err(|source| RejectError::Write { path: path.clone(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> Bad {
        let row = serde_json::json!({"case_no": "7", "time": "soon"});
        Bad {
            line: 3,
            case: Some("7".to_owned()),
            column: Some("time".to_owned()),
            reason: "`soon` is not a time".to_owned(),
            row: row.as_object().cloned(),
        }
    }

    #[test]
    fn the_first_bad_row_stops_with_file_line_column_and_reason() {
        let mut rejects = Rejects::open(Path::new("old.csv"), None).unwrap();
        let error = rejects.take(bad()).unwrap_err().to_string();
        assert!(error.starts_with("old.csv, line 3, column `time`: `soon` is not a time (case `7`)"), "{error}");
        assert!(error.contains("leave such cases out"), "{error}");
        // Of a row that names no case nothing is promised that does not hold.
        let error = rejects.take(Bad { case: None, ..bad() }).unwrap_err().to_string();
        assert!(!error.contains("go on"), "{error}");
    }

    #[test]
    fn collected_rows_are_lines_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("rejects.ndjson");
        let mut rejects = Rejects::open(Path::new("old.csv"), Some(&to)).unwrap();
        rejects.take(bad()).unwrap();
        rejects.take(Bad { case: None, row: None, ..bad() }).unwrap();
        rejects.flush().unwrap();
        assert_eq!(rejects.rows(), 2);
        let text = fs::read_to_string(&to).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["file"], "old.csv");
        assert_eq!(lines[0]["line"], 3);
        assert_eq!(lines[0]["case"], "7");
        assert_eq!(lines[0]["row"]["time"], "soon");
        assert_eq!(lines[1]["case"], Value::Null);
    }

    #[test]
    fn the_input_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("old.csv");
        fs::write(&file, "no\n").unwrap();
        assert!(matches!(Rejects::open(&file, Some(&file)), Err(RejectError::SameFile)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "no\n");
    }

    #[test]
    fn a_reject_file_of_an_earlier_run_is_made_anew_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("rejects.ndjson");
        let mut earlier = Rejects::open(Path::new("old.csv"), Some(&to)).unwrap();
        earlier.take(bad()).unwrap();
        earlier.flush().unwrap();
        Rejects::open(Path::new("old.csv"), Some(&to)).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "");

        fs::write(&to, "letters of somebody").unwrap();
        let refused = Rejects::open(Path::new("old.csv"), Some(&to)).unwrap_err();
        assert!(matches!(refused, RejectError::Write { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&to).unwrap(), "letters of somebody");
    }
}

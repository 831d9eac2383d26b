//! The file of digests, one line for each stream of the source.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use event_log::copy::{Ledger, Side, StreamSum};
use event_log::digest::hex;
use event_log::durable;
use serde::Serialize;

use super::error::CopyError;
use crate::commands::output::check_replaceable;

/// The first member of a line, by which a file of an earlier run is known.
const FIRST_MEMBER: &str = "stream";

/// A line of the file.
#[derive(Serialize)]
struct DigestLine<'a> {
    stream: &'a str,
    events: u64,
    digest: String,
}

/// The place of the file, tried before anything is copied: hours later is too late to find that nothing can be written
/// there. What was made for it goes at the end, whatever the end is.
#[derive(Debug)]
pub(super) struct DigestsPlace(PathBuf);

impl DigestsPlace {
    /// Tries to write beside `path`, where there is to be a file of digests at all.
    ///
    /// # Errors
    /// Nothing can be written there, or what is there is no file of digests.
    pub(super) fn prepare(path: Option<&Path>) -> Result<Option<Self>, CopyError> {
        let Some(path) = path else { return Ok(None) };
        let failed = |path: &Path, source| CopyError::Digests { path: path.to_owned(), source };
        // It is moved into place, so that a device or a pipe would be lost.
        if fs::metadata(path).is_ok_and(|known| !known.is_file() && !known.is_dir()) {
            return Err(failed(path, io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
        }
        let beside = beside(path);
        for place in [path, &beside] {
            check_replaceable(place, FIRST_MEMBER).map_err(|source| failed(place, source))?;
        }
        File::create(&beside).map_err(|source| failed(&beside, source))?;
        Ok(Some(Self(beside)))
    }
}

impl Drop for DigestsPlace {
    fn drop(&mut self) {
        // Best effort: it has its name by now, or is written anew by the next run.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where the file is written until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Written beside and moved into place: the file is whole or not there.
pub(super) fn write_digests(ledger: &Ledger, path: &Path) -> Result<(), CopyError> {
    let failed = |source| CopyError::Output { path: path.to_owned(), source };
    let beside = beside(path);
    let mut out = BufWriter::new(File::create(&beside).map_err(failed)?);
    let mut line = |sum: StreamSum| -> io::Result<()> {
        let digest = hex(&sum.digest);
        serde_json::to_writer(&mut out, &DigestLine { stream: &sum.stream, events: sum.events, digest })?;
        out.write_all(b"\n")
    };
    ledger.sums(Side::Source, &mut line)?.map_err(failed)?;
    let written = out.into_inner().map(drop).map_err(io::IntoInnerError::into_error);
    written.and_then(|()| durable::put_in_place(&beside, path)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_by_stream() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("table.sqlite")).unwrap();
        let path = folder.path().join("digests.ndjson");
        write_digests(&ledger, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        let refused = write_digests(&ledger, &folder.path().join("no/such/folder")).unwrap_err();
        assert!(matches!(refused, CopyError::Output { .. }), "{refused}");
    }

    #[test]
    fn a_line_begins_with_the_member_that_a_file_of_digests_is_known_by() {
        let line = DigestLine { stream: "complaint-1", events: 1, digest: "00".to_owned() };
        let line = serde_json::to_string(&line).unwrap();
        assert!(line.starts_with(&format!("{{\"{FIRST_MEMBER}\":")), "{line}");
    }

    #[test]
    fn where_digests_cannot_be_written_is_known_before_and_nothing_is_left_of_the_trial() {
        let folder = tempfile::tempdir().unwrap();
        assert!(DigestsPlace::prepare(None).unwrap().is_none());
        for wrong in [folder.path().to_owned(), folder.path().join("no/such/folder"), folder.path().join("log.sqlite")]
        {
            let refused = DigestsPlace::prepare(Some(&wrong)).unwrap_err();
            assert!(refused.to_string().contains(&wrong.display().to_string()), "{refused}");
        }
        let path = folder.path().join("digests.ndjson");
        let earlier = "{\"stream\":\"complaint-1\",\"events\":1,\"digest\":\"00\"}\n";
        fs::write(&path, earlier).unwrap();
        let place = DigestsPlace::prepare(Some(&path)).unwrap();
        assert!(beside(&path).exists());
        drop(place);
        assert!(!beside(&path).exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), earlier);
    }

    #[test]
    fn a_file_of_another_kind_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests.ndjson");
        for taken in [path.clone(), beside(&path)] {
            fs::write(&taken, "letters of somebody").unwrap();
            let refused = DigestsPlace::prepare(Some(&path)).unwrap_err();
            assert!(refused.to_string().contains(&format!("{},", taken.display())), "{refused}");
            assert_eq!(fs::read_to_string(&taken).unwrap(), "letters of somebody");
            fs::remove_file(&taken).unwrap();
        }
    }
}

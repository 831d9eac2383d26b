//! Copies the sealed files of evidence: they are named by the digest of what they hold and never change, so one that is
//! there already need not be copied again.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use event_log::durable;
use thiserror::Error;

/// Why the evidence was not copied.
#[derive(Debug, Error)]
#[error("the evidence could not be copied: {}", .path.display())]
pub(super) struct EvidenceCopyError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> EvidenceCopyError {
    move |source| EvidenceCopyError { path: path.to_owned(), source }
}

/// Copies every file of every person; answers how many files are in the copy, and their bytes.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(u64, u64), EvidenceCopyError> {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    for folder in entries(from)? {
        let Some(name) = folder.file_name().filter(|_| folder.is_dir()) else { continue };
        let target = to.join(name);
        fs::create_dir_all(&target).map_err(at(&target))?;
        for file in entries(&folder)? {
            // One that is being written has no digest for a name yet.
            let Some(name) = file.file_name().filter(|name| is_digest(name)) else { continue };
            bytes = bytes.saturating_add(copy_one(&file, &target.join(name))?);
            files = files.saturating_add(1);
        }
        // The name of the person's folder, where it was made now.
        durable::sync_name(&target).map_err(at(&target))?;
    }
    Ok((files, bytes))
}

fn copy_one(from: &Path, to: &Path) -> Result<u64, EvidenceCopyError> {
    if !to.exists() {
        let partial = to.with_extension("partial");
        // `fs::copy` takes the rights along: the file is for its owner alone.
        fs::copy(from, &partial).map_err(at(from))?;
        durable::put_in_place(&partial, to).map_err(at(to))?;
    }
    fs::metadata(to).map(|about| about.len()).map_err(at(to))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvidenceCopyError> {
    let listed =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    listed.map_err(at(folder))
}

fn is_digest(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| cross_border::exchange::Digest::parse(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_file_is_copied_once() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("evidence"), folder.path().join("copy"));
        let person = from.join("0123");
        fs::create_dir_all(&person).unwrap();
        let (whole, half) = ("a".repeat(64), format!("{}.new", "b".repeat(64)));
        fs::write(person.join(&whole), b"sealed").unwrap();
        fs::write(person.join(&half), b"sea").unwrap();
        for _ in 0..2 {
            assert_eq!(copy(&from, &to).unwrap(), (1, 6));
        }
        assert_eq!(fs::read(to.join("0123").join(&whole)).unwrap(), b"sealed");
        assert!(!to.join("0123").join(&half).exists());
        let missing = copy(&folder.path().join("nowhere"), &to).unwrap_err();
        assert!(missing.to_string().contains("nowhere"));
    }
}

//! Files that are whole and on the disk, or as they were before.
//!
//! A file is written under another name beside the one it replaces, made durable, moved into place, and the folder that
//! holds its name is made durable: in this order, so that neither a crash nor a full disk leaves half a file, and what
//! was written is there after a loss of power once the call has returned. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever may read other files that this process makes.
    Usual,
    /// Its owner alone (mode 0600), where the system knows owners.
    Owner,
}

/// Writes a file whole, in the place of the one that may be there; durable when it returns. Its folder must exist.
///
/// Two at a time must not write the same path: see [`write_through`].
///
/// # Errors
/// The folder or its disk cannot be written. The file is then as it was, or, where only the folder could not be made
/// durable, already the new one; nothing is left beside it.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    write_through(path, &PathBuf::from(beside), bytes, access)
}

/// [`write()`] with a name of one's own for the file beside, which must lie in the same folder: for folders that
/// several processes share. What an earlier attempt left under that name is removed.
///
/// # Errors
/// As [`write()`].
pub fn write_through(path: &Path, beside: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let written = fill(beside, bytes, access).and_then(|()| put_in_place(beside, path));
    if written.is_err() {
        // Best effort: the reason for the failure matters more than what is left of the file.
        let _ = fs::remove_file(beside);
    }
    written
}

/// Moves a file that is complete into its place, in the same folder; content and name are durable when it returns.
/// Nobody may write it any more.
///
/// # Errors
/// The folder or its disk cannot be written. Either the file is in its place by then, or it still lies beside.
pub fn put_in_place(beside: &Path, path: &Path) -> io::Result<()> {
    File::open(beside)?.sync_all()?;
    fs::rename(beside, path)?;
    sync_name(path)
}

/// Makes the name of a file or folder durable: those in the folder that holds it.
///
/// # Errors
/// That folder cannot be opened, or its disk fails.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Makes the file anew, so that it has the rights that are asked for whatever lay there.
fn fill(beside: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    options(access).open(beside)?.write_all(bytes)
}

fn options(access: Access) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        if access == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
    }
    #[cfg(not(unix))]
    let _ = access;
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.json");
        write(&path, b"a long first text", Access::Usual).unwrap();
        // What a crash left behind is no hindrance.
        fs::write(folder.path().join("note.json.new"), "half a te").unwrap();
        write(&path, b"second", Access::Usual).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["note.json"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_all_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("something"), "").unwrap();
        write(&path, b"text", Access::Usual).unwrap_err();
        assert_eq!(names(folder.path()), ["taken"]);
        let nowhere = folder.path().join("no such folder").join("note");
        assert_eq!(write(&nowhere, b"text", Access::Usual).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_complete_file_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (beside, path) = (folder.path().join("copy.partial"), folder.path().join("copy"));
        assert_eq!(put_in_place(&beside, &path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&beside, "whole").unwrap();
        put_in_place(&beside, &path).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"whole".to_vec(), vec!["copy".to_owned()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_for_its_owner_is_for_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("sealed"), folder.path().join("sealed.7f.new"));
        fs::write(&beside, "left by others, for everybody").unwrap();
        write_through(&path, &beside, b"text", Access::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["sealed"]);
    }
}

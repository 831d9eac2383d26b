//! What can be said of a database file without opening it as one: its lock, its header, its companions.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of the header that every SQLite file begins with.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the header holds `user_version` and `application_id`, as four big-endian bytes each.
const VERSION_AT: usize = 60;
const APPLICATION_AT: usize = 68;

/// `path` with `suffix` behind its whole name.
pub(crate) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OsStr::new(suffix));
    PathBuf::from(name)
}

/// The right to write a database file, held by one process at a time and given back when dropped.
///
/// It is a lock of the operating system on a companion file, so it ends with the process that held it, however that
/// process ended. The companion stays: removing it would let two processes hold two different files of one name.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock on `path`; `None` when another holds it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock_path(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The companion that [`FileLock`] locks.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    companion(path, ".lock")
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// There is no file, or an empty one.
    Absent,
    /// Something else lies there.
    Foreign(&'static str),
    Sqlite(Mark),
}

/// Whose file it is, and of which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) application: i64,
    pub(crate) version: i64,
    /// No write-ahead file lies beside it, so the header holds the newest values.
    pub(crate) settled: bool,
}

impl Mark {
    /// Set by nobody yet: a file whose creation was cut short looks like this.
    pub(crate) const fn is_blank(self) -> bool {
        self.application == 0 && self.version == 0
    }
}

/// Reads the header of the file at `path` and changes nothing, not even a companion file.
pub(crate) fn header(path: &Path) -> io::Result<Header> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Header::Absent),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(Header::Foreign("it is not a file"));
    }
    if about.len() == 0 {
        return Ok(Header::Absent);
    }
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact(&mut bytes) {
        Ok(()) if bytes.starts_with(MAGIC) => {}
        Ok(()) => return Ok(Header::Foreign("it does not begin like a SQLite file")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Header::Foreign("it is shorter than a SQLite header"));
        }
        Err(error) => return Err(error),
    }
    Ok(Header::Sqlite(Mark {
        application: number(&bytes, APPLICATION_AT),
        version: number(&bytes, VERSION_AT),
        settled: size(&companion(path, "-wal"))? == 0,
    }))
}

fn number(header: &[u8; HEADER_BYTES], at: usize) -> i64 {
    header.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |bytes| i64::from(i32::from_be_bytes(*bytes)))
}

/// The size of a file in bytes, 0 when there is none.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(about) => Ok(about.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.sqlite");
        let held = FileLock::take(&path).unwrap();
        assert!(held.is_some());
        assert!(FileLock::take(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_header_tells_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.sqlite");
        assert_eq!(header(&path).unwrap(), Header::Absent);
        fs::write(&path, b"").unwrap();
        assert_eq!(header(&path).unwrap(), Header::Absent);
        fs::write(&path, b"SQLite format 3\0").unwrap();
        assert!(matches!(header(&path).unwrap(), Header::Foreign(_)));
        fs::write(&path, [b'x'; 4_096]).unwrap();
        assert!(matches!(header(&path).unwrap(), Header::Foreign(_)));
        assert!(matches!(header(folder.path()), Ok(Header::Foreign(_)) | Err(_)));
    }
}

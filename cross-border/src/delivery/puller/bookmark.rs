//! How far a partner's messages were fetched: one line in a file of its own.

use std::io;
use std::path::{Path, PathBuf};

use event_log::durable::{self, Access};
use tokio::fs;
use tokio::task::spawn_blocking;

use super::CURSOR_BYTES_MAX;
use crate::partner::PartnerId;

/// The place reached at one partner.
#[derive(Debug, Clone)]
pub(super) struct Bookmark {
    folder: PathBuf,
    path: PathBuf,
}

impl Bookmark {
    pub(super) fn new(folder: &Path, partner: &PartnerId) -> Self {
        // A partner's id holds nothing that leads out of a folder.
        Self { folder: folder.to_owned(), path: folder.join(format!("pulled-{partner}.cursor")) }
    }

    /// The cursor, `None` where nothing was fetched yet. A file that holds no cursor counts as none: everything is
    /// fetched again and found known.
    pub(super) async fn read(&self) -> io::Result<Option<String>> {
        match fs::read(&self.path).await {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).unwrap_or_default();
                let cursor = text.trim();
                Ok((!cursor.is_empty() && cursor.len() <= CURSOR_BYTES_MAX).then(|| cursor.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves the place; durable when it returns, and never half a cursor.
    pub(super) async fn write(&self, cursor: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder).await?;
        let (path, cursor) = (self.path.clone(), cursor.to_owned());
        spawn_blocking(move || durable::write(&path, cursor.as_bytes(), Access::Usual)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bookmark(folder: &Path) -> Bookmark {
        Bookmark::new(folder, &PartnerId::parse("mo-consumer-council").unwrap())
    }

    #[tokio::test]
    async fn a_place_is_kept_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made when needed");
        assert_eq!(bookmark(&folder).read().await.unwrap(), None);
        bookmark(&folder).write("1f").await.unwrap();
        bookmark(&folder).write("20").await.unwrap();
        assert_eq!(bookmark(&folder).read().await.unwrap().as_deref(), Some("20"));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn what_is_no_cursor_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = bookmark(folder.path()).path;
        for broken in [b"".to_vec(), b"\n".to_vec(), vec![0xff, 0xfe], vec![b'a'; CURSOR_BYTES_MAX + 1]] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(bookmark(folder.path()).read().await.unwrap(), None);
        }
        let longest = "a".repeat(CURSOR_BYTES_MAX);
        std::fs::write(&path, &longest).unwrap();
        assert_eq!(bookmark(folder.path()).read().await.unwrap(), Some(longest));
    }
}

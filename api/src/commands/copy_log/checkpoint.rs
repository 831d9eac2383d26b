//! How far a copy has come, kept beside the file of the log so that the same command goes on from there.
//!
//! Losing the file costs time and nothing else: the copy begins at the beginning, and what stands is not written twice.

use std::fs;
use std::io;
use std::path::Path;

use domain::envelope::Position;
use event_log::durable::{self, Access};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::To;
use super::error::CopyError;

const FILE: &str = "copy-log.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Checkpoint {
    pub(super) to: To,
    /// Of both logs.
    pub(super) installation: Uuid,
    /// Where the cluster is.
    pub(super) cluster: String,
    /// Every event of the source up to here stands in the target.
    pub(super) position: Option<Position>,
    /// The list of commands stands in the target; a file makes it by itself.
    pub(super) commands: bool,
    /// Where the source ended when that list was written: it may have been served since, and have more commands now.
    /// Older programs did not say it.
    #[serde(default)]
    pub(super) commands_to: Option<Position>,
    /// Both sides were found equal.
    pub(super) equal: bool,
}

impl Checkpoint {
    /// The beginning of a copy.
    pub(super) const fn new(to: To, installation: Uuid, cluster: String) -> Self {
        Self { to, installation, cluster, position: None, commands: false, commands_to: None, equal: false }
    }

    /// Whether the list of commands in the target is that of a source that ends at `head`.
    pub(super) fn lists_up_to(&self, head: Option<Position>) -> bool {
        self.commands && self.commands_to >= head
    }

    /// Whether it tells of the copy that begins like this.
    pub(super) fn is_of(&self, fresh: &Self) -> bool {
        self.to == fresh.to && self.installation == fresh.installation && self.cluster == fresh.cluster
    }

    /// What stands in a folder; `None` when nothing does.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, CopyError> {
        let path = folder.join(FILE);
        let read = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        };
        read.map(Some).map_err(|source| CopyError::Checkpoint { path, source })
    }

    /// Moves it, durably: it never tells of more than was copied, and a crash leaves the one before.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CopyError> {
        self.try_write(folder).map_err(|source| CopyError::Checkpoint { path: folder.join(FILE), source })
    }

    fn try_write(&self, folder: &Path) -> io::Result<()> {
        durable::write(&folder.join(FILE), &serde_json::to_vec(self)?, Access::Usual)
    }

    /// The copy is done; nothing is left to go on from.
    pub(super) fn remove(folder: &Path) -> Result<(), CopyError> {
        let path = folder.join(FILE);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CopyError::Checkpoint { path, source }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The refusal of a checkpoint that does not fit.
    pub(super) fn refused(folder: &Path, what: &'static str) -> CopyError {
        CopyError::OtherCheckpoint { path: folder.join(FILE), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(To::EventStoreDb, Uuid::from_u128(7), "esdb://one:2113,two:2113".to_owned())
    }

    #[test]
    fn it_is_read_as_it_was_written_and_its_absence_too() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::read(folder.path()).unwrap(), None);
        let (position, commands_to) = (Some(Position::new(41)), Some(Position::new(57)));
        let moved = Checkpoint { position, commands: true, commands_to, ..checkpoint() };
        checkpoint().write(folder.path()).unwrap();
        moved.write(folder.path()).unwrap();
        assert_eq!(Checkpoint::read(folder.path()).unwrap(), Some(moved));
        Checkpoint::remove(folder.path()).unwrap();
        Checkpoint::remove(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_checkpoint_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "{}", r#"{"position":1}"#] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let refused = Checkpoint::read(folder.path()).unwrap_err();
            assert!(refused.to_string().contains(FILE), "{refused}");
        }
    }

    #[test]
    fn a_list_is_good_for_as_long_as_its_source_does_not_grow() {
        let at = |position| Some(Position::new(position));
        let listed = Checkpoint { commands: true, commands_to: at(57), ..checkpoint() };
        assert!(listed.lists_up_to(None) && listed.lists_up_to(at(57)) && !listed.lists_up_to(at(58)));
        assert!(!checkpoint().lists_up_to(None) && !checkpoint().lists_up_to(at(57)));
        // As an older program wrote it.
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"to":"eventstoredb","installation":"00000000-0000-0000-0000-000000000007",
            "cluster":"esdb://one:2113,two:2113","position":41,"commands":true,"equal":false}"#;
        fs::write(folder.path().join(FILE), text).unwrap();
        let older = Checkpoint::read(folder.path()).unwrap().unwrap();
        let expected = Checkpoint { position: at(41), commands: true, ..checkpoint() };
        assert_eq!(older, expected);
        assert!(older.lists_up_to(None) && !older.lists_up_to(at(1)));
    }

    #[test]
    fn another_copy_is_known_by_its_ends() {
        let fresh = checkpoint();
        assert!(Checkpoint { position: Some(Position::new(1)), ..fresh.clone() }.is_of(&fresh));
        assert!(!Checkpoint { to: To::Sqlite, ..fresh.clone() }.is_of(&fresh));
        assert!(!Checkpoint { installation: Uuid::from_u128(8), ..fresh.clone() }.is_of(&fresh));
        assert!(!Checkpoint { cluster: "esdb://three".to_owned(), ..fresh.clone() }.is_of(&fresh));
    }
}

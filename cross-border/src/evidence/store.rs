//! Where the files of evidence lie: one sealed file each, in a folder for each data subject.

use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::SubjectId;
use event_log::durable::{self, Access};
use event_log::vault::{OpenedBytes, SubjectVault};

use super::{EVIDENCE_BYTES_MAX, EvidenceError, NoScanner, Scanner, sniff};
use crate::exchange::content::EvidenceItem;
use crate::exchange::id::Digest;
use crate::exchange::vocabulary::ScanState;

/// The bounds of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// Longest file in bytes.
    pub bytes_max: usize,
}

impl Default for EvidenceLimits {
    fn default() -> Self {
        Self { bytes_max: EVIDENCE_BYTES_MAX }
    }
}

/// What became of a file that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The same file lay here before.
    pub repeated: bool,
}

/// The sealed files. [`EvidenceStore::put`], [`EvidenceStore::get`] and [`EvidenceStore::erase`] block, and so does
/// [`EvidenceStore::erase_files`]: they wait for the disk.
#[derive(Clone)]
pub struct EvidenceStore(Arc<Inner>);

struct Inner {
    root: PathBuf,
    vault: Arc<SubjectVault>,
    limits: EvidenceLimits,
    scanner: Arc<dyn Scanner>,
    /// One file is written at a time, so that the file beside the final one has a name of its own.
    writing: Mutex<()>,
    /// Tells the files beside the final ones from those of other nodes, which may share the folder.
    tag: String,
}

impl EvidenceStore {
    /// A store in the folder `root`, which is made when the first file comes. Nobody looks for viruses.
    #[must_use]
    pub fn new(root: PathBuf, vault: Arc<SubjectVault>, limits: EvidenceLimits) -> Self {
        Self::with_scanner(root, vault, limits, Arc::new(NoScanner))
    }

    /// As [`EvidenceStore::new`], with somebody who looks for viruses.
    #[must_use]
    pub fn with_scanner(
        root: PathBuf,
        vault: Arc<SubjectVault>,
        limits: EvidenceLimits,
        scanner: Arc<dyn Scanner>,
    ) -> Self {
        let tag = format!("{:016x}", RandomState::new().build_hasher().finish());
        Self(Arc::new(Inner { root, vault, limits, scanner, writing: Mutex::new(()), tag }))
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> EvidenceLimits {
        self.0.limits
    }

    /// Looks for viruses in a file.
    pub async fn scan(&self, bytes: &[u8]) -> ScanState {
        self.0.scanner.scan(bytes).await
    }

    /// Whether the bytes are what was announced: length, digest and kind, and within the bounds.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first that is not.
    pub fn check(&self, digest: &Digest, declared: &EvidenceItem, bytes: &[u8]) -> Result<(), EvidenceError> {
        let max = self.0.limits.bytes_max;
        if bytes.len() > max {
            return Err(EvidenceError::TooLarge { bytes: bytes.len(), max });
        }
        if u64::try_from(bytes.len()).ok() != Some(declared.bytes) {
            return Err(EvidenceError::Length { announced: declared.bytes, bytes: bytes.len() });
        }
        let found = Digest::of(bytes);
        if found != *digest || found != declared.digest {
            return Err(EvidenceError::Digest { found });
        }
        sniff::check(&declared.media, bytes)
    }

    /// Keeps a file of a data subject, sealed; durable when it returns. The same file again changes nothing.
    ///
    /// # Errors
    /// It is not what was announced, the subject was erased, or the disk or the vault cannot be written.
    pub fn put(
        &self,
        subject: SubjectId,
        digest: &Digest,
        declared: &EvidenceItem,
        bytes: &[u8],
    ) -> Result<Stored, EvidenceError> {
        self.check(digest, declared, bytes)?;
        match self.get(subject, digest) {
            Ok(_) => return Ok(Stored { repeated: true }),
            // What is damaged is mended by writing it again.
            Err(EvidenceError::NotFound | EvidenceError::Damaged) => {}
            Err(error) => return Err(error),
        }
        let sealed = self.0.vault.seal_bytes(subject, &purpose(digest), bytes)?;
        let path = self.path(subject, digest);
        let _one = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        write(&path, &self.0.tag, &sealed).map_err(EvidenceError::Io)?;
        Ok(Stored { repeated: false })
    }

    /// A file of a data subject as it came.
    ///
    /// # Errors
    /// [`EvidenceError::NotFound`], [`EvidenceError::Erased`], [`EvidenceError::Damaged`], or the disk or the vault
    /// cannot be read.
    pub fn get(&self, subject: SubjectId, digest: &Digest) -> Result<Vec<u8>, EvidenceError> {
        let sealed = match fs::read(self.path(subject, digest)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(EvidenceError::NotFound),
            Err(error) => return Err(EvidenceError::Io(error)),
        };
        match self.0.vault.open_bytes(subject, &purpose(digest), &sealed)? {
            OpenedBytes::Plain(bytes) if Digest::of(&bytes) == *digest => Ok(bytes),
            OpenedBytes::Plain(_) => Err(EvidenceError::Damaged),
            OpenedBytes::Erased => Err(EvidenceError::Erased),
        }
    }

    /// Takes every file of a data subject away. Destroying the subject's key is what erases them; this gives the room
    /// back.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn erase(&self, subject: SubjectId) -> Result<(), EvidenceError> {
        let _one = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        gone(fs::remove_dir_all(self.folder(subject)))?;
        gone(sync(&self.0.root))
    }

    /// Takes single files of a data subject away whose key goes on being used; one that is not there is gone already.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn erase_files(&self, subject: SubjectId, digests: &[Digest]) -> Result<(), EvidenceError> {
        let _one = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in digests {
            gone(fs::remove_file(self.path(subject, digest)))?;
        }
        gone(sync(&self.folder(subject)))
    }

    fn folder(&self, subject: SubjectId) -> PathBuf {
        self.0.root.join(subject.as_uuid().simple().to_string())
    }

    fn path(&self, subject: SubjectId, digest: &Digest) -> PathBuf {
        // Only hexadecimal digits stand in either name: neither can lead out of the folder.
        self.folder(subject).join(digest.as_str())
    }
}

impl fmt::Debug for EvidenceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceStore").field("root", &self.0.root).finish_non_exhaustive()
    }
}

/// Binds the sealed file to its digest, so that one file cannot be put in another's place.
fn purpose(digest: &Digest) -> String {
    format!("evidence {digest}")
}

/// Written beside and moved into place, so that it is never half a file.
fn write(path: &Path, tag: &str, sealed: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{tag}.new"));
    durable::write_through(path, &beside, sealed, Access::Owner)?;
    // The name of the folder itself, where this is its first file.
    folder.parent().map_or(Ok(()), sync)
}

/// What is not there need not be taken away.
fn gone(taken_away: io::Result<()>) -> Result<(), EvidenceError> {
    match taken_away {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EvidenceError::Io(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use domain::id::CommandId;
    use event_log::contract::fixture::ticking_stamp;
    use event_log::vault::{MasterKey, VaultOptions};
    use tempfile::TempDir;

    use super::super::sniff::tests::PDF;
    use super::*;
    use crate::exchange::refusal::RefusalCode as Code;

    fn store() -> (TempDir, EvidenceStore) {
        let folder = tempfile::tempdir().unwrap();
        let master = MasterKey::from_env_value("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let options = VaultOptions { create: true, ..VaultOptions::new(ticking_stamp()) };
        let vault = Arc::new(SubjectVault::open(&folder.path().join("vault.sqlite"), master, options).unwrap());
        let limits = EvidenceLimits { bytes_max: 1_000 };
        let store = EvidenceStore::new(folder.path().join("evidence"), vault, limits);
        (folder, store)
    }

    fn subject(which: &str) -> SubjectId {
        SubjectId::from_uuid(CommandId::derived(&["subject", which]).as_uuid())
    }

    fn declared(bytes: &[u8], media: &str) -> EvidenceItem {
        EvidenceItem {
            digest: Digest::of(bytes),
            name: "receipt".to_owned(),
            bytes: u64::try_from(bytes.len()).unwrap(),
            media: media.to_owned(),
        }
    }

    #[test]
    fn a_file_comes_back_as_it_came_and_lies_sealed() {
        let (folder, store) = store();
        let item = declared(PDF, "application/pdf");
        assert!(matches!(store.get(subject("a"), &item.digest), Err(EvidenceError::NotFound)));
        assert_eq!(store.put(subject("a"), &item.digest, &item, PDF).unwrap(), Stored { repeated: false });
        assert_eq!(store.put(subject("a"), &item.digest, &item, PDF).unwrap(), Stored { repeated: true });
        assert_eq!(store.get(subject("a"), &item.digest).unwrap(), PDF);
        assert!(matches!(store.get(subject("b"), &item.digest), Err(EvidenceError::NotFound)));

        let path = store.path(subject("a"), &item.digest);
        assert!(path.starts_with(folder.path()));
        let kept = fs::read(&path).unwrap();
        assert!(!kept.windows(4).any(|window| window == b"%PDF"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn only_what_was_announced_is_taken() {
        let (_folder, store) = store();
        let item = declared(PDF, "application/pdf");
        let other = Digest::of(b"another file");
        let put = |digest: &Digest, item: &EvidenceItem, bytes: &[u8]| {
            store.put(subject("a"), digest, item, bytes).unwrap_err().code()
        };
        assert_eq!(put(&other, &item, PDF), Code::EvidenceDigest);
        assert_eq!(put(&other, &EvidenceItem { digest: other.clone(), ..item.clone() }, PDF), Code::EvidenceDigest);
        let changed = [PDF, b"x"].concat();
        assert_eq!(put(&item.digest, &item, &changed), Code::EvidenceDigest);
        assert_eq!(put(&item.digest, &EvidenceItem { bytes: 1, ..item.clone() }, PDF), Code::EvidenceDigest);
        assert_eq!(put(&item.digest, &declared(PDF, "image/png"), PDF), Code::EvidenceType);
        assert_eq!(put(&item.digest, &declared(PDF, "application/zip"), PDF), Code::EvidenceType);
        assert!(matches!(store.get(subject("a"), &item.digest), Err(EvidenceError::NotFound)));
    }

    #[test]
    fn a_file_holds_its_limit() {
        let (_folder, store) = store();
        let most = "x".repeat(1_000);
        let item = declared(most.as_bytes(), "text/plain");
        store.put(subject("a"), &item.digest, &item, most.as_bytes()).unwrap();
        let beyond = format!("{most}x");
        let item = declared(beyond.as_bytes(), "text/plain");
        let refused = store.put(subject("a"), &item.digest, &item, beyond.as_bytes());
        assert!(matches!(refused, Err(EvidenceError::TooLarge { bytes: 1_001, max: 1_000 })), "{refused:?}");
        assert_eq!(EvidenceLimits::default().bytes_max, 10 * 1024 * 1024);
    }

    #[test]
    fn a_changed_file_is_known_and_mended_by_sending_it_again() {
        let (_folder, store) = store();
        let (item, other) = (declared(PDF, "application/pdf"), declared(b"text", "text/plain"));
        store.put(subject("a"), &item.digest, &item, PDF).unwrap();
        store.put(subject("a"), &other.digest, &other, b"text").unwrap();
        let path = store.path(subject("a"), &item.digest);
        // One sealed file in another's place.
        fs::copy(store.path(subject("a"), &other.digest), &path).unwrap();
        assert!(matches!(store.get(subject("a"), &item.digest), Err(EvidenceError::Damaged)));
        assert_eq!(store.put(subject("a"), &item.digest, &item, PDF).unwrap(), Stored { repeated: false });
        assert_eq!(store.get(subject("a"), &item.digest).unwrap(), PDF);
    }

    #[test]
    fn nodes_that_share_the_folder_write_beside_each_other() {
        let (_folder, one) = store();
        let Inner { root, vault, limits, .. } = &*one.0;
        let two = EvidenceStore::new(root.clone(), Arc::clone(vault), *limits);
        assert_ne!(one.0.tag, two.0.tag);
        let item = declared(PDF, "application/pdf");
        assert_eq!(one.put(subject("a"), &item.digest, &item, PDF).unwrap(), Stored { repeated: false });
        assert_eq!(two.put(subject("a"), &item.digest, &item, PDF).unwrap(), Stored { repeated: true });
        assert_eq!(two.get(subject("a"), &item.digest).unwrap(), PDF);
    }

    #[test]
    fn single_files_go_and_the_others_stay() {
        let (_folder, store) = store();
        let (one, other) = (declared(PDF, "application/pdf"), declared(b"text", "text/plain"));
        store.erase_files(subject("a"), std::slice::from_ref(&one.digest)).unwrap();
        for who in ["a", "b"] {
            store.put(subject(who), &one.digest, &one, PDF).unwrap();
        }
        store.put(subject("a"), &other.digest, &other, b"text").unwrap();
        for _ in 0..2 {
            store.erase_files(subject("a"), std::slice::from_ref(&one.digest)).unwrap();
            assert!(matches!(store.get(subject("a"), &one.digest), Err(EvidenceError::NotFound)));
        }
        assert_eq!(store.get(subject("a"), &other.digest).unwrap(), b"text");
        assert_eq!(store.get(subject("b"), &one.digest).unwrap(), PDF);
    }

    #[test]
    fn an_erased_person_has_no_files() {
        let (_folder, store) = store();
        let item = declared(PDF, "application/pdf");
        store.put(subject("a"), &item.digest, &item, PDF).unwrap();
        store.put(subject("b"), &item.digest, &item, PDF).unwrap();
        store.0.vault.destroy(subject("a")).unwrap();
        assert!(matches!(store.get(subject("a"), &item.digest), Err(EvidenceError::Erased)));
        let refused = store.put(subject("a"), &item.digest, &item, PDF);
        assert!(matches!(refused, Err(EvidenceError::Erased)), "{refused:?}");
        store.erase(subject("a")).unwrap();
        store.erase(subject("a")).unwrap();
        assert!(!store.folder(subject("a")).exists());
        let refused = store.put(subject("a"), &item.digest, &item, PDF);
        assert!(matches!(refused, Err(EvidenceError::Erased)), "{refused:?}");
        assert_eq!(store.get(subject("b"), &item.digest).unwrap(), PDF);
    }
}

//! `baycase backup`: whole copies of the log, the vault and the evidence, while the server runs.
//!
//! The log is copied first: a vault that is copied later has every key that the copied events need, and a file of
//! evidence that an event says is here was here before the event.

mod evidence;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use domain::envelope::Position;
use event_log::durable;
use event_log::sqlite::{Backup, backup};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::path_error::at;
use super::{Failure, Global};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::needs_file;

/// What to do about a log that lies on a cluster.
const ELSEWHERE: &str = "copy the cluster with EventStoreDB's own tools first, or the log into a file with `baycase \
                         copy-log --to sqlite`; then `baycase backup --without-log` copies the vault and the evidence";
/// How long the copy waits for a lock of the vault's owner.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Copy the log, the vault and the evidence.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase backup --data /var/lib/baycase --to /backup/2026-05-06\n  baycase verify --data /backup/2026-05-06\n\nA server may run meanwhile. The master key is never copied: keep it elsewhere, without it the copied vault opens\nnothing. Nor are the council's signing keys: make a new one after a loss.\nDevelopment keys and read models are not copied either; `baycase rebuild` makes the models.\n\nA copy of the vault holds the keys of people who are erased after it was made. Destroy old copies as your retention\nrules say, and after restoring one, erase again whoever was erased since."
)]
pub struct BackupArgs {
    /// A folder for the copies, made if missing; files that are there are never overwritten.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Leave the log out: EventStoreDB, which holds it, was copied before with its own tools, or this is the folder of a
    /// vault node.
    #[arg(long)]
    without_log: bool,
}

/// Why the vault was not copied.
#[derive(Debug, Error)]
enum VaultCopyError {
    #[error("`{}` exists; a backup never overwrites a file, name another folder", .0.display())]
    Exists(PathBuf),
    #[error("`{}` cannot be handed to SQLite; use a path in UTF-8", .0.display())]
    Name(PathBuf),
    #[error(
        "the vault at `{}` is damaged and was not copied: {what}; keep it and every older backup as they are, and \
         restore the newest copy that opens",
        .path.display()
    )]
    Damaged { path: PathBuf, what: String },
    #[error("the vault could not be copied to `{}`; check its folder and the room on its disk", .path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the copy of the vault at `{}` could not be made durable", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the copy of the vault was not sound and was removed: {0}; the vault itself may be damaged, so keep every \
         older backup"
    )]
    Unsound(String),
}

/// Copies the log, then the vault, then the evidence.
///
/// # Errors
/// There is no log, a copy exists already, or the disk refuses; a copy under its name is always whole.
pub async fn run(global: &Global, config: &Config, args: BackupArgs) -> Result<(), Failure> {
    let (from, to) = (DataDir::new(&global.data), DataDir::new(&args.to));
    if !args.without_log {
        needs_file(config, "backup", ELSEWHERE)?;
        if from.vault_path().exists() && !from.log_path().exists() {
            return Err(format!(
                "there is a vault in {} and no log; give --without-log if this is the folder of a vault node",
                from.root().display()
            )
            .into());
        }
        // Opening tells better than copying what is wrong with a log.
        drop(from.reader()?);
    }
    let has_vault = from.vault_path().exists();
    if has_vault && to.vault_path().exists() {
        return Err(VaultCopyError::Exists(to.vault_path()).into());
    }
    fs::create_dir_all(to.root()).map_err(at(to.root(), "cannot be made"))?;
    if !args.without_log {
        let Backup { path, bytes, head } = backup(&from.log_path(), &to.log_path())?;
        let head = head.map_or(0, Position::get);
        println!("log     {} ({bytes} bytes, up to position {head})", path.display());
    }
    if has_vault {
        let bytes = copy_vault(&from.vault_path(), &to.vault_path())?;
        println!("vault   {} ({bytes} bytes)", to.vault_path().display());
        println!("note    the master key is not in the copy; keep it apart from it");
        println!("note    the copied vault keeps the keys of people erased from now on: destroy old copies in time,");
        println!("        and after restoring one, erase again whoever was erased since");
    } else if let Some(url) = &config.vault.url {
        println!("vault   on the vault node at {url}: run `baycase backup --without-log` on its folder after this one");
    } else {
        println!("vault   there is none, so nothing in the log is sealed");
    }
    let files_of_evidence = from.evidence_dir(config);
    if files_of_evidence.exists() {
        let (files, bytes) = evidence::copy(&files_of_evidence, &to.evidence_path())?;
        println!("files   {} ({files} of evidence, {bytes} bytes)", to.evidence_path().display());
    }
    Ok(())
}

/// Copies the vault into a new file that only its owner may read; answers its size.
fn copy_vault(from: &Path, to: &Path) -> Result<u64, VaultCopyError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let copied = copy_through(from, to, &partial);
    if copied.is_err() {
        // Best effort: the reason for the failure matters more than the rest of the copy.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy_through(from: &Path, to: &Path, partial: &Path) -> Result<u64, VaultCopyError> {
    let store = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            VaultCopyError::Damaged { path: from.to_owned(), what: source.to_string() }
        }
        Some(_) | None => VaultCopyError::Store { path: to.to_owned(), source },
    };
    let io_failed = |source| VaultCopyError::Io { path: to.to_owned(), source };
    let Some(name) = partial.to_str() else { return Err(VaultCopyError::Name(to.to_owned())) };
    match fs::remove_file(partial) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_failed(error)),
    }
    // SQLite takes an empty file as it is, with the rights it has.
    drop(private_file(partial).map_err(io_failed)?);
    let vault = connect(from).map_err(store)?;
    vault.execute("VACUUM INTO ?1", [name]).map_err(store)?;
    let checked: String = connect(partial)
        .and_then(|copy| copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .map_err(|error| VaultCopyError::Unsound(error.to_string()))?;
    if checked != "ok" {
        return Err(VaultCopyError::Unsound(checked));
    }
    durable::put_in_place(partial, to).map_err(io_failed)?;
    fs::metadata(to).map(|about| about.len()).map_err(io_failed)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_WAIT)?;
    Ok(conn)
}

/// Makes an empty file that only its owner may read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use domain::id::{FilingId, SubjectId};
    use event_log::vault::{MasterKey, Opened};

    use super::*;

    fn global(data: &Path) -> Global {
        Global { data: data.to_owned(), config: None }
    }

    #[tokio::test]
    async fn the_copies_open_and_hold_everything() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(&folder.path().join("data"));
        let config = Config::default();
        fs::create_dir_all(dir.root()).unwrap();
        MasterKey::generate_file(&dir.master_key_path()).unwrap();
        let log = dir.open_log(&config, true).unwrap();
        let vault = dir.open_vault_with(&config, true).unwrap();
        crate::units::register(&log, &crate::units::of_divisions(), crate::clock::now()).await.unwrap();
        let subject = SubjectId::in_filing(FilingId::derived("test", "1"), "complainant");
        let sealed = vault.seal(subject, "facts", "退款").unwrap();

        // Both are open, as a server has them.
        let to = folder.path().join("copy");
        run(&global(dir.root()), &config, BackupArgs { to: to.clone(), without_log: false }).await.unwrap();

        let copy = DataDir::new(&to);
        assert!(!copy.master_key_path().exists());
        let head = log.reader().unwrap().head_blocking().unwrap();
        assert_eq!(copy.reader().unwrap().head_blocking().unwrap(), head);
        fs::copy(dir.master_key_path(), copy.master_key_path()).unwrap();
        let restored = copy.open_vault(&config).unwrap();
        assert_eq!(restored.open_sealed(subject, "facts", &sealed).unwrap(), Opened::Plain("退款".to_owned()));
        log.close();
    }

    #[tokio::test]
    async fn a_copy_is_never_overwritten_and_a_missing_log_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("copy"));
        let args = || BackupArgs { to: to.clone(), without_log: false };
        let config = Config::default();
        let missing = run(&global(&data), &config, args()).await.unwrap_err().to_string();
        assert!(missing.contains("there is no log"), "{missing}");
        assert!(!to.exists());
        DataDir::new(&data).open_log(&config, true).unwrap().close();
        run(&global(&data), &config, args()).await.unwrap();
        let again = run(&global(&data), &config, args()).await.unwrap_err().to_string();
        assert!(again.contains("never overwrites"), "{again}");
    }

    #[tokio::test]
    async fn a_log_on_a_cluster_is_copied_by_its_own_tools() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("copy"));
        let evidence = folder.path().join("shared").join("0123");
        fs::create_dir_all(&evidence).unwrap();
        fs::write(evidence.join("a".repeat(64)), b"sealed").unwrap();
        let mut config = Config::default();
        config.log.engine = crate::config::LogEngine::EventStoreDb;
        config.node.evidence_dir = Some(folder.path().join("shared"));
        let args = |without_log| BackupArgs { to: to.clone(), without_log };
        let refused = run(&global(&data), &config, args(false)).await.unwrap_err().to_string();
        assert!(refused.contains("--without-log") && refused.contains("copy-log"), "{refused}");
        run(&global(&data), &config, args(true)).await.unwrap();
        let copy = DataDir::new(&to);
        assert!(!copy.log_path().exists());
        assert!(copy.evidence_path().join("0123").join("a".repeat(64)).exists());
    }

    #[tokio::test]
    async fn the_folder_of_a_vault_node_is_copied_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("copy"));
        fs::create_dir_all(&data).unwrap();
        let dir = DataDir::new(&data);
        let keys = event_log::vault::file::FileKeys::open(&dir.vault_path(), true).unwrap();
        let args = |without_log| BackupArgs { to: to.clone(), without_log };
        let config = Config::default();
        let refused = run(&global(&data), &config, args(false)).await.unwrap_err().to_string();
        assert!(refused.contains("--without-log"), "{refused}");
        run(&global(&data), &config, args(true)).await.unwrap();
        drop(keys);
        event_log::vault::file::FileKeys::open(&DataDir::new(&to).vault_path(), false).unwrap();
    }

    #[tokio::test]
    async fn a_damaged_log_or_vault_is_told_with_advice_for_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(&folder.path().join("data"));
        let config = Config::default();
        dir.open_log(&config, true).unwrap().close();
        fs::write(dir.vault_path(), "not a database, and longer than the header of one: ".repeat(20)).unwrap();
        let args = |to: &str| BackupArgs { to: folder.path().join(to), without_log: false };
        let vault = run(&global(dir.root()), &config, args("one")).await.unwrap_err().to_string();
        assert!(vault.contains("vault.sqlite") && vault.contains("older backup"), "{vault}");
        fs::write(dir.log_path(), b"").unwrap();
        let log = run(&global(dir.root()), &config, args("two")).await.unwrap_err().to_string();
        assert!(log.contains("restore the newest backup") && !log.contains("room on its disk"), "{log}");
        assert!(!folder.path().join("two").exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_copied_vault_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("vault.sqlite"), folder.path().join("copy.sqlite"));
        Connection::open(&from).unwrap().execute_batch("CREATE TABLE t (a INTEGER) STRICT").unwrap();
        copy_vault(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!folder.path().join("copy.sqlite.partial").exists());
    }
}

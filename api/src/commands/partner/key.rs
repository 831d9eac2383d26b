//! `baycase partner key`: makes and lists the keys that our council signs with.
//!
//! A key never leaves the machine that made it. What it prints is the public half, as the other councils enter it in
//! their configuration.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use clap::{Args, Subcommand};
use cross_border::trust::{KEY_FILE_SUFFIX, KeyId, KeyRing, PrivateKey, SigningKey, SuiteName};

use crate::commands::path_error::at;
use crate::commands::{Failure, Global};
use crate::config::Config;

/// Longest life of a key in days: one that is found out too late does no harm for ever.
const DAYS_MAX: u32 = 3_660;

/// The keys that our council signs with.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

/// What to do with them.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print its public half for the configuration of the other councils.
    New(NewArgs),
    /// List the keys with the days they hold.
    List,
}

/// Make a key.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase partner key new --data /var/lib/baycase --id gd-consumer-council:2026a\n  baycase partner key new --id gd-consumer-council:2027a --starts-in-days 30 --days 400\n\nA running server reads its keys when it starts. Change keys without a gap: make a new one that begins in\na month, let every partner enter it beside the old one, restart, and let the old one end."
)]
pub struct NewArgs {
    /// Its name, unique over all councils and never used again: the council's id, a colon, and a mark of your choice.
    #[arg(long)]
    id: String,
    /// For how many days it may sign.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// In how many days it begins; until then the others can enter it, and the old key goes on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(DAYS_MAX)))]
    starts_in_days: u32,
    /// ed25519, which every partner can check, or sm2 (GB/T 32918).
    #[arg(long, default_value = "ed25519")]
    suite: String,
}

/// Makes or lists keys.
///
/// # Errors
/// The id or the suite is not one, the key exists already, or the folder cannot be read or written.
pub fn run(global: &Global, config: &Config, args: &KeyArgs) -> Result<(), Failure> {
    let folder = config.council.keys_dir(&global.data);
    let now = crate::clock::now();
    match &args.command {
        KeyCommand::New(args) => {
            let (key, path) = make(&folder, args, now)?;
            let own = config.council.id.as_str();
            if key.id.as_str().split_once(':').is_none_or(|(council, _)| council != own) {
                eprintln!("note    the key is not named after `{own}`, the council of this configuration");
            }
            eprintln!("made    {}, which only its owner may read; never copy it to another machine", path.display());
            eprintln!("note    the other councils enter this below our `[[partner.peer]]`:");
            print!("{}", entry(&key)?);
        }
        KeyCommand::List => print!("{}", list(&folder, now)?),
    }
    Ok(())
}

fn make(folder: &Path, args: &NewArgs, now: DateTime<Utc>) -> Result<(SigningKey, PathBuf), Failure> {
    let id = KeyId::parse(&args.id)?;
    let suite = SuiteName::from_code(&args.suite)
        .ok_or_else(|| format!("`{}` is no suite; there are ed25519 and sm2", args.suite))?;
    let not_before = now.trunc_subsecs(0) + TimeDelta::days(i64::from(args.starts_in_days));
    let key = SigningKey {
        private: PrivateKey::generate(suite)?,
        not_before,
        not_after: not_before + TimeDelta::days(i64::from(args.days)),
        id,
    };
    make_private(folder)?;
    if folder_holds(folder, &key.id)? {
        return Err(format!("there is a key `{}` already; a name is never given to a second key", key.id).into());
    }
    let path = folder.join(format!("{}{KEY_FILE_SUFFIX}", key.id.as_str().replace(':', ".")));
    key.write_new(&path)?;
    Ok((key, path))
}

/// Two names that differ only in `:` and `.` would be the same file; the names in the files decide.
fn folder_holds(folder: &Path, id: &KeyId) -> Result<bool, Failure> {
    Ok(KeyRing::read_dir(folder)?.keys().iter().any(|key| key.id == *id))
}

fn make_private(folder: &Path) -> Result<(), Failure> {
    let mut options = std::fs::DirBuilder::new();
    options.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut options, 0o700);
    options.create(folder).map_err(at(folder, "cannot be made"))
}

/// The public half as it stands in the configuration of the other councils.
fn entry(key: &SigningKey) -> Result<String, Failure> {
    Ok(format!("[[partner.peer.keys]]\n{}", toml::to_string(&key.verifying())?))
}

fn list(folder: &Path, now: DateTime<Utc>) -> Result<String, Failure> {
    if !folder.exists() {
        return Ok(format!("there are no keys in {}; `baycase partner key new` makes one\n", folder.display()));
    }
    let ring = KeyRing::read_dir(folder)?;
    let signing = ring.active(now).map(|key| key.id.clone());
    let mut text = String::new();
    for key in ring.keys() {
        let state = if signing.as_ref() == Some(&key.id) {
            "signs"
        } else if now < key.not_before {
            "not yet"
        } else if key.is_valid_at(now) {
            "valid"
        } else {
            "over"
        };
        let suite = key.private.suite();
        writeln!(text, "{state:<8}{}  {suite}  {} to {}", key.id, key.not_before, key.not_after)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use cross_border::trust::VerifyingKey;
    use serde::Deserialize;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T08:30:15.123456Z".parse().unwrap()
    }

    fn args(id: &str, suite: &str) -> NewArgs {
        NewArgs { id: id.to_owned(), days: 400, starts_in_days: 0, suite: suite.to_owned() }
    }

    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<VerifyingKey>,
    }

    #[test]
    fn a_key_is_made_once_and_what_is_printed_can_be_entered() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("council-keys");
        for (id, suite) in [("gd-consumer-council:2026a", "ed25519"), ("gd-consumer-council:2026b", "sm2")] {
            let (key, path) = make(&keys, &args(id, suite), now()).unwrap();
            assert_eq!(key.not_before.to_rfc3339(), "2026-11-22T08:30:15+00:00");
            assert_eq!((key.not_after - key.not_before).num_days(), 400);
            assert_eq!(SigningKey::read(&path).unwrap().verifying(), key.verifying());
            let printed = entry(&key).unwrap().replace("partner.peer.keys", "keys");
            assert_eq!(toml::from_str::<Keys>(&printed).unwrap().keys, [key.verifying()]);
            let again = make(&keys, &args(id, suite), now()).unwrap_err().to_string();
            assert!(again.contains("never given"), "{again}");
        }
        let listed = list(&keys, now()).unwrap();
        assert_eq!(listed.lines().count(), 2, "{listed}");
        assert_eq!(listed.lines().filter(|line| line.starts_with("signs")).count(), 1, "{listed}");
        let over = list(&keys, now() + TimeDelta::days(401)).unwrap();
        assert!(over.lines().all(|line| line.starts_with("over")), "{over}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_but_its_owner_reads_a_key() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("council-keys");
        let (_, path) = make(&keys, &args("gd-consumer-council:2026a", "ed25519"), now()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn a_name_or_a_suite_that_is_none_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for (id, suite) in [("Guangdong", "ed25519"), ("", "ed25519"), ("gd-consumer-council:2026a", "rsa")] {
            assert!(make(folder.path(), &args(id, suite), now()).is_err(), "{id} {suite}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let nowhere = list(&folder.path().join("none"), now()).unwrap();
        assert!(nowhere.contains("no keys"), "{nowhere}");
    }
}

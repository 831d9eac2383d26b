//! Our signing keys, as a server finds them when it starts.

use cross_border::trust::KeyRing;

use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::config::Config;
use crate::data_dir::DataDir;

/// Reads our signing keys. A node without one takes in what comes, which needs none, but cannot answer for it.
///
/// # Errors
/// The folder cannot be read, or the configuration names one that is not there: a wrong name must not pass for a
/// council that has no keys yet.
pub(super) fn keys(dir: &DataDir, config: &Config) -> Result<KeyRing, Failure> {
    let (folder, is_named) = (config.council.keys_dir(dir.root()), config.council.keys_dir.is_some());
    let keys = match KeyRing::read_dir(&folder) {
        Ok(keys) => keys,
        Err(_) if !is_named && !folder.exists() => KeyRing::default(),
        Err(_) if !folder.exists() => {
            let reason = "there is no such folder; correct the name, or make the first key with `baycase partner key \
                          new`, which makes the folder too";
            return Err(config.unusable("council.keys_dir", &folder, reason).into());
        }
        Err(error) if is_named => return Err(config.unusable("council.keys_dir", &folder, error).into()),
        Err(error) => return Err(at(&folder, "cannot be used as the folder of signing keys")(error)),
    };
    if keys.active(crate::clock::now()).is_none() && !config.partner.peers.is_empty() {
        tracing::warn!(
            "No signing key in {} is valid now, so no message and no receipt can be signed; `baycase partner key new` \
             makes one",
            folder.display()
        );
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::config::ConfigError;

    #[test]
    fn a_folder_that_is_named_must_be_there_and_the_usual_one_may_come_later() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut config = Config::default();
        assert!(keys(&dir, &config).unwrap().keys().is_empty());

        let named = root.path().join("elsewhere");
        config.council.keys_dir = Some(named.clone());
        let refused = keys(&dir, &config).unwrap_err();
        let refused = refused.downcast_ref::<ConfigError>().unwrap();
        assert_eq!(refused.key(), Some("council.keys_dir"));
        assert!(refused.to_string().contains(&named.display().to_string()), "{refused}");
        let reason = refused.source().unwrap().to_string();
        assert!(reason.contains("no such folder") && reason.contains("`baycase partner key new`"), "{reason}");

        std::fs::create_dir(&named).unwrap();
        assert!(keys(&dir, &config).unwrap().keys().is_empty());
    }

    #[test]
    fn what_stands_where_the_folder_should_be_is_told() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut config = Config::default();
        let usual = config.council.keys_dir(root.path());
        std::fs::write(&usual, "no folder").unwrap();
        let refused = keys(&dir, &config).unwrap_err();
        assert!(refused.to_string().contains(&usual.display().to_string()), "{refused}");
        config.council.keys_dir = Some(usual);
        let refused = keys(&dir, &config).unwrap_err();
        assert_eq!(refused.downcast_ref::<ConfigError>().and_then(ConfigError::key), Some("council.keys_dir"));
    }
}

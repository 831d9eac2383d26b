//! `baycase config`: the configuration in force, and what in it `baycase serve` refuses.

use std::io::Write as _;
use std::process::ExitCode;

use event_log::causes::with_causes;

use super::{Failure, Global};
use crate::config::{Config, ConfigError, Environment};
use crate::data_dir::DataDir;

/// Prints every value, secrets masked.
///
/// A value that a server does not start with is marked by a comment below it and
/// told on stderr, and the code is not 0 then; so is what only looks like a mistake, which changes no code.
///
/// # Errors
/// There is nobody to print to.
pub fn run(global: &Global, config: &Config) -> Result<ExitCode, Failure> {
    let mut refused = config.refused();
    // That there is no key yet, `init` tells.
    let master_key = DataDir::new(&global.data).find_master_key(config, &Environment::of_process()?);
    refused.extend(master_key.and_then(Result::err));
    let text = marked(&config.to_masked_toml()?, &refused);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    for error in &refused {
        eprintln!("error: {}", with_causes(error));
    }
    if !refused.is_empty() {
        eprintln!("`baycase serve` does not start with this configuration: {} of it is refused", refused.len());
        return Ok(ExitCode::FAILURE);
    }
    check(config)?;
    if config.auth.jwks_file.is_none() && config.auth.jwks_url.is_none() && !config.auth.dev {
        eprintln!("note: `baycase serve` needs auth.jwks_file or auth.jwks_url too, or --dev for trying things out");
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a configuration that a server does not start with, and tells on stderr what only looks like a mistake: for
/// commands that act on it for good, without a log of the program.
///
/// # Errors
/// The first value that is refused, with its key and its source.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for warning in config.validate()? {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// The configuration with a comment below each value that is refused; what stands nowhere in it comes last.
fn marked(toml: &str, refused: &[ConfigError]) -> String {
    let mut left: Vec<&ConfigError> = refused.iter().collect();
    let (mut text, mut section) = (String::new(), "");
    for line in toml.lines() {
        text.push_str(line);
        text.push('\n');
        let key = match (line.strip_prefix('['), line.split_once(" = ")) {
            (Some(header), _) => {
                section = header.trim_matches(['[', ']']);
                section.to_owned()
            }
            (None, Some((field, _))) => format!("{section}.{field}"),
            (None, None) => continue,
        };
        left.retain(|error| {
            let is_here = error.key() == Some(key.as_str());
            if is_here {
                text.push_str(&comment(error));
            }
            !is_here
        });
    }
    left.into_iter().for_each(|error| text.push_str(&comment(error)));
    text
}

fn comment(error: &ConfigError) -> String {
    format!("# refused: {}\n", with_causes(error).replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_marked_below_its_value_and_the_rest_is_left_as_it_is() {
        let mut config = Config::default();
        config.log.readers = 65;
        config.partner.listen = Some("127.0.0.1:8443".parse().unwrap());
        let refused = config.refused();
        let plain = config.to_masked_toml().unwrap();
        let text = marked(&plain, &refused);
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| *line == "readers = 65").unwrap();
        assert!(lines[at + 1].starts_with("# refused: ") && lines[at + 1].contains("`log.readers`"), "{text}");
        // A file that is missing has no line of its own.
        assert!(lines.last().unwrap().contains("`partner.client_ca_file`"), "{text}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("# refused: ")).count(), refused.len(), "{text}");
        let rest: Vec<&str> = lines.into_iter().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rest, plain.lines().collect::<Vec<_>>(), "it can still be read as TOML");
        assert_eq!(marked(&plain, &[]), plain);
    }

    #[test]
    fn a_master_key_that_a_server_cannot_use_is_refused_without_being_told() {
        let (none, mut config) = (Environment::default(), Config::default());
        let data = tempfile::tempdir().unwrap();
        let master_key = |config: &Config, environment: &Environment| {
            DataDir::new(data.path()).find_master_key(config, environment).and_then(Result::err)
        };
        assert!(master_key(&config, &none).is_none(), "there is none yet");
        std::fs::write(DataDir::new(data.path()).master_key_path(), "hunter2").unwrap();
        let refused = with_causes(&master_key(&config, &none).unwrap());
        assert!(refused.contains("in the data folder") && !refused.contains("hunter2"), "{refused}");
        let bad = Environment::from_pairs([("BAYCASE_MASTER_KEY", "hunter2")]);
        let refused = with_causes(&master_key(&config, &bad).unwrap());
        assert!(refused.contains("BAYCASE_MASTER_KEY") && !refused.contains("hunter2"), "{refused}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        config.vault.master_key_file = Some(path.clone());
        let refused = [master_key(&config, &none).unwrap()];
        let text = marked(&config.to_masked_toml().unwrap(), &refused);
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("master_key_file = ")).unwrap();
        assert!(lines[at + 1].starts_with("# refused: ") && lines[at + 1].contains("master.key"), "{text}");
        event_log::vault::MasterKey::generate_file(&path).unwrap();
        assert!(master_key(&config, &none).is_none());
        // The variable wins over the file.
        assert!(master_key(&config, &bad).is_some());
    }

    #[test]
    fn what_is_refused_of_the_partners_is_marked_at_the_first_of_them() {
        let toml = "[partner]\npoll_ms = 1\n[[partner.peer]]\nid = \"a\"\n[[partner.peer]]\nid = \"b\"\n";
        let error = |key: &str| ConfigError::Invalid {
            key: key.to_owned(),
            place: "gd.toml".to_owned(),
            reason: "is\nwrong".to_owned(),
        };
        let text = marked(toml, &[error("partner.peer"), error("partner.poll_ms")]);
        let expected = "[partner]\npoll_ms = 1\n\
                        # refused: configuration key `partner.poll_ms` in gd.toml is wrong\n\
                        [[partner.peer]]\n\
                        # refused: configuration key `partner.peer` in gd.toml is wrong\n\
                        id = \"a\"\n[[partner.peer]]\nid = \"b\"\n";
        assert_eq!(text, expected);
    }
}

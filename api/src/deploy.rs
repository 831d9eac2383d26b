//! What `api/deploy` says is what the program takes: its examples, its variables, its commands, its codes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Command, CommandFactory as _};
use domain::envelope::Revision;
use domain::id::StreamId;
use event_log::port::LogFault;
use uuid::Uuid;

use crate::commands::Cli;
use crate::config::{Config, ConfigError, Environment, LogEngine, VaultRole};

/// The files that name variables.
const FILES: [&str; 7] = [
    "RUNBOOK.md",
    "by-hand.sh",
    "compose.yaml",
    "node.toml",
    "vault.toml",
    "baycase@.service",
    "baycase-vault.service",
];

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn text(file: &str) -> String {
    let path = path(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn load(file: &str, variables: &[(&str, &str)]) -> Config {
    let environment = Environment::from_pairs(variables.iter().copied());
    Config::load(Some(path(file).as_path()), &environment, &[]).unwrap()
}

#[test]
fn the_examples_are_valid_as_they_stand_and_warn_of_nothing() {
    for file in ["node.toml", "vault.toml"] {
        let warnings = load(file, &[]).validate().unwrap();
        assert!(warnings.is_empty(), "{file}: {warnings:?}");
    }
    let node = load("node.toml", &[("BAYCASE_NODE__NAME", "gz-1")]);
    assert_eq!((node.log.engine, node.node.name.as_deref()), (LogEngine::EventStoreDb, Some("gz-1")));
    assert!(node.vault.url.is_some() && node.vault.standby.is_some() && node.node.evidence_dir.is_some());
    let primary = load("vault.toml", &[]).vault_node;
    assert!(primary.role == VaultRole::Primary && primary.standby.is_some() && primary.standby_required);
}

#[test]
fn two_variables_make_the_standby_of_the_primary() {
    let variables = [("BAYCASE_VAULT_NODE__ROLE", "standby"), ("BAYCASE_VAULT_NODE__STANDBY", "")];
    let standby = load("vault.toml", &variables);
    assert_eq!((standby.vault_node.role, standby.vault_node.standby.as_deref()), (VaultRole::Standby, None));
    assert!(standby.validate().unwrap().is_empty());
}

#[test]
fn every_variable_is_a_key_of_the_configuration() {
    let mut names = BTreeSet::new();
    for file in FILES {
        let text = text(file);
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        names.extend(words.filter(|word| word.starts_with("BAYCASE_") && word.contains("__")).map(str::to_owned));
    }
    assert!(names.contains("BAYCASE_VAULT__MASTER_KEY_FILE") && names.len() > 5, "{names:?}");
    for name in names {
        // What it may be set to is another question.
        let loaded = Config::load(None, &Environment::from_pairs([(name.as_str(), "x")]), &[]);
        assert!(!matches!(loaded, Err(ConfigError::UnknownKey { .. })), "{name}: {loaded:?}");
    }
}

#[test]
fn whoever_stops_a_process_waits_longer_than_it_takes_to_stop() {
    let config = Config::default();
    let (grace, log) = (config.server.shutdown_grace(), config.log.eventstore.timeout());
    let waits = |file: &str, key: &str| -> Vec<Duration> {
        let text = text(file);
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        values.map(|value| Duration::from_secs(value.trim().trim_end_matches('s').parse().unwrap())).collect()
    };
    let of_node = waits("baycase@.service", "TimeoutStopSec=");
    let of_vault = waits("baycase-vault.service", "TimeoutStopSec=");
    let of_containers = waits("compose.yaml", "stop_grace_period:");
    assert_eq!((of_node.len(), of_vault.len(), of_containers.len()), (1, 1, 3));
    assert!(of_node[0] > grace + log, "{of_node:?}");
    assert!(of_vault.iter().chain(&of_containers).all(|wait| *wait > grace), "{of_vault:?}, {of_containers:?}");
}

/// One of each kind of fault.
fn faults() -> Vec<LogFault> {
    let stream = StreamId::parse("filing-1").unwrap();
    let words = String::new;
    let faults = vec![
        LogFault::Unreachable { last: words() },
        LogFault::NoLeader { last: words() },
        LogFault::Credentials,
        LogFault::Certificate { what: words() },
        LogFault::TooOld { found: words(), needed: "" },
        LogFault::Settings { what: words() },
        LogFault::ForeignInstallation { expected: Uuid::nil(), found: Uuid::max() },
        LogFault::NotInstalled,
        LogFault::UnfinishedCopy,
        LogFault::Truncated { stream: stream.clone(), expected: Revision::new(1), found: Revision::new(2) },
        LogFault::Deleted { stream },
        LogFault::ForeignEvent { stream: words(), revision: 1, kind: words() },
        LogFault::SplitPosition { stream: words(), revision: 1, commit: 2, prepare: 3 },
        LogFault::TimedOut,
        LogFault::Protocol { what: words() },
    ];
    // A kind that is added does not compile before it stands above.
    faults.iter().for_each(|fault| match fault {
        LogFault::Unreachable { .. }
        | LogFault::NoLeader { .. }
        | LogFault::Credentials
        | LogFault::Certificate { .. }
        | LogFault::TooOld { .. }
        | LogFault::Settings { .. }
        | LogFault::ForeignInstallation { .. }
        | LogFault::NotInstalled
        | LogFault::UnfinishedCopy
        | LogFault::Truncated { .. }
        | LogFault::Deleted { .. }
        | LogFault::ForeignEvent { .. }
        | LogFault::SplitPosition { .. }
        | LogFault::TimedOut
        | LogFault::Protocol { .. } => {}
    });
    faults
}

#[test]
fn the_runbook_tells_of_every_fault_of_the_log_and_whether_it_passes() {
    let runbook = text("RUNBOOK.md");
    for fault in faults() {
        let code = fault.code();
        let row = runbook.lines().find_map(|line| line.strip_prefix(&format!("| `{code}` | ")));
        let row = row.unwrap_or_else(|| panic!("{code} has no row"));
        let passes = if fault.passes_by_itself() { "yes |" } else { "no |" };
        assert!(row.starts_with(passes), "{code}: {row}");
    }
}

/// The lines of the shell in a text, and what is quoted in it as a command of the program.
fn commands(text: &str) -> Vec<String> {
    let (mut lines, mut in_shell) = (Vec::new(), false);
    for line in text.replace("\\\n", " ").lines() {
        if line.trim_start().starts_with("```") {
            in_shell = line.trim_start() == "```sh";
        } else if in_shell {
            lines.push(line.to_owned());
        } else {
            let is_command = |quoted: &&str| quoted.starts_with("baycase ") || quoted.contains("/by-hand.sh ");
            lines.extend(line.split('`').filter(is_command).map(str::to_owned));
        }
    }
    lines
}

/// Checks the words behind the program's name as far as the next command of the shell.
fn check(cli: &Command, words: &[&str], line: &str) {
    let mut command = cli;
    for word in words.iter().take_while(|word| !["|", "&&", "||", ";", ">", "#"].contains(*word)) {
        if let Some(inner) = command.find_subcommand(word) {
            command = inner;
        } else if let Some(flag) = word.strip_prefix("--") {
            let name = flag.split('=').next().unwrap_or_default();
            let known = command.get_arguments().any(|argument| argument.get_long() == Some(name));
            assert!(known, "`{}` has no --{name}: {line}", command.get_name());
        }
    }
}

#[test]
fn every_command_of_the_runbook_is_one_with_the_flags_it_has() {
    let mut cli = Cli::command();
    cli.build();
    let mut checked = 0;
    for line in commands(&text("RUNBOOK.md")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let rest = &words[at + 1..];
            // Also the name of a user and of a group: those are not followed by a word.
            let next = rest.first().filter(|next| next.starts_with(|c: char| c.is_ascii_lowercase()));
            let (true, Some(next)) = (*word == "baycase" || word.ends_with("/by-hand.sh"), next) else { continue };
            if *next == "baycase" {
                continue;
            }
            assert!(cli.find_subcommand(next).is_some(), "there is no `baycase {next}`: {line}");
            check(&cli, rest, &line);
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} commands were found");
}

//! `baycase vault destroy`: destroys the key of one person by hand, over whichever vault is configured.
//!
//! A vault that was restored from a backup holds the keys of people who were erased since, and a destruction that was
//! answered with an error has to be repeated: both are a person's work at a terminal, one subject after the other.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use domain::id::SubjectId;
use event_log::vault::{OpenError, SubjectVault, VaultError};
use thiserror::Error;

use crate::commands::{Failure, Global};
use crate::config::Config;
use crate::data_dir::DataDir;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Destroy the key of one person, for good.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  baycase vault destroy --config node.toml --subject 3f0c2b9e-6a51-5f0e-9d6c-0b1c8f6f5d21\n  baycase vault destroy --config node.toml --subject 3f0c2b9e-6a51-5f0e-9d6c-0b1c8f6f5d21 --reason \"restored vault\" --yes\n\nThe key is destroyed on the vault node at `vault.url`, or in the vault of the data folder while no server runs on it.\nWhatever was sealed for the person is unreadable then, in every copy of the log. Nothing brings it back, and doing it\ntwice changes nothing. A subject without a key never gets one: look at the id twice."
)]
pub struct DestroyArgs {
    /// Whose key: the id that the vault node's log names (`Destroyed the key of subject …`).
    #[arg(long, value_name = "UUID", value_parser = SubjectId::parse)]
    subject: SubjectId,
    /// Why; printed with the answer, for the record that you keep. No personal data.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Why a key was not destroyed.
#[derive(Debug, Error)]
pub(super) enum DestroyError {
    #[error("--create, --listen and --admin-listen are for serving a vault; leave them out to destroy a key")]
    Serving,
    #[error(
        "a destroyed key never comes back, so nothing was destroyed unasked: say --yes, or run this on a terminal and \
         type the subject's id"
    )]
    Unconfirmed,
    #[error("what was typed is not the id of subject {subject}; nothing was destroyed. Run the command again")]
    OtherSubject { subject: SubjectId },
    #[error("the answer could not be read from the terminal; nothing was destroyed. Say --yes to go without")]
    Terminal(#[source] io::Error),
    #[error(
        "the vault at `{path}` is in use by a running server, and nothing was destroyed: only one process may write \
         the file. Stop the server of this data folder, run this again, and start it"
    )]
    InUse { path: PathBuf },
    #[error("the key of subject {subject} may not be destroyed everywhere yet; run the same command again")]
    Again {
        subject: SubjectId,
        #[source]
        source: VaultError,
    },
    #[error("the key of subject {subject} could not be destroyed")]
    Refused {
        subject: SubjectId,
        #[source]
        source: VaultError,
    },
}

/// Why a text is no reason.
#[derive(Debug, Error)]
enum ReasonError {
    #[error("a reason has 1 to {REASON_CHARS_MAX} characters; shorten it, or leave it out")]
    Length,
    #[error("a reason stands on one line, without control characters")]
    Control,
}

fn reason(raw: &str) -> Result<String, ReasonError> {
    let text = raw.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX {
        return Err(ReasonError::Length);
    }
    if text.chars().any(char::is_control) {
        return Err(ReasonError::Control);
    }
    Ok(text.to_owned())
}

/// Asks unless `--yes` was said, destroys the key and prints when that was done first. Blocks.
///
/// # Errors
/// Nobody confirmed it, the vault cannot be opened or is in use, or the key may still lie somewhere; the text says what
/// to do.
pub(super) fn run(global: &Global, config: &Config, args: &DestroyArgs) -> Result<(), Failure> {
    if !args.yes {
        let stdin = io::stdin();
        let is_terminal = stdin.is_terminal();
        confirm(args.subject, is_terminal, &mut stdin.lock(), &mut io::stderr().lock())?;
    }
    let vault = open(&DataDir::new(&global.data), config)?;
    println!("{}", destroy(&vault, args, crate::clock::now())?);
    eprintln!(
        "the search index of a node keeps that person's words until its read models are built anew: `baycase rebuild \
         --force`"
    );
    Ok(())
}

/// Has the subject's id typed once more.
fn confirm(
    subject: SubjectId,
    is_terminal: bool,
    answers: &mut impl BufRead,
    terminal: &mut impl Write,
) -> Result<(), DestroyError> {
    if !is_terminal {
        return Err(DestroyError::Unconfirmed);
    }
    let question = format!(
        "This destroys the key of subject {subject} for good: whatever was sealed for that person is unreadable then.\n\
         Type the subject's id once more to go on: "
    );
    let asked = terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush());
    let mut typed = String::new();
    asked.and_then(|()| answers.read_line(&mut typed)).map_err(DestroyError::Terminal)?;
    if SubjectId::parse(typed.trim()).is_ok_and(|typed| typed == subject) {
        return Ok(());
    }
    Err(DestroyError::OtherSubject { subject })
}

/// Opens the configured vault; one in a file that a server has open is told apart.
fn open(dir: &DataDir, config: &Config) -> Result<Arc<SubjectVault>, Failure> {
    dir.open_vault(config).map_err(|error| match error.downcast_ref() {
        Some(OpenError::Locked { path }) => Failure::from(DestroyError::InUse { path: path.clone() }),
        Some(_) | None => error,
    })
}

/// Destroys the key; answers in words when that was done. `begun` is the time now.
fn destroy(vault: &SubjectVault, args: &DestroyArgs, begun: DateTime<Utc>) -> Result<String, DestroyError> {
    let subject = args.subject;
    let failed = |source: VaultError| {
        if source.is_retryable() {
            DestroyError::Again { subject, source }
        } else {
            DestroyError::Refused { subject, source }
        }
    };
    // Asked first: afterwards every subject is one whose key was destroyed.
    let was_known = vault.knows(subject).map_err(failed)?;
    let at = vault.destroy(subject).map_err(failed)?;
    // The vault keeps microseconds.
    let is_new = at.timestamp_micros() >= begun.timestamp_micros();
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut told = if !was_known {
        format!("there was no key of subject {subject}; since {at} it never gets one. Look at the id once more")
    } else if is_new {
        format!("destroyed the key of subject {subject} at {at}")
    } else {
        format!("the key of subject {subject} had been destroyed before, at {at}, and stays so")
    };
    if let Some(reason) = &args.reason {
        told.push_str("; reason: ");
        told.push_str(reason);
    }
    Ok(told)
}

#[cfg(test)]
mod tests;

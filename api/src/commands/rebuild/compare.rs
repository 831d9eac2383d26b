//! Whether rebuilt read models say the same as those in use.

use domain::envelope::Position;
use event_log::port::READ_EVENTS_MAX;
use projections::{OpenError, ParityReport, ReadModelOptions, ReadModels, TableParity};

use super::RebuildFailure;
use crate::commands::Failure;
use crate::log::AnyReader;

/// How often models that a server keeps moving are looked at before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// The table of the search index, which cannot be rebuilt without the vault.
const TEXTS: &str = "terms";
/// Digits of a digest that are printed; enough to tell two apart by eye.
const DIGITS: usize = 16;

/// What a comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Differs {
        tables: Vec<&'static str>,
    },
    /// There was nothing to compare with.
    Unknown {
        why: String,
    },
}

/// Compares with models that nobody moves. Models that cannot be read are no reason to keep them.
///
/// # Errors
/// The rebuilt models cannot be read.
pub(super) fn against_live(live: &ReadModelOptions, fresh: &ReadModelOptions) -> Result<Verdict, Failure> {
    if !live.path.exists() {
        return Ok(Verdict::Unknown { why: "there were no read models".to_owned() });
    }
    let theirs = match ReadModels::open(live.clone()) {
        Ok(models) => models.parity_digest(),
        Err(error @ (OpenError::OtherVersion { .. } | OpenError::Damaged { .. })) => {
            return Ok(Verdict::Unknown { why: error.to_string() });
        }
        Err(error) => return Err(error.into()),
    };
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(error) => return Ok(Verdict::Unknown { why: error.to_string() }),
    };
    let ours = ReadModels::open(fresh.clone())?.parity_digest()?;
    if ours.position != theirs.position {
        let (theirs, ours) = (number(theirs.position), number(ours.position));
        return Ok(Verdict::Unknown { why: format!("those in use stand at position {theirs}, the log at {ours}") });
    }
    print(&ours, &theirs, true);
    let tables = ours.differences(&theirs);
    Ok(if tables.is_empty() { Verdict::Same } else { Verdict::Differs { tables } })
}

/// Compares with models that a server may move meanwhile: the rebuilt ones are brought to the same position.
///
/// # Errors
/// The models in use are behind and do not catch up, or one of the two cannot be read.
pub(super) fn against_moving(
    reader: &mut AnyReader,
    live: &ReadModelOptions,
    fresh: &ReadModelOptions,
    with_texts: bool,
) -> Result<Vec<&'static str>, Failure> {
    let rebuilt = ReadModels::open(fresh.clone())?;
    let mut behind = None;
    for _ in 0..ATTEMPTS_MAX {
        let theirs = ReadModels::open(live.clone())?.parity_digest()?;
        advance(&rebuilt, reader, theirs.position)?;
        if rebuilt.position() != theirs.position {
            behind = theirs.position;
            continue;
        }
        let ours = rebuilt.parity_digest()?;
        print(&ours, &theirs, with_texts);
        let differing = ours.differences(&theirs).into_iter();
        return Ok(differing.filter(|table| with_texts || *table != TEXTS).collect());
    }
    Err(RebuildFailure::Behind { live: number(behind), fresh: number(rebuilt.position()) }.into())
}

/// Applies what lies between the models and a position.
fn advance(models: &ReadModels, reader: &mut AnyReader, to: Option<Position>) -> Result<(), Failure> {
    while models.position() < to {
        let mut page = reader.read_all_blocking(models.position(), READ_EVENTS_MAX)?;
        page.events.retain(|event| Some(event.position) <= to);
        if page.events.is_empty() {
            break;
        }
        models.apply(&page.events)?;
    }
    Ok(())
}

fn number(position: Option<Position>) -> u64 {
    position.map_or(0, Position::get)
}

/// One line for each table, with both digests.
fn print(ours: &ParityReport, theirs: &ParityReport, with_texts: bool) {
    println!("position {}", number(ours.position));
    println!("{:<12} {:>12}  {:<DIGITS$}  {:<DIGITS$}", "table", "rows", "rebuilt", "in use");
    for table in &ours.tables {
        let other = theirs.tables.iter().find(|other| other.name == table.name);
        let digest = |digest: &str| digest.chars().take(DIGITS).collect::<String>();
        let (one, two) = (digest(&table.digest), other.map_or_else(String::new, |other| digest(&other.digest)));
        let mark = mark(table, other, with_texts);
        println!("{:<12} {:>12}  {one:<DIGITS$}  {two:<DIGITS$}{mark}", table.name, table.rows);
    }
}

/// What a line says of its two digests. Those of a search index that was built without the vault say nothing.
fn mark(ours: &TableParity, theirs: Option<&TableParity>, with_texts: bool) -> &'static str {
    if ours.name == TEXTS && !with_texts {
        "  not compared"
    } else if theirs == Some(ours) {
        ""
    } else {
        "  DIFFERS"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_index_built_without_the_vault_is_not_told_to_differ() {
        let table = |name, digest: &str| TableParity { name, rows: 1, digest: digest.to_owned() };
        let (ours, theirs) = (table(TEXTS, "00"), table(TEXTS, "ff"));
        assert_eq!(mark(&ours, Some(&theirs), false), "  not compared");
        assert_eq!(mark(&ours, Some(&theirs), true), "  DIFFERS");
        assert_eq!(mark(&ours, Some(&ours), true), "");
        assert_eq!(mark(&table("units", "00"), Some(&table("units", "ff")), false), "  DIFFERS");
    }
}

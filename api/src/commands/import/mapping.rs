//! The mapping: what the columns of another system's file mean. The keys as they stand in the TOML file.
//!
//! `mapping-keys.toml` shows and explains every key to the user; a test reads it with what is defined here.

mod check;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::FixedOffset;
use domain::id::UnitId;
use domain::org::{UnitKind, UnitRegistered};
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use serde::Deserialize;
use thiserror::Error;

/// Every key, explained, as the long help of `import` shows it.
#[cfg(test)]
const KEYS: &str = include_str!("mapping-keys.toml");

/// Why a mapping cannot be used.
#[derive(Debug, Error)]
pub(super) enum MappingError {
    #[error("the mapping `{}` cannot be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the mapping is not what it should be; `baycase import --help` lists every key")]
    Syntax(#[source] toml::de::Error),
    #[error("mapping key `{key}`: {reason}")]
    Key { key: String, reason: String },
}

impl MappingError {
    pub(super) fn key(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Key { key: key.into(), reason: reason.into() }
    }
}

/// A mapping whose every key has been checked.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) system: String,
    pub(super) zone: FixedOffset,
    pub(super) delimiter: u8,
    pub(super) case: String,
    pub(super) number_prefix: String,
    pub(super) time: String,
    pub(super) row_id: Option<String>,
    /// The column; without one the earliest row is the registration.
    pub(super) registered: Option<String>,
    pub(super) deadline: Option<String>,
    pub(super) closed: Option<String>,
    pub(super) status: Option<StatusMap>,
    pub(super) channel: Coded<Channel>,
    pub(super) category: Coded<Category>,
    pub(super) region: Coded<RegionCode>,
    pub(super) intake: UnitId,
    /// What to register the intake unit as; without it, it must be registered already.
    pub(super) intake_unit: Option<UnitRegistered>,
    pub(super) unit: Option<UnitMap>,
    pub(super) handler: Option<HandlerMap>,
    pub(super) activity: Option<ActivityKeys>,
}

impl Mapping {
    /// Reads a mapping from its file.
    ///
    /// # Errors
    /// The file cannot be read, or a key of it is unknown, missing or wrong.
    pub(super) fn load(path: &Path) -> Result<Self, MappingError> {
        let text = fs::read_to_string(path).map_err(|source| MappingError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads a mapping.
    ///
    /// # Errors
    /// A key is unknown, missing or wrong.
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        let keys: Keys = toml::from_str(text).map_err(MappingError::Syntax)?;
        check::check(keys)
    }
}

/// What a value of the status column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Closed,
    Waiting,
    OpenAgain,
    InWork,
}

/// How the status column is read.
#[derive(Debug)]
pub(super) struct StatusMap {
    pub(super) column: String,
    pub(super) meanings: HashMap<String, Status>,
    pub(super) ignore_unlisted: bool,
}

/// How a column becomes a code.
#[derive(Debug)]
pub(super) struct Coded<T> {
    pub(super) column: Option<String>,
    pub(super) default: Option<T>,
    map: HashMap<String, T>,
    parse: fn(&str) -> Option<T>,
}

impl<T: Copy> Coded<T> {
    /// What a cell says; `None` for an empty one.
    ///
    /// # Errors
    /// The word is not mapped, is no code, and there is no default.
    pub(super) fn read(&self, raw: &str) -> Result<Option<T>, String> {
        if raw.is_empty() {
            return Ok(None);
        }
        let known = self.map.get(raw).copied().or_else(|| (self.parse)(raw)).or(self.default);
        known.map(Some).ok_or_else(|| format!("`{raw}` is in no map and is no code; map it, or set a default"))
    }
}

/// How units are read and registered.
#[derive(Debug)]
pub(super) struct UnitMap {
    pub(super) column: String,
    pub(super) ignore: Vec<String>,
    pub(super) id_prefix: String,
    pub(super) ids: BTreeMap<String, UnitId>,
    pub(super) names: BTreeMap<String, String>,
    pub(super) register: bool,
    pub(super) kind: UnitKind,
    pub(super) region: RegionCode,
    pub(super) parent: UnitId,
}

/// How handlers are read.
#[derive(Debug)]
pub(super) struct HandlerMap {
    pub(super) column: String,
    pub(super) per_case: bool,
    pub(super) ignore: Vec<String>,
}

/// The file as it is written; the meaning of each key stands in `mapping-keys.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default)]
    activity_is_free_of_personal_data: bool,
    source: SourceKeys,
    case: CaseKeys,
    time: ColumnKey,
    row_id: Option<ColumnKey>,
    registered: RegisteredKeys,
    deadline: Option<ColumnKey>,
    closed: Option<ColumnKey>,
    status: Option<StatusKeys>,
    channel: CodedKeys,
    category: CodedKeys,
    region: CodedKeys,
    intake: IntakeKeys,
    unit: Option<UnitKeys>,
    #[serde(default)]
    unit_names: BTreeMap<String, String>,
    #[serde(default)]
    unit_ids: BTreeMap<String, String>,
    handler: Option<HandlerKeys>,
    activity: Option<ActivityKeys>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceKeys {
    system: String,
    time_zone: Option<String>,
    delimiter: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseKeys {
    column: String,
    #[serde(default)]
    number_prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnKey {
    column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisteredKeys {
    column: Option<String>,
    #[serde(default)]
    first_row: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusKeys {
    column: String,
    #[serde(default)]
    closed: Vec<String>,
    #[serde(default)]
    waiting: Vec<String>,
    #[serde(default)]
    open_again: Vec<String>,
    #[serde(default)]
    in_work: Vec<String>,
    #[serde(default)]
    ignore_unlisted: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodedKeys {
    column: Option<String>,
    default: Option<String>,
    #[serde(default)]
    map: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntakeKeys {
    id: String,
    name: Option<String>,
    kind: Option<String>,
    region: String,
    parent: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitKeys {
    column: String,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    id_prefix: String,
    register: Option<bool>,
    kind: Option<String>,
    region: Option<String>,
    parent: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandlerKeys {
    column: String,
    per: String,
    #[serde(default)]
    ignore: Vec<String>,
}

/// The columns of what was done and by whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityKeys {
    pub(super) column: String,
    pub(super) by: Option<String>,
}

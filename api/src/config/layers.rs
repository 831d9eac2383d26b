//! The sources of configuration, each turned into one layer of values.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Empty, Map, Value};
use figment::{Metadata, Profile, Provider};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, ConfigError};

const PREFIX: &str = "BAYCASE_";
const CONFIG: &str = "BAYCASE_CONFIG";
const MASTER_KEY: &str = "BAYCASE_MASTER_KEY";
const EVENTSTORE_PASSWORD: &str = "BAYCASE_EVENTSTORE_PASSWORD";

/// Variables with our prefix that are not configuration.
const READ_APART: [&str; 3] = [CONFIG, MASTER_KEY, EVENTSTORE_PASSWORD];
/// What variables begin with that only tests read; a program that a test starts leaves them alone.
const TESTS: &str = "BAYCASE_TEST_";

fn is_apart(name: &str) -> bool {
    READ_APART.contains(&name) || name.starts_with(TESTS)
}

const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The name of the layer that lies below all others.
pub(super) const DEFAULTS: &str = "the built-in defaults";
/// The name of the layer that lies above all others.
pub(super) const FLAGS: &str = "the command line";

/// The `BAYCASE_*` variables.
///
/// Values are held as secrets, because one of them is.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, SecretString>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                return Err(ConfigError::Invalid {
                    key: name.to_owned(),
                    place: "the environment".to_owned(),
                    reason: "is not Unicode".to_owned(),
                });
            };
            variables.insert(name.to_owned(), SecretString::from(value));
        }
        Ok(Self { variables })
    }

    /// Variables given by name; those without our prefix are left out.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = pairs
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .collect();
        Self { variables }
    }

    /// `BAYCASE_CONFIG`: the TOML file to read where no flag names one.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.get(CONFIG).map(PathBuf::from)
    }

    /// `BAYCASE_MASTER_KEY`: the vault's master key, which wins over `vault.master_key_file`.
    pub fn master_key(&self) -> Option<SecretString> {
        self.get(MASTER_KEY).map(SecretString::from)
    }

    /// `BAYCASE_EVENTSTORE_PASSWORD`: the password of `log.eventstore.user`, which wins over
    /// `log.eventstore.password_file`.
    pub fn eventstore_password(&self) -> Option<SecretString> {
        self.get(EVENTSTORE_PASSWORD).map(SecretString::from)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.expose_secret()).filter(|value| !value.is_empty())
    }

    pub(super) fn layer(&self, known: &KnownKeys) -> Result<Layer, ConfigError> {
        let settings = self.variables.iter().filter(|(name, _)| !is_apart(name)).map(|(name, value)| Setting {
            name,
            key: name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace("__", "."),
            value: value.expose_secret(),
        });
        Layer::from_settings("the environment", settings, known)
    }
}

/// One `key = value` that came as text.
pub(super) struct Setting<'a> {
    /// As the operator wrote it, for messages.
    pub(super) name: &'a str,
    /// `section.key`, or `section.table.key`.
    pub(super) key: String,
    pub(super) value: &'a str,
}

/// How the text of a variable or flag is understood.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    OptionalText,
    Whole,
    Switch,
}

impl Kind {
    fn parse(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::OptionalText if text.is_empty() => Ok(Value::from(Empty::None)),
            Self::Text | Self::OptionalText => Ok(Value::from(text)),
            Self::Whole => match text.trim().parse::<u64>() {
                Ok(number) => Ok(Value::from(number)),
                Err(_) => Err("is not a whole number"),
            },
            Self::Switch => match text.trim() {
                "true" => Ok(Value::from(true)),
                "false" => Ok(Value::from(false)),
                _ => Err("is neither `true` nor `false`"),
            },
        }
    }
}

/// Every key that a text can set, read off the defaults, by its table: a section, or one inside of it. A list of tables
/// is none: it stands in a file.
pub(super) struct KnownKeys(BTreeMap<String, BTreeMap<String, Kind>>);

impl KnownKeys {
    pub(super) fn of_defaults() -> Self {
        let defaults = Value::serialize(Config::default()).expect("the default configuration is plain data");
        let mut known = Self(BTreeMap::new());
        for (section, fields) in defaults.into_dict().unwrap_or_default() {
            known.add(section, fields.into_dict().unwrap_or_default());
        }
        known
    }

    fn add(&mut self, table: String, fields: Dict) {
        let mut kinds = BTreeMap::new();
        for (field, value) in fields {
            match value {
                Value::Dict(_, inner) => self.add(format!("{table}.{field}"), inner),
                value => kinds.extend(kind_of(&value).map(|kind| (field, kind))),
            }
        }
        self.0.insert(table, kinds);
    }

    /// All keys as `(table, key)`.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(section, fields)| fields.keys().map(move |field| (section.as_str(), field.as_str())))
    }

    fn kind(&self, table: &str, field: &str) -> Option<Kind> {
        self.0.get(table)?.get(field).copied()
    }

    /// What could have stood where an unknown key stands.
    fn instead_of(&self, table: &str) -> String {
        let names: Vec<&str> = match self.0.get(table) {
            Some(fields) => fields.keys().map(String::as_str).collect(),
            None => self.0.keys().map(String::as_str).collect(),
        };
        names.join(", ")
    }
}

fn kind_of(value: &Value) -> Option<Kind> {
    match value {
        Value::Num(..) => Some(Kind::Whole),
        Value::Bool(..) => Some(Kind::Switch),
        Value::Empty(..) => Some(Kind::OptionalText),
        Value::String(..) | Value::Char(..) => Some(Kind::Text),
        Value::Dict(..) | Value::Array(..) => None,
    }
}

/// The values of one source, under the name that errors give it.
pub(super) struct Layer {
    place: String,
    values: Dict,
}

impl Layer {
    /// The name that errors give it.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Its values by section.
    pub(super) const fn values(&self) -> &Dict {
        &self.values
    }

    pub(super) fn from_toml(place: &str, text: &str) -> Result<Self, ConfigError> {
        match Toml::string(text).data() {
            Ok(mut profiles) => {
                Ok(Self { place: place.to_owned(), values: profiles.remove(&Profile::Default).unwrap_or_default() })
            }
            Err(error) => {
                Err(ConfigError::Syntax { place: place.to_owned(), reason: error.to_string().trim_end().to_owned() })
            }
        }
    }

    pub(super) fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string();
        let unreadable = |source| ConfigError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(ConfigError::Syntax { place, reason: format!("is longer than {FILE_BYTES_MAX} bytes") });
        }
        Self::from_toml(&place, &text)
    }

    pub(super) fn from_settings<'a>(
        place: &str,
        settings: impl IntoIterator<Item = Setting<'a>>,
        known: &KnownKeys,
    ) -> Result<Self, ConfigError> {
        let mut values = Dict::new();
        for setting in settings {
            let (table, field) = setting.key.rsplit_once('.').unwrap_or((setting.key.as_str(), ""));
            let Some(kind) = known.kind(table, field) else {
                return Err(ConfigError::UnknownKey {
                    key: setting.name.to_owned(),
                    place: place.to_owned(),
                    expected: known.instead_of(table),
                });
            };
            let value = match kind.parse(setting.value) {
                Ok(value) => value,
                Err(reason) => {
                    return Err(ConfigError::Invalid {
                        key: setting.name.to_owned(),
                        place: place.to_owned(),
                        reason: reason.to_owned(),
                    });
                }
            };
            put(&mut values, &setting.key, value);
        }
        Ok(Self { place: place.to_owned(), values })
    }
}

/// Sets a value at a path of tables, making those that are not there.
fn put(values: &mut Dict, path: &str, value: Value) {
    let Some((table, rest)) = path.split_once('.') else {
        values.insert(path.to_owned(), value);
        return;
    };
    let inner = values.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    // A key is never a table's name too, so what stands there is a table.
    if let Value::Dict(_, inner) = inner {
        put(inner, rest, value);
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

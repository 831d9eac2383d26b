//! Where each value of the configuration came from, so that an error names the file that has to be changed.

use std::collections::BTreeMap;

use figment::value::Value;

use super::ConfigError;
use super::layers::{DEFAULTS, Layer};

/// The place of a value that was read from nowhere.
pub(super) const NOWHERE: &str = "the configuration";

/// Which source gave each key its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    /// The name of the source by `section.key`.
    places: BTreeMap<String, String>,
}

/// Where a value stands is no part of what is configured: the same values are the same configuration.
impl PartialEq for Origins {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Origins {}

impl Origins {
    /// Of layers in their order, the later winning.
    pub(super) fn of(layers: &[Layer]) -> Self {
        let mut places = BTreeMap::new();
        for layer in layers {
            for (section, fields) in layer.values() {
                let Value::Dict(_, fields) = fields else { continue };
                for field in fields.keys() {
                    places.insert(format!("{section}.{field}"), layer.place().to_owned());
                }
            }
        }
        Self { places }
    }

    /// Says that a value came from another source since.
    pub(super) fn set(&mut self, key: &str, place: &str) {
        self.places.insert(key.to_owned(), place.to_owned());
    }

    /// The source of a key, or of the innermost list or table around it that has one.
    pub(super) fn place(&self, mut key: &str) -> Option<&str> {
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(place);
            }
            (key, _) = key.rsplit_once('.')?;
        }
    }

    /// The error that a fault is, with its source: that of the first of its keys that somebody has set.
    pub(super) fn located(&self, fault: Fault) -> ConfigError {
        let Fault { key, beside, reason } = fault;
        let mut place = NOWHERE;
        for found in std::iter::once(key).chain(beside).filter_map(|key| self.place(key)) {
            place = found;
            if found != DEFAULTS {
                break;
            }
        }
        ConfigError::Invalid { key: key.to_owned(), place: place.to_owned(), reason }
    }
}

/// A value that a validation refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The key as `section.key`.
    pub(super) key: &'static str,
    /// The key that it cannot stand beside, where there is one: it may be the one that was set.
    pub(super) beside: Option<&'static str>,
    /// What is wrong, as the rest of the sentence.
    pub(super) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let layer = |place: &str, text: &str| Layer::from_toml(place, text).unwrap();
        Origins::of(&[
            layer(DEFAULTS, "[server]\nlisten = \"a\"\nadmin_listen = \"b\"\n"),
            layer("gd.toml", "[server]\nlisten = \"c\"\n[[partner.peer]]\nid = \"x\"\n"),
        ])
    }

    #[test]
    fn the_last_source_of_a_value_is_its_place() {
        let mut origins = origins();
        assert_eq!(origins.place("server.listen"), Some("gd.toml"));
        assert_eq!(origins.place("server.admin_listen"), Some(DEFAULTS));
        assert_eq!(origins.place("partner.peer.0.id"), Some("gd.toml"), "the list has one");
        assert_eq!(origins.place("partner.listen"), None);
        origins.set("server.listen", "the command line");
        assert_eq!(origins.place("server.listen"), Some("the command line"));
    }

    #[test]
    fn a_fault_between_two_keys_is_placed_where_somebody_has_set_one() {
        let located = |key, beside| {
            let error = origins().located(Fault { key, beside, reason: "is wrong".to_owned() });
            let ConfigError::Invalid { key: told, place, .. } = error else { panic!("{error}") };
            assert_eq!(told, key);
            place
        };
        assert_eq!(located("server.admin_listen", Some("server.listen")), "gd.toml");
        assert_eq!(located("server.admin_listen", None), DEFAULTS);
        assert_eq!(located("partner.listen", None), NOWHERE);
    }
}

//! The `WHERE` of a list: only the conditions that are asked for, so that the store can choose an index by them.

use domain::id::UnitId;
use rusqlite::types::Value;

/// Conditions with the values that stand in them, both in order.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    texts: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    /// One more condition; its text holds one `?`.
    pub(super) fn add(&mut self, text: &'static str, value: impl Into<Value>) {
        self.texts.push(text);
        self.values.push(value.into());
    }

    /// One more condition, if there is a value for it.
    pub(super) fn maybe(&mut self, text: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(text, value);
        }
    }

    /// Only rows of these councils of ours.
    pub(super) fn councils(&mut self, councils: Option<&Vec<UnitId>>) {
        if let Some(councils) = councils {
            let ids: Vec<&str> = councils.iter().map(UnitId::as_str).collect();
            self.add("council IN (SELECT value FROM json_each(?))", serde_json::json!(ids).to_string());
        }
    }

    /// A statement of these conditions, between what stands before and behind the `WHERE`.
    pub(super) fn sql(&self, select: &str, rest: &str) -> String {
        let conditions = if self.texts.is_empty() { "1".to_owned() } else { self.texts.join(" AND ") };
        format!("{select} WHERE {conditions} {rest}")
    }

    /// The values, with those behind the conditions.
    pub(super) fn values(self, behind: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut values = self.values;
        values.extend(behind);
        values
    }
}

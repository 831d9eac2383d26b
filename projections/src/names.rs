//! Names as small integers: work ids of handlers, which repeat millions of times.

use std::collections::HashMap;

use crate::error::ApplyError;

/// The largest key that a ledger line has room for.
pub(crate) const KEY_MAX: u32 = (1 << 24) - 1;

/// Names with their keys, which count from 1 in log order; 0 means that there is no name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    keys: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
    /// How many of them are stored.
    stored: usize,
}

impl Names {
    /// Takes a stored name in; they come in the order of their keys.
    pub(crate) fn load(&mut self, name: Box<str>) {
        self.push(name);
        self.stored = self.names.len();
    }

    /// The key of a name, a new one if need be.
    pub(crate) fn key(&mut self, name: &str) -> Result<u32, ApplyError> {
        if let Some(key) = self.keys.get(name) {
            return Ok(*key);
        }
        let key = self.push(name.into());
        if key > KEY_MAX { Err(ApplyError::Full { what: "handlers" }) } else { Ok(key) }
    }

    /// What is not stored yet, with its keys.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = (u32, &str)> {
        (1_u32..).zip(self.names.iter().map(|name| &**name)).skip(self.stored)
    }

    /// Everything has been stored.
    pub(crate) fn settle(&mut self) {
        self.stored = self.names.len();
    }

    fn push(&mut self, name: Box<str>) -> u32 {
        self.names.push(name.clone());
        let key = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.keys.insert(name, key);
        key
    }
}

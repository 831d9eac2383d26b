//! The cases that events touched lately, in two generations: a bounded memory without the bookkeeping of an exact
//! order.

use std::collections::HashMap;
use std::collections::hash_map::IntoValues;
use std::mem;

use domain::id::ComplaintId;

use super::CaseState;

/// Cases in each of the two generations; a case takes about one and a half kilobytes.
pub(crate) const GENERATION_MAX: usize = 98_304;

#[derive(Debug, Default)]
pub(crate) struct Cache {
    young: HashMap<ComplaintId, Box<CaseState>>,
    old: HashMap<ComplaintId, Box<CaseState>>,
}

impl Cache {
    /// The case, if it is here; it is young again.
    pub(crate) fn get(&mut self, id: ComplaintId) -> Option<&mut CaseState> {
        if !self.young.contains_key(&id) {
            let state = self.old.remove(&id)?;
            self.young.insert(id, state);
        }
        self.young.get_mut(&id).map(Box::as_mut)
    }

    /// Takes a case in and hands it back.
    pub(crate) fn put(&mut self, state: Box<CaseState>) -> &mut CaseState {
        let id = state.id;
        self.old.remove(&id);
        self.young.entry(id).insert_entry(state).into_mut()
    }

    /// Whether the older generation must go.
    pub(crate) fn is_full(&self) -> bool {
        self.young.len() >= GENERATION_MAX
    }

    /// The case, if it is here, as old as it is.
    pub(crate) fn peek(&mut self, id: ComplaintId) -> Option<&mut CaseState> {
        let state = match self.young.get_mut(&id) {
            Some(state) => state,
            None => self.old.get_mut(&id)?,
        };
        Some(state)
    }

    /// Makes the young generation the old one and hands out what was old.
    pub(crate) fn turn(&mut self) -> IntoValues<ComplaintId, Box<CaseState>> {
        mem::replace(&mut self.old, mem::take(&mut self.young)).into_values()
    }

    /// The cases whose rows must be written, by key.
    pub(crate) fn dirty(&mut self) -> Vec<&mut CaseState> {
        let all = self.young.values_mut().chain(self.old.values_mut()).map(Box::as_mut);
        let mut dirty: Vec<_> = all.filter(|state| state.dirty).collect();
        dirty.sort_unstable_by_key(|state| state.key);
        dirty
    }
}

//! A bounded cache in two generations: what was used lately stays, the rest is dropped in one go.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps between `max` and `2 * max` of the entries used last.
///
/// When the young generation is full it becomes the old one, and the old one is dropped; an entry that is found in the
/// old generation moves to the young one. That is cheaper than a list of uses and bounds the memory just as well.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    max: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// An empty cache; `max` of 0 is taken as 1.
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_lately_stays_and_the_size_is_bounded() {
        let mut cache = Generations::new(4);
        for key in 0..1_000 {
            cache.insert(key, key * 2);
            assert_eq!(cache.get(&key), Some(&(key * 2)));
            if key > 0 {
                assert_eq!(cache.get(&(key - 1)), Some(&((key - 1) * 2)));
            }
            assert!(cache.young.len() <= 4 && cache.old.len() <= 4);
        }
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn an_entry_never_has_two_values() {
        let mut cache = Generations::new(1);
        cache.insert("a", 1);
        cache.insert("b", 1);
        cache.insert("a", 2);
        assert_eq!(cache.get(&"a"), Some(&2));
        cache.remove(&"a");
        assert_eq!(cache.get(&"a"), None);
        assert_eq!(cache.get(&"b"), Some(&1));
    }
}

//! Rows kept in memory between batches.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many rows at most; those with the lowest keys go first.
pub(super) struct Recent<K, V> {
    most: usize,
    rows: Mutex<BTreeMap<K, V>>,
}

impl<K: Ord, V: Clone> Recent<K, V> {
    pub fn new(most: usize) -> Recent<K, V> {
        Recent { most, rows: Mutex::default() }
    }

    pub fn find(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub fn forget<'k>(&self, keys: impl Iterator<Item = &'k K>)
    where
        K: 'k,
    {
        let mut rows = self.lock();
        for key in keys {
            rows.remove(key);
        }
    }

    pub fn put(&self, found: impl IntoIterator<Item = (K, V)>) {
        let mut rows = self.lock();
        for (key, row) in found {
            rows.insert(key, row);
            if rows.len() > self.most {
                rows.pop_first();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, V>> {
        // Whoever panicked held it for a single insertion or removal: the map is whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_highest_keys_and_no_more_than_it_may() {
        let recent = Recent::new(2);
        recent.put([(1, 'a'), (3, 'c'), (2, 'b')]);
        assert_eq!((recent.find(&1), recent.find(&2), recent.find(&3)), (None, Some('b'), Some('c')));
        recent.forget([3].iter());
        assert_eq!(recent.find(&3), None);
    }
}

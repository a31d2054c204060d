//! One page of a table in key order.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use handoff::store::Page;

pub fn of<K: Ord, V>(table: &BTreeMap<K, Arc<V>>, page: Page<K>, listed: impl Fn(&&Arc<V>) -> bool) -> Vec<Arc<V>> {
    let after = page.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let later = table.range((after, Bound::Unbounded)).map(|(_, row)| row);
    later.filter(listed).take(page.limit as usize).cloned().collect()
}

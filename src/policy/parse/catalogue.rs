//! Section `catalogue`: the names that a desk knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::{NAME, names};
use crate::policy::Catalogue;
use crate::yaml::Value;
use crate::yaml::reader::{At, Reader, shown};

const KEYS: &[&str] = &["skills", "authorities", "categories", "break_reasons", "wrap_up_codes"];

pub fn read(reader: &mut Reader, at: &At<'_>) -> Catalogue {
    let fields = reader.fields(at, KEYS);
    let mut listed = |key| fields.get(key).map(|at| names(reader, &at, NAME));
    let (skills, categories) = (listed("skills"), listed("categories"));
    let (break_reasons, wrap_up_codes) = (listed("break_reasons"), listed("wrap_up_codes"));
    let authorities = fields.get("authorities").map(|at| authorities(reader, &at));
    Catalogue { skills, authorities, categories, break_reasons, wrap_up_codes }
}

/// Names with the currency of their amounts, or names alone: plain rights.
fn authorities(reader: &mut Reader, at: &At<'_>) -> BTreeMap<Arc<str>, Option<Arc<str>>> {
    if !matches!(at.node.value, Value::Map(_)) {
        return names(reader, at, NAME).into_iter().map(|name| (name, None)).collect();
    }
    let entries = reader.entries(at);
    let read = entries.into_iter().map(|(key, value)| {
        let currency = if value.is_null() { None } else { currency(reader, &value) };
        (Arc::from(key.name.as_str()), currency)
    });
    read.collect()
}

fn currency(reader: &mut Reader, at: &At<'_>) -> Option<Arc<str>> {
    let text = reader.text(at)?;
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(Arc::from(text));
    }
    let message = format!("`{}` is not a currency", shown(text));
    reader.report(at, "bad-currency", message, "a code of ISO 4217, e.g. `EUR`, or nothing for a plain right");
    None
}

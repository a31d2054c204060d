//! A `requirement`: skills, tier, authorities and language.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checks::Named;
use super::fields::NAME;
use crate::domain::requirement::{Amount, Requirement};
use crate::yaml::Value;
use crate::yaml::reader::{At, Reader};

const KEYS: &[&str] = &["skills", "min_tier", "authorities", "language"];
const MAX_NEEDS: usize = 25;

pub fn read(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> Requirement {
    let fields = reader.fields(at, KEYS);
    let need = Requirement {
        queue: None,
        team: None,
        skills: fields.get("skills").map(|at| skills(reader, &at)).unwrap_or_default(),
        min_tier: fields
            .get("min_tier")
            .and_then(|at| reader.whole(&at, 1, 9))
            .and_then(|tier| u8::try_from(tier).ok()),
        authorities: fields.get("authorities").map(|at| authorities(reader, &at)).unwrap_or_default(),
        language: fields.get("language").and_then(|at| reader.language(&at)).map(Arc::from),
    };
    named.needs(at, &need);
    need
}

/// `{billing: 3}`, or names alone for level 1.
pub fn skills(reader: &mut Reader, at: &At<'_>) -> BTreeMap<Arc<str>, u8> {
    let pairs = pairs(reader, at);
    let mut skills = BTreeMap::new();
    for (name, level) in pairs {
        let level = level.map_or(Some(1), |at| reader.whole(&at, 1, 10));
        skills.extend(level.and_then(|level| u8::try_from(level).ok()).map(|level| (name, level)));
    }
    bounded(reader, at, skills.len());
    skills
}

/// `{refund: 500 EUR}`, or names alone for the plain right.
pub fn authorities(reader: &mut Reader, at: &At<'_>) -> BTreeMap<Arc<str>, Option<Amount>> {
    let pairs = pairs(reader, at);
    let mut authorities = BTreeMap::new();
    for (name, amount) in pairs {
        let Some(at) = amount else {
            authorities.insert(name, None);
            continue;
        };
        let money = reader.money(&at);
        authorities.extend(money.map(|money| (name, Some(amount_of(&money.currency, money.micros)))));
    }
    bounded(reader, at, authorities.len());
    authorities
}

fn amount_of(currency: &str, micros: i64) -> Amount {
    Amount { currency: Arc::from(currency), micros }
}

/// Names with a value each, or a list of names.
fn pairs<'n>(reader: &mut Reader, at: &At<'n>) -> Vec<(Arc<str>, Option<At<'n>>)> {
    if matches!(at.node.value, Value::Map(_)) {
        let entries = reader.entries(at).into_iter();
        return entries.map(|(key, at)| (Arc::from(key.name.as_str()), Some(at).filter(|at| !at.is_null()))).collect();
    }
    let items = reader.list(at);
    items.iter().filter_map(|item| Some((Arc::from(reader.word(item, NAME)?), None))).collect()
}

fn bounded(reader: &mut Reader, at: &At<'_>, count: usize) {
    if count > MAX_NEEDS {
        reader.report(at, "out-of-bounds", format!("{count} are named"), &format!("at most {MAX_NEEDS}"));
    }
}

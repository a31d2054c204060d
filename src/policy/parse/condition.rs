//! A condition, as in `when: {channel: [phone, chat], priority: {from: 20}}`.

use std::sync::Arc;

use super::checks::Named;
use super::fields::{LABEL, NAME, channel, names, queue};
use crate::policy::condition::Condition;
use crate::yaml::reader::{At, Reader};

const KEYS: &[&str] = &["channel", "queue", "category", "priority", "language", "attributes", "any", "not"];

pub fn read(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> Condition {
    let fields = reader.fields(at, KEYS);
    let mut condition = Condition::default();
    if let Some(at) = fields.get("channel") {
        condition.channel = values(reader, &at).iter().filter_map(|item| channel(reader, item)).collect();
    }
    if let Some(at) = fields.get("queue") {
        for item in values(reader, &at) {
            let id = queue(reader, &item);
            condition.queue.extend(id.inspect(|id| named.queue(&item, id)));
        }
    }
    if let Some(at) = fields.get("category") {
        for item in values(reader, &at) {
            let category = reader.word(&item, NAME).map(Arc::<str>::from);
            condition.category.extend(category.inspect(|category| named.category(&item, category)));
        }
    }
    if let Some(at) = fields.get("language") {
        let items = values(reader, &at);
        condition.language = items.iter().filter_map(|item| reader.language(item).map(Arc::from)).collect();
    }
    condition.priority = fields.get("priority").and_then(|at| priority(reader, &at));
    if let Some(at) = fields.get("attributes") {
        for (key, at) in reader.entries(&at) {
            values(reader, &at);
            condition.attributes.insert(Arc::from(key.name.as_str()), names(reader, &at, LABEL));
        }
    }
    if let Some(at) = fields.get("any") {
        condition.any = values(reader, &at).iter().map(|item| read(reader, named, item)).collect();
    }
    condition.not = fields.get("not").map(|at| Box::new(read(reader, named, &at)));
    condition
}

/// The values of a field. None at all is refused: it would read as "no condition" where "nothing matches" may be meant.
fn values<'n>(reader: &mut Reader, at: &At<'n>) -> Vec<At<'n>> {
    let items = reader.list(at);
    if items.is_empty() {
        let message = "no value is given".to_owned();
        reader.report(at, "missing-value", message, "at least one value, or leave the key out");
    }
    items
}

fn priority(reader: &mut Reader, at: &At<'_>) -> Option<(u8, u8)> {
    let fields = reader.fields(at, &["from", "to"]);
    let mut bound = |key, absent| match fields.get(key) {
        Some(at) => reader.whole(&at, 0, 100).and_then(|number| u8::try_from(number).ok()),
        None => Some(absent),
    };
    let (from, to) = (bound("from", 0)?, bound("to", 100)?);
    if from > to {
        reader.report(at, "out-of-bounds", format!("from {from} to {to} holds for no priority"), "`from` up to `to`");
        return None;
    }
    Some((from, to))
}

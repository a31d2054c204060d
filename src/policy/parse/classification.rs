//! Section `classification`: rules in order, the first that holds decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::Named;
use super::fields::{NAME, queue};
use super::{condition, needs};
use crate::policy::Rule;
use crate::yaml::reader::{At, Reader};

const KEYS: &[&str] = &["name", "when", "queue", "requirement", "priority"];
const MAX_RULES: usize = 500;

pub fn read(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> Vec<Rule> {
    let items = reader.list(at);
    if items.len() > MAX_RULES {
        let message = format!("there are {} rules", items.len());
        reader.report(at, "out-of-bounds", message, &format!("at most {MAX_RULES}"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for item in &items {
        let Some(rule) = rule(reader, named, item) else { continue };
        if !names.insert(rule.name.clone()) {
            let message = format!("another rule is called `{}` as well", rule.name);
            reader.report(item, "duplicate-rule", message, "a name of its own for each rule");
        }
        named.rule(item);
        rules.push(rule);
    }
    rules
}

fn rule(reader: &mut Reader, named: &mut Named, at: &At<'_>) -> Option<Rule> {
    let fields = reader.fields(at, KEYS);
    let name = fields.get("name").map(|at| reader.word(&at, NAME).map(Arc::from));
    let when = fields.get("when").map(|at| condition::read(reader, named, &at)).unwrap_or_default();
    let target = fields.get("queue").map(|at| {
        let id = queue(reader, &at);
        id.inspect(|id| named.queue(&at, id))
    });
    let requirement = fields.get("requirement").map(|at| needs::read(reader, named, &at)).unwrap_or_default();
    let priority = fields.get("priority").and_then(|at| reader.whole(&at, 0, 100));
    for (key, absent) in [("name", name.is_none()), ("queue", target.is_none())] {
        if absent {
            reader.report(at, "missing-key", format!("the rule has no `{key}`"), &format!("a `{key}`"));
        }
    }
    let priority = priority.and_then(|priority| u8::try_from(priority).ok());
    Some(Rule { name: name??, when, queue: target??, requirement, priority })
}

//! Classification: the queue, the priority and the needs that a policy gives a new ticket.

use std::sync::Arc;

use super::condition::Facts;
use super::{Catalogue, Policy};
use crate::domain::id::QueueId;
use crate::domain::requirement::{Channel, Requirement};

/// Priority of a ticket for which neither the caller nor a rule names one.
pub const DEFAULT_PRIORITY: u8 = 10;

/// Where a ticket goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    pub queue: QueueId,
    pub priority: u8,
    /// What was asked and what the rule adds; the stricter of both where both name the same thing.
    pub requirement: Requirement,
}

/// Something a catalogue does not list. `field` is relative to the requirement; items are named by their key, for where they
/// stood in the request is not known any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotListed {
    pub field: String,
    pub name: Arc<str>,
    pub catalogue: &'static str,
}

impl Policy {
    /// Where a ticket on `channel` with these facts goes. A queue that was asked for and exists is kept; rules then still add
    /// needs when they lead to the same queue.
    pub fn classify(&self, channel: Channel, facts: &Facts<'_>, asked: &Requirement) -> Class {
        let rule = self.classification.iter().find(|rule| rule.when.holds(facts));
        let asked_queue = asked.queue.as_ref().filter(|queue| self.queues.contains_key(*queue));
        let queue = asked_queue.or(rule.map(|rule| &rule.queue)).or(self.default_queues.get(&channel));
        let queue = queue.expect("a checked policy has a default queue for every channel").clone();
        let adds = rule.filter(|rule| rule.queue == queue);
        let requirement = adds.map_or_else(|| asked.clone(), |rule| stricter(asked, &rule.requirement));
        let priority = facts.priority.or(adds.and_then(|rule| rule.priority)).unwrap_or(DEFAULT_PRIORITY);
        Class { queue, priority, requirement }
    }
}

/// Both needs at once.
pub fn stricter(one: &Requirement, other: &Requirement) -> Requirement {
    let mut both = one.clone();
    for (skill, level) in &other.skills {
        let held = both.skills.entry(skill.clone()).or_insert(*level);
        *held = (*held).max(*level);
    }
    for (authority, amount) in &other.authorities {
        let held = both.authorities.entry(authority.clone()).or_insert_with(|| amount.clone());
        // An amount asks for more than the plain right; of two amounts of one currency the larger counts.
        if let Some(amount) = amount
            && held.as_ref().is_none_or(|held| held.currency == amount.currency && held.micros < amount.micros)
        {
            *held = Some(amount.clone());
        }
    }
    both.min_tier = one.min_tier.max(other.min_tier);
    both.language = one.language.clone().or_else(|| other.language.clone());
    both.team = one.team.clone().or_else(|| other.team.clone());
    both.queue = one.queue.clone().or_else(|| other.queue.clone());
    both
}

impl Catalogue {
    /// Names that the catalogue does not list, each with its field.
    pub fn refuse(&self, need: &Requirement) -> Vec<NotListed> {
        let mut refused = Vec::new();
        if let Some(skills) = &self.skills {
            let unknown = need.skills.keys().filter(|skill| !skills.contains(*skill));
            refused.extend(unknown.map(|name| NotListed {
                field: format!("skills[skill={name}]"),
                name: name.clone(),
                catalogue: "skills",
            }));
        }
        if let Some(authorities) = &self.authorities {
            for (name, amount) in &need.authorities {
                let field = format!("authorities[authority={name}]");
                match (authorities.get(name), amount) {
                    (None, _) => refused.push(NotListed { field, name: name.clone(), catalogue: "authorities" }),
                    (Some(currency), Some(amount)) if currency.as_ref() != Some(&amount.currency) => {
                        refused.push(NotListed {
                            field: format!("{field}.amount.currency_code"),
                            name: amount.currency.clone(),
                            catalogue: "authorities",
                        });
                    }
                    (Some(_), _) => {}
                }
            }
        }
        refused
    }
}

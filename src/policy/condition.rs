//! When a rule applies: structured conditions over what is known of a ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::id::QueueId;
use crate::domain::requirement::Channel;

/// What a condition may look at.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    pub channel: Option<Channel>,
    /// The queue asked for, or the one the ticket is in.
    pub queue: Option<&'a QueueId>,
    pub category: &'a str,
    pub priority: Option<u8>,
    pub language: &'a str,
    /// Labels and the customer's attributes; an attribute goes before a label of the same name.
    pub attributes: BTreeMap<&'a str, &'a str>,
}

/// All of the named fields, any of a field's values. An empty condition always holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    pub channel: BTreeSet<Channel>,
    pub queue: BTreeSet<QueueId>,
    pub category: BTreeSet<Arc<str>>,
    pub language: BTreeSet<Arc<str>>,
    /// Inclusive bounds.
    pub priority: Option<(u8, u8)>,
    pub attributes: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// At least one of these, if there are any.
    pub any: Vec<Condition>,
    pub not: Option<Box<Condition>>,
}

impl Condition {
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let channel = self.channel.is_empty() || facts.channel.is_some_and(|channel| self.channel.contains(&channel));
        let queue = self.queue.is_empty() || facts.queue.is_some_and(|queue| self.queue.contains(queue));
        let category = self.category.is_empty() || self.category.contains(facts.category);
        let language = self.language.is_empty() || self.language.contains(facts.language);
        let priority = self
            .priority
            .is_none_or(|(from, to)| facts.priority.is_some_and(|priority| (from..=to).contains(&priority)));
        let attributes = self
            .attributes
            .iter()
            .all(|(key, values)| facts.attributes.get(key.as_ref()).is_some_and(|value| values.contains(*value)));
        let any = self.any.is_empty() || self.any.iter().any(|condition| condition.holds(facts));
        let not = self.not.as_ref().is_none_or(|condition| !condition.holds(facts));
        channel && queue && category && language && priority && attributes && any && not
    }
}

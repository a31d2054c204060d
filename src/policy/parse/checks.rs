//! What can only be checked when the whole document is read: names that must exist, chains that must end, rules that cannot be
//! reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::id::QueueId;
use crate::domain::requirement::{Band, Channel, Ordering, Requirement};
use crate::policy::Policy;
use crate::policy::condition::Condition;
use crate::policy::queue::WhenFull;
use crate::yaml::reader::{At, Reader, did_you_mean, one_of_text};
use crate::yaml::{Place, Value};

/// What the document names, and where.
#[derive(Debug, Default)]
pub struct Named {
    queues: Vec<Spot<QueueId>>,
    categories: Vec<Spot<Arc<str>>>,
    needs: Vec<(Requirement, Vec<Spot<Arc<str>>>)>,
    rules: Vec<Spot<()>>,
    defined: BTreeMap<QueueId, Defined>,
}

#[derive(Debug)]
struct Spot<T> {
    path: String,
    place: Place,
    of: T,
}

/// A queue of the document.
#[derive(Debug)]
struct Defined {
    path: String,
    place: Place,
    fields: BTreeMap<String, Place>,
}

impl Defined {
    /// The place of a field's value, else of the queue.
    fn field(&self, key: &str) -> (Place, String) {
        let place = self.fields.get(key).copied().unwrap_or(self.place);
        (place, format!("{}.{key}", self.path))
    }
}

impl<T> Spot<T> {
    fn new(at: &At<'_>, of: T) -> Spot<T> {
        Spot { path: at.path.clone(), place: at.node.place, of }
    }
}

impl Named {
    pub fn queue(&mut self, at: &At<'_>, id: &QueueId) {
        self.queues.push(Spot::new(at, id.clone()));
    }

    pub fn category(&mut self, at: &At<'_>, category: &Arc<str>) {
        self.categories.push(Spot::new(at, category.clone()));
    }

    pub fn rule(&mut self, at: &At<'_>) {
        self.rules.push(Spot::new(at, ()));
    }

    pub fn has_queue(&mut self, id: &QueueId, at: &At<'_>, key: Place) {
        let mut fields = BTreeMap::new();
        if let Value::Map(entries) = &at.node.value {
            fields.extend(entries.iter().map(|(key, node)| (key.name.clone(), node.place)));
        }
        self.defined.insert(id.clone(), Defined { path: at.path.clone(), place: key, fields });
    }

    /// Remembers where each name of a requirement stands.
    pub fn needs(&mut self, at: &At<'_>, need: &Requirement) {
        let mut spots = Vec::new();
        if let Value::Map(sections) = &at.node.value {
            for (section, node) in sections {
                let path = format!("{}.{}", at.path, section.name);
                match &node.value {
                    Value::Map(entries) => spots.extend(entries.iter().map(|(key, _)| Spot {
                        path: format!("{path}.{}", key.name),
                        place: key.place,
                        of: Arc::from(key.name.as_str()),
                    })),
                    Value::List(items) => spots.extend(items.iter().enumerate().filter_map(|(nth, item)| {
                        let Value::Scalar(name) = &item.value else { return None };
                        Some(Spot { path: format!("{path}[{nth}]"), place: item.place, of: Arc::from(name.as_str()) })
                    })),
                    Value::Scalar(name) => {
                        spots.push(Spot { path, place: node.place, of: Arc::from(name.as_str()) });
                    }
                    Value::Null => {}
                }
            }
        }
        self.needs.push((need.clone(), spots));
    }
}

pub fn check(policy: &Policy, named: &Named, errors: &mut Reader, warnings: &mut Reader) {
    queues_exist(policy, named, errors);
    catalogue_lists(policy, named, errors);
    terminals_end(policy, named, errors);
    overflows_go_elsewhere(policy, named, errors);
    rules_are_reached(policy, named, warnings);
    orderings_match(policy, named, warnings);
}

fn queues_exist(policy: &Policy, named: &Named, errors: &mut Reader) {
    let known: Vec<&str> = policy.queues.keys().map(QueueId::as_str).collect();
    for spot in named.queues.iter().filter(|spot| !policy.queues.contains_key(&spot.of)) {
        let message = format!("there is no queue `{}`{}", spot.of, did_you_mean(spot.of.as_str(), &known));
        errors.report_at(spot.place, &spot.path, "unknown-queue", message, &one_of_text(&known));
    }
}

fn catalogue_lists(policy: &Policy, named: &Named, errors: &mut Reader) {
    if let Some(categories) = &policy.catalogue.categories {
        let known: Vec<&str> = categories.iter().map(AsRef::as_ref).collect();
        for spot in named.categories.iter().filter(|spot| !categories.contains(&spot.of)) {
            let message = format!("`{}` is not in the catalogue{}", spot.of, did_you_mean(&spot.of, &known));
            errors.report_at(
                spot.place,
                &spot.path,
                "not-in-catalogue",
                message,
                "a name listed in catalogue.categories",
            );
        }
    }
    for (need, spots) in &named.needs {
        for missing in policy.catalogue.refuse(need) {
            // An amount in another currency is found by its authority.
            let is_currency = missing.field.ends_with("currency_code");
            let of_amount = |name: &Arc<str>| {
                let amount = need.authorities.get(name).and_then(Option::as_ref);
                is_currency && amount.is_some_and(|amount| amount.currency == missing.name)
            };
            let spot = spots.iter().find(|spot| spot.of == missing.name || of_amount(&spot.of));
            let (place, path) = spot.map_or((Place::default(), ""), |spot| (spot.place, spot.path.as_str()));
            let expected = format!("a name listed in catalogue.{}", missing.catalogue);
            let (message, expected) = if is_currency {
                let message = format!("the catalogue lists no amounts in {} for this authority", missing.name);
                (message, "the authority's currency in catalogue.authorities".to_owned())
            } else {
                (format!("`{}` is not in the catalogue", missing.name), expected)
            };
            errors.report_at(place, path, "not-in-catalogue", message, &expected);
        }
    }
}

/// Following the terminal destinations, each queue must come to one that is its own: there a ticket waits until it is taken.
fn terminals_end(policy: &Policy, named: &Named, errors: &mut Reader) {
    let next = |id: &QueueId| policy.queue(id).and_then(|queue| queue.terminal.as_ref()).map(|to| to.queue.clone());
    let mut reported = BTreeSet::new();
    for start in policy.queues.keys() {
        let mut way = vec![start.clone()];
        while let Some(to) = way.last().and_then(next) {
            let back = way.iter().position(|id| *id == to);
            way.push(to);
            let Some(back) = back else { continue };
            let circle = &way[back..];
            // One step round is a queue that is its own terminal.
            if circle.len() > 2 && circle.iter().all(|id| reported.insert(id.clone()) || *id == circle[0]) {
                let shown: Vec<&str> = circle.iter().map(QueueId::as_str).collect();
                let message = format!("tickets would go round: {}", shown.join(" -> "));
                let spot = named.defined.get(&circle[0]).map(|queue| queue.field("terminal"));
                let (place, path) = spot.unwrap_or_default();
                errors.report_at(
                    place,
                    &path,
                    "terminal-cycle",
                    message,
                    "a last queue without another as its terminal",
                );
            }
            break;
        }
    }
}

fn overflows_go_elsewhere(policy: &Policy, named: &Named, errors: &mut Reader) {
    for (id, queue) in &policy.queues {
        if queue.when_full == WhenFull::Other(id.clone()) {
            let (place, path) = named.defined.get(id).map(|queue| queue.field("when_full")).unwrap_or_default();
            let message = "a full queue cannot overflow into itself".to_owned();
            errors.report_at(place, &path, "own-overflow", message, "another queue, or `refuse`");
        }
    }
}

fn rules_are_reached(policy: &Policy, named: &Named, warnings: &mut Reader) {
    for (at, (rule, spot)) in policy.classification.iter().zip(&named.rules).enumerate() {
        let earlier = &policy.classification[..at];
        let before = earlier.iter().find(|earlier| always_holds(&earlier.when) || earlier.when == rule.when);
        if let Some(before) = before {
            let why = if always_holds(&before.when) { "always holds" } else { "has the same condition" };
            let message = format!("the rule `{}` is never reached: `{}` before it {why}", rule.name, before.name);
            warnings.report_at(spot.place, &spot.path, "unreachable-rule", message, "the more special rule first");
        }
    }
}

fn always_holds(condition: &Condition) -> bool {
    let Condition { channel, queue, category, language, priority, attributes, any, not } = condition;
    (channel.is_empty() || Channel::ALL.iter().all(|each| channel.contains(each)))
        && queue.is_empty()
        && category.is_empty()
        && language.is_empty()
        && priority.is_none()
        && attributes.is_empty()
        && (any.is_empty() || any.iter().any(always_holds))
        && not.is_none()
}

/// Legs of one band compare by one number; queues that reckon it differently overtake each other in ways nobody meant.
fn orderings_match(policy: &Policy, named: &Named, warnings: &mut Reader) {
    let targets = policy.classification.iter().map(|rule| &rule.queue);
    let in_use: BTreeSet<&QueueId> =
        policy.default_queues.values().chain(targets).chain(named.defined.keys()).collect();
    let mut orders: BTreeMap<Band, Vec<(&QueueId, Ordering)>> = BTreeMap::new();
    for (id, queue) in in_use.iter().filter_map(|id| Some((*id, policy.queue(id)?))) {
        let bands: BTreeSet<Band> = channels_of(policy, id).map(|channel| queue.band(channel)).collect();
        for band in bands {
            orders.entry(band).or_default().push((id, queue.ordering));
        }
    }
    let mut reported = BTreeSet::new();
    for queues in orders.values().filter(|queues| queues.iter().any(|(_, ordering)| *ordering != queues[0].1)) {
        for (id, _) in queues.iter().filter(|(_, ordering)| *ordering != Ordering::Arrival) {
            let Some(queue) = named.defined.get(*id).filter(|_| reported.insert(*id)) else { continue };
            let (place, path) = queue.field("ordering");
            let others: Vec<&str> =
                queues.iter().map(|(other, _)| other.as_str()).filter(|other| *other != id.as_str()).collect();
            let message =
                format!("queues of one band are ordered in different ways: {id} beside {}", others.join(", "));
            warnings.report_at(place, &path, "mixed-orderings", message, "one ordering for all queues of a band");
        }
    }
}

/// The channels whose tickets a queue without rules gets, else any.
fn channels_of<'a>(policy: &'a Policy, id: &'a QueueId) -> impl Iterator<Item = Channel> + 'a {
    let default_of = |channel: &Channel| policy.default_queues.get(channel) == Some(id);
    let is_default = Channel::ALL.iter().any(default_of) && !policy.classification.iter().any(|rule| rule.queue == *id);
    Channel::ALL.into_iter().filter(move |channel| !is_default || policy.default_queues.get(channel) == Some(id))
}

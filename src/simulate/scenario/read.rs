//! Reading a scenario from YAML, with findings that name line, column and what was expected.

use std::sync::Arc;

use super::{Class, Group, MAX_AGENTS, MAX_TICKETS, Scenario};
use crate::domain::agent::Profile;
use crate::domain::id::{AgentId, QueueId};
use crate::domain::requirement::{Channel, Expertise, Requirement};
use crate::domain::time::Span;
use crate::policy::Policy;
use crate::policy::parse;
use crate::policy::queue::AfterContact;
use crate::simulate::draw::{Law, secs};
use crate::simulate::run::Kind;
use crate::yaml::reader::{At, Fields, Problem, Reader, did_you_mean, one_of_text, shown};
use crate::yaml::{self, Bounds};

const BOUNDS: Bounds = Bounds { bytes: 240 * 1_024, depth: 16, nodes: 20_000 };

const KEYS: &[&str] = &["tickets", "warm_up", "seed", "within", "queues", "classes", "agents"];
const CLASS_KEYS: &[&str] = &["arrivals", "handling", "patience", "channel", "queue", "priority", "requirement"];
const GROUP_KEYS: &[&str] = &["count", "tier", "skills", "languages", "authorities", "answer"];
const LAWS: &[&str] = &["constant", "exponential", "lognormal", "gamma", "erlang", "uniform"];

const MAX_NAME: usize = 40;
const LONGEST: Span = Span::from_days(30);

/// Reads and checks a scenario. `Err`: every finding, in the order of the document.
pub fn read(source: &str) -> Result<Scenario, Vec<Problem>> {
    let root = yaml::read(source, BOUNDS).map_err(|error| {
        let (path, expected) = (String::new(), String::new());
        vec![Problem { rule: "syntax", path, place: error.place, message: error.message, expected }]
    })?;
    let mut reader = Reader::default();
    let root = At::root(&root);
    let fields = reader.fields(&root, KEYS);
    let policy = policy(&mut reader, &fields);
    let mut whole =
        |key, from, to, preset| fields.get(key).and_then(|at| reader.whole(&at, from, to)).unwrap_or(preset);
    let tickets = whole("tickets", 1, MAX_TICKETS, 100_000);
    let warm_up = whole("warm_up", 0, MAX_TICKETS, tickets / 10);
    let seed = whole("seed", 0, u32::MAX, 1);
    let scenario = Scenario {
        tickets: tickets.into(),
        warm_up: warm_up.into(),
        seed: seed.into(),
        within: within(&mut reader, &fields),
        classes: classes(&mut reader, &root, &fields, &policy),
        groups: groups(&mut reader, &root, &fields),
        policy,
    };
    if reader.problems.is_empty() {
        return Ok(scenario);
    }
    reader.problems.sort_by_key(|problem| problem.place);
    Err(reader.problems)
}

/// Queues as in a policy. Two defaults differ, for a ticket here is its handling time and nothing else: no wrap-up, and the
/// contact's end is the ticket's.
fn policy(reader: &mut Reader, fields: &Fields<'_>) -> Policy {
    let mut policy = parse::queues_of(reader, fields.get("queues").as_ref());
    for queue in policy.queues.values_mut() {
        queue.wrap_up.get_or_insert(Span::ZERO);
        queue.after_contact.get_or_insert(AfterContact::Resolve);
    }
    policy
}

fn within(reader: &mut Reader, fields: &Fields<'_>) -> Vec<Span> {
    let Some(at) = fields.get("within") else { return vec![Span::from_secs(20), Span::from_secs(60)] };
    let items = reader.list(&at);
    items.iter().filter_map(|item| parse::span(reader, item, Span::ZERO, LONGEST)).collect()
}

fn classes(reader: &mut Reader, root: &At<'_>, fields: &Fields<'_>, policy: &Policy) -> Vec<Class> {
    let Some(at) = fields.get("classes") else {
        reader.report(root, "missing-key", "nobody comes".to_owned(), "`classes` with at least one");
        return Vec::new();
    };
    let mut classes = Vec::new();
    for (key, at) in reader.entries(&at) {
        classes.extend(class(reader, &key.name, &at, policy));
    }
    if classes.is_empty() && reader.problems.is_empty() {
        reader.report(&at, "missing-key", "nobody comes".to_owned(), "at least one class");
    }
    classes
}

fn class(reader: &mut Reader, name: &str, at: &At<'_>, policy: &Policy) -> Option<Class> {
    let fields = reader.fields(at, CLASS_KEYS);
    let channel = fields.get("channel").and_then(|at| parse::channel(reader, &at)).unwrap_or(Channel::Phone);
    let mut requirement: Requirement =
        fields.get("requirement").map(|at| parse::need_of(reader, &at)).unwrap_or_default();
    requirement.queue = fields.get("queue").and_then(|at| queue(reader, &at, policy));
    let priority = fields.get("priority").and_then(|at| reader.whole(&at, 0, 100));
    let patience = fields.get("patience").and_then(|at| law(reader, &at));
    let handling = required(reader, at, &fields, "handling").and_then(|at| law(reader, &at));
    let rate = required(reader, at, &fields, "arrivals").and_then(|at| rate(reader, &at));
    let priority = priority.and_then(|priority| u8::try_from(priority).ok());
    let kind = Kind { channel, requirement, priority };
    Some(Class { name: Arc::from(name), kind, rate: rate?, handling: handling?, patience })
}

fn queue(reader: &mut Reader, at: &At<'_>, policy: &Policy) -> Option<QueueId> {
    let id = reader.parsed(at, QueueId::parse)?;
    if policy.queue(&id).is_none() {
        let known: Vec<&str> = policy.queues.keys().map(QueueId::as_str).collect();
        let message = format!("there is no queue `{id}`{}", did_you_mean(id.as_str(), &known));
        reader.report(at, "unknown-queue", message, &one_of_text(&known));
    }
    Some(id)
}

fn groups(reader: &mut Reader, root: &At<'_>, fields: &Fields<'_>) -> Vec<Group> {
    let Some(at) = fields.get("agents") else {
        reader.report(root, "missing-key", "nobody is there".to_owned(), "`agents` with at least one group");
        return Vec::new();
    };
    let mut groups = Vec::new();
    for (key, at) in reader.entries(&at) {
        if AgentId::parse(&format!("{}-{MAX_AGENTS}", key.name)).is_err() || key.name.len() > MAX_NAME {
            let message = format!("`{}` cannot name a group", shown(&key.name));
            reader.report_at(key.place, &at.path, "bad-name", message, "up to 40 of a-z, 0-9, `-`, `_` or `.`");
        }
        groups.extend(group(reader, &key.name, &at));
    }
    let count: u64 = groups.iter().map(|group| u64::from(group.count)).sum();
    if count > u64::from(MAX_AGENTS) {
        reader.report(&at, "out-of-bounds", format!("{count} agents"), &format!("at most {MAX_AGENTS}"));
    }
    groups
}

fn group(reader: &mut Reader, name: &str, at: &At<'_>) -> Option<Group> {
    let fields = reader.fields(at, GROUP_KEYS);
    let count = required(reader, at, &fields, "count").and_then(|at| reader.whole(&at, 1, MAX_AGENTS));
    let tier = fields.get("tier").and_then(|at| reader.whole(&at, 1, 9)).and_then(|tier| u8::try_from(tier).ok());
    let languages = fields.get("languages").map(|at| parse::names(reader, &at, 35)).unwrap_or_default();
    let expertise = Expertise {
        team: Arc::from(""),
        tier: tier.unwrap_or(1),
        skills: fields.get("skills").map(|at| parse::skills(reader, &at)).unwrap_or_default(),
        languages: languages.iter().map(|language| Arc::from(language.to_ascii_lowercase())).collect(),
        authorities: fields.get("authorities").map(|at| parse::authorities(reader, &at)).unwrap_or_default(),
    };
    let answer = fields.get("answer").and_then(|at| law(reader, &at));
    let profile = Profile { expertise, ..Profile::default() };
    Some(Group { name: Arc::from(name), count: count?, profile, answer })
}

fn required<'n>(reader: &mut Reader, at: &At<'n>, fields: &Fields<'n>, key: &str) -> Option<At<'n>> {
    let found = fields.get(key);
    if found.is_none() {
        reader.report(at, "missing-key", format!("`{key}` is missing"), "");
    }
    found
}

/// `288/h`: so many, a decimal number, per second, minute, hour or day.
fn rate(reader: &mut Reader, at: &At<'_>) -> Option<f64> {
    let text = reader.text(at)?;
    let parsed = text.split_once('/').and_then(|(number, unit)| {
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        decimal(number.trim()).map(|number| number / seconds)
    });
    let rate = parsed.filter(|rate| (1e-6..=1e4).contains(rate));
    if rate.is_none() {
        let message = format!("`{}` is not a rate", shown(text));
        reader.report(at, "bad-rate", message, "a number per s, m, h or d such as `288/h`, at most 10,000 a second");
    }
    rate
}

fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

fn number(reader: &mut Reader, at: &At<'_>, from: f64, to: f64) -> Option<f64> {
    let text = reader.text(at)?;
    let found = decimal(text).filter(|number| (from..=to).contains(number));
    if found.is_none() {
        let message = format!("`{}` cannot be used here", shown(text));
        reader.report(at, "wrong-type", message, &format!("a number from {from} to {to}"));
    }
    found
}

/// `{exponential: 3m}` and so on: one law, with what it is given by.
fn law(reader: &mut Reader, at: &At<'_>) -> Option<Law> {
    let before = reader.problems.len();
    let fields = reader.fields(at, LAWS);
    let named: Vec<(&str, At<'_>)> = LAWS.iter().filter_map(|name| Some((*name, fields.get(name)?))).collect();
    let [(name, inner)] = named.as_slice() else {
        if reader.problems.len() == before {
            reader.report(at, "missing-key", format!("{} laws are named", named.len()), &one_of_text(LAWS));
        }
        return None;
    };
    let law = match *name {
        "constant" => Some(Law::Constant(seconds(reader, inner, Span::ZERO)?)),
        "exponential" => Some(Law::Exponential(seconds(reader, inner, SHORTEST)?)),
        "lognormal" => {
            let (mean, cv) = pair(reader, inner, ("mean", "cv"), |reader, at| number(reader, at, 0.01, 100.0))?;
            Some(Law::LogNormal { mean, cv })
        }
        "gamma" => {
            let (mean, shape) = pair(reader, inner, ("mean", "shape"), |reader, at| number(reader, at, 0.01, 1_000.0))?;
            Some(Law::Gamma { mean, shape })
        }
        "erlang" => {
            let phases = |reader: &mut Reader, at: &At<'_>| reader.whole(at, 1, 1_000).map(f64::from);
            let (mean, shape) = pair(reader, inner, ("mean", "phases"), phases)?;
            Some(Law::Gamma { mean, shape })
        }
        _ => uniform(reader, inner),
    };
    law.filter(|law| law.ready().is_some())
}

const SHORTEST: Span = Span::from_millis(1);

fn seconds(reader: &mut Reader, at: &At<'_>, from: Span) -> Option<f64> {
    parse::span(reader, at, from, LONGEST).map(secs)
}

fn pair(
    reader: &mut Reader,
    at: &At<'_>,
    (mean, other): (&str, &str),
    read: impl Fn(&mut Reader, &At<'_>) -> Option<f64>,
) -> Option<(f64, f64)> {
    let fields = reader.fields(at, &[mean, other]);
    let mean = required(reader, at, &fields, mean).and_then(|at| seconds(reader, &at, SHORTEST));
    let other = required(reader, at, &fields, other).and_then(|at| read(reader, &at));
    mean.zip(other)
}

fn uniform(reader: &mut Reader, at: &At<'_>) -> Option<Law> {
    let fields = reader.fields(at, &["from", "to"]);
    let from = required(reader, at, &fields, "from").and_then(|at| seconds(reader, &at, Span::ZERO));
    let to = required(reader, at, &fields, "to").and_then(|at| seconds(reader, &at, Span::ZERO));
    let (from, to) = from.zip(to)?;
    if from > to {
        reader.report(at, "out-of-bounds", "`from` lies after `to`".to_owned(), "");
        return None;
    }
    Some(Law::Uniform { from, to })
}

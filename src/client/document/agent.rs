//! Agents in a document.

use super::write::{Field, Resource, list, map, quoted, scalar};
use super::{CHANNELS, Stated, by_channel, pairs, places, text, word_of};
use crate::proto::google::r#type::Money;
use crate::proto::handoff::v1;
use crate::yaml::Key;
use crate::yaml::reader::{At, Reader};
use crate::yaml::scalar::money_text;

/// Keys and the API's names of the fields.
const KEYS: [(&str, &str); 10] = [
    ("display_name", "display_name"),
    ("team", "team"),
    ("tier", "tier"),
    ("skills", "skills"),
    ("languages", "language_codes"),
    ("authorities", "authorities"),
    ("pools", "pools"),
    ("channels", "channels"),
    ("endpoints", "endpoints"),
    ("labels", "labels"),
];
const POOLS: [(&str, v1::Pool); 2] = [("live", v1::Pool::Live), ("deferred", v1::Pool::Deferred)];
const ACCEPTS: [(&str, v1::Accepts); 3] =
    [("desktop", v1::Accepts::Desktop), ("endpoint", v1::Accepts::Endpoint), ("auto", v1::Accepts::Auto)];

pub fn read(reader: &mut Reader, desk: &str, key: &Key, at: &At<'_>) -> Stated<v1::Agent> {
    let fields = reader.fields(at, &KEYS.map(|(key, _)| key));
    let languages = fields.get("languages").map(|at| reader.list(&at)).unwrap_or_default();
    let agent = v1::Agent {
        name: format!("desks/{desk}/agents/{}", key.name),
        display_name: text(reader, &fields, "display_name"),
        team: text(reader, &fields, "team"),
        tier: fields.get("tier").and_then(|at| reader.whole(&at, 1, 9)),
        skills: fields.get("skills").map(|at| skills(reader, &at)).unwrap_or_default(),
        language_codes: languages.iter().filter_map(|item| reader.language(item)).collect(),
        authorities: fields.get("authorities").map(|at| authorities(reader, &at)).unwrap_or_default(),
        pools: fields.get("pools").map(|at| pools(reader, &at)).unwrap_or_default(),
        channels: fields.get("channels").map(|at| channels(reader, &at)).unwrap_or_default(),
        endpoints: fields.get("endpoints").map(|at| endpoints(reader, desk, &at)).unwrap_or_default(),
        labels: fields.get("labels").map(|at| labels(reader, &at)).unwrap_or_default(),
        ..v1::Agent::default()
    };
    Stated { resource: agent, place: key.place, fields: places(&fields, &KEYS) }
}

fn skills(reader: &mut Reader, at: &At<'_>) -> Vec<v1::Skill> {
    let pairs = pairs(reader, at).into_iter();
    pairs.map(|(skill, at)| v1::Skill { skill, level: at.and_then(|at| reader.whole(&at, 1, 10)) }).collect()
}

fn authorities(reader: &mut Reader, at: &At<'_>) -> Vec<v1::Authority> {
    let pairs = pairs(reader, at).into_iter();
    let limit = |money: crate::yaml::scalar::Money| Money {
        currency_code: money.currency,
        units: money.micros / 1_000_000,
        nanos: i32::try_from(money.micros % 1_000_000 * 1_000).unwrap_or(0),
    };
    pairs
        .map(|(authority, at)| v1::Authority { authority, limit: at.and_then(|at| reader.money(&at)).map(limit) })
        .collect()
}

fn pools(reader: &mut Reader, at: &At<'_>) -> Vec<v1::PoolCapacity> {
    let fields = reader.fields(at, &POOLS.map(|(word, _)| word));
    let stated = POOLS.iter().filter_map(|(word, pool)| Some((*pool, fields.get(word)?)));
    stated.map(|(pool, at)| v1::PoolCapacity { pool: pool.into(), capacity: reader.whole(&at, 0, 1_000) }).collect()
}

fn channels(reader: &mut Reader, at: &At<'_>) -> Vec<v1::ChannelRule> {
    let mut rules = Vec::new();
    for (channel, at) in by_channel(reader, at) {
        let fields = reader.fields(&at, &["weight", "max", "paused"]);
        rules.push(v1::ChannelRule {
            channel: channel.into(),
            weight: fields.get("weight").and_then(|at| reader.whole(&at, 1, 1_000)),
            max: fields.get("max").and_then(|at| reader.whole(&at, 0, 100)),
            paused: fields.get("paused").and_then(|at| reader.flag(&at)).unwrap_or(false),
        });
    }
    rules
}

fn endpoints(reader: &mut Reader, desk: &str, at: &At<'_>) -> Vec<v1::Endpoint> {
    let mut endpoints = Vec::new();
    for (channel, at) in by_channel(reader, at) {
        let fields = reader.fields(&at, &["connector", "address", "accepts"]);
        for key in ["connector", "address"].iter().filter(|key| fields.get(key).is_none()) {
            reader.report(&at, "missing-key", format!("the endpoint has no `{key}`"), &format!("a `{key}`"));
        }
        let connector = text(reader, &fields, "connector");
        let accepts = fields.get("accepts").and_then(|at| reader.one_of(&at, &ACCEPTS)).unwrap_or_default();
        endpoints.push(v1::Endpoint {
            channel: channel.into(),
            connector: format!("desks/{desk}/connectors/{connector}"),
            address: text(reader, &fields, "address"),
            accepts: accepts.into(),
            ..v1::Endpoint::default()
        });
    }
    endpoints
}

fn labels(reader: &mut Reader, at: &At<'_>) -> std::collections::BTreeMap<String, String> {
    let entries = reader.entries(at).into_iter();
    entries.filter_map(|(key, at)| Some((key.name.clone(), reader.text(&at)?.to_owned()))).collect()
}

impl Resource for v1::Agent {
    fn name(&self) -> &str {
        &self.name
    }

    fn fields(&self) -> Vec<Field> {
        let sorted = |mut pairs: Vec<(String, String)>| {
            pairs.sort();
            map(pairs)
        };
        let mut languages: Vec<String> = self.language_codes.iter().map(|code| code.to_ascii_lowercase()).collect();
        languages.sort();
        let skills = self.skills.iter().map(|skill| (quoted(&skill.skill), skill.level.unwrap_or(1).to_string()));
        let limit = |limit: &Money| {
            let micros = limit.units.saturating_mul(1_000_000).saturating_add(i64::from(limit.nanos) / 1_000);
            format!("\"{}\"", money_text(micros, &limit.currency_code))
        };
        let authorities = self
            .authorities
            .iter()
            .map(|authority| (quoted(&authority.authority), authority.limit.as_ref().map(limit).unwrap_or_default()));
        let labels = self.labels.iter().map(|(key, value)| (quoted(key), quoted(value)));
        let tier = self.tier.filter(|tier| *tier != 1).map(|tier| tier.to_string()).unwrap_or_default();
        vec![
            Field::new("display_name", "display_name", scalar(&self.display_name)),
            Field::new("team", "team", scalar(&self.team)),
            Field::new("tier", "tier", tier),
            Field::new("skills", "skills", sorted(skills.collect())),
            Field::new("languages", "language_codes", list(languages.iter().map(|code| quoted(code)))),
            Field::new("authorities", "authorities", sorted(authorities.collect())),
            Field::new("pools", "pools", pools_text(&self.pools)),
            Field::new("channels", "channels", channels_text(&self.channels)),
            Field::new("endpoints", "endpoints", endpoints_text(&self.endpoints)),
            Field::new("labels", "labels", sorted(labels.collect())),
        ]
    }
}

fn word<T: Copy + Into<i32>>(words: &[(&'static str, T)], number: i32) -> String {
    word_of(words, number).map_or_else(|| format!("\"{number}\""), str::to_owned)
}

fn pools_text(pools: &[v1::PoolCapacity]) -> String {
    let mut pools: Vec<_> = pools.iter().filter(|pool| pool.capacity() != 100).collect();
    pools.sort_by_key(|pool| pool.pool);
    map(pools.iter().map(|pool| (word(&POOLS, pool.pool), pool.capacity().to_string())))
}

fn channels_text(rules: &[v1::ChannelRule]) -> String {
    let says_something = |rule: &&v1::ChannelRule| rule.weight.is_some() || rule.max.is_some() || rule.paused;
    let mut rules: Vec<_> = rules.iter().filter(says_something).collect();
    rules.sort_by_key(|rule| rule.channel);
    map(rules.iter().map(|rule| {
        let weight = rule.weight.map(|weight| ("weight".to_owned(), weight.to_string()));
        let max = rule.max.map(|max| ("max".to_owned(), max.to_string()));
        let paused = rule.paused.then(|| ("paused".to_owned(), "true".to_owned()));
        (word(&CHANNELS, rule.channel), map(weight.into_iter().chain(max).chain(paused)))
    }))
}

fn endpoints_text(endpoints: &[v1::Endpoint]) -> String {
    let mut endpoints: Vec<_> = endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| endpoint.channel);
    map(endpoints.iter().map(|endpoint| {
        let connector = endpoint.connector.rsplit('/').next().unwrap_or_default();
        let accepts = word_of(&ACCEPTS, endpoint.accepts).filter(|word| *word != "desktop");
        let fields = [("connector", Some(quoted(connector))), ("address", Some(quoted(&endpoint.address)))];
        let fields = fields.into_iter().chain([("accepts", accepts.map(str::to_owned))]);
        let fields = fields.filter_map(|(key, value)| Some((key.to_owned(), value?)));
        (word(&CHANNELS, endpoint.channel), map(fields))
    }))
}

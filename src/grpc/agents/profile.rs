//! Reading an agent's profile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::agent::{ChannelRule, Endpoint, Profile, Reachability};
use crate::domain::id::DeskKey;
use crate::domain::requirement::{Amount, Channel, Expertise, Pool};
use crate::grpc::form::Form;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::ProfilePatch;

/// Bytes of a name for people.
const DISPLAY_NAME: usize = 256;
/// Bytes of an endpoint's address.
const ADDRESS: usize = 256;
const MAX_SKILLS: usize = 100;
const MAX_LANGUAGES: usize = 25;
const MAX_AUTHORITIES: usize = 25;
const MAX_POINTS: u32 = 1_000;
const MAX_PIECES: u32 = 100;

/// The profile of a new agent of `desk`.
pub(super) fn new(form: &mut Form, desk: Option<&DeskKey>, asked: &pb::Agent) -> Profile {
    let all = read(form, desk, asked);
    Profile {
        display_name: all.display_name.unwrap_or_default(),
        expertise: Expertise {
            team: all.team.unwrap_or_default(),
            tier: all.tier.unwrap_or(1),
            skills: all.skills.unwrap_or_default(),
            languages: all.languages.unwrap_or_default(),
            authorities: all.authorities.unwrap_or_default(),
        },
        pools: all.pools.unwrap_or_default(),
        channels: all.channels.unwrap_or_default(),
        endpoints: all.endpoints.unwrap_or_default(),
        labels: all.labels.unwrap_or_default(),
    }
}

/// What an update of an agent of `desk` changes.
pub(super) fn update(
    form: &mut Form,
    desk: Option<&DeskKey>,
    asked: &pb::Agent,
    mask: Option<&prost_types::FieldMask>,
) -> ProfilePatch {
    let known = [
        ("display_name", !asked.display_name.is_empty()),
        ("team", !asked.team.is_empty()),
        ("tier", asked.tier.is_some()),
        ("skills", !asked.skills.is_empty()),
        ("language_codes", !asked.language_codes.is_empty()),
        ("authorities", !asked.authorities.is_empty()),
        ("pools", !asked.pools.is_empty()),
        ("channels", !asked.channels.is_empty()),
        ("endpoints", !asked.endpoints.is_empty()),
        ("labels", !asked.labels.is_empty()),
    ];
    let mask = form.mask(mask, &known);
    let all = read(form, desk, asked);
    ProfilePatch {
        display_name: all.display_name.filter(|_| mask.has("display_name")),
        team: all.team.filter(|_| mask.has("team")),
        tier: all.tier.filter(|_| mask.has("tier")),
        skills: all.skills.filter(|_| mask.has("skills")),
        languages: all.languages.filter(|_| mask.has("language_codes")),
        authorities: all.authorities.filter(|_| mask.has("authorities")),
        pools: all.pools.filter(|_| mask.has("pools")),
        channels: all.channels.filter(|_| mask.has("channels")),
        endpoints: all.endpoints.filter(|_| mask.has("endpoints")),
        labels: all.labels.filter(|_| mask.has("labels")),
    }
}

/// Every field, wanted or not: what is malformed is refused wherever it stands.
fn read(form: &mut Form, desk: Option<&DeskKey>, asked: &pb::Agent) -> ProfilePatch {
    ProfilePatch {
        display_name: Some(form.line("agent.display_name", &asked.display_name, DISPLAY_NAME)),
        team: Some(form.short("agent.team", &asked.team)),
        tier: Some(form.number("agent.tier", asked.tier, 1..=9).unwrap_or(1)),
        skills: Some(skills(form, &asked.skills)),
        languages: Some(languages(form, &asked.language_codes)),
        authorities: Some(authorities(form, &asked.authorities)),
        pools: Some(pools(form, &asked.pools)),
        channels: Some(channels(form, &asked.channels)),
        endpoints: Some(endpoints(form, desk, &asked.endpoints)),
        labels: Some(form.labels("agent.labels", &asked.labels)),
    }
}

fn skills(form: &mut Form, asked: &[pb::Skill]) -> BTreeMap<Arc<str>, u8> {
    form.at_most("agent.skills", asked.len(), MAX_SKILLS);
    let mut found = BTreeMap::new();
    for (at, each) in asked.iter().enumerate() {
        let level = form.number(&format!("agent.skills[{at}].level"), each.level, 1..=10).unwrap_or(1);
        let field = format!("agent.skills[{at}].skill");
        let Some(skill) = form.named(&field, &each.skill) else { continue };
        once(form, field, found.insert(skill, level).is_none());
    }
    found
}

fn languages(form: &mut Form, asked: &[String]) -> BTreeSet<Arc<str>> {
    form.at_most("agent.language_codes", asked.len(), MAX_LANGUAGES);
    let mut found = BTreeSet::new();
    for (at, code) in asked.iter().enumerate() {
        let field = format!("agent.language_codes[{at}]");
        if code.is_empty() {
            form.refuse(field, "must not be empty");
            continue;
        }
        let language = form.language(&field, code);
        once(form, field, found.insert(language));
    }
    found
}

fn authorities(form: &mut Form, asked: &[pb::Authority]) -> BTreeMap<Arc<str>, Option<Amount>> {
    form.at_most("agent.authorities", asked.len(), MAX_AUTHORITIES);
    let mut found = BTreeMap::new();
    for (at, each) in asked.iter().enumerate() {
        let limit = each.limit.as_ref().and_then(|limit| form.amount(&format!("agent.authorities[{at}].limit"), limit));
        let field = format!("agent.authorities[{at}].authority");
        let Some(authority) = form.named(&field, &each.authority) else { continue };
        once(form, field, found.insert(authority, limit).is_none());
    }
    found
}

fn pools(form: &mut Form, asked: &[pb::PoolCapacity]) -> BTreeMap<Pool, u16> {
    let mut found = BTreeMap::new();
    for (at, each) in asked.iter().enumerate() {
        let field = format!("agent.pools[{at}].capacity");
        if each.capacity.is_none() {
            form.refuse(field.as_str(), "is required");
        }
        let capacity = form.number(&field, each.capacity, 0..=MAX_POINTS).unwrap_or(0);
        let field = format!("agent.pools[{at}].pool");
        let Some(pool) = form.choice(&field, each.pool) else { continue };
        once(form, field, found.insert(pool, capacity).is_none());
    }
    found
}

fn channels(form: &mut Form, asked: &[pb::ChannelRule]) -> BTreeMap<Channel, ChannelRule> {
    let mut found = BTreeMap::new();
    for (at, each) in asked.iter().enumerate() {
        let rule = ChannelRule {
            weight: form.number(&format!("agent.channels[{at}].weight"), each.weight, 1..=MAX_POINTS),
            max: form.number(&format!("agent.channels[{at}].max"), each.max, 0..=MAX_PIECES),
            paused: each.paused,
        };
        let field = format!("agent.channels[{at}].channel");
        let Some(channel) = form.choice(&field, each.channel) else { continue };
        once(form, field, found.insert(channel, rule).is_none());
    }
    found
}

fn endpoints(form: &mut Form, desk: Option<&DeskKey>, asked: &[pb::Endpoint]) -> Vec<Endpoint> {
    let mut found: Vec<Endpoint> = Vec::new();
    for (at, each) in asked.iter().enumerate() {
        let field = |part: &str| format!("agent.endpoints[{at}].{part}");
        let connector = form.connector_of(desk, &field("connector"), &each.connector);
        if each.address.is_empty() {
            form.refuse(field("address"), "is required");
        }
        let address = form.line(&field("address"), &each.address, ADDRESS);
        let accepts = form.choice_if_said(&field("accepts"), each.accepts).unwrap_or_default();
        let channel = form.choice(&field("channel"), each.channel);
        let (Some(channel), Some(connector)) = (channel, connector) else { continue };
        once(form, field("channel"), found.iter().all(|known| known.channel != channel));
        found.push(Endpoint {
            channel,
            connector,
            address,
            accepts,
            reachability: Reachability::Reachable,
            until: None,
        });
    }
    found
}

fn once(form: &mut Form, field: String, is_first: bool) {
    if !is_first {
        form.refuse(field, "is named twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DeskId, TenantId};

    fn desk() -> DeskKey {
        DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("north").expect("valid") }
    }

    fn faults(asked: &pb::Agent) -> String {
        let mut form = Form::new();
        new(&mut form, Some(&desk()), asked);
        form.check().map_or_else(|status| status.message().to_owned(), |()| String::new())
    }

    fn endpoint(connector: &str) -> pb::Endpoint {
        pb::Endpoint {
            channel: 1,
            connector: connector.to_owned(),
            address: "sip:ann@example.net".to_owned(),
            ..pb::Endpoint::default()
        }
    }

    #[test]
    fn an_empty_profile_is_a_tier_1_agent_without_anything() {
        let profile = new(&mut Form::new(), Some(&desk()), &pb::Agent::default());
        assert_eq!(profile, Profile { expertise: Expertise { tier: 1, ..Expertise::default() }, ..Profile::default() });
    }

    #[test]
    fn everything_that_is_wrong_with_a_profile_is_named() {
        let skill = |level| pb::Skill { skill: "billing".to_owned(), level };
        let asked = pb::Agent {
            tier: Some(10),
            skills: vec![skill(Some(11)), skill(None)],
            language_codes: vec!["de".into(), "DE".into()],
            pools: vec![pb::PoolCapacity { pool: 1, capacity: None }],
            channels: vec![pb::ChannelRule { channel: 9, weight: Some(0), ..pb::ChannelRule::default() }],
            endpoints: vec![endpoint("desks/south/connectors/pbx")],
            ..pb::Agent::default()
        };
        let message = faults(&asked);
        let wrong = [
            "tier",
            "skills[0].level",
            "skills[1].skill",
            "language_codes[1]",
            "pools[0].capacity",
            "channels[0].channel",
            "channels[0].weight",
            "endpoints[0].connector",
        ];
        for field in wrong {
            assert!(message.contains(&format!("agent.{field}: ")), "{field} in {message}");
        }
    }

    #[test]
    fn a_channel_has_one_endpoint() {
        let pbx = "desks/north/connectors/pbx";
        let asked = pb::Agent { endpoints: vec![endpoint(pbx), endpoint(pbx)], ..pb::Agent::default() };
        assert!(faults(&asked).starts_with("agent.endpoints[1].channel: "));
    }

    #[test]
    fn an_update_changes_what_its_mask_names_or_what_is_set() {
        let asked = pb::Agent { team: "blue".to_owned(), ..pb::Agent::default() };
        let unmasked = update(&mut Form::new(), Some(&desk()), &asked, None);
        assert_eq!(unmasked, ProfilePatch { team: Some(Arc::from("blue")), ..ProfilePatch::default() });
        let mask = prost_types::FieldMask { paths: vec!["tier".into()] };
        let masked = update(&mut Form::new(), Some(&desk()), &asked, Some(&mask));
        assert_eq!(masked, ProfilePatch { tier: Some(1), ..ProfilePatch::default() });
    }
}

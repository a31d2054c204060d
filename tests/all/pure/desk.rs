//! The desk that the tests of the pure core work on: its policy, its connectors and its agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::domain::agent::{Accepts, ChannelRule, Endpoint, Profile, Reachability};
use handoff::domain::connector::{Connector, Reach};
use handoff::domain::id::{AgentId, ConnectorId, QueueId};
use handoff::domain::requirement::{Amount, Channel, Expertise, Ordering, Pool, Requirement, Strategy};
use handoff::domain::time::{Span, Time};
use handoff::policy::Policy;
use handoff::policy::queue::{AfterContact, Queue, Terminal, WhenFull};

pub fn queue_id(text: &str) -> QueueId {
    QueueId::parse(text).expect("a name")
}

pub fn agent_id(text: &str) -> AgentId {
    AgentId::parse(text).expect("a name")
}

pub fn connector_id(text: &str) -> ConnectorId {
    ConnectorId::parse(text).expect("a name")
}

pub fn euros(units: i64) -> Option<Amount> {
    Some(Amount { currency: Arc::from("EUR"), micros: units * 1_000_000 })
}

pub fn skills(held: &[(&str, u8)]) -> BTreeMap<Arc<str>, u8> {
    held.iter().map(|(skill, level)| (Arc::from(*skill), *level)).collect()
}

pub fn need(skill: &str, level: u8) -> Requirement {
    Requirement { skills: skills(&[(skill, level)]), ..Requirement::default() }
}

/// The built-in policy's queues, one per channel, and some more in which every setting is used.
pub fn policy() -> Policy {
    let mut policy = Policy { revision: 1, ..Policy::built_in() };
    let queue = |name: &str| Queue::new(queue_id(name));
    let more = [
        Queue { max_waiting: Some(2), when_full: WhenFull::Other(queue_id("overflow")), ..queue("billing") },
        Queue { max_waiting: Some(3), ..queue("overflow") },
        Queue {
            ordering: Ordering::Strict,
            after_contact: Some(AfterContact::Resolve),
            wrap_up: Some(Span::ZERO),
            strategy: Strategy::Best,
            ..queue("vip")
        },
        Queue {
            ordering: Ordering::Deadline,
            unassigned_timeout: Some(Span::from_mins(1)),
            terminal: Some(Terminal {
                queue: queue_id("last"),
                requirement: Requirement { min_tier: Some(2), ..Requirement::default() },
            }),
            ..queue("late")
        },
        Queue { unassigned_timeout: Some(Span::from_mins(1)), ..queue("last") },
        Queue {
            parallel_offers: 2,
            offer_timeout: Some(Span::from_secs(10)),
            wrap_up: Some(Span::from_secs(20)),
            after_contact: Some(AfterContact::Keep),
            ..queue("pair")
        },
    ];
    policy.queues.extend(more.into_iter().map(|queue| (queue.id.clone(), queue)));
    policy
}

/// `tel` confirms calls, `web` confirms nothing, `soc` confirms chats, `mon` only watches.
pub fn connectors() -> Vec<Connector> {
    let connector = |name: &str, reach, confirmation: &[(Channel, bool)]| Connector {
        id: connector_id(name),
        ver: 0,
        display_name: Arc::from(name),
        reach,
        channels: Default::default(),
        confirmation: confirmation.iter().copied().collect(),
        affinity: None,
        kinds: Default::default(),
        create_time: Time::default(),
        update_time: Time::default(),
        deleted: false,
        away: false,
    };
    vec![
        connector("tel", Reach::Own, &[]),
        connector("web", Reach::Own, &[(Channel::Phone, false)]),
        connector("soc", Reach::Own, &[(Channel::Chat, true)]),
        connector("mon", Reach::Desk, &[]),
    ]
}

pub fn profile(tier: u8, held: &[(&str, u8)]) -> Profile {
    let languages = [Arc::from("en"), Arc::from("et")].into();
    Profile {
        expertise: Expertise { tier, skills: skills(held), languages, ..Expertise::default() },
        ..Profile::default()
    }
}

pub fn with_endpoint(mut profile: Profile, channel: Channel, accepts: Accepts) -> Profile {
    profile.endpoints.push(Endpoint {
        channel,
        connector: connector_id(if channel == Channel::Phone { "tel" } else { "web" }),
        address: Arc::from("sip:1"),
        accepts,
        reachability: Reachability::Reachable,
        until: None,
    });
    profile
}

fn with_authority(mut profile: Profile, authority: &str, limit: Option<Amount>) -> Profile {
    profile.expertise.authorities.insert(Arc::from(authority), limit);
    profile
}

/// Ten agents, no two alike.
pub fn agents() -> Vec<(AgentId, Profile)> {
    let mut small = profile(1, &[]);
    small.pools = [(Pool::Live, 40), (Pool::Deferred, 20)].into();
    small.channels = [(Channel::Chat, ChannelRule { weight: Some(10), max: Some(8), paused: false })].into();
    let mut live_only = profile(1, &[("vpn", 2)]);
    live_only.pools = [(Pool::Deferred, 0)].into();
    live_only.channels = [(Channel::Social, ChannelRule { weight: None, max: None, paused: true })].into();
    let profiles = [
        ("ann", profile(1, &[("vpn", 5)])),
        ("bob", with_endpoint(profile(1, &[("billing", 3)]), Channel::Phone, Accepts::Endpoint)),
        ("cas", with_authority(profile(2, &[("vpn", 8), ("billing", 8)]), "refund", euros(500))),
        ("dee", with_endpoint(profile(2, &[("vpn", 3)]), Channel::Chat, Accepts::Auto)),
        ("eva", with_authority(with_authority(profile(3, &[("vpn", 9)]), "refund", None), "legal_hold", None)),
        ("fin", small),
        ("gil", with_endpoint(profile(1, &[]), Channel::Phone, Accepts::Auto)),
        ("hal", live_only),
        ("ida", with_endpoint(profile(1, &[("vpn", 1)]), Channel::Phone, Accepts::Desktop)),
        ("jon", profile(4, &[("vpn", 10), ("billing", 10)])),
    ];
    profiles.into_iter().map(|(name, profile)| (agent_id(name), profile)).collect()
}

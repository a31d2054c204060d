//! Agents: profile, presence and load.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{amount, attributes, etag, timestamp};
use crate::domain::agent::{Agent, Declared, Endpoint, Profile};
use crate::domain::id::DeskId;
use crate::domain::leg::LegState;
use crate::domain::offer::OfferState;
use crate::domain::requirement::Channel;
use crate::domain::ticket::Ticket;
use crate::engine::Lease;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// The row. `work`: the tickets the agent is on; `None` where a list cannot afford to read them.
pub fn agent(desk: &DeskId, row: &Agent, lease: Lease, work: Option<&[Arc<Ticket>]>) -> pb::Agent {
    let profile = &row.profile;
    let skill =
        |(skill, level): (&Arc<str>, &u8)| pb::Skill { skill: skill.to_string(), level: Some(u32::from(*level)) };
    let authority = |(authority, limit): (&Arc<str>, &Option<_>)| pb::Authority {
        authority: authority.to_string(),
        limit: limit.as_ref().map(amount),
    };
    let pool = |(pool, capacity): (&_, &u16)| pb::PoolCapacity {
        pool: Word::number(*pool),
        capacity: Some(u32::from(*capacity)),
    };
    pb::Agent {
        name: name::agent(desk, &row.id),
        display_name: profile.display_name.to_string(),
        team: profile.expertise.team.to_string(),
        tier: Some(u32::from(profile.expertise.tier)),
        skills: profile.expertise.skills.iter().map(skill).collect(),
        language_codes: profile.expertise.languages.iter().map(ToString::to_string).collect(),
        authorities: profile.expertise.authorities.iter().map(authority).collect(),
        pools: profile.pools.iter().map(pool).collect(),
        channels: channels(profile),
        endpoints: profile.endpoints.iter().map(|each| endpoint(desk, each)).collect(),
        presence: Some(presence(row, lease)),
        load: load(row, work),
        labels: attributes(&profile.labels),
        etag: etag(row.profile_rev),
        create_time: Some(timestamp(row.create_time)),
        update_time: Some(timestamp(row.update_time)),
        delete_time: row.deleted.then(|| timestamp(row.update_time)),
    }
}

fn channels(profile: &Profile) -> Vec<pb::ChannelRule> {
    let rules = profile.channels.iter().map(|(channel, rule)| pb::ChannelRule {
        channel: channel.number(),
        weight: rule.weight.map(u32::from),
        max: rule.max.map(u32::from),
        paused: rule.paused,
    });
    rules.collect()
}

fn endpoint(desk: &DeskId, endpoint: &Endpoint) -> pb::Endpoint {
    pb::Endpoint {
        channel: endpoint.channel.number(),
        connector: name::connector(desk, &endpoint.connector),
        address: endpoint.address.to_string(),
        accepts: endpoint.accepts.number(),
        reachability: endpoint.reachability.number(),
    }
}

fn presence(row: &Agent, lease: Lease) -> pb::Presence {
    let next = row.next_declared.as_ref().map(|next| pb::NextDeclared {
        state: declared(&next.declared) as i32,
        break_reason: break_reason(&next.declared),
        open_work: next.open_work.number(),
    });
    // Between the last beat and the end of the session the row still has one.
    let lease = match (&row.session, lease) {
        (None, _) => pb::Lease::Unspecified,
        (Some(_), Lease::Live) => pb::Lease::Live,
        (Some(_), Lease::Suspect) => pb::Lease::Suspect,
        (Some(_), Lease::Lost) => pb::Lease::Lost,
    };
    pb::Presence {
        declared: declared(&row.declared) as i32,
        break_reason: break_reason(&row.declared),
        next_declared: next,
        lease: lease as i32,
        session_epoch: row.session.as_ref().map_or(0, |session| session.epoch),
        not_responding: row.not_responding,
        since_time: Some(timestamp(row.since)),
    }
}

fn declared(declared: &Declared) -> pb::DeclaredState {
    match declared {
        Declared::Ready => pb::DeclaredState::Ready,
        Declared::Break { .. } => pb::DeclaredState::Break,
        Declared::Offline => pb::DeclaredState::Offline,
    }
}

fn break_reason(declared: &Declared) -> String {
    match declared {
        Declared::Break { reason } => reason.to_string(),
        Declared::Ready | Declared::Offline => String::new(),
    }
}

fn load(row: &Agent, work: Option<&[Arc<Ticket>]>) -> Vec<pb::ChannelLoad> {
    let counted = work.map(|work| count(row, work));
    let held = row.held.iter().filter(|(_, held)| **held > 0);
    held.map(|(channel, held)| {
        let counts = counted.as_ref().map(|counted| counted.get(channel).copied().unwrap_or_default());
        pb::ChannelLoad {
            channel: channel.number(),
            held: Some(u32::from(*held)),
            offered: counts.map(|counts| counts.offered),
            active: counts.map(|counts| counts.active),
            wrapping: counts.map(|counts| counts.wrapping),
            weight: counts.map(|counts| counts.weight),
        }
    })
    .collect()
}

#[derive(Clone, Copy, Default)]
struct Counts {
    offered: u32,
    active: u32,
    wrapping: u32,
    weight: u32,
}

fn count(row: &Agent, work: &[Arc<Ticket>]) -> BTreeMap<Channel, Counts> {
    let mut counted: BTreeMap<Channel, Counts> = BTreeMap::new();
    for ticket in work {
        let counts = counted.entry(ticket.channel).or_default();
        for leg in &ticket.legs {
            let pending = leg.offers.iter().filter(|offer| offer.state == OfferState::Pending && offer.agent == row.id);
            for offer in pending {
                counts.offered += 1;
                counts.weight += u32::from(offer.weight);
            }
            if leg.agent.as_ref() != Some(&row.id) {
                continue;
            }
            match leg.state {
                LegState::Connecting | LegState::Active => counts.active += 1,
                LegState::Wrapping => counts.wrapping += 1,
                LegState::Waiting | LegState::Offered | LegState::Done | LegState::Cancelled => continue,
            }
            counts.weight += u32::from(leg.weight);
        }
    }
    counted
}

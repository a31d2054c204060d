//! An agent of the view: presence, lease, and the room that is left beside what is held and reserved.

use std::collections::BTreeMap;

use super::free::{AgentKey, Spot};
use crate::availability::AgentView;
use crate::domain::id::{AgentNo, GroupNo, LegId};
use crate::domain::record::Unfit;
use crate::domain::requirement::{Channel, Pool};
use crate::domain::time::Time;

/// What legs take of an agent: the channel and the weight of each, and what they come to. An agent may have a hundred of them,
/// and is looked at whenever one comes or goes.
#[derive(Clone, Default)]
pub(super) struct Work {
    legs: BTreeMap<LegId, (Channel, u16)>,
    used: Used,
}

impl Work {
    pub(super) fn insert(&mut self, leg: LegId, channel: Channel, weight: u16) {
        self.remove(leg);
        self.legs.insert(leg, (channel, weight));
        self.used.points[pool_at(channel.pool())] += u32::from(weight);
        self.used.counts[channel_at(channel)] += 1;
    }

    pub(super) fn remove(&mut self, leg: LegId) {
        if let Some((channel, weight)) = self.legs.remove(&leg) {
            self.used.points[pool_at(channel.pool())] -= u32::from(weight);
            self.used.counts[channel_at(channel)] -= 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LegId, Channel, u16)> {
        self.legs.iter().map(|(leg, (channel, weight))| (*leg, *channel, *weight))
    }
}

/// The connection of an agent, by its heartbeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// No session.
    #[default]
    None,
    Live {
        since: Time,
    },
    /// Offered nothing until the next heartbeat.
    Suspect {
        since: Time,
    },
    /// Named by `lost`; only a new session ends it.
    Lost,
}

/// Kept while the agent is known, or has work: a leg's bookings may come before the agent.
#[derive(Clone, Default)]
pub(super) struct Agent {
    pub(super) view: Option<AgentView>,
    pub(super) lease: Lease,
    pub(super) held: Work,
    pub(super) reserved: Work,
    /// Where the agent stands among the free ones.
    pub(super) spot: Option<Spot>,
}

impl Agent {
    pub(super) fn on_duty(&self) -> Option<&AgentView> {
        self.view.as_ref().filter(|view| view.on_duty)
    }

    /// The session's epoch; 0: there is none.
    pub(super) fn session(&self) -> u64 {
        self.view.as_ref().map_or(0, |view| view.session)
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.view.is_none() && self.held.is_empty() && self.reserved.is_empty()
    }

    /// Where the agent should stand among the free ones.
    pub(super) fn free_spot(&self, number: AgentNo) -> Option<Spot> {
        let view = self.on_duty().filter(|_| matches!(self.lease, Lease::Live { .. }))?;
        let used = self.held.used.and(&self.reserved.used);
        let room = room(view, &used);
        let key = AgentKey { load: load_percent(view, &used), last_accept: view.last_accept, number };
        (room != 0).then_some(Spot { group: view.group, room, key })
    }

    /// What the index knows of the agent and the log does not; `None` when that is nothing, or the agent is off duty. Goes by the
    /// agent's `spot`, which has to be up to date.
    pub(super) fn held_back(&self) -> Option<HeldBack> {
        let view = self.on_duty()?;
        let lapsed = matches!(self.lease, Lease::Suspect { .. } | Lease::Lost);
        if !lapsed && self.reserved.is_empty() {
            return None;
        }
        let seen = room(view, &self.held.used);
        let (suspect, reserved) = match self.lease {
            Lease::Suspect { .. } | Lease::Lost => (seen, 0),
            Lease::Live { .. } => (0, seen & !self.spot.map_or(0, |spot| spot.room)),
            Lease::None => (0, 0),
        };
        let load = self.spot.filter(|_| !self.reserved.is_empty()).map(|spot| spot.key.load);
        Some(HeldBack {
            group: view.group,
            suspect,
            reserved,
            load: load.map(|load| u16::try_from(load).unwrap_or(u16::MAX)),
        })
    }
}

/// An agent whom the log may take for available, or for less busy, while the index knows better.
#[derive(Clone, Copy)]
pub(super) struct HeldBack {
    pub(super) group: GroupNo,
    /// Channels that the log sees room on and that the agent gets nothing on, by the reason.
    suspect: u8,
    reserved: u8,
    /// Percent of the fuller pool with what is reserved, of an agent who is free.
    pub(super) load: Option<u16>,
}

impl HeldBack {
    /// Why the agent gets nothing on a channel that the log sees room on.
    pub(super) fn by(&self, channel: Channel) -> Option<Unfit> {
        let of = |mask: u8, unfit: Unfit| (mask & channel.bit() != 0).then_some(unfit);
        of(self.suspect, Unfit::Suspect).or(of(self.reserved, Unfit::Reserved))
    }
}

const fn pool_at(pool: Pool) -> usize {
    match pool {
        Pool::Live => 0,
        Pool::Deferred => 1,
    }
}

/// The place of a channel in [`Channel::ALL`].
pub(super) const fn channel_at(channel: Channel) -> usize {
    channel.bit().trailing_zeros() as usize
}

#[derive(Clone, Default)]
pub(super) struct Used {
    points: [u32; 2],
    counts: [u32; 5],
}

impl Used {
    fn and(&self, other: &Used) -> Used {
        Used {
            points: std::array::from_fn(|at| self.points[at] + other.points[at]),
            counts: std::array::from_fn(|at| self.counts[at] + other.counts[at]),
        }
    }
}

/// The rule of `Agent::room` in the domain, over legs instead of a row.
fn room(view: &AgentView, used: &Used) -> u8 {
    let on_the_phone = used.counts[channel_at(Channel::Phone)] > 0;
    let has_room = |channel: Channel| {
        let (at, pool) = (channel_at(channel), pool_at(channel.pool()));
        used.counts[at] < u32::from(view.maxima[at])
            && used.points[pool] + u32::from(view.weights[at]) <= u32::from(view.pools[pool])
            && !(channel.pool() == Pool::Deferred && on_the_phone)
    };
    let with_room = Channel::ALL.into_iter().filter(|channel| has_room(*channel));
    with_room.fold(0, |mask, channel| mask | channel.bit()) & !view.blocked
}

fn load_percent(view: &AgentView, used: &Used) -> u32 {
    let percent = |used: u32, pool: u16| match pool {
        0 if used > 0 => 100,
        0 => 0,
        pool => used * 100 / u32::from(pool),
    };
    percent(used.points[0], view.pools[0]).max(percent(used.points[1], view.pools[1]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::agent::{Agent as Row, ChannelRule, Declared, Profile};
    use crate::domain::id::{AgentId, TicketId};

    fn profile() -> impl Strategy<Value = Profile> {
        let rules = prop::collection::vec((0_u16..60, 0_u16..4, any::<bool>()), 5);
        (0_u16..120, 0_u16..120, rules).prop_map(|(live, deferred, rules)| {
            let rules = rules.into_iter().map(|(weight, max, paused)| ChannelRule {
                weight: Some(weight),
                max: Some(max),
                paused,
            });
            Profile {
                pools: [(Pool::Live, live), (Pool::Deferred, deferred)].into(),
                channels: Channel::ALL.into_iter().zip(rules).collect(),
                ..Profile::default()
            }
        })
    }

    fn row(profile: Profile) -> Row {
        Row {
            id: AgentId::parse("kim").expect("valid"),
            number: AgentNo(1),
            ver: 1,
            profile_rev: 1,
            profile: profile.into(),
            group: GroupNo(0),
            deleted: false,
            create_time: Time(0),
            update_time: Time(0),
            declared: Declared::Ready,
            next_declared: None,
            since: Time(0),
            session: None,
            last_epoch: 0,
            misses: 0,
            not_responding: false,
            used_live: 0,
            used_deferred: 0,
            held: BTreeMap::new(),
            last_accept_time: Time(0),
            lost_until: None,
            next_due_at: None,
        }
    }

    fn view(profile: &Profile) -> AgentView {
        AgentView {
            number: AgentNo(1),
            ver: 1,
            group: GroupNo(0),
            session: 1,
            on_duty: true,
            pools: [profile.pool(Pool::Live), profile.pool(Pool::Deferred)],
            weights: Channel::ALL.map(|channel| profile.weight(channel)),
            maxima: Channel::ALL.map(|channel| profile.max(channel)),
            blocked: profile.blocked(),
            last_accept: Time(0),
            deleted: false,
        }
    }

    proptest! {
        #[test]
        fn the_room_and_the_load_of_the_index_are_those_of_the_domains_row(
            profile in profile(),
            work in prop::collection::vec(0_usize..5, 0..6),
        ) {
            let view = view(&profile);
            let mut row = row(profile);
            let mut held = Work::default();
            let gone = LegId { ticket: TicketId(Uuid::max()), leg: 1 };
            held.insert(gone, Channel::Phone, 60);
            for (leg, at) in (0..).zip(work) {
                let channel = Channel::ALL[at];
                let weight = row.profile.weight(channel);
                *row.held.entry(channel).or_default() += 1;
                match channel.pool() {
                    Pool::Live => row.used_live += weight,
                    Pool::Deferred => row.used_deferred += weight,
                }
                let leg = LegId { ticket: TicketId(Uuid::nil()), leg };
                // What a leg took before counts no more.
                held.insert(leg, Channel::Chat, 7);
                held.insert(leg, channel, weight);
            }
            held.remove(gone);
            prop_assert_eq!(room(&view, &held.used), row.room());
            prop_assert_eq!(load_percent(&view, &held.used), u32::from(row.load_percent()));
        }
    }
}

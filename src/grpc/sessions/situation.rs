//! An agent's whole situation as it is told to a session, and the difference between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::id::{AgentId, DeskId, LegId, OfferId, TicketId};
use crate::domain::log::LogRow;
use crate::domain::ticket::Ticket;
use crate::grpc::render;
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::session_update::Update;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Situation {
    agent: pb::Agent,
    /// By the time they were made.
    offers: BTreeMap<OfferId, pb::Offer>,
    legs: BTreeMap<LegId, pb::SessionLeg>,
}

impl Situation {
    /// What the agent has on these tickets: pending offers, open legs, and whatever `before` told of that is over now.
    pub fn of(
        desk: &DeskId,
        agent: pb::Agent,
        id: &AgentId,
        work: &[Arc<Ticket>],
        before: Option<&Situation>,
    ) -> Situation {
        let mut situation = Situation { agent, offers: BTreeMap::new(), legs: BTreeMap::new() };
        for ticket in work {
            for leg in &ticket.legs {
                for offer in leg.offers.iter().filter(|offer| offer.agent == *id) {
                    let drawn = render::session::offer(desk, ticket, leg, offer);
                    if is_pending(&drawn) || before.is_some_and(|before| before.offers.contains_key(&offer.id)) {
                        situation.offers.insert(offer.id, drawn);
                    }
                }
                let key = LegId { ticket: ticket.id, leg: leg.n };
                let was_mine = before.is_some_and(|before| before.legs.contains_key(&key));
                let drawn = render::session::leg(desk, ticket, leg);
                if was_mine || (leg.agent.as_ref() == Some(id) && (is_at_work(&drawn) || is_wrapping(&drawn))) {
                    situation.legs.insert(key, drawn);
                }
            }
        }
        situation
    }

    pub fn snapshot(&self) -> pb::SessionSnapshot {
        let mut offers: Vec<_> = self.offers.values().filter(|offer| is_pending(offer)).cloned().collect();
        offers.sort_by_key(|offer| time(offer.create_time));
        let legs = |wanted: fn(&pb::SessionLeg) -> bool| {
            let mut legs: Vec<_> = self.legs.values().filter(|leg| wanted(leg)).cloned().collect();
            legs.sort_by_key(|leg| time(leg.leg.as_ref().and_then(|leg| leg.offer_time)));
            legs
        };
        pb::SessionSnapshot {
            agent: Some(self.agent.clone()),
            offers,
            legs: legs(is_at_work),
            wrap_ups: legs(is_wrapping),
        }
    }

    /// What is new or different.
    pub fn changes_since(&self, before: &Situation) -> Vec<Update> {
        let offers = self.offers.iter().filter(|(id, offer)| before.offers.get(id) != Some(offer));
        let legs = self.legs.iter().filter(|(id, leg)| before.legs.get(id) != Some(leg));
        let agent = (self.agent != before.agent).then(|| Update::Agent(self.agent.clone()));
        offers
            .map(|(_, offer)| Update::Offer(offer.clone()))
            .chain(legs.map(|(_, leg)| Update::Leg(leg.clone())))
            .chain(agent)
            .collect()
    }

    /// Without what is over: its end was told.
    pub fn standing(mut self) -> Situation {
        self.offers.retain(|_, offer| is_pending(offer));
        self.legs.retain(|_, leg| is_at_work(leg) || is_wrapping(leg));
        self
    }

    /// The tickets on which the agent has something.
    pub fn tickets(&self) -> BTreeSet<TicketId> {
        self.offers.keys().map(|offer| offer.leg.ticket).chain(self.legs.keys().map(|leg| leg.ticket)).collect()
    }

    /// Whether an entry may change this.
    pub fn is_concerned_by(&self, row: &LogRow, agent: &AgentId) -> bool {
        let mine = |ticket: TicketId| {
            self.offers.keys().any(|offer| offer.leg.ticket == ticket)
                || self.legs.keys().any(|leg| leg.ticket == ticket)
        };
        row.entry.event.ticket.is_some_and(mine) || row.entry.event.body.agents().contains(&agent)
    }
}

fn is_pending(offer: &pb::Offer) -> bool {
    offer.state == pb::OfferState::Pending as i32
}

fn is_at_work(leg: &pb::SessionLeg) -> bool {
    let state = leg.leg.as_ref().map_or(0, |leg| leg.state);
    state == pb::LegState::Connecting as i32 || state == pb::LegState::Active as i32
}

fn is_wrapping(leg: &pb::SessionLeg) -> bool {
    leg.leg.as_ref().is_some_and(|leg| leg.state == pb::LegState::Wrapping as i32)
}

fn time(time: Option<prost_types::Timestamp>) -> (i64, i32) {
    time.map_or((0, 0), |time| (time.seconds, time.nanos))
}

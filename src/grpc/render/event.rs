//! A ticket's history. An entry of the log says what happened; the state after it, and the agent of an offer, follow from
//! the entries before it, so history is read from its beginning.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{actor, agent_name, timestamp};
use crate::domain::event::{Body, Entry, Event};
use crate::domain::id::{AgentId, DeskKey, OfferId, TicketName};
use crate::domain::offer::OfferEnd;
use crate::domain::ticket::{Infeasibility, TicketState};
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// The id of a decision: the same at every delivery, and no other decision's, ever.
pub fn decision_id(desk: &DeskKey, incarnation: u64, seq: u64) -> String {
    let text = format!("{}/{}/{incarnation}/{seq}", desk.tenant, desk.desk);
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes).as_hyphenated().to_string()
}

/// How far a ticket's history was followed.
#[derive(Debug)]
pub struct History {
    desk: DeskKey,
    ticket: TicketName,
    incarnation: u64,
    state: TicketState,
    enqueued: bool,
    /// Open legs, and whether an agent works on them.
    legs: BTreeMap<u8, Work>,
    offers: BTreeMap<OfferId, AgentId>,
    infeasible: BTreeMap<u8, Infeasibility>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Pending,
    Active,
}

/// What an entry is about.
#[derive(Debug, Default)]
struct Told<'a> {
    kind: &'static str,
    leg: Option<u8>,
    offer: Option<OfferId>,
    agent: Option<&'a AgentId>,
    reason: &'a str,
}

impl History {
    /// The history of a ticket before its first entry.
    pub fn new(desk: &DeskKey, ticket: &TicketName, incarnation: u64) -> History {
        History {
            desk: desk.clone(),
            ticket: ticket.clone(),
            incarnation,
            state: TicketState::Open,
            enqueued: false,
            legs: BTreeMap::new(),
            offers: BTreeMap::new(),
            infeasible: BTreeMap::new(),
        }
    }

    pub fn state(&self) -> TicketState {
        self.state
    }

    /// Why nobody could take the leg, as of the last entry.
    pub fn infeasibility(&self, leg: u8) -> Option<Infeasibility> {
        self.infeasible.get(&leg).copied()
    }

    /// Follows the next entry and draws it.
    pub fn next(&mut self, entry: &Entry) -> pb::TicketEvent {
        self.follow(&entry.event);
        let desk = &self.desk.desk;
        let told = self.tell(&entry.event.body);
        let streamed = entry.event.is_decision();
        let side = entry.route.as_ref().and_then(|route| route.side_connector.as_ref());
        pb::TicketEvent {
            seq: entry.seq,
            ticket_seq: Some(entry.event.ticket_seq).filter(|seq| streamed && *seq > 0),
            decision_id: if streamed { decision_id(&self.desk, self.incarnation, entry.seq) } else { String::new() },
            create_time: Some(timestamp(entry.event.at)),
            actor: Some(actor(desk, &entry.event.actor)),
            kind: told.kind.to_owned(),
            leg: told.leg.map(|leg| name::leg(desk, &self.ticket, leg)).unwrap_or_default(),
            offer: told.offer.map(|offer| name::offer(desk, offer)).unwrap_or_default(),
            agent: agent_name(desk, told.agent),
            reason: told.reason.to_owned(),
            state: self.state.number(),
            agent_side_connector: side.map(|side| name::connector(desk, side)).unwrap_or_default(),
        }
    }

    fn tell<'a>(&'a self, body: &'a Body) -> Told<'a> {
        let told = Told { kind: body.decision_kind().unwrap_or(""), ..Told::default() };
        let of_offer = |offer: OfferId, reason: &'a str| Told {
            leg: Some(offer.leg.leg),
            offer: Some(offer),
            agent: self.offers.get(&offer),
            reason,
            ..Told { kind: told.kind, ..Told::default() }
        };
        match body {
            Body::Created { leg: Some(leg), .. } => Told { leg: Some(leg.n), reason: "CREATED", ..told },
            Body::Created { leg: None, .. } => Told { kind: "parked", ..told },
            Body::Tombstoned { reason, .. } | Body::Cancelled { reason } => Told { reason: reason.word(), ..told },
            Body::Queued { reason, leg, .. } => Told { leg: Some(leg.n), reason: reason.word(), ..told },
            Body::Offered { leg, offers, .. } => {
                let only = if let [only] = &offers[..] { Some(only) } else { None };
                let (offer, agent) = (only.map(|only| only.id), only.map(|only| &only.agent));
                Told { leg: Some(*leg), offer, agent, ..told }
            }
            Body::OfferEnded { offer, end, .. } => of_offer(*offer, end_word(*end)),
            Body::Accepted { offer, .. } | Body::Confirmed { offer } => of_offer(*offer, ""),
            Body::ConnectFailed { offer, reason, .. } => of_offer(*offer, reason.word()),
            Body::Placed { leg, offer, .. } => {
                Told { leg: Some(*leg), offer: Some(offer.id), agent: Some(&offer.agent), ..told }
            }
            Body::HandlerLost { leg, agent, .. } => Told { leg: Some(*leg), agent: Some(agent), ..told },
            Body::LegEnded { leg, agent, ended_by, .. } => {
                Told { leg: Some(*leg), agent: Some(agent), reason: ended_by.word(), ..told }
            }
            body => self.tell_more(body, told),
        }
    }

    fn tell_more<'a>(&'a self, body: &'a Body, told: Told<'a>) -> Told<'a> {
        let silent = |kind, leg: u8| Told { kind, leg: Some(leg), ..Told::default() };
        match body {
            Body::Infeasible { leg, infeasibility: Some(why) } => Told { leg: Some(*leg), reason: why.word(), ..told },
            Body::Infeasible { leg, infeasibility: None } => silent("feasible", *leg),
            Body::Escalated { axis, leg, .. } => Told { leg: Some(*leg), reason: axis.word(), ..told },
            Body::TransferStarted { transfer, .. } => Told {
                leg: Some(transfer.leg),
                agent: transfer.to_agent.as_ref(),
                reason: transfer.state.word(),
                ..told
            },
            Body::TransferMoved { state, to_agent, .. } => {
                Told { agent: to_agent.as_ref(), reason: state.word(), ..told }
            }
            Body::Notified { reason, owner, .. } => Told { agent: owner.as_ref(), reason: reason.word(), ..told },
            Body::Quarantined { reason, .. } => Told { reason, ..told },
            Body::Released { .. } => Told { kind: "released", ..told },
            Body::Held { hold } => Told { agent: hold.handler.as_ref(), ..told },
            Body::Resolved { resolution, .. } => Told { agent: resolution.agent.as_ref(), ..told },
            Body::WrapUpFinished { leg, .. } => silent("wrap_up_finished", *leg),
            Body::LegCancelled { leg } => silent("leg_cancelled", *leg),
            Body::LegMoved { leg, .. } => silent("leg_moved", *leg),
            Body::PreferenceEnded { leg } => silent("preference_ended", *leg),
            Body::ExclusionsEnded { leg, .. } => silent("exclusions_ended", *leg),
            Body::PauseEnded { leg } => silent("pause_ended", *leg),
            Body::Visited { visit } => Told { kind: "visited", agent: visit.agent.as_ref(), ..told },
            // Nothing more is to be said of the rest; those that are not a ticket's never get here.
            _ => told,
        }
    }

    /// Follows the next entry without drawing it.
    pub fn follow(&mut self, event: &Event) {
        match &event.body {
            Body::Created { leg, .. } => {
                self.enqueued = leg.is_some();
                self.legs.extend(leg.as_ref().map(|leg| (leg.n, Work::Pending)));
            }
            Body::Queued { leg, .. } => {
                self.enqueued = true;
                self.legs.insert(leg.n, Work::Pending);
                self.state = TicketState::Open;
            }
            Body::Offered { offers, .. } => {
                self.offers.extend(offers.iter().map(|offer| (offer.id, offer.agent.clone())));
            }
            Body::Accepted { offer, confirm_expire_time: None, .. } | Body::Confirmed { offer } => {
                self.legs.insert(offer.leg.leg, Work::Active);
            }
            Body::Placed { leg, offer, .. } => {
                self.offers.insert(offer.id, offer.agent.clone());
                self.legs.insert(*leg, Work::Active);
            }
            Body::LegEnded { leg, .. } | Body::LegCancelled { leg } => {
                self.legs.remove(leg);
            }
            Body::Infeasible { leg, infeasibility: Some(why) } => {
                self.infeasible.insert(*leg, *why);
            }
            Body::Infeasible { leg, infeasibility: None } => {
                self.infeasible.remove(leg);
            }
            Body::Held { .. } => self.state = TicketState::OnHold,
            Body::Resolved { .. } => self.state = TicketState::Resolved,
            Body::Resumed {} | Body::Reopened { .. } => self.state = TicketState::Open,
            Body::Closed {} => self.state = TicketState::Closed,
            Body::Cancelled { .. } | Body::Tombstoned { .. } => self.state = TicketState::Cancelled,
            // The others move neither the ticket nor its legs between states.
            _ => {}
        }
        self.settle();
    }

    /// The same rule by which `routing::evolve` finds a ticket's state.
    fn settle(&mut self) {
        let settled = matches!(
            self.state,
            TicketState::Resolved | TicketState::Closed | TicketState::Cancelled | TicketState::OnHold
        );
        if settled {
            return;
        }
        let any = |work: Work| self.legs.values().any(|leg| *leg == work);
        self.state = if any(Work::Active) {
            TicketState::Assigned
        } else if any(Work::Pending) {
            TicketState::Queued
        } else if self.enqueued {
            TicketState::Assigned
        } else {
            TicketState::Open
        };
    }
}

fn end_word(end: OfferEnd) -> &'static str {
    match end {
        OfferEnd::Declined(reason) => reason.word(),
        OfferEnd::Expired => "EXPIRED",
        OfferEnd::Revoked(reason) => reason.word(),
        OfferEnd::Failed(reason) => reason.word(),
    }
}

/// An entry as its customer may see it: that something happened, and nothing of who did it or did not want to.
pub fn hide_from_customer(event: pb::TicketEvent) -> pb::TicketEvent {
    let about_agents = matches!(
        event.kind.as_str(),
        "offered" | "offer_revoked" | "connect" | "connect_failed" | "notification" | "quarantined" | "released"
    );
    let kind = event.actor.map_or(pb::ActorKind::Unspecified as i32, |actor| actor.kind);
    pb::TicketEvent {
        actor: Some(pb::Actor { kind, name: String::new() }),
        leg: String::new(),
        offer: String::new(),
        agent: String::new(),
        reason: if about_agents { String::new() } else { event.reason },
        agent_side_connector: String::new(),
        ..event
    }
}

//! What was decided, kind by kind.

use prost_types::FieldMask;

use super::Scene;
use crate::domain::event::{Body, NewLeg, QueuedReason, TicketChange};
use crate::domain::id::{OfferId, QueueId, TicketName};
use crate::domain::leg::LegState;
use crate::domain::offer::{Offer, OfferEnd, OfferState};
use crate::domain::requirement::{Band, Requirement};
use crate::domain::ticket::{Ticket, Transfer};
use crate::grpc::name;
use crate::grpc::render::{
    View, actor, agent_name, brief, duration, hold, number, offer, requirement, resolution, ticket, timestamp, transfer,
};
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::decision::Payload;

impl Scene<'_> {
    pub(super) fn payload(&self, ticket_name: &TicketName) -> Option<Payload> {
        let desk = &self.desk.desk;
        let leg_name = |n: u8| name::leg(desk, ticket_name, n);
        let body = &self.row.entry.event.body;
        Some(match body {
            Body::HandlerLost { leg, agent, requeue_time } => Payload::HandlerLost(pb::HandlerLostDecision {
                leg: leg_name(*leg),
                agent: name::agent(desk, agent),
                requeue_time: requeue_time.map(timestamp),
            }),
            Body::LegEnded { leg, agent, ended_by, wrap_up_expire_time, .. } => {
                Payload::LegEnded(pb::LegEndedDecision {
                    leg: leg_name(*leg),
                    agent: name::agent(desk, agent),
                    ended_by: ended_by.number(),
                    wrap_up_expire_time: wrap_up_expire_time.map(timestamp),
                })
            }
            Body::Infeasible { leg, infeasibility: Some(why) } => {
                let ticket = self.ticket?;
                let needed = ticket.leg(*leg).map(|leg| in_queue(&leg.requirement, &ticket.queue));
                Payload::Infeasible(pb::InfeasibleDecision {
                    leg: leg_name(*leg),
                    infeasibility: why.number(),
                    requirement: needed,
                })
            }
            Body::Escalated { axis, reason, level, place, leg, transfer, requested_by, .. } => {
                Payload::Escalated(pb::EscalatedDecision {
                    axis: axis.number(),
                    reason: reason.number(),
                    level: u32::from(*level),
                    effective_requirement: Some(in_queue(&place.effective, &place.queue)),
                    leg: leg_name(*leg),
                    transfer: transfer.map(|n| name::transfer(desk, ticket_name, n)).unwrap_or_default(),
                    requested_by: Some(actor(desk, requested_by)),
                    effective_priority: Some(u32::from(place.priority)),
                })
            }
            Body::Updated { change, .. } => Payload::Updated(pb::UpdatedDecision {
                update_mask: Some(FieldMask { paths: changed(change) }),
                ticket: Some(ticket(desk, self.ticket?, View::Basic, None)),
            }),
            Body::Created { .. } | Body::Queued { .. } => Payload::Queued(self.queued(ticket_name)?),
            Body::TransferStarted { .. } | Body::TransferMoved { .. } => {
                let drawn = transfer(desk, self.ticket?, &self.moved()?);
                Payload::Transfer(pb::TransferDecision { transfer: Some(drawn) })
            }
            Body::Notified { reason, owner, hops, limit } => Payload::Notification(pb::NotificationDecision {
                reason: reason.number(),
                owner: agent_name(desk, owner.as_ref()),
                hop_count: u32::from(*hops),
                hop_limit: u32::from(*limit),
            }),
            Body::Quarantined { connector, from, attempts, reason } => Payload::Quarantined(pb::QuarantinedDecision {
                connector: name::connector(desk, connector),
                from_seq: *from,
                attempts: *attempts,
                reason: reason.to_string(),
            }),
            Body::Held { hold: held } => Payload::Held(pb::HeldDecision { hold: Some(hold(desk, held)) }),
            _ => self.offer_payload().or_else(|| self.ending())?,
        })
    }

    fn queued(&self, ticket_name: &TicketName) -> Option<pb::QueuedDecision> {
        let desk = &self.desk.desk;
        let drawn = |leg: &NewLeg, reason: QueuedReason, queue: &QueueId, band: Band| pb::QueuedDecision {
            leg: name::leg(desk, ticket_name, leg.n),
            reason: reason.number(),
            requirement: Some(in_queue(&leg.requirement, queue)),
            band: band.number(),
            preferred_agent: agent_name(desk, leg.prefer.as_ref()),
        };
        match &self.row.entry.event.body {
            Body::Created { birth, leg: Some(leg), .. } => {
                Some(drawn(leg, QueuedReason::Created, &birth.queue, birth.band))
            }
            Body::Queued { reason, leg, place: Some(place), .. } => Some(drawn(leg, *reason, &place.queue, place.band)),
            Body::Queued { reason, leg, place: None, .. } => {
                let ticket = self.ticket?;
                Some(drawn(leg, *reason, &ticket.queue, ticket.band))
            }
            _ => None,
        }
    }

    /// What concerns offers and who has the ticket.
    fn offer_payload(&self) -> Option<Payload> {
        match &self.row.entry.event.body {
            Body::Offered { leg, offers, .. } => self.offered(*leg, offers),
            Body::OfferEnded { offer, end, not_responding, .. } => {
                let ended =
                    Offer { state: ended(*end), end: Some(*end), confirm_expire_time: None, ..self.offer(*offer)? };
                Some(Payload::OfferRevoked(pb::OfferRevokedDecision {
                    offer: Some(self.drawn(&ended)?),
                    waiting: self.waits_again(&ended)?,
                    agent_not_responding: *not_responding,
                }))
            }
            Body::Accepted { offer, device, confirm_expire_time } => {
                let taken = Offer { device: Some(device.clone()), end: None, ..self.offer(*offer)? };
                match confirm_expire_time {
                    Some(until) => {
                        let state = OfferState::Accepted;
                        let taken = Offer { state, confirm_expire_time: Some(*until), ..taken };
                        Some(Payload::Connect(pb::ConnectDecision {
                            offer: Some(self.drawn(&taken)?),
                            agent_display_name: (self.display_name)(&taken.agent),
                        }))
                    }
                    None => self.assigned(taken, false),
                }
            }
            Body::Confirmed { offer } => self.assigned(self.offer(*offer)?, false),
            Body::Placed { offer, .. } => self.assigned(offer.as_ref().clone(), true),
            Body::ConnectFailed { offer, reason, pause_until, .. } => {
                let end = OfferEnd::Failed(*reason);
                let failed =
                    Offer { state: ended(end), end: Some(end), confirm_expire_time: None, ..self.offer(*offer)? };
                Some(Payload::ConnectFailed(pb::ConnectFailedDecision {
                    offer: Some(self.drawn(&failed)?),
                    pause_expire_time: pause_until.map(timestamp),
                }))
            }
            _ => None,
        }
    }

    fn offered(&self, leg: u8, offers: &[Offer]) -> Option<Payload> {
        let (desk, ticket) = (&self.desk.desk, self.ticket?);
        let row = ticket.leg(leg)?;
        let drawn = |each: &Offer| pb::Offer {
            brief: Some(brief(ticket, row, self.row.entry.event.at)),
            ..offer(desk, ticket, each)
        };
        Some(Payload::Offered(pb::OfferedDecision {
            leg: name::leg(desk, &ticket.name, leg),
            offers: offers.iter().map(drawn).collect(),
        }))
    }

    fn assigned(&self, taken: Offer, placed: bool) -> Option<Payload> {
        let confirmed = Offer { state: OfferState::Confirmed, end: None, confirm_expire_time: None, ..taken };
        Some(Payload::Assigned(pb::AssignedDecision {
            offer: Some(self.drawn(&confirmed)?),
            agent_display_name: (self.display_name)(&confirmed.agent),
            placed,
        }))
    }

    /// The ticket coming to its end, and coming back.
    fn ending(&self) -> Option<Payload> {
        let event = &self.row.entry.event;
        match &event.body {
            Body::Resumed {} => {
                let held = self.history.iter().rev().find_map(|entry| match &entry.event.body {
                    Body::Held { hold } => Some(hold),
                    _ => None,
                });
                let handler = held.and_then(|hold| hold.handler.as_ref());
                Some(Payload::Resumed(pb::ResumedDecision { previous_handler: agent_name(&self.desk.desk, handler) }))
            }
            Body::Resolved { resolution: how, close_due, .. } => Some(Payload::Resolved(pb::ResolvedDecision {
                resolution: Some(resolution(&self.desk.desk, self.ticket?, how)),
                close_expire_time: Some(timestamp(*close_due)),
            })),
            Body::Reopened { reason, .. } => {
                let resolved =
                    self.history.iter().rev().find(|entry| matches!(entry.event.body, Body::Resolved { .. }));
                Some(Payload::Reopened(pb::ReopenedDecision {
                    reason: reason.to_string(),
                    resolved_duration: resolved.map(|entry| duration(event.at - entry.event.at)),
                }))
            }
            Body::Closed {} => Some(Payload::Closed(pb::ClosedDecision {})),
            Body::Cancelled { reason } | Body::Tombstoned { reason, .. } => {
                Some(Payload::Cancelled(pb::CancelledDecision { reason: number(Some(*reason)) }))
            }
            _ => None,
        }
    }

    /// The offer's row: what it was made with never changes.
    fn offer(&self, id: OfferId) -> Option<Offer> {
        let leg = self.ticket?.leg(id.leg.leg)?;
        leg.offers.iter().find(|offer| offer.id == id).cloned()
    }

    fn drawn(&self, each: &Offer) -> Option<pb::Offer> {
        Some(offer(&self.desk.desk, self.ticket?, each))
    }

    /// Whether the leg waited again when this offer of it ended: no other offer was open, and the leg was not given up with it.
    fn waits_again(&self, over: &Offer) -> Option<bool> {
        let leg = self.ticket?.leg(over.id.leg.leg)?;
        let given_up =
            matches!(leg.state, LegState::Cancelled | LegState::Done) && leg.end_time == Some(self.row.entry.event.at);
        Some(!given_up && !self.others_are_open(over.id))
    }

    fn others_are_open(&self, id: OfferId) -> bool {
        let mut open = Vec::new();
        for entry in self.history {
            match &entry.event.body {
                Body::Offered { offers, .. } => {
                    open.extend(offers.iter().map(|offer| offer.id).filter(|offer| offer.leg == id.leg));
                }
                Body::OfferEnded { offer, .. } | Body::ConnectFailed { offer, .. } => {
                    open.retain(|known| known != offer)
                }
                _ => {}
            }
        }
        open.iter().any(|known| *known != id)
    }

    /// The transfer as the entry left it.
    fn moved(&self) -> Option<Transfer> {
        let event = &self.row.entry.event;
        match &event.body {
            Body::TransferStarted { transfer, .. } => Some(transfer.as_ref().clone()),
            Body::TransferMoved { transfer, state, to_agent, hops, .. } => {
                let row = known_transfer(self.ticket?, *transfer)?;
                Some(Transfer {
                    state: *state,
                    to_agent: to_agent.clone().or(row.to_agent.clone()),
                    hop: *hops,
                    end_time: (!state.is_open()).then_some(event.at),
                    ..row
                })
            }
            _ => None,
        }
    }
}

fn known_transfer(ticket: &Ticket, n: u8) -> Option<Transfer> {
    ticket.transfers.iter().find(|transfer| transfer.n == n).cloned()
}

fn ended(end: OfferEnd) -> OfferState {
    match end {
        OfferEnd::Declined(_) => OfferState::Declined,
        OfferEnd::Expired => OfferState::Expired,
        OfferEnd::Revoked(_) => OfferState::Revoked,
        OfferEnd::Failed(_) => OfferState::Failed,
    }
}

/// A need with the queue that its leg waits in.
fn in_queue(need: &Requirement, queue: &QueueId) -> pb::Requirement {
    requirement(&Requirement { queue: Some(queue.clone()), ..need.clone() })
}

/// The fields of the ticket that an update changed, those in force included.
fn changed(change: &TicketChange) -> Vec<String> {
    let in_force = [
        ("effective_requirement", change.effective.is_some() || change.queue.is_some()),
        ("effective_priority", change.priority.is_some()),
        ("effective_band", change.band.is_some()),
    ];
    let asked = change.fields.iter().map(|field| field.to_string());
    let in_force = in_force.into_iter().filter(|(_, is)| *is).map(|(field, _)| field.to_owned());
    let mut all: Vec<String> = asked.chain(in_force).collect();
    all.dedup();
    all
}

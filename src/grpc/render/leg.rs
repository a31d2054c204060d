//! Legs.

use super::{agent_name, needs, number, offer, timestamp};
use crate::domain::id::DeskId;
use crate::domain::leg::{Exclusion, Leg};
use crate::domain::ticket::Ticket;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

pub fn leg(desk: &DeskId, ticket: &Ticket, leg: &Leg) -> pb::Leg {
    let transfer = leg.transfer.map(|n| name::transfer(desk, &ticket.name, n));
    pb::Leg {
        name: name::leg(desk, &ticket.name, leg.n),
        state: leg.state.number(),
        role: leg.role.number(),
        requirement: Some(needs::requirement(&leg.requirement)),
        agent: agent_name(desk, leg.agent.as_ref()),
        offers: leg.offers.iter().map(|each| offer::offer(desk, ticket, each)).collect(),
        transfer: transfer.unwrap_or_default(),
        exclusions: leg.exclusions.iter().map(|each| exclusion(desk, each)).collect(),
        wait_start_time: Some(timestamp(leg.wait_start)),
        offer_time: leg.offer_time.map(timestamp),
        connect_time: leg.connect_time.map(timestamp),
        end_time: leg.end_time.map(timestamp),
        wrap_up_expire_time: leg.wrap_up_expire_time.map(timestamp),
        ended_by: number(leg.ended_by),
        wrap_up: leg.wrap_up_code.as_ref().map(|code| wrap_up(ticket, leg.n, code)),
        version: leg.ver,
        preferred_agent: agent_name(desk, leg.prefer.as_ref()),
        prefer_expire_time: leg.prefer.as_ref().and(leg.prefer_until).map(timestamp),
        virtual_arrival_time: Some(timestamp(leg.order_time)),
        pause_expire_time: leg.pause_until.map(timestamp),
    }
}

fn wrap_up(ticket: &Ticket, leg: u8, code: &str) -> pb::WrapUp {
    let note = ticket.wrap_up_note(leg).map(ToString::to_string).unwrap_or_default();
    pb::WrapUp { code: code.to_owned(), note }
}

fn exclusion(desk: &DeskId, exclusion: &Exclusion) -> pb::Exclusion {
    pb::Exclusion {
        agent: name::agent(desk, &exclusion.agent),
        reason: exclusion.reason.number(),
        expire_time: exclusion.until.map(timestamp),
    }
}

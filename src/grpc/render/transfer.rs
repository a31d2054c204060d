//! Transfers and the hand-over part of escalations.

use super::{agent_name, needs, number, timestamp};
use crate::domain::id::DeskId;
use crate::domain::ticket::{Target, Ticket, Transfer};
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

pub fn transfer(desk: &DeskId, ticket: &Ticket, transfer: &Transfer) -> pb::Transfer {
    pb::Transfer {
        name: name::transfer(desk, &ticket.name, transfer.n),
        state: transfer.state.number(),
        kind: pb::TransferKind::Blind as i32,
        target: Some(pb::TransferTarget { target: Some(target(desk, &transfer.target)) }),
        from_agent: agent_name(desk, transfer.from_agent.as_ref()),
        to_agent: agent_name(desk, transfer.to_agent.as_ref()),
        leg: name::leg(desk, &ticket.name, transfer.leg),
        hop: Some(u32::from(transfer.hop)),
        reason: transfer.reason.to_string(),
        release: transfer.release.number(),
        axis: number(transfer.axis),
        create_time: Some(timestamp(transfer.create_time)),
        end_time: transfer.end_time.map(timestamp),
    }
}

fn target(desk: &DeskId, target: &Target) -> pb::transfer_target::Target {
    match target {
        Target::Agent(agent) => pb::transfer_target::Target::Agent(name::agent(desk, agent)),
        Target::Requirement(need) => pb::transfer_target::Target::Requirement(needs::requirement(need)),
        Target::Queue(queue) => pb::transfer_target::Target::Queue(queue.to_string()),
    }
}

//! Tickets, in their three views.

use super::{agent_name, duration, etag, leg, needs, number, timestamp, transfer};
use crate::domain::id::DeskId;
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Hold, Resolution, Ticket};
use crate::engine::Waiting;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// How much of a ticket is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Without legs, transfers and wait.
    Basic,
    Full,
    /// What the customer may see.
    Customer,
}

impl View {
    /// Whether the place in line belongs to it.
    pub const fn has_wait(self) -> bool {
        matches!(self, View::Full | View::Customer)
    }
}

/// A ticket in a view; `waiting` is drawn if the view has it.
pub fn ticket(desk: &DeskId, row: &Ticket, view: View, waiting: Option<&Waiting>) -> pb::Ticket {
    let wait = waiting.filter(|_| view.has_wait()).map(wait);
    match view {
        View::Basic => basic(desk, row),
        View::Full => pb::Ticket {
            wait,
            legs: row.legs.iter().map(|each| leg::leg(desk, row, each)).collect(),
            transfers: row.transfers.iter().map(|each| transfer::transfer(desk, row, each)).collect(),
            ..basic(desk, row)
        },
        View::Customer => pb::Ticket { wait, ..for_customer(desk, row) },
    }
}

fn basic(desk: &DeskId, row: &Ticket) -> pb::Ticket {
    let content = &row.content;
    // The queue in force is the ticket's; the needs in force may name the one that was asked for.
    let effective = Requirement { queue: Some(row.queue.clone()), ..row.effective.clone() };
    pb::Ticket {
        connector: name::connector(desk, &row.connector),
        handler: agent_name(desk, row.handler()),
        owner: agent_name(desk, row.owner.as_ref()),
        priority: row.priority_asked.map(u32::from),
        effective_priority: Some(u32::from(row.priority)),
        requirement: Some(needs::requirement(&row.requirement)),
        effective_requirement: Some(needs::requirement(&effective)),
        infeasibility: number(row.infeasibility),
        instance: row.instance.to_string(),
        conversation_keys: content.conversation_keys.iter().map(ToString::to_string).collect(),
        external_id: content.external_id.to_string(),
        customer: Some(needs::customer(&content.customer)),
        summary: content.summary.to_string(),
        context_uri: content.context_uri.to_string(),
        labels: needs::attributes(&content.labels),
        band: number(row.band_asked),
        effective_band: row.band.number(),
        preferred_agents: row.preferred.iter().map(|agent| name::agent(desk, agent)).collect(),
        functional_level: Some(u32::from(row.functional_level)),
        hierarchical_level: Some(u32::from(row.hierarchical_level)),
        hop_count: Some(u32::from(row.hops)),
        policy_revision: row.policy_rev.to_string(),
        resolution: row.resolution.as_ref().map(|resolution| self::resolution(desk, row, resolution)),
        hold: row.hold.as_ref().map(|hold| self::hold(desk, hold)),
        ..shared(desk, row)
    }
}

/// What agents and customers see alike.
fn shared(desk: &DeskId, row: &Ticket) -> pb::Ticket {
    pb::Ticket {
        name: name::ticket(desk, &row.name),
        state: row.state.number(),
        channel: row.channel.number(),
        enqueue_time: row.enqueue_time.map(timestamp),
        etag: etag(row.ver),
        parent_ticket: row.parent.as_ref().map(|parent| name::ticket(desk, parent)).unwrap_or_default(),
        language_code: row.language.to_string(),
        category: row.category.to_string(),
        subject: row.content.subject.to_string(),
        arrival_time: Some(timestamp(row.arrival_time)),
        schedule_time: row.schedule_time.map(timestamp),
        cancel_reason: number(row.cancel_reason),
        create_time: Some(timestamp(row.create_time)),
        update_time: Some(timestamp(row.update_time)),
        answer_time: row.answer_time.map(timestamp),
        resolve_time: row.resolve_time.map(timestamp),
        close_time: row.close_time.map(timestamp),
        ..pb::Ticket::default()
    }
}

/// Everything is left out that is not named here: what agents note for each other, and what is known of the customer beside
/// what they said, is not theirs to read.
fn for_customer(desk: &DeskId, row: &Ticket) -> pb::Ticket {
    let known = &row.content.customer;
    let customer = pb::Customer {
        id: known.id.to_string(),
        display_name: known.display_name.to_string(),
        address: known.address.to_string(),
        ..pb::Customer::default()
    };
    let answer = |resolution: &Resolution| pb::Resolution {
        text: row.content.resolution_text.to_string(),
        first_contact: Some(resolution.first_contact),
        concession: concession(resolution),
        ..pb::Resolution::default()
    };
    let until = |hold: &Hold| pb::Hold {
        start_time: Some(timestamp(hold.since)),
        resume_time: Some(timestamp(hold.resume_time)),
        ..pb::Hold::default()
    };
    pb::Ticket {
        external_id: row.content.external_id.to_string(),
        conversation_keys: row.content.conversation_keys.iter().map(ToString::to_string).collect(),
        customer: Some(customer),
        resolution: row.resolution.as_ref().map(answer),
        hold: row.hold.as_ref().map(until),
        ..shared(desk, row)
    }
}

pub fn resolution(desk: &DeskId, row: &Ticket, resolution: &Resolution) -> pb::Resolution {
    pb::Resolution {
        text: row.content.resolution_text.to_string(),
        code: resolution.code.to_string(),
        first_contact: Some(resolution.first_contact),
        concession: concession(resolution),
        agent: agent_name(desk, resolution.agent.as_ref()),
    }
}

pub fn concession(resolution: &Resolution) -> Option<pb::Concession> {
    resolution.concession.as_ref().map(|(authority, conceded)| pb::Concession {
        authority: authority.to_string(),
        amount: conceded.as_ref().map(needs::amount),
    })
}

pub fn hold(desk: &DeskId, hold: &Hold) -> pb::Hold {
    pb::Hold {
        reason: hold.reason.to_string(),
        start_time: Some(timestamp(hold.since)),
        resume_time: Some(timestamp(hold.resume_time)),
        handler: agent_name(desk, hold.handler.as_ref()),
    }
}

pub fn wait(waiting: &Waiting) -> pb::Wait {
    pb::Wait {
        position: Some(waiting.position),
        estimated_wait: waiting.estimated.map(duration),
        reason: number(waiting.infeasibility),
    }
}

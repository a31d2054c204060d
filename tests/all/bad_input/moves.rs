//! Tickets: moving on and coming to an end.

use handoff::proto::google::r#type::Money;
use handoff::proto::handoff::v1::ticket_service_client::TicketServiceClient;
use handoff::proto::handoff::v1::transfer_target::Target;
use handoff::proto::handoff::v1::{
    AssignTicketRequest, CancelTicketRequest, Concession, EndLegRequest, EscalateTicketRequest, FinishWrapUpRequest,
    HoldTicketRequest, ReleaseTicketRequest, ReopenTicketRequest, RequeueTicketRequest, Requirement,
    ResolveTicketRequest, ResumeTicketRequest, TransferTarget, TransferTicketRequest,
};
use prost_types::Timestamp;
use tonic::transport::Channel;

use super::{Case, refused};

const TICKET: &str = "desks/north/tickets/call-17";
const LEG: &str = "desks/north/tickets/call-17/legs/1";
const ANNA: &str = "desks/north/agents/anna";

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = escalations(channel);
    cases.extend(transfers(channel));
    cases.extend(places(channel));
    cases.extend(ends(channel));
    refused!(
        cases,
        channel,
        TicketServiceClient.release_ticket(ReleaseTicketRequest { name: "desks/d".into(), request_id: "x".into() }),
        INVALID_FIELD,
        ["name", "request_id"]
    );
    cases
}

#[rustfmt::skip]
fn escalations(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let good = || EscalateTicketRequest {
        name: TICKET.into(),
        axis: 1,
        reason: 1,
        requirement: Some(Requirement { queue: "experts".into(), ..Requirement::default() }),
        handover: 1,
        ..EscalateTicketRequest::default()
    };
    refused!(cases, channel, TicketServiceClient.escalate_ticket(EscalateTicketRequest { name: TICKET.into(),
        requirement: good().requirement, ..EscalateTicketRequest::default() }), INVALID_FIELD, ["axis", "reason",
        "handover"]);
    refused!(cases, channel, TicketServiceClient.escalate_ticket(EscalateTicketRequest { requirement: None, ..good()
        }), UNSUPPORTED, ["requirement"]);
    refused!(cases, channel, TicketServiceClient.escalate_ticket(EscalateTicketRequest { handover: 2, ..good() }),
        UNSUPPORTED, ["handover"]);
    refused!(cases, channel, TicketServiceClient.escalate_ticket(EscalateTicketRequest { axis: 3, reason:
        11, ..good() }), INVALID_FIELD, ["axis", "reason"]);
    refused!(cases, channel, TicketServiceClient.escalate_ticket(EscalateTicketRequest { requested_by:
        "anna".into(), note: "n".repeat(2_001), ..good() }), INVALID_FIELD, ["requested_by", "note"]);
    cases
}

#[rustfmt::skip]
fn transfers(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let target = |target| Some(TransferTarget { target: Some(target) });
    let good = || TransferTicketRequest {
        name: TICKET.into(),
        kind: 1,
        target: target(Target::Agent(ANNA.into())),
        ..TransferTicketRequest::default()
    };
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest::default()), INVALID_FIELD,
        ["name", "kind", "target"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { kind: 2, ..good() }),
        UNSUPPORTED, ["kind"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { target:
        target(Target::Agent("desks/south/agents/anna".into())), ..good() }), INVALID_FIELD, ["target.agent"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { target:
        target(Target::Queue(String::new())), ..good() }), INVALID_FIELD, ["target.queue"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { target:
        target(Target::Requirement(Requirement::default())), ..good() }), INVALID_FIELD, ["target.requirement"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { target:
        target(Target::Queue("billing".into())), on_unavailable: 2, ..good() }), INVALID_FIELD, ["on_unavailable"]);
    refused!(cases, channel, TicketServiceClient.transfer_ticket(TransferTicketRequest { release: 7, on_unavailable:
        7, reason: "r".repeat(257), ..good() }), INVALID_FIELD, ["release", "on_unavailable", "reason"]);
    cases
}

#[rustfmt::skip]
fn places(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let never = Some(Timestamp { seconds: i64::MIN, nanos: 0 });
    refused!(cases, channel, TicketServiceClient.assign_ticket(AssignTicketRequest { name:
        TICKET.into(), ..AssignTicketRequest::default() }), INVALID_FIELD, ["agent", "mode"]);
    refused!(cases, channel, TicketServiceClient.assign_ticket(AssignTicketRequest { name: TICKET.into(), agent:
        ANNA.into(), mode: 2, ..AssignTicketRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, TicketServiceClient.requeue_ticket(RequeueTicketRequest { name: TICKET.into(), reason:
        "a\x1b[31m".into(), ..RequeueTicketRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, TicketServiceClient.hold_ticket(HoldTicketRequest { name: TICKET.into(), resume_time:
        never, ..HoldTicketRequest::default() }), INVALID_FIELD, ["resume_time"]);
    refused!(cases, channel, TicketServiceClient.resume_ticket(ResumeTicketRequest { name: TICKET.into(),
        request_id: "once".into() }), INVALID_FIELD, ["request_id"]);
    cases
}

#[rustfmt::skip]
fn ends(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let conceded = |authority: &str, units| {
        let amount = Some(Money { currency_code: "EUR".into(), units, nanos: 0 });
        Some(Concession { authority: authority.into(), amount })
    };
    refused!(cases, channel, TicketServiceClient.end_leg(EndLegRequest { name: LEG.into(), ..EndLegRequest::default()
        }), INVALID_FIELD, ["ended_by"]);
    refused!(cases, channel, TicketServiceClient.end_leg(EndLegRequest { name: LEG.into(), ended_by:
        4, ..EndLegRequest::default() }), INVALID_FIELD, ["ended_by"]);
    refused!(cases, channel, TicketServiceClient.end_leg(EndLegRequest { name: format!("{TICKET}/legs/0"), ended_by:
        1, ..EndLegRequest::default() }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, TicketServiceClient.finish_wrap_up(FinishWrapUpRequest { name: TICKET.into(), code:
        "c".repeat(64), note: "n".repeat(2_001), ..FinishWrapUpRequest::default() }), INVALID_FIELD, ["name", "code",
        "note"]);
    refused!(cases, channel, TicketServiceClient.resolve_ticket(ResolveTicketRequest { name: TICKET.into(),
        resolution: "r".repeat(4_097), etag: "x".into(), ..ResolveTicketRequest::default() }), INVALID_FIELD,
        ["resolution", "etag"]);
    refused!(cases, channel, TicketServiceClient.resolve_ticket(ResolveTicketRequest { name: TICKET.into(),
        concession: conceded("", -1), ..ResolveTicketRequest::default() }), INVALID_FIELD, ["concession.authority",
        "concession.amount.units"]);
    refused!(cases, channel, TicketServiceClient.reopen_ticket(ReopenTicketRequest { name: TICKET.into(), reason:
        "r".repeat(257), ..ReopenTicketRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, TicketServiceClient.cancel_ticket(CancelTicketRequest { name:
        TICKET.into(), ..CancelTicketRequest::default() }), INVALID_FIELD, ["reason"]);
    refused!(cases, channel, TicketServiceClient.cancel_ticket(CancelTicketRequest { name: TICKET.into(), reason: 1,
        allow_missing: true, ..CancelTicketRequest::default() }), INVALID_FIELD, ["connector"]);
    cases
}

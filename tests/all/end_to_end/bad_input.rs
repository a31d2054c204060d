//! Bad input against a service with something to lose: every case is refused as documented, and nothing is changed by any.

use std::sync::Arc;

use handoff::domain::event::Entry;
use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::proto::handoff::v1 as pb;
use handoff::store::Store;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::bad_input::run;
use crate::harness::Service;
use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;

/// Code and reason of a refusal.
pub fn reason(status: &Status) -> (Code, String) {
    let said = status.get_error_details().error_info().map(|said| said.reason.clone());
    (status.code(), said.unwrap_or_else(|| format!("no reason: {}", status.message())))
}

/// The fields that a refusal names.
fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

/// Everything that a desk has: its log, and the rows as the API shows them.
async fn all(service: &Service, stage: &mut Stage) -> (Vec<Arc<Entry>>, String) {
    let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("stage").expect("a name") };
    let log = service.engine.store().events_after(&key, 0, 1_000).await.expect("the log");
    let parent = stage.desk.clone();
    let request =
        pb::ListTicketsRequest { parent: parent.clone(), view: pb::TicketView::Full.into(), ..Default::default() };
    let tickets = stage.clients.tickets.list_tickets(request).await.expect("tickets").into_inner();
    let request = pb::ListAgentsRequest { parent: parent.clone(), show_deleted: true, ..Default::default() };
    let agents = stage.clients.agents.list_agents(request).await.expect("agents").into_inner();
    let request = pb::ListConnectorsRequest { parent, ..Default::default() };
    let connectors = stage.clients.decisions.list_connectors(request).await.expect("connectors").into_inner();
    let desks = stage.clients.desks.list_desks(pb::ListDesksRequest::default()).await.expect("desks").into_inner();
    let request = pb::GetPolicyRequest { name: format!("{}/policy", stage.desk) };
    let policy = stage.clients.policies.get_policy(request).await.expect("a policy").into_inner();
    (log, format!("{tickets:#?}{agents:#?}{connectors:#?}{desks:#?}{policy:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_of_every_method_are_refused_as_documented_and_change_nothing() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _subscribed = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let ticket = stage.submit(Stage::ticket(pb::Channel::Chat)).await;
    let offer = stage.offered(&ticket.name).await;
    ann.accept_connected(&offer.name).await.expect("it is hers");

    let before = all(&service, &mut stage).await;
    let complaints = run(&service.address).await;
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    assert!(before == all(&service, &mut stage).await, "something was changed");
    service.stop().await;
}

/// What is well formed, and wrong here and now.
struct Wrong {
    what: &'static str,
    answer: Result<(), Status>,
    expected: (Code, &'static str),
    fields: &'static [&'static str],
}

impl Wrong {
    fn complaint(&self) -> Option<String> {
        let (code, wanted) = self.expected;
        match &self.answer {
            Ok(()) => Some(format!("{}: not refused", self.what)),
            Err(status) if reason(status) != (code, wanted.to_owned()) => {
                Some(format!("{}: {:?} instead of {wanted}", self.what, reason(status)))
            }
            Err(status) if !self.fields.is_empty() && fields(status) != self.fields => {
                Some(format!("{}: names {:?}", self.what, fields(status)))
            }
            Err(_) => None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_only_here_and_now_is_refused_as_documented_and_changes_nothing() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let subscribed = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let first = stage.create(pb::Ticket { conversation_keys: vec!["k".into()], ..Stage::ticket(pb::Channel::Chat) });
    let ticket = stage.clients.tickets.create_ticket(first.clone()).await.expect("a ticket").into_inner();
    let offer = stage.offered(&ticket.name).await;
    ann.accept_connected(&offer.name).await.expect("it is hers");
    let waiting = stage.submit(pb::Ticket {
        requirement: Some(pb::Requirement { min_tier: Some(9), ..Default::default() }),
        ..Stage::ticket(pb::Channel::Email)
    });
    let waiting = waiting.await;

    let before = all(&service, &mut stage).await;
    let mut wrongs = Box::pin(of_tickets(&mut stage, &first, &ticket, &waiting)).await;
    wrongs.extend(Box::pin(of_others(&mut stage, &offer, &subscribed)).await);
    let complaints: Vec<String> = wrongs.iter().filter_map(Wrong::complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(before == all(&service, &mut stage).await, "something was changed");
    service.stop().await;
}

/// `wrong!("what", client.method(request), Code, REASON, fields...)`
macro_rules! wrong {
    ($client:ident.$method:ident($request:expr), $code:ident $reason:ident $(, $field:literal)*) => {
        Wrong {
            what: concat!(stringify!($method), ": ", stringify!($request)),
            answer: $client.$method($request).await.map(|_| ()),
            expected: (Code::$code, stringify!($reason)),
            fields: &[$($field),*],
        }
    };
}

async fn of_tickets(
    stage: &mut Stage,
    first: &pb::CreateTicketRequest,
    active: &pb::Ticket,
    waiting: &pb::Ticket,
) -> Vec<Wrong> {
    let fresh = stage.create(Stage::ticket(pb::Channel::Chat));
    let of = |ticket: &pb::Ticket| ticket.name.clone();
    let leg = |ticket: &pb::Ticket| format!("{}/legs/1", ticket.name);
    let (id, desk) = (of(active).rsplit('/').next().expect("an id").to_owned(), stage.desk.clone());
    let unknown = format!("{desk}/tickets/nobody");
    let stale = pb::Ticket { name: of(active), etag: "1".into(), subject: "x".into(), ..Default::default() };
    let keyed = pb::Ticket { conversation_keys: vec!["k".into()], ..Stage::ticket(pb::Channel::Chat) };
    let other_body = pb::CreateTicketRequest { ticket: Some(Stage::ticket(pb::Channel::Phone)), ..first.clone() };
    let by = pb::EndedBy::Agent as i32;
    let customer_left = pb::CancelReason::CustomerLeft as i32;
    let tickets = &mut stage.clients.tickets;
    vec![
        wrong!(tickets.create_ticket(other_body), InvalidArgument REQUEST_ID_REUSED, "request_id"),
        wrong!(tickets.create_ticket(pb::CreateTicketRequest { ticket_id: id, ..fresh.clone() }), AlreadyExists ALREADY_EXISTS),
        wrong!(tickets.create_ticket(pb::CreateTicketRequest { ticket: Some(keyed), ..fresh.clone() }), AlreadyExists CONVERSATION_IN_USE),
        wrong!(tickets.create_ticket(pb::CreateTicketRequest { parent: "desks/none".into(), connector: "desks/none/connectors/adapter".into(), ..fresh.clone() }), NotFound NOT_FOUND),
        wrong!(tickets.create_ticket(pb::CreateTicketRequest { connector: format!("{desk}/connectors/none"), ..fresh.clone() }), NotFound NOT_FOUND),
        wrong!(tickets.get_ticket(pb::GetTicketRequest { name: unknown.clone(), ..Default::default() }), NotFound NOT_FOUND),
        wrong!(tickets.update_ticket(pb::UpdateTicketRequest { ticket: Some(stale), ..Default::default() }), Aborted ETAG_MISMATCH),
        wrong!(tickets.resolve_ticket(pb::ResolveTicketRequest { name: of(active), etag: "1".into(), ..Default::default() }), Aborted ETAG_MISMATCH),
        wrong!(tickets.reopen_ticket(pb::ReopenTicketRequest { name: of(active), ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.resume_ticket(pb::ResumeTicketRequest { name: of(active), ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.hold_ticket(pb::HoldTicketRequest { name: of(waiting), ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.requeue_ticket(pb::RequeueTicketRequest { name: of(waiting), ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.end_leg(pb::EndLegRequest { name: leg(waiting), ended_by: by, ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.finish_wrap_up(pb::FinishWrapUpRequest { name: leg(active), ..Default::default() }), FailedPrecondition WRONG_STATE),
        wrong!(tickets.cancel_ticket(pb::CancelTicketRequest { name: unknown, reason: customer_left, ..Default::default() }), NotFound NOT_FOUND),
        wrong!(tickets.list_tickets(pb::ListTicketsRequest { parent: desk.clone(), page_token: "rubbish".into(), ..Default::default() }), InvalidArgument PAGE_TOKEN_INVALID, "page_token"),
        wrong!(tickets.list_tickets(pb::ListTicketsRequest { parent: desk, filter: "colour = RED".into(), ..Default::default() }), InvalidArgument INVALID_FIELD, "filter"),
        wrong!(tickets.escalate_ticket(pb::EscalateTicketRequest {
            name: of(active),
            axis: pb::EscalationAxis::Functional.into(),
            reason: pb::EscalationReason::Other.into(),
            handover: pb::Handover::Blind.into(),
            requirement: Some(pb::Requirement { skills: vec![pb::SkillNeed { skill: "magic".into(), min_level: None }], ..Default::default() }),
            ..Default::default()
        }), FailedPrecondition NOBODY_FITS),
    ]
}

async fn of_others(stage: &mut Stage, offer: &pb::Offer, subscribed: &Subscription) -> Vec<Wrong> {
    let accept = |device: &str, epoch: u64| pb::AcceptOfferRequest {
        name: offer.name.clone(),
        session_epoch: epoch,
        device_id: device.into(),
        request_id: request_id(),
        ..Default::default()
    };
    let decline = pb::DeclineOfferRequest {
        name: offer.name.clone(),
        session_epoch: offer.session_epoch,
        reason: pb::DeclineReason::Busy.into(),
        ..Default::default()
    };
    let (desk, agent) = (stage.desk.clone(), offer.agent.clone());
    let stale = pb::Agent { name: agent.clone(), etag: "77".into(), team: "x".into(), ..Default::default() };
    let bad_policy = |source: &str| pb::UpdatePolicyRequest {
        policy: Some(pb::Policy { name: format!("{desk}/policy"), source: source.into(), ..Default::default() }),
        ..Default::default()
    };
    let incarnation = subscribed.welcome.incarnation;
    let hello = |seq, incarnation| pb::SubscribeHello {
        connector: stage.connector.clone(),
        resume: Some(pb::subscribe_hello::Resume::Cursor(pb::Cursor { seq: Some(seq), incarnation })),
        ..Default::default()
    };
    let (foreign, ahead) = (hello(1, incarnation + 1), hello(1_000_000, incarnation));
    let mut elsewhere = stage.clone();
    let (offers, agents, policies, desks) =
        (&mut stage.clients.offers, &mut stage.clients.agents, &mut stage.clients.policies, &mut stage.clients.desks);
    let mut wrongs = vec![
        wrong!(offers.accept_offer(accept("phone", offer.session_epoch)), FailedPrecondition ACCEPTED_ELSEWHERE),
        wrong!(offers.accept_offer(accept("desktop", offer.session_epoch + 1)), FailedPrecondition SESSION_STALE),
        wrong!(offers.decline_offer(decline), FailedPrecondition WRONG_STATE),
        wrong!(agents.update_agent(pb::UpdateAgentRequest { agent: Some(stale), ..Default::default() }), Aborted ETAG_MISMATCH),
        wrong!(agents.delete_agent(pb::DeleteAgentRequest { name: format!("{desk}/agents/none"), ..Default::default() }), NotFound NOT_FOUND),
        wrong!(policies.update_policy(bad_policy("queues:\n  billing:\n    bandd: live\n")), InvalidArgument POLICY_INVALID, "policy.source"),
        wrong!(policies.update_policy(bad_policy("queues: [")), InvalidArgument POLICY_INVALID, "policy.source"),
        wrong!(desks.create_desk(pb::CreateDeskRequest { desk_id: "stage".into(), desk: Some(pb::Desk::default()), ..Default::default() }), AlreadyExists ALREADY_EXISTS),
    ];
    for (what, hello, expected) in [
        ("a foreign cursor", foreign, (Code::DataLoss, "CURSOR_FOREIGN")),
        ("a cursor ahead of the log", ahead, (Code::DataLoss, "CURSOR_AHEAD")),
    ] {
        let answer = Subscription::with(&mut elsewhere, hello).await.map(|_| ());
        wrongs.push(Wrong { what, answer, expected, fields: &[] });
    }
    wrongs
}

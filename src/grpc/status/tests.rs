//! Every refusal and every failure, with the code, reason and details that the contract gives them.

use std::time::Duration;

use tonic::Code;

use super::*;
use crate::domain::desk::LaneKey;
use crate::domain::id::{AgentId, DeskId, DeskKey, LegId, OfferId, TenantId, TicketId, TicketName};
use crate::domain::leg::LegState;
use crate::domain::offer::{DeclineReason, FailReason, OfferEnd, OfferState, RevokeReason};
use crate::domain::ticket::TicketState;
use crate::domain::time::Time;
use crate::grpc::name::TicketRef;
use crate::routing::reject::{Kind as RejectKind, Reject, Visited};

fn ticket() -> TicketRef {
    let desk = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("north").expect("valid") };
    TicketRef { desk, name: TicketName::parse("call-17").expect("valid") }
}

fn offer() -> OfferId {
    OfferId { leg: LegId { ticket: TicketId::of_name(&ticket().name), leg: 1 }, leg_ver: 1, nth: 0 }
}

fn anna() -> AgentId {
    AgentId::parse("anna").expect("valid")
}

fn refused(reject: Reject) -> Status {
    of_failure(reject.into(), &About::ticket(&ticket()))
}

fn gone(state: OfferState, end: Option<OfferEnd>) -> Reject {
    Reject::OfferGone { offer: offer(), state, end }
}

#[test]
fn every_refusal_has_its_code_and_reason() {
    let agent = anna;
    let revoked = OfferEnd::Revoked(RevokeReason::TakenByAnother);
    let table = [
        (Reject::not_found(RejectKind::Ticket, "x"), Code::NotFound, "NOT_FOUND"),
        (
            Reject::AlreadyExists { kind: RejectKind::Ticket, name: "call-17".into() },
            Code::AlreadyExists,
            "ALREADY_EXISTS",
        ),
        (
            Reject::ConversationInUse { key: "k".into(), ticket: ticket().name },
            Code::AlreadyExists,
            "CONVERSATION_IN_USE",
        ),
        (Reject::EtagMismatch { found: 3 }, Code::Aborted, "ETAG_MISMATCH"),
        (Reject::field("a", "b"), Code::InvalidArgument, "INVALID_FIELD"),
        (Reject::Unsupported { field: "a", what: "b" }, Code::InvalidArgument, "UNSUPPORTED"),
        (Reject::TicketState { state: TicketState::Closed, needed: "open" }, Code::FailedPrecondition, "WRONG_STATE"),
        (Reject::LegState { state: LegState::Done, needed: "open" }, Code::FailedPrecondition, "WRONG_STATE"),
        (gone(OfferState::Pending, None), Code::FailedPrecondition, "WRONG_STATE"),
        (gone(OfferState::Expired, Some(OfferEnd::Expired)), Code::FailedPrecondition, "OFFER_EXPIRED"),
        (gone(OfferState::Revoked, Some(revoked)), Code::FailedPrecondition, "OFFER_REVOKED"),
        (
            gone(OfferState::Declined, Some(OfferEnd::Declined(DeclineReason::Busy))),
            Code::FailedPrecondition,
            "OFFER_DECLINED",
        ),
        (
            gone(OfferState::Failed, Some(OfferEnd::Failed(FailReason::Unconfirmed))),
            Code::FailedPrecondition,
            "OFFER_FAILED",
        ),
        (Reject::AcceptedElsewhere { offer: offer() }, Code::FailedPrecondition, "ACCEPTED_ELSEWHERE"),
        (Reject::SessionStale { agent: agent(), current: 2 }, Code::FailedPrecondition, "SESSION_STALE"),
        (Reject::SessionHeld { agent: agent() }, Code::FailedPrecondition, "SESSION_HELD"),
        (Reject::NoRoom { agent: agent() }, Code::FailedPrecondition, "CAPACITY"),
        (Reject::AgentUnavailable { agent: agent(), why: "away" }, Code::FailedPrecondition, "AGENT_UNAVAILABLE"),
        (Reject::PingPong { visited: Visited::Agent(agent()), at: Time(0) }, Code::FailedPrecondition, "PING_PONG"),
        (Reject::NobodyFits, Code::FailedPrecondition, "NOBODY_FITS"),
        (Reject::NobodyHasBoth, Code::FailedPrecondition, "NOBODY_HAS_BOTH"),
        (Reject::NotAuthorised { authority: "refund".into() }, Code::FailedPrecondition, "NOT_AUTHORISED"),
        (Reject::QueueFull { queue: "q".into() }, Code::ResourceExhausted, "QUEUE_FULL"),
        (Reject::LimitReached { limit: "a ticket has at most 255 legs" }, Code::ResourceExhausted, "LIMIT_REACHED"),
        (Reject::LaneLimit { limit: "at most 4,096" }, Code::ResourceExhausted, "LANE_LIMIT"),
        (Reject::Stale, Code::Internal, "INTERNAL"),
        (Reject::NeedsIntern { lanes: Vec::<LaneKey>::new(), groups: Vec::new() }, Code::Internal, "INTERNAL"),
    ];
    for (reject, code, reason) in table {
        let status = refused(reject.clone());
        let details = status.get_error_details();
        let said = details.error_info().unwrap_or_else(|| panic!("{reject:?} has no reason"));
        assert_eq!((status.code(), said.reason.as_str(), said.domain.as_str()), (code, reason, DOMAIN), "{reject:?}");
        assert_eq!(details.bad_request().is_some(), code == Code::InvalidArgument, "{reject:?}");
        let resource = matches!(code, Code::NotFound | Code::AlreadyExists);
        assert_eq!(details.resource_info().is_some(), resource, "{reject:?}");
    }
}

#[test]
fn every_failure_of_the_engine_says_when_to_come_back() {
    let second = Duration::from_secs(1);
    let table = [
        (Failure::RequestIdReused, Code::InvalidArgument, "REQUEST_ID_REUSED", None),
        (Failure::Overloaded { retry_after: second }, Code::Unavailable, "OVERLOADED", Some(second)),
        (Failure::StoreAway { retry_after: second }, Code::Unavailable, "STORE_UNAVAILABLE", Some(second)),
        (Failure::Draining, Code::Unavailable, "SHUTTING_DOWN", Some(Duration::ZERO)),
        (Failure::Internal, Code::Internal, "INTERNAL", None),
    ];
    for (failure, code, reason, retry) in table {
        let status = of_failure(failure, &About::ticket(&ticket()));
        let details = status.get_error_details();
        let delay = details.retry_info().and_then(|retry| retry.retry_delay);
        assert_eq!((status.code(), delay), (code, retry), "{reason}");
        assert_eq!(details.error_info().map(|said| said.reason.clone()).as_deref(), Some(reason));
    }
}

#[test]
fn a_failed_read_tells_the_log_and_not_the_caller() {
    let source = Box::new(std::io::Error::other("table secret_table"));
    let corrupt = of_store(&store::Error::Corrupt { what: "ticket", source });
    assert_eq!(corrupt.code(), Code::Internal);
    assert!(!corrupt.message().contains("secret"));
}

#[test]
fn errors_name_resources_as_the_caller_wrote_them() {
    let name = |reject: Reject| {
        let details = refused(reject).get_error_details();
        let resource = details.resource_info().cloned().expect("a resource");
        (resource.resource_type, resource.resource_name)
    };
    let pair = |kind: &str, name: &str| (format!("handoff.v1/{kind}"), name.to_owned());
    let id = TicketId::of_name(&ticket().name).default_name();
    let ticket_name = "desks/north/tickets/call-17";
    assert_eq!(name(Reject::not_found(RejectKind::Ticket, id)), pair("Ticket", ticket_name));
    assert_eq!(name(Reject::not_found(RejectKind::Desk, "north")), pair("Desk", "desks/north"));
    assert_eq!(name(Reject::not_found(RejectKind::Agent, "bo")), pair("Agent", "desks/north/agents/bo"));
    let connector = Reject::not_found(RejectKind::Connector, "pbx");
    assert_eq!(name(connector), pair("Connector", "desks/north/connectors/pbx"));
    let taken = Reject::ConversationInUse { key: "thread 4".into(), ticket: ticket().name };
    assert!(!refused(taken.clone()).message().contains("thread 4"));
    assert_eq!(name(taken), pair("Ticket", ticket_name));
}

#[test]
fn metadata_is_as_documented() {
    let metadata = |reject: Reject, key: &str| {
        let details = refused(reject).get_error_details();
        details.error_info().and_then(|said| said.metadata.get(key).cloned())
    };
    let some = |text: &str| Some(text.to_owned());
    let revoked = gone(OfferState::Revoked, Some(OfferEnd::Revoked(RevokeReason::AgentOnBreak)));
    assert_eq!(metadata(revoked, "cause"), some("AGENT_ON_BREAK"));
    let failed = gone(OfferState::Failed, Some(OfferEnd::Failed(FailReason::MediaError)));
    assert_eq!(metadata(failed, "cause"), some("MEDIA_ERROR"));
    let state = Reject::TicketState { state: TicketState::OnHold, needed: "" };
    assert_eq!(metadata(state, "state"), some("ON_HOLD"));
    let visit = Reject::PingPong { visited: Visited::Agent(anna()), at: Time(1_700_000_000_000_000) };
    assert_eq!(metadata(visit.clone(), "visited"), some("desks/north/agents/anna"));
    assert_eq!(metadata(visit, "visit_time"), some("2023-11-14T22:13:20Z"));
    let taken = Reject::ConversationInUse { key: "k".into(), ticket: ticket().name };
    assert_eq!(metadata(taken, "ticket"), some("desks/north/tickets/call-17"));
    let exists = Reject::AlreadyExists { kind: RejectKind::Agent, name: "anna".into() };
    assert_eq!(metadata(exists, "name"), some("desks/north/agents/anna"));
    assert_eq!(metadata(Reject::LimitReached { limit: "too many legs" }, "limit"), some("too many legs"));
}

/// Every number of the published list, and the code in the comment of each.
#[test]
fn the_codes_are_those_of_the_published_list() {
    let list = include_str!("../../../proto/handoff/v1/errors.proto");
    let mut said = String::new();
    let mut checked = 0;
    for line in list.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("// ") {
            said.push_str(comment);
            said.push(' ');
        } else if let Some(name) = line.split(" = ").next().filter(|name| name.starts_with("ERROR_REASON_")) {
            let reason = ErrorReason::from_str_name(name).expect("a value of the enum");
            if reason != ErrorReason::Unspecified {
                let word = said.split(':').next().unwrap_or("");
                let spelled = format!("{:?}", code(reason));
                assert_eq!(word.replace('_', "").to_lowercase(), spelled.to_lowercase(), "{name}");
                checked += 1;
            }
            said.clear();
        } else {
            said.clear();
        }
    }
    assert!(checked >= 39, "{checked}");
}

//! From a request that was read to a call of the engine, and from what it came to back to an answer or an error.

use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Status;
use uuid::Uuid;

use super::status::{self, About};
use crate::availability::Availability;
use crate::domain::event::Actor;
use crate::domain::id::{DeskKey, TenantId};
use crate::engine::{Call, Dedup, Engine, Reply};
use crate::proto::handoff::v1 as pb;
use crate::routing::command::Command;
use crate::store::{DedupKey, Store};

/// Whoever calls, as long as there are no credentials.
const CALLER: &str = "anybody";

/// A request that changes something, and can therefore be repeated under a request id.
pub trait Mutation: Message + Clone + Default {
    /// `Service.Method`: a request id is scoped to it.
    const METHOD: &'static str;

    fn request_id(&mut self) -> &mut String;
}

macro_rules! mutations {
    ($($service:literal { $($request:ident = $method:literal),+ $(,)? })+) => {$($(
        impl Mutation for pb::$request {
            const METHOD: &'static str = concat!($service, ".", $method);

            fn request_id(&mut self) -> &mut String {
                &mut self.request_id
            }
        }
    )+)+};
}

mutations! {
    "DeskService" { CreateDeskRequest = "CreateDesk", UpdateDeskRequest = "UpdateDesk" }
    "TicketService" {
        CreateTicketRequest = "CreateTicket",
        UpdateTicketRequest = "UpdateTicket",
        EscalateTicketRequest = "EscalateTicket",
        TransferTicketRequest = "TransferTicket",
        AssignTicketRequest = "AssignTicket",
        RequeueTicketRequest = "RequeueTicket",
        HoldTicketRequest = "HoldTicket",
        ResumeTicketRequest = "ResumeTicket",
        EndLegRequest = "EndLeg",
        FinishWrapUpRequest = "FinishWrapUp",
        ResolveTicketRequest = "ResolveTicket",
        ReopenTicketRequest = "ReopenTicket",
        CancelTicketRequest = "CancelTicket",
        ReleaseTicketRequest = "ReleaseTicket",
    }
    "OfferService" {
        AcceptOfferRequest = "AcceptOffer",
        DeclineOfferRequest = "DeclineOffer",
        ConfirmOfferRequest = "ConfirmOffer",
        FailOfferRequest = "FailOffer",
    }
    "PolicyService" { UpdatePolicyRequest = "UpdatePolicy" }
    "AgentService" {
        CreateAgentRequest = "CreateAgent",
        UpdateAgentRequest = "UpdateAgent",
        DeleteAgentRequest = "DeleteAgent",
        SetAgentStateRequest = "SetAgentState",
        ReportEndpointsRequest = "ReportEndpoints",
        StartSessionRequest = "StartSession",
        EndSessionRequest = "EndSession",
    }
    "DecisionService" {
        CreateConnectorRequest = "CreateConnector",
        UpdateConnectorRequest = "UpdateConnector",
        DeleteConnectorRequest = "DeleteConnector",
    }
}

/// A call by nobody in particular. `request` is the whole of it: its hash tells a repeat from a reuse of the request id.
pub fn call<R: Mutation>(desk: DeskKey, command: Command, request: &R, request_id: Option<Uuid>) -> Call {
    Call { desk, actor: Actor::Caller, command, dedup: request_id.map(|id| dedup(request, id)), validate_only: false }
}

/// A call that is only tried. It is not remembered under its request id either.
pub fn only_validate(call: Call, validate_only: bool) -> Call {
    let dedup = call.dedup.filter(|_| !validate_only);
    Call { dedup, validate_only, ..call }
}

/// Has the engine decide a call that is about `about`.
pub async fn submit<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    call: Call,
    about: &About,
) -> Result<Reply, Status> {
    // The engine's future is large; a service that is itself a future of a connection should not carry it inline.
    Box::pin(engine.submit(call)).await.map_err(|failure| status::of_failure(failure, about))
}

fn dedup<R: Mutation>(request: &R, id: Uuid) -> Dedup {
    Dedup {
        key: DedupKey {
            tenant: TenantId::embedded(),
            caller: Arc::from(CALLER),
            method: Arc::from(R::METHOD),
            key: Arc::from(id.as_hyphenated().to_string().as_str()),
        },
        request_hash: Arc::from(hash(request).as_str()),
    }
}

/// SHA-256 of the request without its id. Re-encoded from the decoded message, so that a client's order of map entries and
/// fields does not matter.
fn hash<R: Mutation>(request: &R) -> String {
    let mut request = request.clone();
    request.request_id().clear();
    hex(&Sha256::digest(request.encode_to_vec()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(subject: &str, request_id: &str) -> pb::CreateTicketRequest {
        let ticket = pb::Ticket { subject: subject.to_owned(), ..pb::Ticket::default() };
        pb::CreateTicketRequest {
            ticket: Some(ticket),
            request_id: request_id.to_owned(),
            ..pb::CreateTicketRequest::default()
        }
    }

    #[test]
    fn the_hash_is_of_everything_but_the_request_id() {
        assert_eq!(hash(&request("a", "1")), hash(&request("a", "2")));
        assert_ne!(hash(&request("a", "1")), hash(&request("b", "1")));
        assert_eq!(hash(&request("a", "1")).len(), 64);
    }

    #[test]
    fn a_request_id_is_one_whatever_its_case_and_is_scoped_to_its_method() {
        let lower = Uuid::try_parse("0192aaaa-0000-7000-8000-00000000000a").expect("valid");
        let upper = Uuid::try_parse("0192AAAA-0000-7000-8000-00000000000A").expect("valid");
        let one = dedup(&request("a", ""), lower);
        assert_eq!(one, dedup(&request("a", ""), upper));
        assert_ne!(one.key, dedup(&pb::CancelTicketRequest::default(), lower).key);
    }
}

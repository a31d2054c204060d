//! Calls on the service: bounded in real time, repeated with the same request id while the service is not available, and
//! an account of every answer that was not expected.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};
use tonic_types::StatusExt;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::proto::handoff::v1 as api;
use api::agent_service_client::AgentServiceClient;
use api::decision_service_client::DecisionServiceClient;
use api::desk_service_client::DeskServiceClient;
use api::offer_service_client::OfferServiceClient;
use api::policy_service_client::PolicyServiceClient;
use api::ticket_service_client::TicketServiceClient;

/// Real time that one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 6;
/// Between the first two attempts; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(25);

/// Messages to the server that a stream holds before its sender waits.
const STREAM_BUFFER: usize = 16;

#[derive(Clone)]
pub(super) struct Calls {
    channel: Channel,
    clock: Clock,
    entropy: Arc<Entropy>,
    account: Arc<Account>,
}

/// Answers that were not the hoped-for ones.
#[derive(Debug, Default)]
struct Account {
    /// The ticket, offer or session had moved on: two people acted at once, and this one was told so.
    overtaken: AtomicU32,
    /// Guards the list alone.
    unexpected: Mutex<Vec<String>>,
}

/// A stream opened: what goes up, what comes down.
pub(super) type Opened<Up, Down> = (mpsc::Sender<Up>, Streaming<Down>);

/// One method per call. Each may be repeated: its request carries a request id or changes nothing twice.
macro_rules! unary {
    ($($method:ident: $client:ident, $request:ident => $answer:ty;)*) => {$(
        pub(super) async fn $method(&self, request: api::$request) -> Result<$answer, Status> {
            self.attempt(|| {
                let mut client = $client::new(self.channel.clone());
                let request = request.clone();
                async move { client.$method(request).await.map(Response::into_inner) }
            })
            .await
        }
    )*};
}

impl Calls {
    pub(super) fn new(channel: Channel, clock: Clock, entropy: Arc<Entropy>) -> Calls {
        Calls { channel, clock, entropy, account: Arc::default() }
    }

    pub(super) fn request_id(&self) -> String {
        self.entropy.request_id(self.clock.now())
    }

    unary! {
        create_desk: DeskServiceClient, CreateDeskRequest => api::Desk;
        update_policy: PolicyServiceClient, UpdatePolicyRequest => api::Policy;
        create_connector: DecisionServiceClient, CreateConnectorRequest => api::Connector;
        create_agent: AgentServiceClient, CreateAgentRequest => api::Agent;
        set_agent_state: AgentServiceClient, SetAgentStateRequest => api::Agent;
        start_session: AgentServiceClient, StartSessionRequest => api::StartSessionResponse;
        send_heartbeats: AgentServiceClient, SendHeartbeatsRequest => api::SendHeartbeatsResponse;
        end_session: AgentServiceClient, EndSessionRequest => api::EndSessionResponse;
        accept_offer: OfferServiceClient, AcceptOfferRequest => api::Offer;
        decline_offer: OfferServiceClient, DeclineOfferRequest => api::Offer;
        confirm_offer: OfferServiceClient, ConfirmOfferRequest => api::Offer;
        fail_offer: OfferServiceClient, FailOfferRequest => api::Offer;
        create_ticket: TicketServiceClient, CreateTicketRequest => api::Ticket;
        get_ticket: TicketServiceClient, GetTicketRequest => api::Ticket;
        list_tickets: TicketServiceClient, ListTicketsRequest => api::ListTicketsResponse;
        list_ticket_events: TicketServiceClient, ListTicketEventsRequest => api::ListTicketEventsResponse;
        escalate_ticket: TicketServiceClient, EscalateTicketRequest => api::EscalateTicketResponse;
        transfer_ticket: TicketServiceClient, TransferTicketRequest => api::TransferTicketResponse;
        requeue_ticket: TicketServiceClient, RequeueTicketRequest => api::Ticket;
        hold_ticket: TicketServiceClient, HoldTicketRequest => api::Ticket;
        resume_ticket: TicketServiceClient, ResumeTicketRequest => api::Ticket;
        end_leg: TicketServiceClient, EndLegRequest => api::Leg;
        finish_wrap_up: TicketServiceClient, FinishWrapUpRequest => api::Leg;
        resolve_ticket: TicketServiceClient, ResolveTicketRequest => api::Ticket;
        reopen_ticket: TicketServiceClient, ReopenTicketRequest => api::Ticket;
        cancel_ticket: TicketServiceClient, CancelTicketRequest => api::Ticket;
    }

    /// Opens a connector's stream with its hello.
    pub(super) async fn subscribe(
        &self,
        hello: api::SubscribeHello,
    ) -> Result<Opened<api::SubscribeRequest, api::SubscribeResponse>, Status> {
        let hello = api::SubscribeRequest { request: Some(api::subscribe_request::Request::Hello(hello)) };
        let (up, messages) = opened_with(hello)?;
        let mut client = DecisionServiceClient::new(self.channel.clone());
        let down = self.bounded(client.subscribe(ReceiverStream::new(messages))).await?;
        Ok((up, down))
    }

    /// Opens an agent's session with its hello.
    pub(super) async fn open_session(
        &self,
        hello: api::SessionHello,
    ) -> Result<Opened<api::OpenSessionRequest, api::OpenSessionResponse>, Status> {
        let hello = api::OpenSessionRequest { request: Some(api::open_session_request::Request::Hello(hello)) };
        let (up, messages) = opened_with(hello)?;
        let mut client = AgentServiceClient::new(self.channel.clone());
        let down = self.bounded(client.open_session(ReceiverStream::new(messages))).await?;
        Ok((up, down))
    }

    /// What came of a call that somebody else may have forestalled. `None`: nothing, and it is accounted for.
    pub(super) fn settle<T>(&self, what: &str, answer: Result<T, Status>) -> Option<T> {
        let status = match answer {
            Ok(answer) => return Some(answer),
            Err(status) => status,
        };
        if status.code() == Code::FailedPrecondition {
            self.account.overtaken.fetch_add(1, Ordering::Relaxed);
        } else {
            let line = format!("{what}: {:?} {}: {}", status.code(), reason(&status), status.message());
            self.account.unexpected.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        None
    }

    /// Calls that came too late and were told so.
    pub(super) fn overtaken(&self) -> u32 {
        self.account.overtaken.load(Ordering::Relaxed)
    }

    pub(super) fn unexpected(&self) -> Vec<String> {
        self.account.unexpected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn attempt<T, F>(&self, call: impl Fn() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut pause = BACK_OFF;
        let mut attempt = 1;
        loop {
            // Boxed: a call's future is large, and whoever waits for one holds several.
            let answer = match self.clock.real_timeout(ATTEMPT, Box::pin(call())).await {
                Ok(answer) => answer,
                Err(late) => Err(Status::deadline_exceeded(late.to_string())),
            };
            match answer {
                Err(status) if may_repeat(&status) && attempt < ATTEMPTS => {
                    self.clock.real_sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        match self.clock.real_timeout(ATTEMPT, call).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(late) => Err(Status::deadline_exceeded(late.to_string())),
        }
    }
}

/// Whether the same request may be sent again: it may or may not have been done, and its request id makes both the same.
fn may_repeat(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// The reason in an error's details, of the published list. Empty: none.
pub(super) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|about| about.reason).unwrap_or_default()
}

fn opened_with<Up>(hello: Up) -> Result<(mpsc::Sender<Up>, mpsc::Receiver<Up>), Status> {
    let (up, messages) = mpsc::channel(STREAM_BUFFER);
    up.try_send(hello).map_err(|_| Status::internal("a new stream has no room for its hello"))?;
    Ok((up, messages))
}

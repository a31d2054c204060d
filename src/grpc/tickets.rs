//! TicketService: one file per family of calls, each with how it is read and what it answers.

mod change;
mod create;
mod end;
mod history;
mod list;
mod move_on;
mod place;
mod submit;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::call::submit;
use super::form::Form;
use super::name::{LegRef, TicketRef};
use super::render::{self, View};
use super::status::{self, About};
use crate::availability::Availability;
use crate::domain::id::DeskKey;
use crate::domain::ticket::Ticket;
use crate::engine::{Call, Engine, Reply};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::ticket_service_server::TicketService;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Bytes of a reason, a subject, an external id.
const LINE_BYTES: usize = 256;
/// Characters of a note for the next agent.
const NOTE_CHARACTERS: usize = 2_000;
/// Bytes of a summary or of an answer to the customer.
const PROSE_BYTES: usize = 4 * 1024;

pub struct Tickets<S, A> {
    engine: Engine<S, A>,
    shutdown: Shutdown,
}

impl<S, A> Clone for Tickets<S, A> {
    fn clone(&self) -> Self {
        Tickets { engine: self.engine.clone(), shutdown: self.shutdown.clone() }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<S: Store, A: Availability> TicketService for Tickets<S, A> {
    type WatchTicketStream = Answers<pb::WatchTicketResponse>;
    type SubmitTicketsStream = Answers<pb::SubmitTicketsResponse>;

    async fn create_ticket(&self, request: Request<pb::CreateTicketRequest>) -> Answer<pb::Ticket> {
        self.create(request.get_ref()).await.map(Response::new)
    }

    async fn get_ticket(&self, request: Request<pb::GetTicketRequest>) -> Answer<pb::Ticket> {
        let request = request.get_ref();
        let mut form = Form::new();
        let ticket = form.ticket("name", &request.name);
        let view = list::view(&mut form, request.view, View::Full);
        let ticket = form.finish(ticket)?;
        let row = self.find(&ticket).await?;
        Ok(Response::new(self.draw(&ticket.desk, &row, view)))
    }

    async fn list_tickets(&self, request: Request<pb::ListTicketsRequest>) -> Answer<pb::ListTicketsResponse> {
        self.list(request.get_ref()).await.map(Response::new)
    }

    async fn update_ticket(&self, request: Request<pb::UpdateTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = change::update(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn watch_ticket(&self, request: Request<pb::WatchTicketRequest>) -> Answer<Self::WatchTicketStream> {
        let mut form = Form::new();
        let ticket = form.ticket("name", &request.get_ref().name);
        self.watch(form.finish(ticket)?).await.map(Response::new)
    }

    async fn list_ticket_events(
        &self,
        request: Request<pb::ListTicketEventsRequest>,
    ) -> Answer<pb::ListTicketEventsResponse> {
        self.list_events(request.get_ref()).await.map(Response::new)
    }

    async fn submit_tickets(
        &self,
        request: Request<Streaming<pb::SubmitTicketsRequest>>,
    ) -> Answer<Self::SubmitTicketsStream> {
        Ok(Response::new(submit::answers(self.clone(), request.into_inner())))
    }

    async fn escalate_ticket(&self, request: Request<pb::EscalateTicketRequest>) -> Answer<pb::EscalateTicketResponse> {
        self.escalate(request.get_ref()).await.map(Response::new)
    }

    async fn transfer_ticket(&self, request: Request<pb::TransferTicketRequest>) -> Answer<pb::TransferTicketResponse> {
        self.transfer(request.get_ref()).await.map(Response::new)
    }

    async fn assign_ticket(&self, request: Request<pb::AssignTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = place::assign(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn requeue_ticket(&self, request: Request<pb::RequeueTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = place::requeue(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn hold_ticket(&self, request: Request<pb::HoldTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = place::hold(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn resume_ticket(&self, request: Request<pb::ResumeTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = place::resume(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn end_leg(&self, request: Request<pb::EndLegRequest>) -> Answer<pb::Leg> {
        let (leg, call) = end::leg(request.get_ref())?;
        self.change_leg(&leg, call).await
    }

    async fn finish_wrap_up(&self, request: Request<pb::FinishWrapUpRequest>) -> Answer<pb::Leg> {
        let (leg, call) = end::wrap_up(request.get_ref())?;
        self.change_leg(&leg, call).await
    }

    async fn resolve_ticket(&self, request: Request<pb::ResolveTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = end::resolve(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn reopen_ticket(&self, request: Request<pb::ReopenTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = end::reopen(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn cancel_ticket(&self, request: Request<pb::CancelTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = end::cancel(request.get_ref())?;
        self.change(&ticket, call).await
    }

    async fn release_ticket(&self, request: Request<pb::ReleaseTicketRequest>) -> Answer<pb::Ticket> {
        let (ticket, call) = end::release(request.get_ref())?;
        self.find(&ticket).await?;
        // The streams first: where the call fails after that, its repeat finds nothing left to do but to write it down.
        let released = self.engine.release(&ticket.desk, ticket.id()).await;
        released.map_err(|failure| status::of_failure(failure, &About::ticket(&ticket)))?;
        self.change(&ticket, call).await
    }

    async fn explain_ticket(&self, request: Request<pb::ExplainTicketRequest>) -> Answer<pb::ExplainTicketResponse> {
        self.explain(request.get_ref()).await.map(Response::new)
    }
}

impl<S: Store, A: Availability> Tickets<S, A> {
    pub fn new(engine: Engine<S, A>, shutdown: Shutdown) -> Tickets<S, A> {
        Tickets { engine, shutdown }
    }

    /// The ticket of this name. An id also answers to its hexadecimal spelling; the name is what was given.
    async fn find(&self, ticket: &TicketRef) -> Result<Arc<Ticket>, Status> {
        let row = self.engine.store().get_ticket(&ticket.desk, ticket.id()).await;
        let row = row.map_err(|error| status::of_store(&error))?.filter(|row| row.name == ticket.name);
        row.ok_or_else(|| About::ticket(ticket).not_found().into())
    }

    /// Submits a call on a ticket and draws the ticket as it is then.
    async fn change(&self, ticket: &TicketRef, call: Call) -> Answer<pb::Ticket> {
        let reply = submit(&self.engine, call, &About::ticket(ticket)).await?;
        let row = changed(reply)?;
        Ok(Response::new(self.draw(&ticket.desk, &row, View::Full)))
    }

    async fn change_leg(&self, leg: &LegRef, call: Call) -> Answer<pb::Leg> {
        let about = About::leg(leg);
        let row = changed(submit(&self.engine, call, &about).await?)?;
        let found = row.leg(leg.leg).ok_or_else(|| about.not_found())?;
        Ok(Response::new(render::leg(&leg.ticket.desk.desk, &row, found)))
    }

    fn draw(&self, desk: &DeskKey, row: &Ticket, view: View) -> pb::Ticket {
        let waiting = if view.has_wait() { self.engine.waiting(desk, row) } else { None };
        render::ticket(&desk.desk, row, view, waiting.as_ref())
    }
}

/// The ticket that an answer is about.
fn changed(reply: Reply) -> Result<Arc<Ticket>, Status> {
    reply.ticket.ok_or_else(|| {
        tracing::error!(answer = ?reply.answer, "a ticket was changed and came back without its row");
        status::internal()
    })
}

#[cfg(test)]
mod tests;

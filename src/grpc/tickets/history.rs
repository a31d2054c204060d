//! What became of a ticket, and why: ListTicketEvents and ExplainTicket. Both read the ticket's part of the log.

use std::sync::Arc;

use tonic::Status;

use super::Tickets;
use crate::availability::Availability;
use crate::domain::event::{Body, Entry};
use crate::domain::ticket::Ticket;
use crate::engine::Waiting;
use crate::grpc::form::Form;
use crate::grpc::name::{self, TicketRef};
use crate::grpc::page::{Listing, MOST};
use crate::grpc::render::{self, History};
use crate::grpc::status;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;
use crate::store::Store;

impl<S: Store, A: Availability> Tickets<S, A> {
    pub(super) async fn list_events(
        &self,
        request: &pb::ListTicketEventsRequest,
    ) -> Result<pb::ListTicketEventsResponse, Status> {
        let mut form = Form::new();
        let ticket = form.ticket("parent", &request.parent);
        let size = form.page_size(request.page_size);
        let ticket = form.finish(ticket)?;
        let (listing, after) = Listing::open::<_, u64>(request, size)?;
        self.find(&ticket).await?;
        let wanted = usize::try_from(listing.limit()).unwrap_or(usize::MAX);
        let mut history = self.history(&ticket);
        let mut events = Vec::new();
        let mut read = 0;
        while events.len() < wanted {
            let entries = self.entries(&ticket, read).await?;
            let Some(last) = entries.last() else { break };
            read = last.seq;
            let drawn = entries.iter().map(|entry| history.next(entry));
            events.extend(drawn.filter(|event| event.seq > after.unwrap_or(0)));
        }
        events.truncate(wanted);
        let next_page_token = listing.cut(&mut events, |event| event.seq);
        Ok(pb::ListTicketEventsResponse { events, next_page_token })
    }

    pub(super) async fn explain(
        &self,
        request: &pb::ExplainTicketRequest,
    ) -> Result<pb::ExplainTicketResponse, Status> {
        let mut form = Form::new();
        let ticket = form.ticket("name", &request.name);
        let size = form.page_size(request.page_size);
        let ticket = form.finish(ticket)?;
        let (listing, before) = Listing::open::<_, u64>(request, size)?;
        let row = self.find(&ticket).await?;
        let mut records = self.records(&ticket).await?;
        records.retain(|(seq, _)| before.is_none_or(|before| *seq < before));
        records.reverse();
        let next_page_token = listing.cut(&mut records, |(seq, _)| *seq);
        let waiting = self.engine.waiting(&ticket.desk, &row);
        Ok(pb::ExplainTicketResponse {
            records: records.into_iter().map(|(_, record)| record).collect(),
            next_page_token,
            waiting: waiting.and_then(|waiting| explanation(&ticket, &row, &waiting)),
        })
    }

    /// The records of a ticket's matches with their place in the log, oldest first.
    async fn records(&self, ticket: &TicketRef) -> Result<Vec<(u64, pb::DecisionRecord)>, Status> {
        let mut history = self.history(ticket);
        let mut records = Vec::new();
        let mut read = 0;
        loop {
            let entries = self.entries(ticket, read).await?;
            let Some(last) = entries.last() else { return Ok(records) };
            read = last.seq;
            for entry in &entries {
                if let Body::Offered { leg, offers, record } = &entry.event.body {
                    let ids: Vec<_> = offers.iter().map(|offer| offer.id).collect();
                    let before = history.infeasibility(*leg);
                    let drawn = render::record(&ticket.desk.desk, &ticket.name, *leg, &ids, record, before);
                    records.push((entry.seq, drawn));
                }
                history.follow(&entry.event);
            }
        }
    }

    pub(super) fn history(&self, ticket: &TicketRef) -> History {
        History::new(&ticket.desk, &ticket.name, self.engine.store().incarnation())
    }

    /// The next entries of the ticket after `after`; none: that was all.
    pub(super) async fn entries(&self, ticket: &TicketRef, after: u64) -> Result<Vec<Arc<Entry>>, Status> {
        let entries = self.engine.store().ticket_events(&ticket.desk, ticket.id(), after, MOST).await;
        entries.map_err(|error| status::of_store(&error))
    }
}

fn explanation(ticket: &TicketRef, row: &Ticket, waiting: &Waiting) -> Option<pb::WaitingExplanation> {
    let leg = row.pending_leg()?;
    let order = pb::DecisionOrder {
        band: row.band.number(),
        virtual_arrival_time: Some(render::timestamp(leg.order_time)),
        ahead_count: None,
    };
    Some(pb::WaitingExplanation {
        leg: name::leg(&ticket.desk.desk, &ticket.name, leg.n),
        requirement: Some(render::requirement(&leg.requirement)),
        wait: Some(render::wait(waiting)),
        order: Some(order),
        exclusion_counts: render::exclusion_counts(waiting.unfit.iter().copied()),
    })
}

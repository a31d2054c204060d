//! ListTickets.

use serde::{Deserialize, Serialize};
use tonic::Status;

use super::Tickets;
use crate::availability::Availability;
use crate::domain::id::{DeskKey, QueueId, TicketId};
use crate::domain::requirement::Channel;
use crate::domain::ticket::TicketState;
use crate::domain::time::Time;
use crate::grpc::filter::{self, Term};
use crate::grpc::form::Form;
use crate::grpc::page::Listing;
use crate::grpc::render::View;
use crate::grpc::status::{self, About};
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;
use crate::store::{Page, Store, TicketFilter};

/// Where the next page begins.
#[derive(Serialize, Deserialize)]
struct After(Time, TicketId);

impl<S: Store, A: Availability> Tickets<S, A> {
    pub(super) async fn list(&self, request: &pb::ListTicketsRequest) -> Result<pb::ListTicketsResponse, Status> {
        let (desk, filter, view, size) = read(request)?;
        let (listing, after) = Listing::open::<_, After>(request, size)?;
        self.desk_exists(&desk).await?;
        let page = Page { after: after.map(|After(time, id)| (time, id)), limit: listing.limit() };
        let rows = self.engine.store().list_tickets(&desk, &filter, page).await;
        let mut rows = rows.map_err(|error| status::of_store(&error))?;
        let next_page_token = listing.cut(&mut rows, |row| After(row.create_time, row.id));
        let mut tickets = Vec::with_capacity(rows.len());
        for row in &rows {
            tickets.push(self.draw(&desk, row, view));
        }
        Ok(pb::ListTicketsResponse { tickets, next_page_token })
    }

    async fn desk_exists(&self, desk: &DeskKey) -> Result<(), Status> {
        let scope = self.engine.store().scope(desk).await.map_err(|error| status::of_store(&error))?;
        scope.map(|_| ()).ok_or_else(|| About::desk(desk).not_found().into())
    }
}

type Read = (DeskKey, TicketFilter, View, u32);

fn read(request: &pb::ListTicketsRequest) -> Result<Read, Status> {
    let mut form = Form::new();
    let desk = form.desk("parent", &request.parent);
    let size = form.page_size(request.page_size);
    let newest_first = match request.order_by.as_str() {
        "" | "create_time" => false,
        "create_time desc" => true,
        _ => {
            form.refuse("order_by", "must be `create_time` or `create_time desc`");
            false
        }
    };
    let view = view(&mut form, request.view, View::Basic);
    let filter = filter(&mut form, desk.as_ref(), &request.filter);
    let desk = form.finish(desk)?;
    Ok((desk, TicketFilter { newest_first, ..filter }, view, size))
}

pub(super) fn view(form: &mut Form, number: i32, unspecified: View) -> View {
    match pb::TicketView::try_from(number) {
        Ok(pb::TicketView::Unspecified) => unspecified,
        Ok(pb::TicketView::Basic) => View::Basic,
        Ok(pb::TicketView::Full) => View::Full,
        Ok(pb::TicketView::Customer) => View::Customer,
        Err(_) => {
            form.refuse("view", format!("must be one of BASIC, FULL, CUSTOMER, not {number}"));
            unspecified
        }
    }
}

fn filter(form: &mut Form, desk: Option<&DeskKey>, text: &str) -> TicketFilter {
    let mut filter = TicketFilter::default();
    match filter::parse(text) {
        Ok(terms) => terms.iter().for_each(|term| narrow(form, desk, term, &mut filter)),
        Err(bad) => form.refuse("filter", bad.to_string()),
    }
    filter
}

fn narrow(form: &mut Form, desk: Option<&DeskKey>, term: &Term, filter: &mut TicketFilter) {
    let Term { field, value, position } = term;
    match field.as_str() {
        "state" => filter.state = word::<TicketState>(form, term),
        "channel" => filter.channel = word::<Channel>(form, term),
        "connector" => filter.connector = form.connector_of(desk, "filter", &in_full(desk, "connectors", value)),
        "owner" => filter.owner = form.agent_of(desk, "filter", &in_full(desk, "agents", value)),
        "queue" => filter.queue = form.id("filter", value, QueueId::parse),
        "conversation_key" => filter.conversation_key = Some(value.as_str().into()),
        _ => {
            let known = "state, channel, connector, queue, owner, conversation_key";
            form.refuse("filter", format!("at character {position}: `{field}` is not one of {known}"));
        }
    }
}

fn word<T: Word>(form: &mut Form, term: &Term) -> Option<T> {
    let read = T::of_word(&term.value);
    if read.is_none() {
        let Term { field, value, position } = term;
        form.refuse("filter", format!("at character {position}: {field} is one of {}, not `{value}`", T::words()));
    }
    read
}

/// A resource of the desk may be named by its id alone.
fn in_full(desk: Option<&DeskKey>, collection: &str, value: &str) -> String {
    match desk {
        Some(desk) if !value.contains('/') => format!("desks/{}/{collection}/{value}", desk.desk),
        Some(_) | None => value.to_owned(),
    }
}

//! Tickets: create, read, list, update, submit, watch.

use std::collections::BTreeMap;

use handoff::proto::google::r#type::Money;
use handoff::proto::handoff::v1::submit_tickets_request::Item;
use handoff::proto::handoff::v1::submit_tickets_response::Result as Outcome;
use handoff::proto::handoff::v1::ticket_service_client::TicketServiceClient;
use handoff::proto::handoff::v1::{
    AuthorityNeed, CreateTicketRequest, Customer, ExplainTicketRequest, GetTicketRequest, ListTicketEventsRequest,
    ListTicketsRequest, Requirement, SkillNeed, SubmitTicketsRequest, Ticket, UpdateTicketRequest, WatchTicketRequest,
};
use prost_types::{FieldMask, Timestamp};
use tonic::Status;
use tonic::transport::Channel;

use super::{Case, of_message, refused};

const TICKET: &str = "desks/north/tickets/call-17";

fn creating(ticket: Ticket) -> CreateTicketRequest {
    CreateTicketRequest {
        parent: "desks/north".into(),
        connector: "desks/north/connectors/pbx".into(),
        ticket: Some(Ticket { channel: 1, ..ticket }),
        ..CreateTicketRequest::default()
    }
}

fn needing(requirement: Requirement) -> CreateTicketRequest {
    creating(Ticket { requirement: Some(requirement), ..Ticket::default() })
}

fn costing(units: i64, nanos: i32, currency: &str) -> CreateTicketRequest {
    let amount = Some(Money { currency_code: currency.into(), units, nanos });
    let authorities = vec![AuthorityNeed { authority: "refund".into(), amount }];
    needing(Requirement { authorities, ..Requirement::default() })
}

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = creates(channel);
    cases.extend(needs(channel));
    cases.extend(reads(channel));
    cases.extend(updates(channel));
    cases.push(submit(channel, None, &["item"]));
    let create = creating(Ticket { priority: Some(101), ..Ticket::default() });
    cases.push(submit(channel, Some(Item::CreateTicket(create)), &["ticket.priority"]));
    cases
}

#[rustfmt::skip]
fn creates(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let good = || creating(Ticket::default());
    let time = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let labels = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest::default()), INVALID_FIELD,
        ["parent", "connector", "ticket"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest { ticket:
        Some(Ticket::default()), ..good() }), INVALID_FIELD, ["ticket.channel"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest { ticket: Some(Ticket { channel:
        77, ..Ticket::default() }), ..good() }), INVALID_FIELD, ["ticket.channel"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest { connector:
        "desks/south/connectors/pbx".into(), ..good() }), INVALID_FIELD, ["connector"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest { ticket_id:
        "Call 17".into(), ..good() }), INVALID_FIELD, ["ticket_id"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(CreateTicketRequest { instance: "i".repeat(64),
        request_id: "x".into(), ..good() }), INVALID_FIELD, ["instance", "request_id"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { band: 9, priority:
        Some(101), ..Ticket::default() })), INVALID_FIELD, ["ticket.band", "ticket.priority"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { subject: "s".repeat(257), summary:
        "s".repeat(4_097), context_uri: "u".repeat(2_049), ..Ticket::default() })), INVALID_FIELD, ["ticket.subject",
        "ticket.summary", "ticket.context_uri"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { subject: "two\nlines".into(),
        summary: "a\0b".into(), ..Ticket::default() })), INVALID_FIELD, ["ticket.subject", "ticket.summary"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { category: "c".repeat(64),
        language_code: "german!".into(), ..Ticket::default() })), INVALID_FIELD, ["ticket.category",
        "ticket.language_code"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { conversation_keys: vec!["a".into(),
        String::new(), "a".into()], ..Ticket::default() })), INVALID_FIELD, ["ticket.conversation_keys[1]",
        "ticket.conversation_keys[2]"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { conversation_keys: (0..11).map(|n|
        n.to_string()).collect(), ..Ticket::default() })), INVALID_FIELD, ["ticket.conversation_keys"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { preferred_agents:
        vec!["anna".into()], parent_ticket: "desks/south/tickets/a".into(), ..Ticket::default() })), INVALID_FIELD,
        ["ticket.preferred_agents[0]", "ticket.parent_ticket"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { labels: labels("k",
        &"v".repeat(257)), ..Ticket::default() })), INVALID_FIELD, ["ticket.labels[\"k\"]"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { customer: Some(Customer { address:
        "a".repeat(257), attributes: labels("", "v"), ..Customer::default() }), ..Ticket::default() })),
        INVALID_FIELD, ["ticket.customer.address", "ticket.customer.attributes"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(creating(Ticket { arrival_time: time(i64::MAX, 0),
        schedule_time: time(0, -1), ..Ticket::default() })), INVALID_FIELD, ["ticket.arrival_time",
        "ticket.schedule_time"]);
    cases
}

#[rustfmt::skip]
fn needs(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let skill = |skill: &str, min_level| SkillNeed { skill: skill.into(), min_level };
    let skills = |skills: Vec<SkillNeed>| needing(Requirement { skills, ..Requirement::default() });
    refused!(cases, channel, TicketServiceClient.create_ticket(skills(vec![skill("a", Some(0)), skill("",
        Some(11))])), INVALID_FIELD, ["ticket.requirement.skills[0].min_level",
        "ticket.requirement.skills[1].skill", "ticket.requirement.skills[1].min_level"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(skills(vec![skill("a", None), skill("a", Some(2))])),
        INVALID_FIELD, ["ticket.requirement.skills[1].skill"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(skills((0..26).map(|n| skill(&n.to_string(),
        None)).collect())), INVALID_FIELD, ["ticket.requirement.skills"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(needing(Requirement { min_tier: Some(10), queue:
        "a/b".into(), ..Requirement::default() })), INVALID_FIELD, ["ticket.requirement.min_tier",
        "ticket.requirement.queue"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(costing(-1, 0, "EUR")), INVALID_FIELD,
        ["ticket.requirement.authorities[0].amount.units"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(costing(1, -500_000_000, "EUR")), INVALID_FIELD,
        ["ticket.requirement.authorities[0].amount.nanos"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(costing(1, 1, "EUR")), INVALID_FIELD,
        ["ticket.requirement.authorities[0].amount.nanos"]);
    refused!(cases, channel, TicketServiceClient.create_ticket(costing(i64::MAX, 0, "euro")), INVALID_FIELD,
        ["ticket.requirement.authorities[0].amount.units", "ticket.requirement.authorities[0].amount.currency_code"]);
    cases
}

#[rustfmt::skip]
fn reads(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let list = || ListTicketsRequest { parent: "desks/north".into(), ..ListTicketsRequest::default() };
    refused!(cases, channel, TicketServiceClient.get_ticket(GetTicketRequest { name: "desks/north".into(), view: 9
        }), INVALID_FIELD, ["name", "view"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { page_size: -5, order_by:
        "priority".into(), view: 4, ..list() }), INVALID_FIELD, ["page_size", "order_by", "view"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { filter:
        "state > OPEN".into(), ..list() }), INVALID_FIELD, ["filter"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { filter:
        "state = open".into(), ..list() }), INVALID_FIELD, ["filter"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { filter:
        "priority = 3".into(), ..list() }), INVALID_FIELD, ["filter"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { filter:
        "owner = desks/south/agents/a".into(), ..list() }), INVALID_FIELD, ["filter"]);
    refused!(cases, channel, TicketServiceClient.list_tickets(ListTicketsRequest { page_token: "abc".into(), ..list()
        }), PAGE_TOKEN_INVALID, ["page_token"]);
    refused!(cases, channel, TicketServiceClient.watch_ticket(WatchTicketRequest { name: "tickets/call-17".into()
        }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, TicketServiceClient.list_ticket_events(ListTicketEventsRequest { page_size:
        -1, ..ListTicketEventsRequest::default() }), INVALID_FIELD, ["parent", "page_size"]);
    refused!(cases, channel, TicketServiceClient.list_ticket_events(ListTicketEventsRequest { parent: TICKET.into(),
        page_token: "00".into(), ..ListTicketEventsRequest::default() }), PAGE_TOKEN_INVALID, ["page_token"]);
    refused!(cases, channel, TicketServiceClient.explain_ticket(ExplainTicketRequest { name:
        "desks/north/tickets/".into(), ..ExplainTicketRequest::default() }), INVALID_FIELD, ["name"]);
    cases
}

#[rustfmt::skip]
fn updates(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let named = || Ticket { name: TICKET.into(), ..Ticket::default() };
    let masked = |path: &str| UpdateTicketRequest {
        ticket: Some(named()),
        update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
        ..UpdateTicketRequest::default()
    };
    refused!(cases, channel, TicketServiceClient.update_ticket(UpdateTicketRequest::default()), INVALID_FIELD,
        ["ticket"]);
    refused!(cases, channel, TicketServiceClient.update_ticket(masked("state")), INVALID_FIELD,
        ["update_mask.paths[0]"]);
    refused!(cases, channel, TicketServiceClient.update_ticket(masked("customer.id")), INVALID_FIELD,
        ["update_mask.paths[0]"]);
    refused!(cases, channel, TicketServiceClient.update_ticket(masked("languageCode")), INVALID_FIELD,
        ["update_mask.paths[0]"]);
    refused!(cases, channel, TicketServiceClient.update_ticket(UpdateTicketRequest { ticket: Some(Ticket { etag:
        "W/1".into(), priority: Some(1_000), ..named() }), ..UpdateTicketRequest::default() }), INVALID_FIELD,
        ["ticket.etag", "ticket.priority"]);
    cases
}

/// An item of a stream: its error is the item's, and comes back as a message.
fn submit(channel: &Channel, item: Option<Item>, fields: &'static [&'static str]) -> Case {
    let mut client = TicketServiceClient::new(channel.clone());
    let call = async move {
        let items = tokio_stream::iter([SubmitTicketsRequest { tag: 7, item }]);
        let answer = client.submit_tickets(items).await?.into_inner().message().await?;
        match answer {
            Some(answer) if answer.tag != 7 => Err(Status::unknown("another tag")),
            Some(answer) => match answer.result {
                Some(Outcome::Error(error)) => Err(of_message(&error)),
                Some(Outcome::Ticket(_)) | None => Ok(()),
            },
            None => Err(Status::unknown("no answer")),
        }
    };
    Case { method: "submit_tickets", request: "one item", reason: "INVALID_FIELD", fields, call: Box::pin(call) }
}

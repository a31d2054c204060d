//! Many tickets at once: submitted on one stream, watched, listed, explained.

use std::collections::BTreeMap;

use handoff::proto::handoff::v1 as pb;
use pb::submit_tickets_request::Item;
use pb::submit_tickets_response::Result as Answer;
use tokio_stream::StreamExt;

use super::{chat, handled, ok, tier};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service};

/// What is submitted: a hundred conversations, each three times, and one item that says nothing.
const CONVERSATIONS: u64 = 100;
const ITEMS: u64 = 3 * CONVERSATIONS;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_items_on_one_stream_are_each_answered_and_conversations_in_their_order() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let empty = pb::SubmitTicketsRequest { tag: ITEMS, item: None };
    let items = (0..ITEMS).map(|tag| {
        let conversation_keys = vec![format!("conversation-{}", tag % CONVERSATIONS)];
        let ticket = pb::Ticket { conversation_keys, subject: tag.to_string(), ..chat() };
        pb::SubmitTicketsRequest { tag, item: Some(Item::CreateTicket(stage.create(ticket))) }
    });
    let items: Vec<_> = items.chain([empty]).collect();
    let mut answers = ok!(stage.clients.tickets.submit_tickets(tokio_stream::iter(items)));
    let mut answered = BTreeMap::new();
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        let earlier = answered.insert(answer.tag, answer.result.expect("a result"));
        assert!(earlier.is_none(), "{} is answered twice", answer.tag);
    }
    assert_eq!(answered.keys().copied().collect::<Vec<_>>(), (0..=ITEMS).collect::<Vec<_>>());
    for (tag, answer) in answered {
        match answer {
            Answer::Ticket(ticket) => assert!(tag < CONVERSATIONS && ticket.subject == tag.to_string(), "{tag}"),
            Answer::Error(error) if tag == ITEMS => assert_eq!(error.code, tonic::Code::InvalidArgument as i32),
            Answer::Error(error) => {
                assert!(tag >= CONVERSATIONS, "{tag}: {}", error.message);
                assert_eq!(error.code, tonic::Code::AlreadyExists as i32, "{}", error.message);
            }
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_ticket_shows_its_history_then_each_change_and_no_agent_until_it_is_closed() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let name = stage.submit(Stage::ticket(pb::Channel::Phone)).await.name;
    let offer = stage.offered(&name).await;
    let mut watch = ok!(stage.clients.tickets.watch_ticket(pb::WatchTicketRequest { name: name.clone() }));
    let first = watch.message().await.expect("alive").expect("a first message");
    assert_eq!(first.events.first().map(|event| event.kind.as_str()), Some("queued"));
    assert_eq!(first.ticket.as_ref().map(pb::Ticket::state), Some(pb::TicketState::Queued));

    ann.accept_connected(&offer.name).await.expect("it is hers");
    let end =
        pb::EndLegRequest { name: format!("{name}/legs/1"), ended_by: pb::EndedBy::Agent.into(), ..Default::default() };
    ok!(stage.clients.tickets.end_leg(end));
    let resolve = pb::ResolveTicketRequest { name: name.clone(), resolution: "done".into(), ..Default::default() };
    ok!(stage.clients.tickets.resolve_ticket(resolve));
    let mut messages = vec![first];
    let reading = async {
        while let Some(message) = watch.message().await.expect("it ends with OK") {
            messages.push(message);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it ends when the ticket is CLOSED");
    let states: Vec<_> = messages.iter().filter_map(|message| message.ticket.as_ref()).map(pb::Ticket::state).collect();
    assert_eq!(states.last(), Some(&pb::TicketState::Closed), "{states:?}");
    let seqs: Vec<u64> = messages.iter().flat_map(|message| &message.events).map(|event| event.seq).collect();
    assert!(seqs.is_sorted_by(|one, other| one < other), "{seqs:?}");
    for message in &messages {
        assert!(!format!("{message:?}").contains("/agents/"), "the customer is told of the agent: {message:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_listed_by_filter_in_pages_in_either_order() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut created = Vec::new();
    for number in 0..7 {
        let channel = if number % 3 == 2 { pb::Channel::Email } else { pb::Channel::Chat };
        created.push(stage.submit(Stage::ticket(channel)).await.name);
    }
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListTicketsRequest {
            parent: stage.desk.clone(),
            page_size: 2,
            page_token,
            filter: "state = QUEUED AND channel = CHAT".into(),
            ..Default::default()
        };
        let answer = ok!(stage.clients.tickets.list_tickets(request));
        pages.push(answer.tickets.into_iter().map(|ticket| ticket.name).collect::<Vec<_>>());
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(pages.iter().all(|page| page.len() <= 2), "{pages:?}");
    let chats: Vec<_> =
        created.iter().enumerate().filter(|(at, _)| at % 3 != 2).map(|(_, name)| name.clone()).collect();
    assert_eq!(pages.concat(), chats);
    let newest = pb::ListTicketsRequest {
        parent: stage.desk.clone(),
        order_by: "create_time desc".into(),
        ..Default::default()
    };
    let listed = ok!(stage.clients.tickets.list_tickets(newest)).tickets;
    assert_eq!(
        listed.into_iter().map(|ticket| ticket.name).collect::<Vec<_>>(),
        created.into_iter().rev().collect::<Vec<_>>()
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_explained_why_an_agent_was_chosen_and_why_a_ticket_waits() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let boss = stage.agent("boss").tier(3).ready().await;
    let name = handled(&mut stage, &mut ann, Stage::ticket(pb::Channel::Phone)).await.name;
    let explain = |name: &str| pb::ExplainTicketRequest { name: name.into(), ..Default::default() };
    let explained = ok!(stage.clients.tickets.explain_ticket(explain(&name)));
    assert!(explained.waiting.is_none());
    let candidates: Vec<_> = explained.records[0]
        .candidates
        .iter()
        .map(|row| (row.agent.as_str(), row.verdict(), row.tier_surplus))
        .collect();
    let expected = [
        (ann.name.as_str(), pb::CandidateVerdict::Chosen, Some(0)),
        (boss.name.as_str(), pb::CandidateVerdict::Eligible, Some(2)),
    ];
    assert_eq!(candidates, expected);

    let manager = pb::Ticket { requirement: Some(tier(5)), ..Stage::ticket(pb::Channel::Phone) };
    let waiting = stage.submit(manager).await;
    let explained = ok!(stage.clients.tickets.explain_ticket(explain(&waiting.name)));
    assert!(explained.records.is_empty());
    let why = explained.waiting.expect("it waits");
    assert_eq!(why.wait.expect("a wait").reason(), pb::Infeasibility::Never);
    assert_eq!(why.exclusion_counts, [("REQUIREMENT".to_owned(), 2)].into());

    // Items of a stream that nobody reads to its end are dropped with it.
    let mut none = ok!(stage.clients.tickets.submit_tickets(tokio_stream::empty()));
    assert!(none.next().await.is_none());
    service.stop().await;
}

//! Lists, places in line, deadlines: what is read beside the batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use handoff::domain::agent::Reachability;
use handoff::domain::id::TicketId;
use handoff::domain::leg::EndedBy;
use handoff::domain::requirement::{Amount, Channel};
use handoff::domain::ticket::{CancelReason, Ticket, TicketState};
use handoff::domain::time::Time;
use handoff::routing::command::{Command, NewResolution};
use handoff::routing::reject::Reject;
use handoff::store::{Due, Store, TicketFilter};

use super::Place;
use super::day;
use super::harness::{Driver, agent, at, connector, leg_id, main_desk, new_ticket, page, queue, ticket};

pub async fn pages_are_complete_and_without_repeats_while_rows_are_added<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    let mut there = BTreeSet::new();
    for nth in 0..23 {
        there.insert(driver.create(&format!("t-{nth}"), Channel::Chat, at(nth / 3)).await);
    }
    for newest_first in [false, true] {
        let filter = TicketFilter { newest_first, ..TicketFilter::default() };
        let mut seen: Vec<Arc<Ticket>> = Vec::new();
        loop {
            let after = seen.last().map(|row| (row.create_time, row.id));
            let rows = store.list_tickets(&main_desk(), &filter, page(after, 4)).await.expect("the store answers");
            if rows.is_empty() {
                break;
            }
            seen.extend(rows);
            if seen.len() < 20 {
                driver.create(&format!("new-{newest_first}-{}", seen.len()), Channel::Chat, at(100)).await;
            }
        }
        let places: Vec<(Time, TicketId)> = seen.iter().map(|row| (row.create_time, row.id)).collect();
        let in_order = |pair: &[(Time, TicketId)]| if newest_first { pair[0] > pair[1] } else { pair[0] < pair[1] };
        assert!(places.windows(2).all(in_order), "in order and without repeats");
        let ids: BTreeSet<TicketId> = places.iter().map(|(_, id)| *id).collect();
        assert!(ids.is_superset(&there));
    }
    let mut names = Vec::new();
    for name in ["b", "c", "a", "e", "d"] {
        driver.agent(name).await;
    }
    driver.done(Command::DeleteAgent { agent: agent("c"), etag: None }, at(200)).await;
    loop {
        let rows = store.list_agents(&main_desk(), false, page(names.last().cloned(), 2)).await.expect("answers");
        if rows.is_empty() {
            break;
        }
        names.extend(rows.iter().map(|row| row.id.clone()));
    }
    assert_eq!(names, ["a", "b", "d", "e"].map(agent));
    driver.done(Command::DeleteConnector { connector: connector("web"), etag: None }, at(201)).await;
    let after = Some(connector("pbx"));
    let rows = store.list_connectors(&main_desk(), page(after, 10)).await.expect("the store answers");
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["softphone"]);
}

pub async fn tickets_are_listed_by_what_they_are<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 3, 350).await;
    let all: Vec<Arc<Ticket>> = driver.model.tickets.own().values().cloned().collect();
    let mut filters = vec![TicketFilter::default()];
    filters.extend(TicketState::ALL.map(|state| TicketFilter { state: Some(state), ..TicketFilter::default() }));
    filters.extend(Channel::ALL.map(|channel| TicketFilter { channel: Some(channel), ..TicketFilter::default() }));
    filters.push(TicketFilter { queue: Some(queue("chat")), ..TicketFilter::default() });
    filters.push(TicketFilter { connector: Some(connector("pbx")), ..TicketFilter::default() });
    for name in day::AGENTS {
        filters.push(TicketFilter { owner: Some(agent(name)), ..TicketFilter::default() });
        let state = Some(TicketState::Assigned);
        filters.push(TicketFilter { owner: Some(agent(name)), state, ..TicketFilter::default() });
    }
    let mut found = 0;
    for filter in filters.iter().flat_map(|one| [one.clone(), TicketFilter { newest_first: true, ..one.clone() }]) {
        let mut expected: Vec<&Arc<Ticket>> = all.iter().filter(|row| matches(&filter, row)).collect();
        expected.sort_by_key(|row| (row.create_time, row.id));
        if filter.newest_first {
            expected.reverse();
        }
        let rows = store.list_tickets(&main_desk(), &filter, page(None, 1_000)).await.expect("the store answers");
        assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        found += rows.len();
    }
    assert!(found > 200, "the day is too short: {found}");
}

fn matches(filter: &TicketFilter, row: &Ticket) -> bool {
    filter.state.is_none_or(|state| row.state == state)
        && filter.channel.is_none_or(|channel| row.channel == channel)
        && filter.queue.as_ref().is_none_or(|queue| row.queue == *queue)
        && filter.connector.as_ref().is_none_or(|connector| row.connector == *connector)
        && (filter.owner.is_none() || row.owner == filter.owner)
}

fn talk(name: &str) -> handoff::routing::command::NewTicket {
    let mut new = new_ticket(name, Channel::Chat);
    new.content.conversation_keys = vec![Arc::from("room-1")];
    new
}

async fn in_room<S: Store>(store: &S, state: Option<TicketState>) -> Vec<TicketId> {
    let filter = TicketFilter { conversation_key: Some(Arc::from("room-1")), state, ..TicketFilter::default() };
    let rows = store.list_tickets(&main_desk(), &filter, page(None, 10)).await.expect("the store answers");
    rows.iter().map(|row| row.id).collect()
}

pub async fn a_conversation_key_is_free_again_when_its_ticket_is_over<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    let first = driver.create_with(talk("first"), at(5)).await;
    let refused = driver.try_commit(Command::CreateTicket(Box::new(talk("second"))), at(6)).await;
    assert!(matches!(refused, Err(Reject::ConversationInUse { ticket, .. }) if ticket.as_str() == "first"));
    assert_eq!(in_room(&store, None).await, [first]);
    assert_eq!(in_room(&store, Some(TicketState::Closed)).await, []);
    let cancel = Command::CancelTicket { ticket: first, reason: CancelReason::CustomerLeft, missing: None };
    driver.done(cancel, at(7)).await;
    assert_eq!(in_room(&store, None).await, []);
    let second = driver.create_with(talk("second"), at(8)).await;
    assert_eq!(in_room(&store, None).await, [second]);
}

pub async fn a_key_taken_since_is_not_freed_by_the_first_tickets_close<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let first = driver.create_with(talk("first"), at(5)).await;
    driver.give(first, "ann", at(6)).await;
    let resolution =
        NewResolution { text: Arc::from("Well."), code: Arc::from(""), first_contact: None, concession: None };
    let resolve = Command::ResolveTicket { ticket: first, resolution: Box::new(resolution), etag: None };
    driver.done(resolve, at(7)).await;
    let second = driver.create_with(talk("second"), at(8)).await;
    let due = driver.row(first).close_due.expect("a resolved ticket closes by itself");
    driver.done(Command::TickTicket { ticket: first }, due).await;
    assert_eq!(driver.row(first).state, TicketState::Closed);
    assert_eq!(in_room(&store, None).await, [second]);
}

pub async fn deadlines_come_in_order_and_up_to_the_limit<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    assert_eq!(store.next_due().await.expect("the store answers"), None);
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    for (nth, channel) in [Channel::Chat, Channel::Phone, Channel::Email, Channel::Phone].into_iter().enumerate() {
        driver.create(&format!("t-{nth}"), channel, at(5 + nth as i64)).await;
    }
    driver.propose(ticket("t-0"), &["ann"], at(10)).await.expect("the offer is made");
    let report = Command::ReportEndpoint {
        agent: agent("ann"),
        channel: Channel::Phone,
        reachability: Reachability::Unreachable,
    };
    driver.done(report, at(11)).await;
    let of_tickets = driver
        .model
        .tickets
        .own()
        .values()
        .filter_map(|row| Some((row.next_due_at?, Due::Ticket(main_desk(), row.id))));
    let of_agents = driver
        .model
        .agents
        .own()
        .values()
        .filter_map(|row| Some((row.next_due_at?, Due::Agent(main_desk(), row.id.clone()))));
    let mut due: Vec<(Time, Due)> = of_tickets.chain(of_agents).collect();
    due.sort_by_key(|(time, _)| *time);
    assert_eq!(due.len(), 5);
    let expected: Vec<Due> = due.iter().map(|(_, due)| due.clone()).collect();
    assert_eq!(store.next_due().await.expect("the store answers"), Some(due[0].0));
    let last = due[4].0;
    assert_eq!(store.due_before(last, 100).await.expect("the store answers"), expected);
    assert_eq!(store.due_before(last, 2).await.expect("the store answers"), expected[..2]);
    assert_eq!(store.due_before(due[0].0, 100).await.expect("the store answers"), expected[..1]);
    let before = due[0].0 - handoff::domain::time::Span(1);
    assert_eq!(store.due_before(before, 100).await.expect("the store answers"), []);
}

pub async fn work_of_an_agent_lasts_until_wrap_up_is_over<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let id = driver.create("call", Channel::Phone, at(5)).await;
    let work = || async {
        let rows = store.work_of(&main_desk(), &agent("ann")).await.expect("the store answers");
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(work().await, []);
    driver.propose(id, &["ann"], at(6)).await.expect("the offer is made");
    assert_eq!(work().await, [id]);
    driver.done(Command::TickTicket { ticket: id }, at(60)).await;
    assert_eq!(work().await, [], "a missed offer is no work");
    driver.done(Command::TickTicket { ticket: id }, at(200)).await;
    driver.give(id, "ann", at(201)).await;
    let leg = leg_id(&driver.row(id));
    driver.done(Command::EndLeg { leg, ended_by: EndedBy::Customer }, at(210)).await;
    assert_eq!(work().await, [id], "wrap-up is work");
    driver.done(Command::FinishWrapUp { leg, code: Arc::from(""), note: Arc::from("") }, at(215)).await;
    assert_eq!(work().await, []);
}

pub async fn legs_that_name_an_amount_are_found_while_they_wait<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    let mut new = new_ticket("refund", Channel::Chat);
    let amount = Amount { currency: Arc::from("EUR"), micros: 5_000_000 };
    new.requirement.authorities = BTreeMap::from([(Arc::from("refund"), Some(amount))]);
    let id = driver.create_with(new, at(5)).await;
    let mut plain = new_ticket("right", Channel::Chat);
    plain.requirement.authorities = BTreeMap::from([(Arc::from("refund"), None)]);
    driver.create_with(plain, at(5)).await;
    let found = store.waiting_with_amounts(&main_desk()).await.expect("the store answers");
    assert_eq!(found, [leg_id(&driver.row(id))]);
    let cancel = Command::CancelTicket { ticket: id, reason: CancelReason::CustomerLeft, missing: None };
    driver.done(cancel, at(7)).await;
    assert_eq!(store.waiting_with_amounts(&main_desk()).await.expect("the store answers"), []);
}

pub async fn open_tickets_are_those_with_work_left<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 9, 250).await;
    let is_open = |row: &&Arc<Ticket>| row.state.is_open() || row.open_legs().next().is_some();
    let expected: Vec<Arc<Ticket>> = driver.model.tickets.own().values().filter(is_open).cloned().collect();
    assert!(expected.len() < driver.model.tickets.own().len());
    let mut found: Vec<Arc<Ticket>> = Vec::new();
    loop {
        let after = found.last().map(|row| row.id);
        let rows = store.open_tickets(&main_desk(), page(after, 3)).await.expect("the store answers");
        if rows.is_empty() {
            break;
        }
        found.extend(rows);
    }
    assert_eq!(found, expected);
}

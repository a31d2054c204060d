//! What a batch finds loaded: the rows that its roots name, and those that follow from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use handoff::domain::id::{AgentId, DeskKey, TicketId};
use handoff::domain::leg::EndedBy;
use handoff::domain::requirement::Channel;
use handoff::routing::command::{Answer, Command, Roots};
use handoff::routing::workset::WorkingSet;
use handoff::store::{DedupKey, Request, Store, StoredAnswer, Work};

use super::Place;
use super::harness::{Call, Driver, agent, at, batch, connector, desk, leg_id, main_desk, new_ticket, queue, ticket};

/// What was loaded of one desk for these roots.
async fn load<S: Store>(store: &S, key: &DeskKey, roots: Roots) -> Seen {
    let request = Request { desk: key.clone(), roots, dedup: None };
    let key = key.clone();
    let look = move |loaded: &handoff::store::Loaded| {
        let set: &WorkingSet<'static> = loaded.desks.get(&key).expect("the desk of the request");
        let conversations = set.conversations.own().iter();
        Seen {
            exists: set.scope.is_some(),
            agents: set.agents.own().keys().cloned().collect(),
            tickets: set.tickets.own().keys().copied().collect(),
            conversations: conversations.map(|((_, key), held)| (key.clone(), *held.as_ref())).collect(),
            waiting: set.waiting.iter().map(|(queue, count)| (queue.to_string(), *count)).collect(),
        }
    };
    let seen = store.transact(vec![request], move |loaded| Work {
        changed: Vec::new(),
        events: Vec::new(),
        answers: Vec::new(),
        value: look(loaded),
    });
    seen.await.expect("the store answers").value
}

#[derive(Debug)]
struct Seen {
    exists: bool,
    agents: BTreeSet<AgentId>,
    tickets: BTreeSet<TicketId>,
    conversations: Vec<(Arc<str>, Option<TicketId>)>,
    waiting: Vec<(String, u32)>,
}

fn agents(names: &[&str]) -> BTreeSet<AgentId> {
    names.iter().map(|name| agent(name)).collect()
}

pub async fn a_ticket_brings_its_concerned_agents<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    for name in ["ann", "bob", "cid"] {
        driver.agent(name).await;
    }
    let given = driver.create("given", Channel::Chat, at(5)).await;
    driver.give(given, "ann", at(6)).await;
    let offered = driver.create("offered", Channel::Chat, at(5)).await;
    driver.propose(offered, &["bob"], at(6)).await.expect("the offer is made");
    let mut new = new_ticket("preferring", Channel::Chat);
    new.preferred = vec![agent("cid")];
    let preferring = driver.create_with(new, at(5)).await;
    for (id, name) in [(given, "ann"), (offered, "bob"), (preferring, "cid")] {
        let seen = load(&store, &main_desk(), Roots { tickets: vec![id], ..Roots::default() }).await;
        assert_eq!((seen.tickets, seen.agents), (BTreeSet::from([id]), agents(&[name])));
    }
    let held = Command::HoldTicket { ticket: given, reason: Arc::from("waiting"), resume_time: None };
    driver.done(held, at(8)).await;
    let seen = load(&store, &main_desk(), Roots { tickets: vec![given], ..Roots::default() }).await;
    assert_eq!(seen.agents, agents(&["ann"]), "the handler of a held ticket");
}

pub async fn an_agent_with_work_brings_the_tickets_and_their_agents<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    for name in ["ann", "bob"] {
        driver.agent(name).await;
    }
    let active = driver.create("active", Channel::Chat, at(5)).await;
    driver.give(active, "ann", at(6)).await;
    let offered = driver.create("offered", Channel::Chat, at(5)).await;
    driver.propose(offered, &["ann"], at(6)).await.expect("the offer is made");
    let mut new = new_ticket("preferring", Channel::Email);
    new.preferred = vec![agent("ann")];
    let preferring = driver.create_with(new, at(5)).await;
    let others = driver.create("others", Channel::Chat, at(5)).await;
    driver.give(others, "bob", at(6)).await;

    let roots = || Roots { agents_with_work: vec![agent("ann")], ..Roots::default() };
    let seen = load(&store, &main_desk(), roots()).await;
    assert_eq!(seen.tickets, BTreeSet::from([active, offered, preferring]));
    assert_eq!(seen.agents, agents(&["ann"]));

    // Somebody else's rows come along where a ticket concerns both.
    let transfer = Command::TransferTicket { ticket: others, transfer: Box::new(super::upkeep::to_agent("ann")) };
    driver.done(transfer, at(9)).await;
    let seen = load(&store, &main_desk(), roots()).await;
    assert_eq!(seen.tickets, BTreeSet::from([active, offered, preferring, others]));
    assert_eq!(seen.agents, agents(&["ann", "bob"]));

    let end = Command::EndLeg { leg: leg_id(&driver.row(active)), ended_by: EndedBy::Agent };
    driver.done(end, at(10)).await;
    let seen = load(&store, &main_desk(), roots()).await;
    let has_work = driver.row(active).open_legs().next().is_some();
    assert_eq!(seen.tickets.contains(&active), has_work, "work that is over is not brought");
}

pub async fn an_agent_named_alone_brings_no_ticket<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let id = driver.create("chat", Channel::Chat, at(5)).await;
    driver.give(id, "ann", at(6)).await;
    let roots = Roots { agents: vec![agent("ann"), agent("nobody")], ..Roots::default() };
    let seen = load(&store, &main_desk(), roots).await;
    assert_eq!((seen.agents, seen.tickets), (agents(&["ann"]), BTreeSet::new()));
}

pub async fn a_conversation_brings_the_ticket_that_holds_it<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    let mut new = new_ticket("chat", Channel::Chat);
    new.content.conversation_keys = vec![Arc::from("room-1")];
    let id = driver.create_with(new, at(5)).await;
    let keys = ["room-1", "room-2"].map(|key| (connector("web"), Arc::from(key)));
    let seen = load(&store, &main_desk(), Roots { conversations: keys.to_vec(), ..Roots::default() }).await;
    assert_eq!(seen.conversations, [(Arc::from("room-1"), Some(id))]);
    assert_eq!(seen.tickets, BTreeSet::from([id]));
    let elsewhere = vec![(connector("pbx"), Arc::from("room-1"))];
    let seen = load(&store, &main_desk(), Roots { conversations: elsewhere, ..Roots::default() }).await;
    assert_eq!(seen.conversations, [], "keys are each connector's own");
}

pub async fn a_queue_brings_the_count_of_its_waiting_legs<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    for name in ["one", "two", "three"] {
        driver.create(name, Channel::Chat, at(5)).await;
    }
    driver.propose(ticket("two"), &["ann"], at(6)).await.expect("the offer is made");
    let roots = Roots { queues: vec![queue("chat"), queue("email")], ..Roots::default() };
    let seen = load(&store, &main_desk(), roots).await;
    assert_eq!(seen.waiting, [("chat".to_owned(), 2), ("email".to_owned(), 0)]);
}

pub async fn a_desk_that_does_not_exist_has_no_scope<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    assert!(!load(&store, &main_desk(), Roots::default()).await.exists);
    assert!(store.scope(&main_desk()).await.expect("the store answers").is_none());
    assert_eq!(store.head(&main_desk()).await.expect("the store answers"), None);
    Driver::new(&store, &main_desk()).await;
    assert!(load(&store, &main_desk(), Roots::default()).await.exists);
}

fn key(tenant: &str, method: &str) -> DedupKey {
    let tenant = main_tenant(tenant);
    DedupKey { tenant, caller: Arc::from("caller"), method: Arc::from(method), key: Arc::from("request-1") }
}

fn main_tenant(tenant: &str) -> handoff::domain::id::TenantId {
    desk(tenant, "main").tenant
}

async fn answers<S: Store>(store: &S, keys: &[DedupKey]) -> Vec<Option<StoredAnswer>> {
    let request = |key: &DedupKey| Request { desk: main_desk(), roots: Roots::default(), dedup: Some(key.clone()) };
    // Requests without a key in between, for answers belong to places in the batch.
    let plain = Request { desk: main_desk(), roots: Roots::default(), dedup: None };
    let requests = keys.iter().flat_map(|key| [plain.clone(), request(key)]).collect();
    let read = store.transact(requests, |loaded| Work {
        changed: Vec::new(),
        events: Vec::new(),
        answers: Vec::new(),
        value: loaded.answers.clone(),
    });
    let answers = read.await.expect("the store answers").value;
    assert!(answers.iter().step_by(2).all(Option::is_none));
    answers.into_iter().skip(1).step_by(2).collect()
}

pub async fn an_answer_is_found_under_its_own_key_alone<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    Driver::new(&store, &main_desk()).await;
    let mut call = Call::new(&main_desk(), Command::UpdateDesk { display_name: None, time_zone: None, etag: None });
    call.dedup = Some(key("default", "UpdateDesk"));
    batch(&store, vec![call], at(5)).await.expect("the store answers");
    let keys = [key("default", "CreateDesk"), key("default", "UpdateDesk"), key("other", "UpdateDesk")];
    let stored = StoredAnswer { request_hash: Arc::from("hash"), answer: Answer::Desk };
    assert_eq!(answers(&store, &keys).await, [None, Some(stored), None]);
}

pub async fn an_old_answer_is_retired<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    Driver::new(&store, &main_desk()).await;
    let mut call = Call::new(&main_desk(), Command::UpdateDesk { display_name: None, time_zone: None, etag: None });
    call.dedup = Some(key("default", "UpdateDesk"));
    let committed = batch(&store, vec![call], at(5)).await.expect("the store answers");
    assert_eq!(store.retire(committed.now, at(0), 10).await.expect("the store answers"), 0, "not older than itself");
    let later = committed.now + handoff::domain::time::Span(1);
    assert_eq!(store.retire(later, at(0), 10).await.expect("the store answers"), 1);
    assert_eq!(answers(&store, &[key("default", "UpdateDesk")]).await, [None]);
}

pub async fn tenants_share_nothing<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let (ours, theirs) = (desk("ours", "main"), desk("theirs", "main"));
    let mut one = Driver::new(&store, &ours).await;
    let mut other = Driver::new(&store, &theirs).await;
    for driver in [&mut one, &mut other] {
        driver.agent("ann").await;
    }
    let mut new = new_ticket("same-name", Channel::Chat);
    new.content.conversation_keys = vec![Arc::from("room-1")];
    let id = one.create_with(new.clone(), at(5)).await;
    assert_eq!(store.get_ticket(&theirs, id).await.expect("the store answers"), None);
    other.create_with(new, at(6)).await;
    one.give(id, "ann", at(7)).await;
    assert!(store.work_of(&theirs, &agent("ann")).await.expect("the store answers").is_empty());
    one.check().await;
    other.check().await;
    let listed = store.list_desks(&ours.tenant, super::harness::page(None, 10)).await.expect("the store answers");
    assert_eq!(listed.len(), 1);
    assert_eq!(store.all_desks().await.expect("the store answers"), [ours, theirs]);
}

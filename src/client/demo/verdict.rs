//! Reads the desk as it is after, or during, the morning: the tickets in limbo, and the log against the records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Status;

use super::calls::Calls;
use super::check::{Findings, History, in_limbo, is_over};
use super::connector::SharedLedger;
use super::ledger::Ledger;
use super::stage::Stage;
use crate::proto::handoff::v1::{
    GetTicketRequest, ListTicketEventsRequest, ListTicketsRequest, Ticket, TicketEvent, TicketView,
};

const PAGE: i32 = 500;
/// Reads under way at once.
const AT_ONCE: usize = 8;
/// Real time for what is still on its way to the connectors.
const CATCH_UP: Duration = Duration::from_secs(45);
/// The connectors have caught up, as far as one can see, when nothing came for this long.
const QUIET: Duration = Duration::from_millis(700);

/// Open tickets, and those among them that nothing moves.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) open: Vec<Ticket>,
    pub(super) limbo: BTreeSet<String>,
}

pub(super) async fn survey(stage: &Stage) -> Result<Survey, Status> {
    let names = tickets(stage).await?.into_iter().filter(|ticket| !is_over(ticket.state())).map(|ticket| ticket.name);
    let full = each(&stage.calls, names.collect(), |calls, name| async move {
        calls.get_ticket(GetTicketRequest { name, view: i32::from(TicketView::Full) }).await
    });
    // One that ended since the list was read is not open any more.
    let open: Vec<Ticket> = full.await?.into_iter().filter(|ticket| !is_over(ticket.state())).collect();
    let limbo = open.iter().filter(|ticket| in_limbo(ticket)).map(|ticket| ticket.name.clone()).collect();
    Ok(Survey { open, limbo })
}

/// Compares the log with the records, and waits within bounds for decisions that are still on their way.
pub(super) async fn compare(stage: &Stage, ledgers: &BTreeMap<String, SharedLedger>) -> Result<Findings, Status> {
    let copies =
        || -> BTreeMap<String, Ledger> { ledgers.iter().map(|(name, ledger)| (name.clone(), ledger.copy())).collect() };
    let until = stage.clock.uptime() + CATCH_UP;
    loop {
        quiet(stage, ledgers, until).await;
        // The records first: whatever is in them by now must be in a log that is read later.
        let before = copies();
        let histories = histories(stage).await?;
        let disorder = Findings::of(&before, &histories).disorder;
        let after = Findings::of(&copies(), &histories);
        let findings = Findings { disorder, ..after };
        if findings.is_clean() || stage.clock.uptime() >= until {
            return Ok(findings);
        }
    }
}

/// Waits until nothing comes to any connector: reading the log meanwhile would only slow it down.
async fn quiet(stage: &Stage, ledgers: &BTreeMap<String, SharedLedger>, until: Duration) {
    let deliveries = || ledgers.values().map(|ledger| ledger.lock().deliveries()).sum::<u64>();
    let mut before = deliveries();
    while stage.clock.uptime() < until {
        stage.clock.real_sleep(QUIET).await;
        let now = deliveries();
        if now == before {
            return;
        }
        before = now;
    }
}

async fn tickets(stage: &Stage) -> Result<Vec<Ticket>, Status> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTicketsRequest {
            parent: stage.desk.clone(),
            page_size: PAGE,
            page_token,
            view: i32::from(TicketView::Basic),
            ..ListTicketsRequest::default()
        };
        let page = stage.calls.list_tickets(request).await?;
        all.extend(page.tickets);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        page_token = page.next_page_token;
    }
}

async fn histories(stage: &Stage) -> Result<Vec<History>, Status> {
    each(&stage.calls, tickets(stage).await?, |calls, ticket| async move {
        let events = events(&calls, &ticket.name).await?;
        Ok(History { ticket: ticket.name, connector: ticket.connector, events })
    })
    .await
}

async fn events(calls: &Calls, ticket: &str) -> Result<Vec<TicketEvent>, Status> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTicketEventsRequest { parent: ticket.to_owned(), page_size: PAGE, page_token };
        let page = calls.list_ticket_events(request).await?;
        all.extend(page.events);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        page_token = page.next_page_token;
    }
}

/// Reads something for each item, a few at a time.
async fn each<I, T, F>(calls: &Calls, items: Vec<I>, read: impl Fn(Calls, I) -> F) -> Result<Vec<T>, Status>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Status>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut all = Vec::new();
    for item in items {
        if under_way.len() >= AT_ONCE
            && let Some(done) = under_way.join_next().await
        {
            all.push(done.map_err(|error| Status::internal(error.to_string()))??);
        }
        under_way.spawn(read(calls.clone(), item));
    }
    while let Some(done) = under_way.join_next().await {
        all.push(done.map_err(|error| Status::internal(error.to_string()))??);
    }
    Ok(all)
}

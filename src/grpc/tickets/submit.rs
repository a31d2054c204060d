//! SubmitTickets: many creates on one stream. Items run beside each other up to a bound; those that share a conversation key
//! run one after the other, in the order in which they came.
//!
//! Nothing is spawned: the items are driven by the reading of their answers. A client that stops reading stops the reading
//! of its items too, and one that leaves drops those under way.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, unfold};
use prost::Message;
use tonic::{Status, Streaming};

use super::{Answers, Tickets};
use crate::availability::Availability;
use crate::grpc::status::Fault;
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::ErrorReason;
use crate::proto::handoff::v1::submit_tickets_request::Item;
use crate::proto::handoff::v1::submit_tickets_response::Result as Outcome;
use crate::routing::reject::Violation;
use crate::store::Store;

/// Items of one stream without an answer, running or waiting for another one; no more are read then.
const IN_FLIGHT: usize = 256;

/// Connector and conversation key.
type Key = (String, String);
type Running = Pin<Box<dyn Future<Output = (u64, pb::SubmitTicketsResponse)> + Send>>;

pub(super) fn answers<S: Store, A: Availability>(
    tickets: Tickets<S, A>,
    items: Streaming<pb::SubmitTicketsRequest>,
) -> Answers<pb::SubmitTicketsResponse> {
    let submission = Submission {
        tickets,
        items: Some(items),
        running: FuturesUnordered::new(),
        line: Line::default(),
        failed: None,
    };
    Box::pin(unfold(submission, |mut submission| async move {
        let answer = submission.next().await?;
        Some((answer, submission))
    }))
}

struct Submission<S, A> {
    tickets: Tickets<S, A>,
    /// `None`: no more will come.
    items: Option<Streaming<pb::SubmitTicketsRequest>>,
    running: FuturesUnordered<Running>,
    line: Line<pb::SubmitTicketsRequest>,
    /// How the stream ends when everything under way is answered.
    failed: Option<Status>,
}

enum Step {
    Answered(Option<(u64, pb::SubmitTicketsResponse)>),
    Read(Result<Option<pb::SubmitTicketsRequest>, Status>),
    Stopping,
}

impl<S: Store, A: Availability> Submission<S, A> {
    async fn next(&mut self) -> Option<Result<pb::SubmitTicketsResponse, Status>> {
        loop {
            match self.step().await {
                Step::Answered(Some((number, answer))) => {
                    for (number, item) in self.line.leave(number) {
                        self.start(number, item);
                    }
                    return Some(Ok(answer));
                }
                Step::Answered(None) => return self.failed.take().map(Err),
                Step::Read(Ok(Some(item))) => {
                    let keys = keys(&item);
                    if let Some((number, item)) = self.line.join(keys, item) {
                        self.start(number, item);
                    }
                }
                Step::Read(Ok(None)) => self.items = None,
                Step::Read(Err(status)) => {
                    self.items = None;
                    self.failed = Some(status);
                }
                Step::Stopping => {
                    self.items = None;
                    self.failed = Some(Fault::shutting_down().into());
                }
            }
        }
    }

    async fn step(&mut self) -> Step {
        let full = self.line.len() >= IN_FLIGHT;
        let Some(items) = self.items.as_mut().filter(|_| !full) else {
            return Step::Answered(self.running.next().await);
        };
        tokio::select! {
            biased;
            Some(answer) = self.running.next() => Step::Answered(Some(answer)),
            () = self.tickets.shutdown.wait() => Step::Stopping,
            item = items.message() => Step::Read(item),
        }
    }

    fn start(&mut self, number: u64, item: pb::SubmitTicketsRequest) {
        let tickets = self.tickets.clone();
        self.running.push(Box::pin(async move { (number, carry_out(&tickets, item).await) }));
    }
}

async fn carry_out<S: Store, A: Availability>(
    tickets: &Tickets<S, A>,
    request: pb::SubmitTicketsRequest,
) -> pb::SubmitTicketsResponse {
    let done = match &request.item {
        Some(Item::CreateTicket(create)) => tickets.create(create).await,
        None => {
            let description = "is required: create_ticket".to_owned();
            let violation = Violation { field: "item".to_owned(), description };
            Err(Fault::invalid(ErrorReason::InvalidField, vec![violation]).into())
        }
    };
    let outcome = done.map_or_else(|status| Outcome::Error(error(&status)), Outcome::Ticket);
    pb::SubmitTicketsResponse { tag: request.tag, result: Some(outcome) }
}

/// The error as a message, with its details.
fn error(status: &Status) -> tonic_types::pb::Status {
    let plain = || tonic_types::pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    };
    tonic_types::pb::Status::decode(status.details()).ok().filter(|it| it.code != 0).unwrap_or_else(plain)
}

fn keys(request: &pb::SubmitTicketsRequest) -> Vec<Key> {
    let Some(Item::CreateTicket(create)) = &request.item else { return Vec::new() };
    let keys = create.ticket.iter().flat_map(|ticket| &ticket.conversation_keys);
    let mut keys: Vec<_> = keys.map(|key| (create.connector.clone(), key.clone())).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Who waits for whom: an item runs when it is the first of every key that it has.
struct Line<T> {
    next: u64,
    /// Every item without an answer; `Some`: it has not begun.
    items: BTreeMap<u64, (Vec<Key>, Option<T>)>,
    /// Per key, the items that have it, in order.
    queues: BTreeMap<Key, VecDeque<u64>>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line { next: 0, items: BTreeMap::new(), queues: BTreeMap::new() }
    }
}

impl<T> Line<T> {
    fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes an item in; gives it back with its number if it may run now.
    fn join(&mut self, keys: Vec<Key>, item: T) -> Option<(u64, T)> {
        let number = self.next;
        self.next += 1;
        for key in &keys {
            self.queues.entry(key.clone()).or_default().push_back(number);
        }
        self.items.insert(number, (keys, Some(item)));
        self.begin(number)
    }

    /// An item has its answer; gives those that may run now.
    fn leave(&mut self, number: u64) -> Vec<(u64, T)> {
        let Some((keys, _)) = self.items.remove(&number) else { return Vec::new() };
        let mut next = Vec::new();
        for key in keys {
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            queue.pop_front();
            match queue.front() {
                Some(first) => next.push(*first),
                None => {
                    self.queues.remove(&key);
                }
            }
        }
        next.into_iter().filter_map(|number| self.begin(number)).collect()
    }

    fn begin(&mut self, number: u64) -> Option<(u64, T)> {
        let (keys, item) = self.items.get_mut(&number)?;
        let first = keys.iter().all(|key| self.queues.get(key).and_then(VecDeque::front) == Some(&number));
        let item = if first { item.take() } else { None };
        item.map(|item| (number, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Key {
        ("c".to_owned(), key.to_owned())
    }

    #[test]
    fn items_of_one_key_run_one_after_the_other_and_others_beside_them() {
        let mut line = Line::default();
        assert_eq!(line.join(vec![key("a")], "first"), Some((0, "first")));
        assert_eq!(line.join(vec![key("a")], "second"), None);
        assert_eq!(line.join(vec![key("b")], "other"), Some((2, "other")));
        assert_eq!(line.join(Vec::new(), "free"), Some((3, "free")));
        assert_eq!(line.len(), 4);
        assert_eq!(line.leave(0), [(1, "second")]);
        assert_eq!(line.leave(1), []);
        assert_eq!((line.leave(2), line.leave(3)), (vec![], vec![]));
        assert!(line.len() == 0 && line.queues.is_empty());
    }

    #[test]
    fn an_item_of_two_keys_waits_for_both_and_runs_once() {
        let mut line = Line::default();
        line.join(vec![key("a")], 0);
        line.join(vec![key("b")], 1);
        assert_eq!(line.join(vec![key("a"), key("b")], 2), None);
        assert_eq!(line.leave(1), []);
        assert_eq!(line.leave(0), [(2, 2)]);
        let mut line = Line::default();
        line.join(vec![key("a"), key("b")], 0);
        line.join(vec![key("a"), key("b")], 1);
        assert_eq!(line.leave(0), [(1, 1)]);
    }

    #[test]
    fn an_error_keeps_its_details() {
        let status = Status::from(Fault::new(ErrorReason::QueueFull, "full"));
        let error = error(&status);
        assert_eq!((error.code, error.details.len()), (8, 1));
    }
}

//! The streams of a real service: subscriptions, sessions, and how they end.

pub mod instances;
mod pulls;
mod quarantine;
mod retention;
mod sessions;
mod subscriptions;
mod watches;

use handoff::proto::handoff::v1 as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::Service;
use crate::harness::stage::Stage;

/// Code and reason of an error.
fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|it| it.reason).unwrap_or_default())
}

async fn chats(stage: &mut Stage, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(stage.submit(Stage::ticket(pb::Channel::Chat)).await.name);
    }
    names
}

#[tokio::test]
async fn a_request_that_is_too_large_is_told_so() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let large = pb::Ticket { summary: "x".repeat(300 * 1024), ..Stage::ticket(pb::Channel::Chat) };
    let request = stage.create(large);
    let refused = stage.clients.tickets.create_ticket(request).await.expect_err("over 256 KiB");
    assert_eq!(reason(&refused), (Code::ResourceExhausted, "TOO_LARGE".to_owned()));
    service.stop().await;
}

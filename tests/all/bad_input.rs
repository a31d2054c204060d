//! Malformed requests of every method, with the error that a stranger is to get: code, reason, and every field that is wrong.
//!
//! [`run`] sends them to a running server. None of them needs anything to exist there: what is malformed is refused before
//! anything is looked up.

mod agents;
mod decisions;
mod desks;
mod moves;
mod tickets;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A request that must be refused.
pub struct Case {
    method: &'static str,
    /// The request as it is written in the table.
    request: &'static str,
    reason: &'static str,
    /// Exactly these are named. Empty: a message that has no place on its stream, whatever it is called.
    fields: &'static [&'static str],
    call: Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>,
}

/// `refused!(cases, channel, Client.method(request), REASON, ["field", ...])`
macro_rules! refused {
    ($cases:ident, $channel:ident, $client:ident.$method:ident($request:expr), $reason:ident, [$($field:literal),+]) => {{
        let mut client = $client::new($channel.clone());
        let request = $request;
        $cases.push(crate::bad_input::Case {
            method: stringify!($method),
            request: stringify!($request),
            reason: stringify!($reason),
            fields: &[$($field),+],
            call: Box::pin(async move { client.$method(request).await.map(|_| ()) }),
        });
    }};
}
use refused;

fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = desks::cases(channel);
    cases.extend(tickets::cases(channel));
    cases.extend(moves::cases(channel));
    cases.extend(agents::cases(channel));
    cases.extend(decisions::cases(channel));
    cases
}

/// Sends every case to the server at `address` (`http://host:port`) and gives what is wrong with its answers.
pub async fn run(address: &str) -> Vec<String> {
    let endpoint = match Endpoint::from_shared(address.to_owned()) {
        Ok(endpoint) => endpoint,
        Err(error) => return vec![format!("{address}: {error}")],
    };
    let mut complaints = Vec::new();
    for case in cases(&endpoint.connect_lazy()) {
        let named = format!("{} of {}", case.method, case.request);
        let answer = case.call.await;
        complaints.extend(check(case.reason, case.fields, answer).err().map(|what| format!("{named}: {what}")));
    }
    complaints
}

fn check(reason: &str, fields: &[&str], answer: Result<(), Status>) -> Result<(), String> {
    let Err(status) = answer else { return Err("was not refused".to_owned()) };
    let details = status.get_error_details();
    let said = details.error_info().ok_or_else(|| format!("no reason: {} {}", status.code(), status.message()))?;
    if (status.code(), said.reason.as_str(), said.domain.as_str()) != (Code::InvalidArgument, reason, "handoff.v1") {
        return Err(format!("{:?} {} of {}: {}", status.code(), said.reason, said.domain, status.message()));
    }
    let violations = details.bad_request().map(|bad| &bad.field_violations[..]).unwrap_or_default();
    if let Some(silent) = violations.iter().find(|it| it.description.is_empty()) {
        return Err(format!("{} is refused without a word", silent.field));
    }
    let found: BTreeSet<_> = violations.iter().map(|it| it.field.as_str()).collect();
    let expected: BTreeSet<_> = fields.iter().copied().collect();
    if expected.is_empty() || found == expected {
        Ok(())
    } else {
        Err(format!("names {found:?} instead of {expected:?}"))
    }
}

/// The error of one item, with its details.
fn of_message(status: &tonic_types::pb::Status) -> Status {
    let details = prost::Message::encode_to_vec(status);
    Status::with_details(Code::from_i32(status.code), status.message.clone(), details.into())
}

#[tokio::test]
async fn every_method_has_a_bad_input() {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let cases = cases(&channel);
    let covered: BTreeSet<_> = cases.iter().map(|case| case.method.replace('_', "")).collect();
    let services = ["agent", "decision", "desk", "offer", "policy", "ticket"];
    for service in services {
        let path = format!("{}/proto/handoff/v1/{service}_service.proto", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let methods = text.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next());
        for method in methods {
            assert!(covered.contains(&method.to_lowercase()), "{method} has no bad input");
        }
    }
    assert!(cases.len() >= 60, "{}", cases.len());
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_every_case() {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    assert_eq!(run("http://127.0.0.1:1").await.len(), cases(&channel).len());
}

//! What is said of a policy, and that an export states what was stated.

use super::*;
use crate::client::document;
use crate::client::export;

const EXAMPLE: &str = include_str!("../../../examples/desk.yaml");

fn read(source: &str) -> Document {
    document::read(source, |_| Ok(String::new())).unwrap_or_else(|problems| panic!("{source}\n{problems:#?}"))
}

/// What a server has after the document was applied.
fn present(desk: &DeskDocument) -> Desk {
    let source = desk.policy.as_ref().map(|policy| policy.source.clone()).unwrap_or_default();
    Desk {
        desk: desk.desk.resource.clone(),
        policy: v1::Policy { source, ..v1::Policy::default() },
        connectors: desk.connectors.iter().map(|stated| stated.resource.clone()).collect(),
        agents: desk.agents.iter().map(|stated| stated.resource.clone()).collect(),
    }
}

#[test]
fn an_export_states_exactly_what_is_there() {
    let more = "desks:\n  d:\n    connectors:\n      c: {reach: desk, affinity: any, channels: [email, chat], kinds: [offered], \
                confirmations: {chat: true}}\n    agents:\n      \"1\": {tier: 9, pools: {deferred: 0}, channels: {chat: {weight: 5, \
                paused: true}}, authorities: {refund: 0.000001 JPY}, labels: {\"a: b\": \"\"}}\n";
    for source in [EXAMPLE, more] {
        let stated: Vec<Desk> = read(source).desks.iter().map(present).collect();
        let exported = export::document(&stated);
        let again: Vec<Desk> = read(&exported).desks.iter().map(present).collect();
        for (old, new) in stated.iter().zip(&again) {
            assert_eq!(changes(&old.desk, &new.desk), []);
            assert_eq!(old.policy, new.policy);
            assert!(
                old.agents
                    .iter()
                    .zip(&new.agents)
                    .all(|(old, new)| old.name == new.name && changes(old, new).is_empty())
            );
            assert_eq!((old.agents.len(), old.connectors.len()), (new.agents.len(), new.connectors.len()));
            assert!(old.connectors.iter().zip(&new.connectors).all(|(old, new)| changes(old, new).is_empty()));
        }
        assert_eq!(export::document(&again), exported);
    }
    assert!(read(&export::document(&[])).desks.is_empty());
}

#[test]
fn a_finding_in_a_policy_is_said_with_its_place_in_the_document() {
    let document = read("desks:\n  d:\n    policy:\n      limits:\n        hop_hard: 99\n");
    let policy = document.desks[0].policy.clone().expect("it has one");
    let finding = v1::PolicyDiagnostic {
        path: "limits.hop_hard".to_owned(),
        line: 2,
        column: 13,
        message: "99 is out of bounds".to_owned(),
        expected: "1 to 20".to_owned(),
        ..v1::PolicyDiagnostic::default()
    };
    let remark = policy_remark(&policy, &finding);
    assert_eq!(remark.place, Place { line: 5, column: 19 });
    assert_eq!(remark.message, "99 is out of bounds (expected: 1 to 20)");
}

#[test]
fn a_policy_s_change_is_shown_at_the_first_line_that_differs() {
    let change = policy_change("a: 1\nb: 2\n", "a: 1\nb: 3\nc: 4\n");
    assert_eq!((change.old.as_str(), change.new.as_str()), ("line 2: b: 2", "line 2: b: 3"));
}

#[test]
fn what_the_server_refuses_is_said_field_by_field() {
    use tonic_types::{ErrorDetails, StatusExt};
    let document = read("desks:\n  d:\n    agents:\n      a:\n        team: x\n        skills: [s]\n");
    let agent = &document.desks[0].agents[0];
    let mut details = ErrorDetails::new();
    details
        .add_bad_request_violation("agent.skills[0].skill", "too long")
        .add_bad_request_violation("agent.team", "no");
    let status = Status::with_error_details(Code::InvalidArgument, "2 fields", details);
    let found: Vec<_> = remarks(agent, &status).into_iter().map(|remark| (remark.place.line, remark.message)).collect();
    assert_eq!(found, [(6, "too long".to_owned()), (5, "no".to_owned())]);
    let plain = remarks(agent, &Status::aborted("changed meanwhile"));
    assert_eq!((plain[0].place.line, plain[0].message.as_str()), (4, "changed meanwhile"));
}

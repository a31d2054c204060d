//! ReportEndpoints: many reports in one call, each of which stands by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use prost::Message as _;
use tonic::Status;
use uuid::Uuid;

use crate::availability::Availability;
use crate::domain::agent::Reachability;
use crate::domain::event::Actor;
use crate::domain::id::AgentId;
use crate::domain::requirement::Channel;
use crate::engine::{Call, Engine};
use crate::grpc::call::{call, submit};
use crate::grpc::decisions::existing_connector;
use crate::grpc::form::Form;
use crate::grpc::name::{AgentRef, ConnectorRef};
use crate::grpc::status::{About, Fault};
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::routing::command::Command;
use crate::routing::reject::Violation;
use crate::store::Store;

/// Reports in one call.
const MOST: usize = 1_000;
/// Commands of one call that are under way at once; the writer commits them together.
const AT_ONCE: usize = 64;

struct Report {
    at: u32,
    agent: AgentId,
    channel: Channel,
    reachability: Reachability,
}

pub(super) async fn report<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    request: pb::ReportEndpointsRequest,
) -> Result<pb::ReportEndpointsResponse, Status> {
    let mut form = Form::new();
    let named = form.connector("connector", &request.connector);
    let request_id = form.request_id(&request.request_id);
    let reports = read(&mut form, named.as_ref(), &request.reports);
    let named = form.finish(named)?;
    existing_connector(engine, &named).await?;

    let (request, named) = (&request, &named);
    let each = reports.into_iter().map(|report| async move {
        let at = report.at;
        (at, apply(engine, named, report, request, request_id).await)
    });
    let results: Vec<(u32, Result<(), Status>)> =
        futures_util::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let mut failures = BTreeMap::new();
    for (at, result) in results {
        if let Err(status) = result {
            let stands_alone = matches!(status.code(), tonic::Code::NotFound | tonic::Code::InvalidArgument);
            if !stands_alone {
                // Overload or a store that is away: nothing more would be done; the call is repeated as a whole.
                return Err(status);
            }
            failures.insert(at, of_item(&status));
        }
    }
    Ok(pb::ReportEndpointsResponse { failures })
}

fn read(form: &mut Form, named: Option<&ConnectorRef>, asked: &[pb::EndpointReport]) -> Vec<Report> {
    if asked.is_empty() {
        form.refuse("reports", "is required, 1 to 1,000 reports");
    }
    form.at_most("reports", asked.len(), MOST);
    let mut reports = Vec::new();
    for (index, each) in asked.iter().enumerate().take(MOST) {
        let field = |part: &str| format!("reports[{index}].{part}");
        let agent = form.agent_of(named.map(|named| &named.desk), &field("agent"), &each.agent);
        let channel = form.choice(&field("channel"), each.channel);
        let reachability = form.choice(&field("reachability"), each.reachability);
        let at = u32::try_from(index).unwrap_or(u32::MAX);
        if let (Some(agent), Some(channel), Some(reachability)) = (agent, channel, reachability) {
            reports.push(Report { at, agent, channel, reachability });
        }
    }
    reports
}

async fn apply<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &ConnectorRef,
    report: Report,
    request: &pb::ReportEndpointsRequest,
    request_id: Option<Uuid>,
) -> Result<(), Status> {
    let Report { at, agent, channel, reachability } = report;
    let about = About::agent(&AgentRef { desk: named.desk.clone(), agent: agent.clone() });
    let row = engine.agent(&named.desk, &agent).filter(|row| !row.deleted);
    let row = row.ok_or_else(|| Status::from(about.not_found()))?;
    let is_mine = row.profile.endpoint(channel).is_some_and(|endpoint| endpoint.connector == named.connector);
    if !is_mine {
        let description = format!("agent {agent} has no endpoint of this connector on {}", channel.word());
        let violation = Violation { field: format!("reports[{at}].channel"), description };
        return Err(Fault::invalid(ErrorReason::InvalidField, vec![violation]).into());
    }
    let command = Command::ReportEndpoint { agent, channel, reachability };
    let mut call = Call {
        actor: Actor::Connector(named.connector.clone()),
        ..call(named.desk.clone(), command, request, request_id)
    };
    if let Some(dedup) = &mut call.dedup {
        // Each report is a call of its own under the request's id.
        dedup.key.key = Arc::from(format!("{}/{at}", dedup.key.key).as_str());
    }
    submit(engine, call, &about).await.map(|_reply| ())
}

/// The status of one item, with its details, as google.rpc has it.
fn of_item(status: &Status) -> tonic_types::Status {
    let plain = || tonic_types::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    };
    if status.details().is_empty() {
        return plain();
    }
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| plain())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::name;

    fn named() -> ConnectorRef {
        name::parse_connector("desks/north/connectors/pbx").expect("valid")
    }

    #[test]
    fn a_malformed_report_is_refused_by_its_index() {
        let report = |agent: &str| pb::EndpointReport { agent: agent.to_owned(), channel: 1, reachability: 2 };
        let mut form = Form::new();
        let asked = [report("desks/north/agents/ann"), report("desks/south/agents/bob"), pb::EndpointReport::default()];
        assert_eq!(read(&mut form, Some(&named()), &asked).len(), 1);
        let message = form.check().expect_err("two are malformed").message().to_owned();
        for field in ["reports[1].agent", "reports[2].agent", "reports[2].channel", "reports[2].reachability"] {
            assert!(message.contains(&format!("{field}: ")), "{field} in {message}");
        }
    }

    #[test]
    fn a_call_has_1_to_1000_reports() {
        for count in [0, MOST + 1] {
            let report = pb::EndpointReport { agent: "desks/north/agents/ann".to_owned(), channel: 1, reachability: 2 };
            let mut form = Form::new();
            read(&mut form, Some(&named()), &vec![report; count]);
            assert!(form.check().is_err_and(|status| status.message().starts_with("reports: ")), "{count}");
        }
    }

    #[test]
    fn an_items_failure_has_the_details_of_a_calls() {
        let status = Status::from(Fault::new(ErrorReason::NotFound, "gone"));
        let item = of_item(&status);
        assert_eq!((item.code, item.message.as_str(), item.details.len()), (5, "gone", 1));
    }
}

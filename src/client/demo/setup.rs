//! Sets the desk up: connectors, agents. Everything by the API; on an embedded service and on another one alike.

use tonic::Status;

use super::calls::Calls;
use super::cast::{CONNECTORS, MEMBERS, connector};
use crate::proto::handoff::v1::{
    CreateAgentRequest, CreateConnectorRequest, CreateDeskRequest, Desk, Policy, UpdatePolicyRequest,
};

/// The desk's rules, as an operator would write them.
pub(super) const POLICY: &str = include_str!("policy.yaml");

/// Creates the desk with its policy and everybody on it, and gives its name.
pub(super) async fn desk(calls: &Calls, id: &str) -> Result<String, Status> {
    let desk = Desk { display_name: "Demonstration".to_owned(), time_zone: "UTC".to_owned(), ..Desk::default() };
    let request = CreateDeskRequest { desk_id: id.to_owned(), desk: Some(desk), request_id: calls.request_id() };
    let desk = calls.create_desk(request).await?.name;
    let policy = Policy {
        name: format!("{desk}/policy"),
        source: POLICY.to_owned(),
        change_note: "The demonstration's rules".to_owned(),
        ..Policy::default()
    };
    let request =
        UpdatePolicyRequest { policy: Some(policy), request_id: calls.request_id(), ..UpdatePolicyRequest::default() };
    calls.update_policy(request).await?;
    for (id, name, channels) in CONNECTORS {
        let request = CreateConnectorRequest {
            parent: desk.clone(),
            connector_id: id.to_owned(),
            connector: Some(connector(name, channels)),
            request_id: calls.request_id(),
        };
        calls.create_connector(request).await?;
    }
    for member in &MEMBERS {
        let request = CreateAgentRequest {
            parent: desk.clone(),
            agent_id: member.id.to_owned(),
            agent: Some(member.agent(&desk)),
            request_id: calls.request_id(),
        };
        calls.create_agent(request).await?;
    }
    Ok(desk)
}

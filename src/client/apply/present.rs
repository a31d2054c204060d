//! What a server has.

use tonic::{Code, Status};

use crate::client::connection::Connection;
use crate::proto::handoff::v1;
use crate::proto::handoff::v1::agent_service_client::AgentServiceClient;
use crate::proto::handoff::v1::decision_service_client::DecisionServiceClient;
use crate::proto::handoff::v1::desk_service_client::DeskServiceClient;
use crate::proto::handoff::v1::policy_service_client::PolicyServiceClient;

const PAGE: i32 = 1_000;

/// A desk with what belongs to it; deleted agents are not in it.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    pub desk: v1::Desk,
    pub policy: v1::Policy,
    pub connectors: Vec<v1::Connector>,
    pub agents: Vec<v1::Agent>,
}

/// The desk of this name, if there is one.
pub async fn find_desk(connection: &Connection, name: &str) -> Result<Option<Desk>, Status> {
    let request = v1::GetDeskRequest { name: name.to_owned() };
    let client = DeskServiceClient::new(connection.channel.clone());
    let found = connection.call(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.get_desk(request).await }
    });
    let desk = match found.await {
        Err(status) if status.code() == Code::NotFound => return Ok(None),
        found => found?,
    };
    let policy = policy(connection, name).await?;
    let (connectors, agents) = (connectors(connection, name).await?, agents(connection, name).await?);
    Ok(Some(Desk { desk, policy, connectors, agents }))
}

/// Names of all desks.
pub async fn list_desks(connection: &Connection) -> Result<Vec<String>, Status> {
    let client = DeskServiceClient::new(connection.channel.clone());
    let mut names = Vec::new();
    let mut request = v1::ListDesksRequest { page_size: PAGE, page_token: String::new() };
    loop {
        let page = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_desks(request).await }
        });
        let page = page.await?;
        names.extend(page.desks.into_iter().map(|desk| desk.name));
        if page.next_page_token.is_empty() {
            return Ok(names);
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn policy(connection: &Connection, desk: &str) -> Result<v1::Policy, Status> {
    let request = v1::GetPolicyRequest { name: format!("{desk}/policy") };
    let client = PolicyServiceClient::new(connection.channel.clone());
    let found = connection.call(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.get_policy(request).await }
    });
    found.await
}

/// Everything that is to be said of a source.
pub async fn check_policy(
    connection: &Connection,
    name: &str,
    source: &str,
) -> Result<Vec<v1::PolicyDiagnostic>, Status> {
    let request = v1::CheckPolicyRequest { name: name.to_owned(), source: source.to_owned() };
    let client = PolicyServiceClient::new(connection.channel.clone());
    let checked = connection.call(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.check_policy(request).await }
    });
    Ok(checked.await?.diagnostics)
}

async fn connectors(connection: &Connection, desk: &str) -> Result<Vec<v1::Connector>, Status> {
    let client = DecisionServiceClient::new(connection.channel.clone());
    let mut connectors = Vec::new();
    let mut request = v1::ListConnectorsRequest { parent: desk.to_owned(), page_size: PAGE, page_token: String::new() };
    loop {
        let page = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_connectors(request).await }
        });
        let page = page.await?;
        connectors.extend(page.connectors);
        if page.next_page_token.is_empty() {
            return Ok(connectors);
        }
        request.page_token = page.next_page_token;
    }
}

async fn agents(connection: &Connection, desk: &str) -> Result<Vec<v1::Agent>, Status> {
    let client = AgentServiceClient::new(connection.channel.clone());
    let mut agents = Vec::new();
    let mut request =
        v1::ListAgentsRequest { parent: desk.to_owned(), page_size: PAGE, ..v1::ListAgentsRequest::default() };
    loop {
        let page = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_agents(request).await }
        });
        let page = page.await?;
        agents.extend(page.agents);
        if page.next_page_token.is_empty() {
            return Ok(agents);
        }
        request.page_token = page.next_page_token;
    }
}

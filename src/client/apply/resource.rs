//! How each kind of resource is created and updated.

use prost_types::FieldMask;
use tonic::Status;

use crate::client::connection::Connection;
use crate::client::document::write::Resource;
use crate::proto::handoff::v1;
use crate::proto::handoff::v1::agent_service_client::AgentServiceClient;
use crate::proto::handoff::v1::decision_service_client::DecisionServiceClient;
use crate::proto::handoff::v1::desk_service_client::DeskServiceClient;
use crate::proto::handoff::v1::policy_service_client::PolicyServiceClient;

pub trait Kind: Resource + Clone + Default + Sync {
    /// This resource as an update of that one: refused when it changed meanwhile.
    fn with_etag_of(&self, old: &Self) -> Self;
    fn create(connection: &Connection, new: &Self) -> impl Future<Output = Result<(), Status>> + Send;
    fn update(connection: &Connection, new: Self, mask: Vec<String>)
    -> impl Future<Output = Result<(), Status>> + Send;
}

/// `desks/d/agents/a` is the agent `a` of `desks/d`.
fn split(name: &str) -> (String, String) {
    let (parent, id) = name.rsplit_once('/').unwrap_or_default();
    let (parent, _collection) = parent.rsplit_once('/').unwrap_or((parent, ""));
    (parent.to_owned(), id.to_owned())
}

impl Kind for v1::Desk {
    fn with_etag_of(&self, old: &v1::Desk) -> v1::Desk {
        v1::Desk { etag: old.etag.clone(), ..self.clone() }
    }

    async fn create(connection: &Connection, new: &v1::Desk) -> Result<(), Status> {
        let client = DeskServiceClient::new(connection.channel.clone());
        let (_, desk_id) = split(&new.name);
        let request = v1::CreateDeskRequest { desk_id, desk: Some(new.clone()), request_id: connection.request_id() };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.create_desk(request).await }
        });
        made.await.map(drop)
    }

    async fn update(connection: &Connection, new: v1::Desk, paths: Vec<String>) -> Result<(), Status> {
        let client = DeskServiceClient::new(connection.channel.clone());
        let update_mask = Some(FieldMask { paths });
        let request = v1::UpdateDeskRequest { desk: Some(new), update_mask, request_id: connection.request_id() };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.update_desk(request).await }
        });
        made.await.map(drop)
    }
}

impl Kind for v1::Connector {
    fn with_etag_of(&self, old: &v1::Connector) -> v1::Connector {
        v1::Connector { etag: old.etag.clone(), ..self.clone() }
    }

    async fn create(connection: &Connection, new: &v1::Connector) -> Result<(), Status> {
        let client = DecisionServiceClient::new(connection.channel.clone());
        let (parent, connector_id) = split(&new.name);
        let (connector, request_id) = (Some(new.clone()), connection.request_id());
        let request = v1::CreateConnectorRequest { parent, connector_id, connector, request_id };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.create_connector(request).await }
        });
        made.await.map(drop)
    }

    async fn update(connection: &Connection, new: v1::Connector, paths: Vec<String>) -> Result<(), Status> {
        let client = DecisionServiceClient::new(connection.channel.clone());
        let (update_mask, request_id) = (Some(FieldMask { paths }), connection.request_id());
        let request = v1::UpdateConnectorRequest { connector: Some(new), update_mask, request_id };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.update_connector(request).await }
        });
        made.await.map(drop)
    }
}

impl Kind for v1::Agent {
    fn with_etag_of(&self, old: &v1::Agent) -> v1::Agent {
        v1::Agent { etag: old.etag.clone(), ..self.clone() }
    }

    async fn create(connection: &Connection, new: &v1::Agent) -> Result<(), Status> {
        let client = AgentServiceClient::new(connection.channel.clone());
        let (parent, agent_id) = split(&new.name);
        let (agent, request_id) = (Some(new.clone()), connection.request_id());
        let request = v1::CreateAgentRequest { parent, agent_id, agent, request_id };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.create_agent(request).await }
        });
        made.await.map(drop)
    }

    async fn update(connection: &Connection, new: v1::Agent, paths: Vec<String>) -> Result<(), Status> {
        let client = AgentServiceClient::new(connection.channel.clone());
        let update_mask = Some(FieldMask { paths });
        let request = v1::UpdateAgentRequest { agent: Some(new), update_mask, request_id: connection.request_id() };
        let made = connection.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.update_agent(request).await }
        });
        made.await.map(drop)
    }
}

pub async fn update_policy(connection: &Connection, name: &str, source: &str, etag: &str) -> Result<(), Status> {
    let client = PolicyServiceClient::new(connection.channel.clone());
    let (name, source, etag) = (name.to_owned(), source.to_owned(), etag.to_owned());
    let policy = v1::Policy { name, source, etag, ..v1::Policy::default() };
    let request = v1::UpdatePolicyRequest {
        policy: Some(policy),
        update_mask: Some(FieldMask { paths: vec!["source".to_owned()] }),
        request_id: connection.request_id(),
        validate_only: false,
    };
    let made = connection.call(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.update_policy(request).await }
    });
    made.await.map(drop)
}

//! Agents and their sessions.

use std::collections::BTreeMap;

use handoff::proto::google::r#type::Money;
use handoff::proto::handoff::v1::agent_service_client::AgentServiceClient;
use handoff::proto::handoff::v1::open_session_request::Request;
use handoff::proto::handoff::v1::{
    Agent, Authority, ChannelRule, CreateAgentRequest, DeleteAgentRequest, EndSessionRequest, Endpoint, EndpointReport,
    GetAgentRequest, Heartbeat, ListAgentsRequest, OpenSessionRequest, PoolCapacity, ReportEndpointsRequest,
    SendHeartbeatsRequest, SessionHeartbeat, SessionHello, SetAgentStateRequest, Skill, StartSessionRequest,
    UpdateAgentRequest, WatchSessionRequest,
};
use prost_types::FieldMask;
use tonic::transport::Channel;

use super::{Case, refused};

const ANNA: &str = "desks/north/agents/anna";
const PBX: &str = "desks/north/connectors/pbx";

pub fn cases(channel: &Channel) -> Vec<Case> {
    let mut cases = profiles(channel);
    cases.extend(states(channel));
    cases.extend(sessions(channel));
    let beat = Request::Heartbeat(SessionHeartbeat::default());
    cases.push(open(channel, "a heartbeat before the hello", Some(beat), "PROTOCOL", &[]));
    cases.push(open(channel, "nothing", None, "PROTOCOL", &[]));
    let hello = Request::Hello(SessionHello { agent: "anna".into(), mode: 9, ..SessionHello::default() });
    let fields = &["hello.agent", "hello.device_id", "hello.mode"];
    cases.push(open(channel, "a bad hello", Some(hello), "INVALID_FIELD", fields));
    cases
}

#[rustfmt::skip]
fn profiles(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |agent: Agent| CreateAgentRequest {
        parent: "desks/north".into(),
        agent_id: "anna".into(),
        agent: Some(agent),
        request_id: String::new(),
    };
    let skill = |skill: &str, level| Skill { skill: skill.into(), level };
    let limit = Some(Money { currency_code: "EUR".into(), units: -5, nanos: 0 });
    let refund = Authority { authority: "refund".into(), limit };
    let rule = |channel| ChannelRule { channel, weight: Some(0), max: Some(101), paused: false };
    let end = |channel: i32, connector: &str| Endpoint {
        channel,
        connector: connector.into(),
        address: "7".into(),
        ..Endpoint::default()
    };
    refused!(cases, channel, AgentServiceClient.create_agent(CreateAgentRequest::default()), INVALID_FIELD,
        ["parent", "agent_id", "agent"]);
    refused!(cases, channel, AgentServiceClient.create_agent(CreateAgentRequest { agent_id:
        "-anna".into(), ..with(Agent::default()) }), INVALID_FIELD, ["agent_id"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { tier: Some(10), display_name:
        "d".repeat(257), team: "t".repeat(64), ..Agent::default() })), INVALID_FIELD, ["agent.tier",
        "agent.display_name", "agent.team"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { skills: vec![skill("a", Some(11)),
        skill("", None)], ..Agent::default() })), INVALID_FIELD, ["agent.skills[0].level", "agent.skills[1].skill"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { skills: vec![skill("a", None), skill("a",
        None)], ..Agent::default() })), INVALID_FIELD, ["agent.skills[1].skill"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { authorities: vec![refund], language_codes:
        vec!["!".into()], ..Agent::default() })), INVALID_FIELD, ["agent.authorities[0].limit.units",
        "agent.language_codes[0]"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { pools: vec![PoolCapacity { pool: 0,
        capacity: Some(1_001) }], ..Agent::default() })), INVALID_FIELD, ["agent.pools[0].pool",
        "agent.pools[0].capacity"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { channels: vec![rule(9)], ..Agent::default()
        })), INVALID_FIELD, ["agent.channels[0].channel", "agent.channels[0].weight", "agent.channels[0].max"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { endpoints: vec![end(1, PBX), end(1,
        PBX)], ..Agent::default() })), INVALID_FIELD, ["agent.endpoints[1].channel"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { endpoints: vec![end(1,
        "desks/south/connectors/pbx")], ..Agent::default() })), INVALID_FIELD, ["agent.endpoints[0].connector"]);
    refused!(cases, channel, AgentServiceClient.create_agent(with(Agent { labels: BTreeMap::from([("k".into(),
        "v".repeat(257))]), ..Agent::default() })), INVALID_FIELD, ["agent.labels[\"k\"]"]);
    refused!(cases, channel, AgentServiceClient.get_agent(GetAgentRequest { name: "anna".into() }), INVALID_FIELD,
        ["name"]);
    refused!(cases, channel, AgentServiceClient.list_agents(ListAgentsRequest { parent: ANNA.into(), page_size:
        -1, ..ListAgentsRequest::default() }), INVALID_FIELD, ["parent", "page_size"]);
    refused!(cases, channel, AgentServiceClient.list_agents(ListAgentsRequest { parent: "desks/north".into(),
        page_token: "7b7d".into(), ..ListAgentsRequest::default() }), PAGE_TOKEN_INVALID, ["page_token"]);
    refused!(cases, channel, AgentServiceClient.update_agent(UpdateAgentRequest::default()), INVALID_FIELD,
        ["agent"]);
    refused!(cases, channel, AgentServiceClient.update_agent(UpdateAgentRequest { agent: Some(Agent { name:
        ANNA.into(), ..Agent::default() }), update_mask: Some(FieldMask { paths: vec!["presence".into()]
        }), ..UpdateAgentRequest::default() }), INVALID_FIELD, ["update_mask.paths[0]"]);
    refused!(cases, channel, AgentServiceClient.delete_agent(DeleteAgentRequest { name: ANNA.into(), etag:
        "-1".into(), request_id: "x".into() }), INVALID_FIELD, ["etag", "request_id"]);
    cases
}

#[rustfmt::skip]
fn states(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    let state = |state| SetAgentStateRequest { name: ANNA.into(), state, ..SetAgentStateRequest::default() };
    let report = |agent: &str, channel, reachability| EndpointReport { agent: agent.into(), channel, reachability };
    let reports = |reports| ReportEndpointsRequest { connector: PBX.into(), reports, request_id: String::new() };
    // READY 1, BREAK 2, OFFLINE 3.
    refused!(cases, channel, AgentServiceClient.set_agent_state(state(0)), INVALID_FIELD, ["state"]);
    refused!(cases, channel, AgentServiceClient.set_agent_state(state(2)), INVALID_FIELD, ["break_reason"]);
    refused!(cases, channel, AgentServiceClient.set_agent_state(SetAgentStateRequest { break_reason:
        "lunch".into(), ..state(1) }), INVALID_FIELD, ["break_reason"]);
    refused!(cases, channel, AgentServiceClient.set_agent_state(SetAgentStateRequest { open_work: 2, ..state(1) }),
        INVALID_FIELD, ["open_work"]);
    refused!(cases, channel, AgentServiceClient.set_agent_state(SetAgentStateRequest { timing: 9, ..state(1) }),
        INVALID_FIELD, ["timing"]);
    refused!(cases, channel, AgentServiceClient.report_endpoints(reports(Vec::new())), INVALID_FIELD, ["reports"]);
    refused!(cases, channel, AgentServiceClient.report_endpoints(reports(vec![report(ANNA, 1, 1); 1_001])),
        INVALID_FIELD, ["reports"]);
    cases
}

#[rustfmt::skip]
fn sessions(channel: &Channel) -> Vec<Case> {
    let mut cases = Vec::new();
    refused!(cases, channel, AgentServiceClient.start_session(StartSessionRequest { name: ANNA.into(), mode:
        3, ..StartSessionRequest::default() }), INVALID_FIELD, ["device_id", "mode"]);
    refused!(cases, channel, AgentServiceClient.send_heartbeats(SendHeartbeatsRequest { parent:
        "desks/north".into(), heartbeats: Vec::new() }), INVALID_FIELD, ["heartbeats"]);
    refused!(cases, channel, AgentServiceClient.send_heartbeats(SendHeartbeatsRequest { parent: "north".into(),
        heartbeats: vec![Heartbeat { agent: ANNA.into(), session_epoch: 1, device_id: "d".into() }] }),
        INVALID_FIELD, ["parent"]);
    refused!(cases, channel, AgentServiceClient.watch_session(WatchSessionRequest { name: "desks/north".into(),
        session_epoch: 1, device_id: "d".into() }), INVALID_FIELD, ["name"]);
    refused!(cases, channel, AgentServiceClient.end_session(EndSessionRequest { name:
        ANNA.into(), ..EndSessionRequest::default() }), INVALID_FIELD, ["session_epoch"]);
    cases
}

/// The first message of a stream of its own; the error comes with the call or as its first answer.
fn open(
    channel: &Channel,
    request: &'static str,
    first: Option<Request>,
    reason: &'static str,
    fields: &'static [&'static str],
) -> Case {
    let mut client = AgentServiceClient::new(channel.clone());
    let call = async move {
        let messages = tokio_stream::iter([OpenSessionRequest { request: first }]);
        client.open_session(messages).await?.into_inner().message().await.map(|_| ())
    };
    Case { method: "open_session", request, reason, fields, call: Box::pin(call) }
}

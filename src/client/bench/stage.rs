//! A desk to measure on: agents on duty with room for everything that will be offered to them, kept on duty by heartbeats.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tonic::Status;
use tonic::transport::Channel;

use crate::client::connection::{Connection, Error};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::proto::handoff::v1 as api;
use crate::shutdown::{Trigger, switch};
use api::agent_service_client::AgentServiceClient;
use api::decision_service_client::DecisionServiceClient;
use api::desk_service_client::DeskServiceClient;
use api::policy_service_client::PolicyServiceClient;

/// Calls in flight while the desk is set up.
const AT_ONCE: usize = 64;
/// Connections that the callers share.
const CONNECTIONS: usize = 8;
const BEAT: Duration = Duration::from_secs(5);
/// Sessions in one call: its limit.
const BEATS: usize = 1_000;
pub(super) const DEVICE: &str = "bench";
/// Skills of the desk. A lane is a skill and the lowest level asked for.
const SKILLS: u32 = 40;
/// Distinct levels that lanes ask for; every agent's levels are at least this.
const LEVELS: u32 = 5;
/// Offers stay open for as long as anybody measures.
const POLICY: &str = "queues:\n  email:\n    offer_timeout: 1h\n";

/// Whether agents have profiles in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profiles {
    /// Ten profiles for all.
    Ten,
    /// No two agents have the same levels.
    Distinct,
}

/// Who is on the desk, and what tickets ask for.
#[derive(Clone, Copy, Debug)]
pub struct Staff {
    pub agents: u32,
    pub profiles: Profiles,
    /// Requirements that tickets have in turn, 1 to 200.
    pub lanes: u32,
}

/// A desk with its agents on duty, until it is dropped.
pub struct Stage {
    pub(super) channels: Vec<Channel>,
    pub(super) desk: String,
    pub(super) connector: String,
    pub(super) lanes: u32,
    pub(super) clock: Clock,
    pub(super) entropy: Arc<Entropy>,
    _beating: Trigger,
}

impl Stage {
    /// Sets it up on the servers, which have everything in common; callers are spread over them.
    ///
    /// # Errors
    /// When a server cannot be reached or refuses a part of it.
    pub async fn set_up(servers: &[String], staff: Staff, clock: Clock) -> Result<Stage, Error> {
        let entropy = Arc::new(Entropy::from_system());
        let mut channels = Vec::with_capacity(CONNECTIONS);
        for server in servers.iter().cycle().take(CONNECTIONS.max(servers.len())) {
            channels.push(Connection::open(server, clock.clone(), Entropy::from_system()).await?.channel);
        }
        let desk = format!("bench-{}", &entropy.secret()[..12]);
        let refused = |what: &str| {
            let what = what.to_owned();
            move |status| Error::Refused { what, status: Box::new(status) }
        };
        let desk = create_desk(&channels[0], desk).await.map_err(refused("the desk to measure on"))?;
        let numbers = stream::iter(0..staff.agents);
        let on_duty = numbers.map(|n| on_duty(channels[n as usize % channels.len()].clone(), &desk, staff, n));
        let sessions: Vec<api::Heartbeat> =
            on_duty.buffer_unordered(AT_ONCE).try_collect().await.map_err(refused("the agents to measure with"))?;
        let (beating, stopping) = switch();
        let (channel, parent, own_clock) = (channels[0].clone(), desk.clone(), clock.clone());
        tokio::spawn(async move {
            let mut stopping = stopping;
            tokio::select! {
                biased;
                () = stopping.wait() => {}
                () = beat(channel, parent, sessions, own_clock) => {}
            }
        });
        let connector = format!("{desk}/connectors/mail");
        Ok(Stage { channels, desk, connector, lanes: staff.lanes, clock, entropy, _beating: beating })
    }

    pub(super) fn channel(&self, caller: usize) -> Channel {
        self.channels[caller % self.channels.len()].clone()
    }

    pub(super) fn request_id(&self) -> String {
        self.entropy.request_id(self.clock.now())
    }

    /// The request for the `n`th ticket.
    pub(super) fn ticket(&self, n: u64) -> api::CreateTicketRequest {
        let lane = u32::try_from(n % u64::from(self.lanes)).unwrap_or(0);
        let skill = api::SkillNeed { skill: skill_name(lane % SKILLS), min_level: Some(1 + lane / SKILLS % LEVELS) };
        api::CreateTicketRequest {
            parent: self.desk.clone(),
            connector: self.connector.clone(),
            ticket: Some(api::Ticket {
                channel: api::Channel::Email.into(),
                external_id: n.to_string(),
                subject: "The invoice of last month".to_owned(),
                requirement: Some(api::Requirement { skills: vec![skill], ..Default::default() }),
                ..Default::default()
            }),
            request_id: self.request_id(),
            ..Default::default()
        }
    }
}

async fn create_desk(channel: &Channel, id: String) -> Result<String, Status> {
    let desk = api::Desk { display_name: "Bench".to_owned(), time_zone: "UTC".to_owned(), ..Default::default() };
    let request = api::CreateDeskRequest { desk_id: id, desk: Some(desk), ..Default::default() };
    let desk = DeskServiceClient::new(channel.clone()).create_desk(request).await?.into_inner().name;
    let policy = api::Policy { name: format!("{desk}/policy"), source: POLICY.to_owned(), ..Default::default() };
    let request = api::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    PolicyServiceClient::new(channel.clone()).update_policy(request).await?;
    let connector = api::Connector { channels: vec![api::Channel::Email.into()], ..Default::default() };
    let request = api::CreateConnectorRequest {
        parent: desk.clone(),
        connector_id: "mail".to_owned(),
        connector: Some(connector),
        ..Default::default()
    };
    DecisionServiceClient::new(channel.clone()).create_connector(request).await?;
    Ok(desk)
}

/// Brings the `n`th agent on duty.
async fn on_duty(channel: Channel, desk: &str, staff: Staff, n: u32) -> Result<api::Heartbeat, Status> {
    let mut agents = AgentServiceClient::new(channel);
    let room =
        api::ChannelRule { channel: api::Channel::Email.into(), weight: Some(1), max: Some(100), ..Default::default() };
    let agent = api::Agent { skills: skills(staff.profiles, n), channels: vec![room], ..Default::default() };
    let request = api::CreateAgentRequest {
        parent: desk.to_owned(),
        agent_id: format!("agent-{n}"),
        agent: Some(agent),
        ..Default::default()
    };
    let name = agents.create_agent(request).await?.into_inner().name;
    let request = api::StartSessionRequest { name: name.clone(), device_id: DEVICE.to_owned(), ..Default::default() };
    let welcome = agents.start_session(request).await?.into_inner().welcome.unwrap_or_default();
    let request =
        api::SetAgentStateRequest { name: name.clone(), state: api::DeclaredState::Ready.into(), ..Default::default() };
    agents.set_agent_state(request).await?;
    Ok(api::Heartbeat { agent: name, session_epoch: welcome.session_epoch, device_id: DEVICE.to_owned() })
}

/// Four skills each, so that a lane has the same number of agents either way.
fn skills(profiles: Profiles, n: u32) -> Vec<api::Skill> {
    let (class, rank) = (n % (SKILLS / 4), n / (SKILLS / 4));
    let skill = |k: u32| {
        let level = match profiles {
            Profiles::Ten => 10,
            // The digits of the rank, to a base of the levels that every lane is content with.
            Profiles::Distinct => LEVELS + rank / 6_u32.pow(k) % 6,
        };
        api::Skill { skill: skill_name(class + k * (SKILLS / 4)), level: Some(level) }
    };
    (0..4).map(skill).collect()
}

fn skill_name(k: u32) -> String {
    format!("skill-{k}")
}

async fn beat(channel: Channel, parent: String, sessions: Vec<api::Heartbeat>, clock: Clock) {
    let mut agents = AgentServiceClient::new(channel);
    loop {
        clock.real_sleep(BEAT).await;
        for heartbeats in sessions.chunks(BEATS) {
            let request = api::SendHeartbeatsRequest { parent: parent.clone(), heartbeats: heartbeats.to_vec() };
            if let Err(status) = agents.send_heartbeats(request).await {
                tracing::warn!(%status, "the agents of the bench were not kept on duty");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn three_thousand_agents_have_ten_profiles_or_all_different_ones() {
        let count = |profiles| {
            let shown = (0..3_000).map(|n| format!("{:?}", skills(profiles, n)));
            shown.collect::<BTreeSet<_>>().len()
        };
        assert_eq!(count(Profiles::Ten), 10);
        assert_eq!(count(Profiles::Distinct), 3_000);
    }
}

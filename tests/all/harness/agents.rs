//! Agents of a stage: built, put on duty, and doing what agents do.

use handoff::proto::handoff::v1 as pb;
use tonic::Status;

use super::stage::{Stage, request_id};

pub struct AgentBuilder {
    stage: Stage,
    id: String,
    profile: pb::Agent,
}

/// An agent with a session.
#[derive(Clone)]
pub struct OnDuty {
    pub stage: Stage,
    pub name: String,
    pub epoch: u64,
    pub secret: String,
    pub device: String,
}

impl AgentBuilder {
    pub fn new(stage: Stage, id: &str) -> AgentBuilder {
        AgentBuilder { stage, id: id.into(), profile: pb::Agent::default() }
    }

    pub fn tier(mut self, tier: u32) -> AgentBuilder {
        self.profile.tier = Some(tier);
        self
    }

    pub fn skill(mut self, skill: &str, level: u32) -> AgentBuilder {
        self.profile.skills.push(pb::Skill { skill: skill.into(), level: Some(level) });
        self
    }

    pub fn profile(mut self, change: impl FnOnce(&mut pb::Agent)) -> AgentBuilder {
        change(&mut self.profile);
        self
    }

    /// Created, OFFLINE and without a session. Answers the name.
    pub async fn create(mut self) -> String {
        let request = pb::CreateAgentRequest {
            parent: self.stage.desk.clone(),
            agent_id: self.id.clone(),
            agent: Some(self.profile.clone()),
            request_id: request_id(),
        };
        self.stage.clients.agents.create_agent(request).await.expect("an agent").into_inner().name
    }

    /// Created, with a session, READY.
    pub async fn ready(self) -> OnDuty {
        let stage = self.stage.clone();
        let name = self.create().await;
        let mut agent = OnDuty::sign_on(stage, &name).await;
        agent.declare(pb::DeclaredState::Ready).await;
        agent
    }
}

impl OnDuty {
    pub async fn sign_on(mut stage: Stage, name: &str) -> OnDuty {
        let device = "desktop".to_owned();
        let request = pb::StartSessionRequest { name: name.into(), device_id: device.clone(), ..Default::default() };
        let started = stage.clients.agents.start_session(request).await.expect("a session").into_inner();
        let welcome = started.welcome.expect("a welcome");
        OnDuty { stage, name: name.into(), epoch: welcome.session_epoch, secret: welcome.secret, device }
    }

    pub async fn declare(&mut self, state: pb::DeclaredState) -> pb::Agent {
        let reason = if state == pb::DeclaredState::Break { "lunch" } else { "" };
        let request = pb::SetAgentStateRequest {
            name: self.name.clone(),
            state: state.into(),
            break_reason: reason.into(),
            ..Default::default()
        };
        self.stage.clients.agents.set_agent_state(request).await.expect("a state").into_inner()
    }

    pub async fn beat(&mut self) -> pb::SessionState {
        let heartbeat =
            pb::Heartbeat { agent: self.name.clone(), session_epoch: self.epoch, device_id: self.device.clone() };
        let request = pb::SendHeartbeatsRequest { parent: self.stage.desk.clone(), heartbeats: vec![heartbeat] };
        let answer = self.stage.clients.agents.send_heartbeats(request).await.expect("an answer").into_inner();
        answer.results[0].state()
    }

    pub async fn get(&mut self) -> pb::Agent {
        let request = pb::GetAgentRequest { name: self.name.clone() };
        self.stage.clients.agents.get_agent(request).await.expect("the agent").into_inner()
    }

    pub async fn accept(&mut self, offer: &str) -> Result<pb::Offer, Status> {
        self.accept_on(offer, &self.device.clone(), false).await
    }

    /// Accepts with the connection made already.
    pub async fn accept_connected(&mut self, offer: &str) -> Result<pb::Offer, Status> {
        self.accept_on(offer, &self.device.clone(), true).await
    }

    pub async fn accept_on(&mut self, offer: &str, device: &str, connected: bool) -> Result<pb::Offer, Status> {
        let request = pb::AcceptOfferRequest {
            name: offer.into(),
            session_epoch: self.epoch,
            device_id: device.into(),
            connected,
            request_id: request_id(),
        };
        self.stage.clients.offers.accept_offer(request).await.map(tonic::Response::into_inner)
    }

    pub async fn decline(&mut self, offer: &str, reason: pb::DeclineReason) -> Result<pb::Offer, Status> {
        let request = pb::DeclineOfferRequest {
            name: offer.into(),
            session_epoch: self.epoch,
            reason: reason.into(),
            request_id: request_id(),
        };
        self.stage.clients.offers.decline_offer(request).await.map(tonic::Response::into_inner)
    }
}

//! AgentService: profiles, declared states, endpoints and sessions.

mod endpoints;
mod profile;

use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::call::{call, submit};
use super::form::Form;
use super::name::AgentRef;
use super::page::Listing;
use super::status::{About, internal, of_store};
use super::{render, sessions};
use crate::availability::Availability;
use crate::domain::agent::{Agent, Declared, OpenWork};
use crate::domain::id::{AgentId, DeskKey};
use crate::engine::{Call, Engine};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::agent_service_server::AgentService;
use crate::routing::command::Command;
use crate::shutdown::Shutdown;
use crate::store::{Page, Store};

type Updates<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub struct Agents<S, A> {
    engine: Engine<S, A>,
    shutdown: Shutdown,
}

impl<S: Store, A: Availability> Agents<S, A> {
    pub fn new(engine: Engine<S, A>, shutdown: Shutdown) -> Agents<S, A> {
        Agents { engine, shutdown }
    }

    /// Has a command decided whose answer is an agent, and draws it.
    async fn decide(&self, named: &AgentRef, call: Call) -> Result<Response<pb::Agent>, Status> {
        let reply = submit(&self.engine, call, &About::agent(named)).await?;
        let row = reply.agent.ok_or_else(internal)?;
        draw(&self.engine, &named.desk, &row).await.map(Response::new)
    }
}

/// The agent with presence and load.
pub(super) async fn draw<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    row: &Agent,
) -> Result<pb::Agent, Status> {
    let work = if row.holds_nothing() {
        Vec::new()
    } else {
        engine.store().work_of(desk, &row.id).await.map_err(|error| of_store(&error))?
    };
    Ok(render::agent::agent(&desk.desk, row, engine.lease(desk, &row.id), Some(&work)))
}

/// The agent that a request names, deleted ones too.
pub(super) async fn find<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &AgentRef,
) -> Result<Arc<Agent>, Status> {
    let row = engine.store().get_agent(&named.desk, &named.agent).await.map_err(|error| of_store(&error))?;
    row.ok_or_else(|| About::agent(named).not_found().into())
}

#[tonic::async_trait]
impl<S: Store, A: Availability> AgentService for Agents<S, A> {
    type WatchSessionStream = Updates<pb::SessionUpdate>;
    type OpenSessionStream = Updates<pb::OpenSessionResponse>;

    async fn create_agent(&self, request: Request<pb::CreateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let desk = form.desk("parent", &request.parent);
        let agent = form.id("agent_id", &request.agent_id, AgentId::parse);
        let request_id = form.request_id(&request.request_id);
        let asked = form.present("agent", &request.agent);
        let profile = asked.map(|asked| profile::new(&mut form, desk.as_ref(), asked));
        let ((desk, agent), profile) = form.finish(desk.zip(agent).zip(profile))?;
        let named = AgentRef { desk: desk.clone(), agent: agent.clone() };
        let command = Command::CreateAgent { agent, profile: Box::new(profile) };
        self.decide(&named, call(desk, command, &request, request_id)).await
    }

    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        let mut form = Form::new();
        let named = form.agent("name", &request.get_ref().name);
        let named = form.finish(named)?;
        let row = find(&self.engine, &named).await?;
        draw(&self.engine, &named.desk, &row).await.map(Response::new)
    }

    async fn list_agents(
        &self,
        request: Request<pb::ListAgentsRequest>,
    ) -> Result<Response<pb::ListAgentsResponse>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let desk = form.desk("parent", &request.parent);
        let size = form.page_size(request.page_size);
        let desk = form.finish(desk)?;
        let (listing, after) = Listing::open(&request, size)?;
        let store = self.engine.store();
        if store.head(&desk).await.map_err(|error| of_store(&error))?.is_none() {
            return Err(About::desk(&desk).not_found().into());
        }
        let page = Page { after, limit: listing.limit() };
        let read = store.list_agents(&desk, request.show_deleted, page).await;
        let mut rows = read.map_err(|error| of_store(&error))?;
        let next_page_token = listing.cut(&mut rows, |row| row.id.clone());
        let drawn = |row: &Arc<Agent>| render::agent::agent(&desk.desk, row, self.engine.lease(&desk, &row.id), None);
        let agents = rows.iter().map(drawn).collect();
        Ok(Response::new(pb::ListAgentsResponse { agents, next_page_token }))
    }

    async fn update_agent(&self, request: Request<pb::UpdateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let request_id = form.request_id(&request.request_id);
        let asked = form.present("agent", &request.agent).cloned().unwrap_or_default();
        let named = request.agent.as_ref().and_then(|asked| form.agent("agent.name", &asked.name));
        let etag = form.etag("agent.etag", &asked.etag);
        let desk = named.as_ref().map(|named| &named.desk);
        let patch = profile::update(&mut form, desk, &asked, request.update_mask.as_ref());
        let named = form.finish(named)?;
        let command = Command::UpdateAgent { agent: named.agent.clone(), patch: Box::new(patch), etag };
        self.decide(&named, call(named.desk.clone(), command, &request, request_id)).await
    }

    async fn delete_agent(&self, request: Request<pb::DeleteAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let named = form.agent("name", &request.name);
        let etag = form.etag("etag", &request.etag);
        let request_id = form.request_id(&request.request_id);
        let named = form.finish(named)?;
        let command = Command::DeleteAgent { agent: named.agent.clone(), etag };
        self.decide(&named, call(named.desk.clone(), command, &request, request_id)).await
    }

    async fn set_agent_state(&self, request: Request<pb::SetAgentStateRequest>) -> Result<Response<pb::Agent>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let named = form.agent("name", &request.name);
        let request_id = form.request_id(&request.request_id);
        let timing = form.choice_if_said("timing", request.timing).unwrap_or_default();
        let state = state(&mut form, &request);
        let (named, (declared, open_work)) = form.finish(named.zip(state))?;
        let command = Command::SetAgentState { agent: named.agent.clone(), declared, timing, open_work };
        self.decide(&named, call(named.desk.clone(), command, &request, request_id)).await
    }

    async fn report_endpoints(
        &self,
        request: Request<pb::ReportEndpointsRequest>,
    ) -> Result<Response<pb::ReportEndpointsResponse>, Status> {
        endpoints::report(&self.engine, request.into_inner()).await.map(Response::new)
    }

    async fn start_session(
        &self,
        request: Request<pb::StartSessionRequest>,
    ) -> Result<Response<pb::StartSessionResponse>, Status> {
        let started = sessions::start(&self.engine, request.into_inner()).await?;
        Ok(Response::new(pb::StartSessionResponse { welcome: Some(started.welcome) }))
    }

    async fn send_heartbeats(
        &self,
        request: Request<pb::SendHeartbeatsRequest>,
    ) -> Result<Response<pb::SendHeartbeatsResponse>, Status> {
        sessions::heartbeats(&self.engine, request.into_inner()).await.map(Response::new)
    }

    async fn watch_session(
        &self,
        request: Request<pb::WatchSessionRequest>,
    ) -> Result<Response<Self::WatchSessionStream>, Status> {
        let watch = sessions::watch(&self.engine, &self.shutdown, &request.into_inner()).await?;
        let stream = futures_util::stream::unfold(watch, |mut watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> Result<Response<pb::EndSessionResponse>, Status> {
        sessions::end(&self.engine, request.into_inner()).await.map(Response::new)
    }

    async fn open_session(
        &self,
        request: Request<Streaming<pb::OpenSessionRequest>>,
    ) -> Result<Response<Self::OpenSessionStream>, Status> {
        let open = sessions::open(self.engine.clone(), self.shutdown.clone(), request.into_inner()).await?;
        let stream = futures_util::stream::unfold(open, |mut open| async move {
            let item = open.next().await?;
            Some((item, open))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// What is declared, and what becomes of open work.
fn state(form: &mut Form, request: &pb::SetAgentStateRequest) -> Option<(Declared, OpenWork)> {
    let open_work = form.choice_if_said("open_work", request.open_work);
    let said = pb::DeclaredState::try_from(request.state).unwrap_or(pb::DeclaredState::Unspecified);
    if said != pb::DeclaredState::Break && !request.break_reason.is_empty() {
        form.refuse("break_reason", "is only allowed with BREAK");
    }
    if said != pb::DeclaredState::Offline && open_work.is_some() {
        form.refuse("open_work", "is only allowed with OFFLINE");
    }
    let declared = match said {
        pb::DeclaredState::Ready => Declared::Ready,
        pb::DeclaredState::Break => Declared::Break { reason: form.named("break_reason", &request.break_reason)? },
        pb::DeclaredState::Offline => Declared::Offline,
        pb::DeclaredState::Unspecified => {
            form.refuse("state", "must be one of READY, BREAK, OFFLINE");
            return None;
        }
    };
    Some((declared, open_work.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &pb::SetAgentStateRequest) -> Result<(Declared, OpenWork), String> {
        let mut form = Form::new();
        let state = state(&mut form, request);
        form.finish(state).map_err(|status| status.message().to_owned())
    }

    fn request(state: pb::DeclaredState, break_reason: &str, open_work: i32) -> pb::SetAgentStateRequest {
        let break_reason = break_reason.to_owned();
        pb::SetAgentStateRequest { state: state as i32, break_reason, open_work, ..Default::default() }
    }

    #[test]
    fn a_break_has_a_reason_and_nothing_else_has() {
        let lunch = Declared::Break { reason: Arc::from("lunch") };
        assert_eq!(read(&request(pb::DeclaredState::Break, "lunch", 0)), Ok((lunch, OpenWork::Keep)));
        assert!(read(&request(pb::DeclaredState::Break, "", 0)).is_err_and(|it| it.starts_with("break_reason")));
        assert!(read(&request(pb::DeclaredState::Ready, "lunch", 0)).is_err_and(|it| it.starts_with("break_reason")));
    }

    #[test]
    fn open_work_is_given_back_by_going_offline_only() {
        let requeue = pb::OpenWork::Requeue as i32;
        assert_eq!(read(&request(pb::DeclaredState::Offline, "", requeue)), Ok((Declared::Offline, OpenWork::Requeue)));
        assert!(read(&request(pb::DeclaredState::Ready, "", requeue)).is_err_and(|it| it.starts_with("open_work")));
        assert!(read(&request(pb::DeclaredState::Unspecified, "", 0)).is_err_and(|it| it.starts_with("state")));
    }
}

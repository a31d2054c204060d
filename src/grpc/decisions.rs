//! DecisionService: connectors, and the stream of their decisions.

mod feed;
mod lag;
mod opening;
mod place;
mod pull;
mod reading;
mod rejection;
mod scene;
pub(super) mod settings;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

pub(super) use place::connector as existing_connector;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::call::{call, submit};
use super::form::Form;
use super::name::ConnectorRef;
use super::page::Listing;
use super::render;
use super::status::{About, internal, of_failure, of_store};
use crate::availability::Availability;
use crate::domain::connector::Connector;
use crate::domain::id::{ConnectorId, DeskKey};
use crate::domain::readers::Readers;
use crate::engine::{Call, Engine, Reply};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::decision_service_server::DecisionService;
use crate::routing::command::{Answer, Command};
use crate::shutdown::Shutdown;
use crate::store::{Page, Store};

pub struct Decisions<S, A> {
    engine: Engine<S, A>,
    shutdown: Shutdown,
}

impl<S: Store, A: Availability> Decisions<S, A> {
    pub fn new(engine: Engine<S, A>, shutdown: Shutdown) -> Decisions<S, A> {
        Decisions { engine, shutdown }
    }

    /// Has a command decided whose answer is a connector, and draws it.
    async fn decide(&self, named: &ConnectorRef, call: Call) -> Result<pb::Connector, Status> {
        let reply = submit(&self.engine, call, &About::connector(named)).await?;
        let connector = answered(&reply, &named.connector).ok_or_else(internal)?;
        self.draw(named, &connector).await
    }

    /// The connector with its lag and its stream.
    async fn draw(&self, named: &ConnectorRef, connector: &Connector) -> Result<pb::Connector, Status> {
        let mut drawn = render::connector::connector(&named.desk.desk, connector);
        let (desk, id) = (&named.desk, &connector.id);
        let head = self.engine.store().head(desk).await.map_err(|error| of_store(&error))?;
        let readers = self.readers(desk, id).await?;
        drawn.lag = Some(lag::whole(&self.engine, desk, connector, &readers, head.map_or(0, |(head, _)| head)).await?);
        drawn.instances = lag::instances(&self.engine, desk, id, &readers);
        let (quarantined, count) = lag::quarantined(&self.engine, desk, id, &readers).await?;
        (drawn.quarantined, drawn.quarantined_count) = (quarantined, Some(count));
        Ok(drawn)
    }

    async fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Status> {
        let readers = self.engine.readers(desk, connector).await;
        readers.map_err(|failure| of_failure(failure, &About::desk(desk)))
    }
}

/// The row that the reply is about. One deleted meanwhile is still there, as it was.
fn answered(reply: &Reply, asked: &ConnectorId) -> Option<Arc<Connector>> {
    let connector = match &reply.answer {
        Answer::Connector { connector } => connector,
        Answer::Done
        | Answer::Desk
        | Answer::Agent { .. }
        | Answer::Session { .. }
        | Answer::Ticket { .. }
        | Answer::Leg { .. }
        | Answer::Offer { .. }
        | Answer::Transfer { .. }
        | Answer::Escalated { .. }
        | Answer::Policy { .. } => asked,
    };
    reply.scope.as_ref()?.connectors.get(connector).cloned()
}

#[tonic::async_trait]
impl<S: Store, A: Availability> DecisionService for Decisions<S, A> {
    type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchDecisionsResponse, Status>> + Send>>;
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<pb::SubscribeResponse, Status>> + Send>>;

    async fn create_connector(
        &self,
        request: Request<pb::CreateConnectorRequest>,
    ) -> Result<Response<pb::Connector>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let desk = form.desk("parent", &request.parent);
        let id = form.id("connector_id", &request.connector_id, ConnectorId::parse);
        let request_id = form.request_id(&request.request_id);
        let asked = form.present("connector", &request.connector);
        let connector = asked.and_then(|asked| settings::new(&mut form, id, asked));
        let (desk, connector) = form.finish(desk.zip(connector))?;
        let named = ConnectorRef { desk: desk.clone(), connector: connector.id.clone() };
        let command = Command::CreateConnector { connector: Box::new(connector) };
        self.decide(&named, call(desk, command, &request, request_id)).await.map(Response::new)
    }

    async fn get_connector(
        &self,
        request: Request<pb::GetConnectorRequest>,
    ) -> Result<Response<pb::Connector>, Status> {
        let mut form = Form::new();
        let named = form.connector("name", &request.get_ref().name);
        let named = form.finish(named)?;
        let connector = place::connector(&self.engine, &named).await?;
        self.draw(&named, &connector).await.map(Response::new)
    }

    async fn list_connectors(
        &self,
        request: Request<pb::ListConnectorsRequest>,
    ) -> Result<Response<pb::ListConnectorsResponse>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let desk = form.desk("parent", &request.parent);
        let size = form.page_size(request.page_size);
        let desk = form.finish(desk)?;
        let (listing, after) = Listing::open(&request, size)?;
        let store = self.engine.store();
        let head = store.head(&desk).await.map_err(|error| of_store(&error))?;
        let (head, _) = head.ok_or_else(|| Status::from(About::desk(&desk).not_found()))?;
        let page = Page { after, limit: listing.limit() };
        let mut rows = store.list_connectors(&desk, page).await.map_err(|error| of_store(&error))?;
        let next_page_token = listing.cut(&mut rows, |row| row.id.clone());
        let mut connectors = Vec::with_capacity(rows.len());
        for row in rows {
            let mut drawn = render::connector::connector(&desk.desk, &row);
            let readers = self.readers(&desk, &row.id).await?;
            drawn.lag = Some(lag::position(&readers, head));
            drawn.instances = lag::instances(&self.engine, &desk, &row.id, &readers);
            connectors.push(drawn);
        }
        Ok(Response::new(pb::ListConnectorsResponse { connectors, next_page_token }))
    }

    async fn update_connector(
        &self,
        request: Request<pb::UpdateConnectorRequest>,
    ) -> Result<Response<pb::Connector>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let request_id = form.request_id(&request.request_id);
        let asked = form.present("connector", &request.connector).cloned().unwrap_or_default();
        let named = request.connector.as_ref().and_then(|asked| form.connector("connector.name", &asked.name));
        let etag = form.etag("connector.etag", &asked.etag);
        let patch = settings::update(&mut form, &asked, request.update_mask.as_ref());
        let named = form.finish(named)?;
        let command = Command::UpdateConnector { connector: named.connector.clone(), patch: Box::new(patch), etag };
        let call = call(named.desk.clone(), command, &request, request_id);
        self.decide(&named, call).await.map(Response::new)
    }

    async fn delete_connector(&self, request: Request<pb::DeleteConnectorRequest>) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let mut form = Form::new();
        let named = form.connector("name", &request.name);
        let etag = form.etag("etag", &request.etag);
        let request_id = form.request_id(&request.request_id);
        let named = form.finish(named)?;
        let command = Command::DeleteConnector { connector: named.connector.clone(), etag };
        let call = call(named.desk.clone(), command, &request, request_id);
        let reply = submit(&self.engine, call, &About::connector(&named)).await?;
        if !reply.repeated {
            self.engine.hub().instances().dismiss(&(named.desk, named.connector));
        }
        Ok(Response::new(()))
    }

    async fn subscribe(
        &self,
        request: Request<Streaming<pb::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let feed = opening::open(self.engine.clone(), self.shutdown.clone(), request.into_inner()).await?;
        let stream = futures_util::stream::unfold(feed, |mut feed| async move {
            let item = feed.next().await?;
            Some((item, feed))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn pull_decisions(
        &self,
        request: Request<pb::PullDecisionsRequest>,
    ) -> Result<Response<pb::PullDecisionsResponse>, Status> {
        pull::pull(&self.engine, self.shutdown.clone(), request.get_ref()).await.map(Response::new)
    }

    async fn ack_decisions(
        &self,
        request: Request<pb::AckDecisionsRequest>,
    ) -> Result<Response<pb::AckDecisionsResponse>, Status> {
        pull::ack(&self.engine, request.get_ref()).await.map(Response::new)
    }

    async fn watch_decisions(
        &self,
        request: Request<pb::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let watch = watch::open(self.engine.clone(), self.shutdown.clone(), request.get_ref()).await?;
        let stream = futures_util::stream::unfold(watch, |mut watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

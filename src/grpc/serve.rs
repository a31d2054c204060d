//! The server: every service on one listener, with health and reflection, and a drain that ends.

mod bounded;
mod cut;
mod web;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tonic::server::NamedService;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;

use super::agents::Agents;
use super::decisions::Decisions;
use super::desks::Desks;
use super::offers::Offers;
use super::policies::Policies;
use super::tickets::Tickets;
use crate::availability::Availability;
use crate::engine::Engine;
use crate::proto::DESCRIPTORS;
use crate::proto::handoff::v1::agent_service_server::AgentServiceServer;
use crate::proto::handoff::v1::decision_service_server::DecisionServiceServer;
use crate::proto::handoff::v1::desk_service_server::DeskServiceServer;
use crate::proto::handoff::v1::offer_service_server::OfferServiceServer;
use crate::proto::handoff::v1::policy_service_server::PolicyServiceServer;
use crate::proto::handoff::v1::ticket_service_server::TicketServiceServer;
use crate::shutdown::{self, Shutdown};
use crate::store::Store;
use bounded::Bounded;
pub use bounded::{MAX_REQUEST, unreadable};
use cut::Cuttable;

/// Calls and streams on one connection; a gateway holds one stream per agent.
const MAX_STREAMS: u32 = 4_096;
/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 16 * 1024;
/// Streams that a client opened and reset before they were looked at: as many as a gateway may have open whose calls all meet their
/// deadline in one outage.
const MAX_PENDING_RESETS: usize = 512;
/// Streams that were reset for an error of the client's.
const MAX_ERROR_RESETS: usize = 128;
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// For connections that were cut to be gone.
const CUT_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the server failed")]
    Serve(#[source] tonic::transport::Error),
    #[error("an allowed origin is no origin")]
    Origin(#[source] tonic::codegen::http::header::InvalidHeaderValue),
    #[error("the API's description cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// How long, in real time, calls and streams may take to end at a stop.
    pub drain: Duration,
    /// Whose pages may call, as browsers name them (`https://desk.example.com`), or `*`; none: no page.
    pub origins: Vec<String>,
}

impl From<Duration> for Terms {
    fn from(drain: Duration) -> Terms {
        Terms { drain, origins: Vec::new() }
    }
}

/// Serves gRPC and gRPC-web until `shutdown` says to stop. Then health says so, streams are told to go away and end, the listener is closed,
/// and calls under way finish; after the drain whatever is left is cut.
///
/// # Errors
/// When the listener fails.
pub async fn serve<S: Store, A: Availability>(
    engine: Engine<S, A>,
    listener: TcpListener,
    mut shutdown: Shutdown,
    terms: impl Into<Terms>,
) -> Result<(), Error> {
    let Terms { drain, origins } = terms.into();
    let clock = engine.clock().clone();
    let (reporter, health) = tonic_health::server::health_reporter();
    let (routes, names) = routes(&engine, &shutdown)?;
    for name in &names {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    let (knife, cut) = shutdown::switch();
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(TCP_KEEPALIVE))
        .map(move |accepted| accepted.map(|io| Cuttable::new(io, cut.clone())));
    let mut signal = shutdown.clone();
    let stop = async move {
        signal.wait().await;
        withdraw(reporter, &names).await;
    };
    let cors = web::cors(&origins).map_err(Error::Origin)?;
    let guard = InterceptorLayer::new(web::guard(&origins));
    let server = server().layer(cors).layer(GrpcWebLayer::new()).layer(guard).add_routes(routes).add_service(health);
    let serving = server.serve_with_incoming_shutdown(incoming, stop);
    tokio::pin!(serving);
    tokio::select! {
        biased;
        ended = &mut serving => return ended.map_err(Error::Serve),
        () = shutdown.wait() => {}
    }
    if let Ok(ended) = clock.real_timeout(drain, &mut serving).await {
        return ended.map_err(Error::Serve);
    }
    tracing::warn!(drain_ms = drain.as_millis(), "the drain is over; the connections that are left are cut");
    knife.stop();
    match clock.real_timeout(CUT_GRACE, &mut serving).await {
        Ok(ended) => ended.map_err(Error::Serve),
        // A task that does not look at its socket; it ends with the process.
        Err(_) => Ok(()),
    }
}

fn server() -> Server {
    Server::builder()
        // For gRPC-web: browsers speak HTTP/2 only over TLS.
        .accept_http1(true)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
}

/// Every service of the API and reflection, with the names that health knows.
fn routes<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    shutdown: &Shutdown,
) -> Result<(Routes, Vec<&'static str>), Error> {
    let mut routes = Routes::builder();
    let mut names = Vec::new();
    macro_rules! add {
        ($server:ident($service:expr)) => {{
            let server = $server::new($service).max_decoding_message_size(MAX_REQUEST);
            names.push(name_of(&server));
            routes.add_service(Bounded::new(server, engine.clock()));
        }};
    }
    add!(DeskServiceServer(Desks::new(engine.clone())));
    add!(TicketServiceServer(Tickets::new(engine.clone(), shutdown.clone())));
    add!(OfferServiceServer(Offers::new(engine.clone())));
    add!(PolicyServiceServer(Policies::new(engine.clone())));
    add!(DecisionServiceServer(Decisions::new(engine.clone(), shutdown.clone())));
    add!(AgentServiceServer(Agents::new(engine.clone(), shutdown.clone())));

    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What is packed into error details, so that a client which learns by reflection can read them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add_service(described().build_v1().map_err(Error::Reflection)?);
    routes.add_service(described().build_v1alpha().map_err(Error::Reflection)?);
    Ok((routes.routes(), names))
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

/// Says that nothing is served any more, then ends the watches: they would keep their connections open.
async fn withdraw(mut reporter: HealthReporter, names: &[&'static str]) {
    for name in names.iter().chain(&[""]) {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
    for name in names.iter().chain(&[""]) {
        reporter.clear_service_status(name).await;
    }
}

//! A real service in this process, spoken to over real gRPC, and a stage to play on: a desk, its connector, agents on duty.
//!
//! Every test gets a service of its own on a free loopback port, with its data in a temporary folder that goes with it. Begin with
//! [`Service::start`] and [`Stage::set`]; builders are valid by default, a test says only what it is about.

pub mod agents;
pub mod postgres;
pub mod redis;
pub mod stage;
pub mod streams;
pub mod tls;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff::availability::RESERVATION;
use handoff::availability::memory::MemoryIndex;
use handoff::clock::Clock;
use handoff::engine::Engine;
use handoff::entropy::Entropy;
use handoff::grpc::serve;
use handoff::proto::handoff::v1 as pb;
use handoff::shutdown::{self, Trigger};
use handoff::store;
use handoff::store::sqlite::SqliteStore;
use pb::agent_service_client::AgentServiceClient;
use pb::decision_service_client::DecisionServiceClient;
use pb::desk_service_client::DeskServiceClient;
use pb::offer_service_client::OfferServiceClient;
use pb::policy_service_client::PolicyServiceClient;
use pb::ticket_service_client::TicketServiceClient;
use tonic::transport::Channel;

/// How long a condition may take to come true on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is removed with its owner.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let name = format!("handoff-test-{}", Entropy::from_system().uuid());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is a temporary folder: what cannot be removed now is the system's to remove.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// The service with its engine, listening.
pub struct Service {
    pub engine: Engine<SqliteStore, MemoryIndex>,
    pub address: String,
    folder: Option<Folder>,
    trigger: Trigger,
    served: tokio::task::JoinHandle<()>,
}

/// One channel, every service.
#[derive(Clone)]
pub struct Clients {
    pub desks: DeskServiceClient<Channel>,
    pub tickets: TicketServiceClient<Channel>,
    pub agents: AgentServiceClient<Channel>,
    pub offers: OfferServiceClient<Channel>,
    pub decisions: DecisionServiceClient<Channel>,
    pub policies: PolicyServiceClient<Channel>,
}

impl Service {
    pub async fn start() -> Service {
        Service::start_with(Folder::new(), 1).await
    }

    /// A service whose clock runs `rate` times as fast.
    pub async fn start_at_rate(rate: u32) -> Service {
        Service::start_with(Folder::new(), rate).await
    }

    pub async fn start_with(folder: Folder, rate: u32) -> Service {
        Service::start_on(folder, Clock::new(rate)).await
    }

    pub async fn start_on(folder: Folder, clock: Clock) -> Service {
        let rate = clock.rate();
        let store = opened(folder.path(), &clock).await;
        let index = MemoryIndex::new(RESERVATION * i64::from(rate));
        let engine = Engine::start(store, index, clock, Entropy::from_system()).await.expect("the engine starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("a bound address"));
        let (trigger, stopping) = shutdown::switch();
        let serving = serve::serve(engine.clone(), listener, stopping, Duration::from_secs(5));
        let served = tokio::spawn(async move { serving.await.expect("it serves until it is stopped") });
        Service { engine, address, folder: Some(folder), trigger, served }
    }

    pub async fn clients(&self) -> Clients {
        Clients::at(&self.address).await
    }

    /// Stops in order and gives the data back, for a service that starts again on it.
    pub async fn stop(mut self) -> Folder {
        self.trigger.stop();
        self.served.await.expect("the server ends by itself");
        self.engine.stop().await;
        self.folder.take().expect("it is given back once")
    }
}

impl Clients {
    pub async fn at(address: &str) -> Clients {
        let channel =
            Channel::from_shared(address.to_owned()).expect("an address").connect().await.expect("it listens");
        Clients {
            desks: DeskServiceClient::new(channel.clone()),
            tickets: TicketServiceClient::new(channel.clone()),
            agents: AgentServiceClient::new(channel.clone()),
            offers: OfferServiceClient::new(channel.clone()),
            decisions: DecisionServiceClient::new(channel.clone()),
            policies: PolicyServiceClient::new(channel),
        }
    }
}

/// Opens a store whose directory was given up a moment ago. A program that another test is just starting holds everything
/// that this process has open, the directory's lock too, until it has become that program.
pub async fn opened(path: &Path, clock: &Clock) -> SqliteStore {
    let open = async || match SqliteStore::open(path, clock.clone()).await {
        Err(store::Error::InUse { .. }) => None,
        other => Some(other.expect("the store opens")),
    };
    eventually("the directory is free", open).await
}

/// Waits until the condition holds, and fails with what was wanted if it does not in time.
pub async fn eventually<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        tokio::task::yield_now().await;
        Clock::new(1).real_sleep(Duration::from_millis(5)).await;
    }
}

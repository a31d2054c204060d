//! The service as `serve` and `demo` run it: a store and an index behind one engine, embedded or shared with other replicas.

use std::path::Path;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::availability::RESERVATION;
use crate::availability::chosen::ChosenIndex;
use crate::availability::memory::MemoryIndex;
use crate::availability::redis::{Options, RedisIndex};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::entropy::Entropy;
use crate::grpc;
use crate::grpc::serve::Terms;
use crate::shutdown::Shutdown;
use crate::store::chosen::ChosenStore;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;

pub(super) struct Service {
    engine: Engine<ChosenStore, ChosenIndex>,
}

impl Service {
    /// SQLite and an in-process index: opens the data and brings it into memory. One process at a time has a data directory.
    pub async fn embedded(data_dir: &Path, clock: Clock) -> anyhow::Result<Service> {
        let store = SqliteStore::open(data_dir, clock.clone())
            .await
            .with_context(|| format!("cannot open the data directory {}", data_dir.display()))?;
        // A reservation is held for a second of the machine's, however fast the clock runs.
        let index = MemoryIndex::new(RESERVATION * i64::from(clock.rate()));
        Service::start(ChosenStore::Sqlite(store), ChosenIndex::Memory(index), clock).await
    }

    /// One of many replicas over one PostgreSQL and one Redis.
    pub async fn shared(database_url: &str, redis: Options, clock: Clock) -> anyhow::Result<Service> {
        let store = PostgresStore::open(database_url).await.context("cannot use the database (database_url)")?;
        let index = RedisIndex::connect(redis, clock.clone()).await.context("cannot use Redis (redis_url)")?;
        Service::start(ChosenStore::Postgres(store), ChosenIndex::Redis(Box::new(index)), clock).await
    }

    async fn start(store: ChosenStore, index: ChosenIndex, clock: Clock) -> anyhow::Result<Service> {
        let engine = Engine::start(store, index, clock, Entropy::from_system()).await;
        Ok(Service { engine: engine.context("cannot start the engine")? })
    }

    /// Serves until told to stop; what has begun comes to its end within the drain.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown, terms: impl Into<Terms>) -> anyhow::Result<()> {
        let served = tokio::select! {
            biased;
            served = grpc::serve::serve(self.engine.clone(), listener, shutdown, terms) => served,
            () = self.engine.broken() => anyhow::bail!("the engine broke (see the log): start the service again"),
        };
        self.engine.stop().await;
        self.engine.store().close().await;
        served.context("the service did not end well")
    }
}

//! The embedded service: SQLite and an in-process index behind one engine, as `serve` and `demo` run it.

use std::path::Path;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::availability::RESERVATION;
use crate::availability::memory::MemoryIndex;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::entropy::Entropy;
use crate::grpc;
use crate::grpc::serve::Terms;
use crate::shutdown::Shutdown;
use crate::store::sqlite::SqliteStore;

pub(super) struct Embedded {
    engine: Engine<SqliteStore, MemoryIndex>,
}

impl Embedded {
    /// Opens the data and brings it into memory. One process at a time has a data directory.
    pub async fn open(data_dir: &Path, clock: Clock) -> anyhow::Result<Embedded> {
        let store = SqliteStore::open(data_dir, clock.clone())
            .await
            .with_context(|| format!("cannot open the data directory {}", data_dir.display()))?;
        // A reservation is held for a second of the machine's, however fast the clock runs.
        let index = MemoryIndex::new(RESERVATION * i64::from(clock.rate()));
        let engine = Engine::start(store, index, clock, Entropy::from_system()).await;
        Ok(Embedded { engine: engine.context("cannot start the engine")? })
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

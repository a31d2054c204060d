//! Opening: the directory, its lock, the connections, the migrations, the incarnation.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::SqliteStore;
use super::checkpoint;
use super::statements::MINT_INCARNATION;
use crate::clock::Clock;
use crate::store::migrations::Step;
use crate::store::session::Session as _;
use crate::store::{Error, migrations, rows, statements};

const MIGRATIONS: &[Step] = &[
    (1, "tables", include_str!("../../../migrations/sqlite/0001_tables.sql")),
    (2, "leases", include_str!("../../../migrations/sqlite/0002_leases.sql")),
    (3, "readers", include_str!("../../../migrations/sqlite/0003_readers.sql")),
    (5, "quarantine", include_str!("../../../migrations/sqlite/0005_quarantine.sql")),
];

const DATABASE: &str = "handoff.db";
const LOCK: &str = "handoff.lock";
const READERS: u32 = 4;
/// A checkpoint of another connection may be in the way for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// In KiB, as SQLite takes a negative size. Enough for the pages that are written again and again; a commit that moved pages
/// about in a tree walks the whole cache, and what is not in it is in the system's.
const CACHE: &str = "-16384";

impl SqliteStore {
    /// Opens the database of a directory, made if it is not there. One process at a time: another gets [`Error::InUse`].
    pub async fn open(data_dir: &Path, clock: Clock) -> Result<SqliteStore, Error> {
        let lock = take(data_dir)?;
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(DATABASE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE)
            .pragma("wal_autocheckpoint", checkpoint::LIMIT.to_string())
            .pragma("temp_store", "memory");
        let writer = pool(1).connect_with(options.clone()).await?;
        migrations::of(MIGRATIONS).run(&writer).await.map_err(Error::Migrate)?;
        let reading = options.pragma("query_only", "on");
        let loader = pool(1).connect_with(reading.clone()).await?;
        let readers = pool(READERS).connect_with(reading).await?;
        let incarnation = incarnation(&writer, &clock).await?;
        let (line, committed, cache) = Default::default();
        Ok(SqliteStore { writer, loader, line, readers, committed, clock, incarnation, cache, _lock: lock })
    }
}

/// Connections are never given up for age or idleness, and need no ping: they are in this process.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn take(data_dir: &Path) -> Result<File, Error> {
    let path = || data_dir.display().to_string();
    let unusable = |source| Error::Directory { path: path(), source };
    std::fs::create_dir_all(data_dir).map_err(unusable)?;
    let lock = File::options().create(true).append(true).open(data_dir.join(LOCK)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

async fn incarnation(writer: &SqlitePool, clock: &Clock) -> Result<u64, Error> {
    sqlx::query(MINT_INCARNATION).bind(clock.now().micros()).execute(writer).await?;
    let mut db = writer;
    let found: Option<(i64,)> = db.first(&statements::INCARNATION, &[]).await?;
    let (incarnation,) = found.ok_or_else(|| rows::corrupt("incarnation", "it was not minted"))?;
    rows::unsigned("incarnation", incarnation)
}

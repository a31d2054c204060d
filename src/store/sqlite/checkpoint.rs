//! Moving what is committed from the write-ahead log into the file, beside the writer.
//!
//! SQLite does that in the commit that makes the log too long, and everyone waits for it: a tenth of a second for 128 MiB. Here
//! most of it has been moved by a connection that reads, before there are so many; the rest is left to that commit, after which
//! the log begins anew. A pass that is under way when the log gets too long is no harm: the commit after it tries again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::Clock;

/// Pages in the log at which the writer moves them: 128 MiB, so that a page which many commits write is moved a few times only.
pub(super) const LIMIT: i64 = 32_768;
/// Fewer pages are left to the writer.
const FEW: i64 = LIMIT / 16;
/// Between two looks at the log's length.
const PAUSE: Duration = Duration::from_millis(20);

/// Dropped, it ends.
pub(super) struct Checkpoints {
    committed: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Checkpoints {
    pub fn begin(readers: SqlitePool, clock: Clock) -> Checkpoints {
        let committed = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        task.spawn(keep_short(readers, clock, committed.clone()));
        Checkpoints { committed, _task: task }
    }

    pub fn committed(&self) {
        self.committed.notify_one();
    }
}

async fn keep_short(readers: SqlitePool, clock: Clock, committed: Arc<Notify>) {
    loop {
        committed.notified().await;
        match move_if_many(&readers).await {
            Ok(_) => clock.real_sleep(PAUSE).await,
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database file; the writer will do it");
                clock.real_sleep(PAUSE * 50).await;
            }
        }
    }
}

/// Moves what is in the log if that is as much as there is room left in it, and says whether it did: the nearer the log is to
/// its limit, the less is left for the writer.
async fn move_if_many(readers: &SqlitePool) -> Result<bool, sqlx::Error> {
    let (_, length, moved) = checkpoint(readers, "PRAGMA wal_checkpoint(NOOP)").await?;
    let many = length - moved >= FEW.max(LIMIT - length);
    if many {
        checkpoint(readers, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    }
    Ok(many)
}

/// Whether another was at it, the pages in the log, and how many of them are in the file.
async fn checkpoint(readers: &SqlitePool, pragma: &'static str) -> Result<(i64, i64, i64), sqlx::Error> {
    sqlx::query_as(pragma).fetch_one(readers).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::Fresh;

    #[tokio::test]
    async fn what_fills_half_the_log_is_moved_before_a_commit_has_to() {
        let (_place, store) = Fresh::open("checkpoint").await;
        let write = async |pages: i64| {
            let insert = "INSERT INTO content VALUES ('t', 'd', hex(randomblob(8)), hex(zeroblob(?)))";
            sqlx::query(insert).bind(pages * 4096 / 2).execute(&store.writer).await.unwrap();
        };
        write(FEW).await;
        assert!(!move_if_many(&store.readers).await.unwrap());
        write(LIMIT / 2).await;
        assert!(move_if_many(&store.readers).await.unwrap());
        let (_, length, moved) = checkpoint(&store.readers, "PRAGMA wal_checkpoint(NOOP)").await.unwrap();
        assert_eq!((length > LIMIT / 2, moved), (true, length));
        write(FEW).await;
        assert!(!move_if_many(&store.readers).await.unwrap());
    }
}

//! Moving what is committed from the write-ahead log into the file, beside the writer.
//!
//! SQLite does that in the commit that makes the log too long, and everyone waits for it: a tenth of a second for 128 MiB. Here
//! most of it has been moved by a connection that reads, before there are so many; the rest is left to that commit, after which
//! the log begins anew. A pass that is under way when the log gets too long is no harm: the commit after it tries again.

use std::time::Duration;

use sqlx::SqlitePool;

use super::SqliteStore;
use crate::store::Error;

/// Pages in the log at which the writer moves them: 128 MiB, so that a page which many commits write is moved a few times only.
pub(super) const LIMIT: i64 = 32_768;
/// Fewer pages are left to the writer.
const FEW: i64 = LIMIT / 16;
/// From a commit to a look at the log's length.
const PAUSE: Duration = Duration::from_millis(20);

/// Returns when something was moved.
pub(super) async fn next(store: &SqliteStore) -> Result<(), Error> {
    loop {
        store.committed.notified().await;
        store.clock.real_sleep(PAUSE).await;
        if move_if_many(&store.readers).await? {
            return Ok(());
        }
    }
}

/// Moves what is in the log if that is as much as there is room left in it, and says whether it did: the nearer the log is to
/// its limit, the less is left for the writer.
async fn move_if_many(readers: &SqlitePool) -> Result<bool, Error> {
    let (length, moved) = checkpoint(readers, "PRAGMA wal_checkpoint(NOOP)").await?;
    let many = length - moved >= FEW.max(LIMIT - length);
    if many {
        checkpoint(readers, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    }
    Ok(many)
}

/// The pages in the log, and how many of them are in the file.
async fn checkpoint(readers: &SqlitePool, pragma: &'static str) -> Result<(i64, i64), Error> {
    let (_busy, length, moved): (i64, i64, i64) = sqlx::query_as(pragma).fetch_one(readers).await?;
    Ok((length, moved))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use super::*;
    use crate::domain::id::{DeskId, DeskKey, TenantId};
    use crate::routing::command::{Answer, Roots};
    use crate::store::sqlite::plans::Fresh;
    use crate::store::{DedupKey, Request, Store as _, StoredAnswer, Work};

    #[tokio::test]
    async fn a_batch_that_is_committed_has_the_log_looked_at() {
        let (_place, store) = Fresh::open("woken").await;
        let tenant = TenantId::parse("acme").unwrap();
        let desk = DeskKey { tenant: tenant.clone(), desk: DeskId::parse("help").unwrap() };
        let [caller, method, key, request_hash] = ["anybody", "Create", "1", "hash"].map(Arc::from);
        let key = DedupKey { tenant, caller, method, key };
        let request = Request { desk, roots: Roots::default(), dedup: Some(key.clone()) };
        assert!(!pin!(store.committed.notified()).enable());
        let answers = vec![(key, StoredAnswer { request_hash, answer: Answer::Done })];
        let work = store.transact(vec![request], |_| Work { changed: vec![], events: vec![], answers, value: () });
        work.await.unwrap();
        assert!(pin!(store.committed.notified()).enable());
    }

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
        store.committed.notify_one();
        next(&store).await.unwrap();
        let (length, moved) = checkpoint(&store.readers, "PRAGMA wal_checkpoint(NOOP)").await.unwrap();
        assert_eq!((length > LIMIT / 2, moved), (true, length));
        write(FEW).await;
        assert!(!move_if_many(&store.readers).await.unwrap());
    }
}

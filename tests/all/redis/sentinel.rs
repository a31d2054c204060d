//! A master that sentinels name: when it is gone, its replica is found by itself.

use super::*;
use crate::harness::eventually;
use crate::harness::redis::Watched;

#[tokio::test]
async fn when_the_master_is_gone_the_index_goes_on_with_its_replica() {
    let watched = Watched::start();
    let index = connected(patient(&watched.url())).await;
    open(&index).await;
    watched.catch_up();
    watched.master.kill();
    // Until the sentinel has made the replica the master, nobody answers, or one that only reads.
    let answer = eventually("the replica is the master", async || reserve(&index, 1).await.ok()).await;
    assert!(answer[0].is_some(), "and has what the master had");
}

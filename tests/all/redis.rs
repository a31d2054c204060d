//! The index in Redis when Redis is not what it should be: emptied, gone, forgetful, full, slow, strange, or somebody else's.

mod access;
mod drift;
mod hints;
mod sentinel;

use std::time::Duration;

use handoff::availability::redis::{ConnectError, Options, RedisIndex};
use handoff::availability::{
    Advanced, AgentView, Ask, Availability, Change, Error, LegView, Place, Reservation, RowKey, Serves, Waiting,
};
use handoff::clock::Clock;
use handoff::domain::id::{AgentNo, DeskId, DeskKey, GroupNo, LaneNo, LegId, TenantId, TicketId};
use handoff::domain::requirement::Channel;
use handoff::domain::time::{Span, Time};
use handoff::routing::lanes::Rank;
use handoff::routing::order::OrderKey;
use uuid::Uuid;

use crate::harness::PATIENCE;
use crate::harness::redis::Server;

const NOW: Time = Time(1_700_000_000_000_000);
const AGENT: AgentNo = AgentNo(7);
const LANE: LaneNo = LaneNo(1);

fn desk() -> DeskKey {
    DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("main").expect("valid") }
}

fn patient(url: &str) -> Options {
    Options { response_timeout: PATIENCE, reserve_budget: PATIENCE, ..Options::new(url) }
}

async fn connected(options: Options) -> RedisIndex {
    RedisIndex::connect(options, Clock::new(1)).await.expect("it connects")
}

fn leg_id(number: u128) -> LegId {
    LegId { ticket: TicketId(Uuid::from_u128(number)), leg: 1 }
}

fn waiting(leg: LegId) -> Waiting {
    let key = OrderKey { band: 1, time: NOW, enqueue: NOW, leg };
    let (want, excluded, prefer, connector) = (1, vec![], None, None);
    Waiting { lane: LANE, key, channel: Channel::Chat, want, excluded, prefer, connector }
}

fn legs(numbers: impl IntoIterator<Item = u128>) -> Change {
    let leg = |number| LegView { id: leg_id(number), ver: 1, place: Place::Waiting(waiting(leg_id(number))) };
    Change { legs: numbers.into_iter().map(leg).collect(), ..Change::default() }
}

/// A desk of epoch 1 whose one agent has room for four chats.
async fn open(index: &RedisIndex) {
    let group = GroupNo(3);
    let agent = AgentView {
        number: AGENT,
        ver: 1,
        group,
        session: 1,
        on_duty: true,
        pools: [100, 100],
        weights: Channel::ALL.map(Channel::default_weight),
        maxima: Channel::ALL.map(Channel::default_max),
        blocked: 0,
        last_accept: Time(0),
        deleted: false,
    };
    let serves = vec![Serves { lane: LANE, group, rank: Rank::default() }];
    let page = Change { serves, agents: vec![agent], ..Change::default() };
    let desk = desk();
    index.begin(&desk, 1, 1, NOW).await.expect("begins");
    index.load(&desk, 1, 0, page, NOW).await.expect("loads");
    index.flip(&desk, 1, 1, 0, 0).await.expect("flips");
    index.rematch(&desk, 1, NOW).await.expect("rematches");
}

async fn reserve(index: &RedisIndex, number: u128) -> Result<Vec<Option<Reservation>>, Error> {
    let ask = Ask { leg: leg_id(number), waiting: waiting(leg_id(number)) };
    index.reserve(&desk(), 1, 0, vec![ask], NOW).await
}

async fn advance(index: &RedisIndex, from: u64, change: Change) -> Result<Advanced, Error> {
    index.advance(&desk(), 1, from, from + 1, change, NOW).await
}

/// Until a hint is heard of what goes on meanwhile. From when on it listens is not known.
async fn hear(index: &RedisIndex, from: u64) -> (DeskKey, u64) {
    let goes_on = async {
        for at in from.. {
            advance(index, at, Change::default()).await.expect("of this epoch");
        }
    };
    let heard = async {
        tokio::select! {
            biased;
            heard = index.heard() => heard,
            () = goes_on => unreachable!("it goes on for ever"),
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("a hint")
}

fn wrong_epoch<T>() -> Result<T, Error> {
    Err(Error::WrongEpoch { desk: desk(), epoch: 1 })
}

#[tokio::test]
async fn an_emptied_redis_is_of_no_epoch_until_it_is_built_again() {
    let server = Server::start(&[]);
    let index = connected(patient(&server.url())).await;
    open(&index).await;
    assert!(reserve(&index, 1).await.expect("of this epoch")[0].is_some());
    server.say(&["FLUSHALL"]);
    assert_eq!(reserve(&index, 2).await, wrong_epoch());
    assert_eq!(advance(&index, 0, legs([2])).await, wrong_epoch());
    assert_eq!(index.expire(9, NOW).await, Ok(vec![]));
    open(&index).await;
    assert!(reserve(&index, 2).await.expect("of this epoch")[0].is_some());
}

#[tokio::test]
async fn a_redis_that_died_is_away_and_one_that_comes_back_empty_is_of_no_epoch() {
    let mut server = Server::start(&[]);
    let index = connected(Options { reserve_pause: Duration::ZERO..=Duration::ZERO, ..patient(&server.url()) }).await;
    open(&index).await;
    server.kill();
    assert_eq!(advance(&index, 0, legs([1])).await, Err(Error::Away));
    assert_eq!(reserve(&index, 1).await, Err(Error::Away));
    assert_eq!(index.lost(NOW).await, Err(Error::Away));
    server.restart();
    assert_eq!(advance(&index, 0, legs([1])).await, wrong_epoch());
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = Server::start(&[]);
    let index = connected(patient(&server.url())).await;
    open(&index).await;
    server.say(&["SCRIPT", "FLUSH"]);
    assert!(reserve(&index, 1).await.expect("of this epoch")[0].is_some());
}

#[tokio::test]
async fn a_redis_that_may_evict_is_refused_and_says_so() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let refused = RedisIndex::connect(patient(&server.url()), Clock::new(1)).await.err().expect("refused");
    assert!(matches!(&refused, ConnectError::Evicts { policy } if policy == "allkeys-lru"), "{refused}");
    assert!(refused.to_string().contains("noeviction"), "{refused}");
    server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    connected(patient(&server.url())).await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_yet_is_used_when_it_does_unless_it_may_evict() {
    let (mut good, mut bad) = (Server::start(&[]), Server::start(&["--maxmemory-policy", "allkeys-lru"]));
    good.kill();
    bad.kill();
    let index = connected(patient(&good.url())).await;
    let unfit = connected(patient(&bad.url())).await;
    assert_eq!(advance(&index, 0, legs([1])).await, Err(Error::Away));
    good.restart();
    bad.restart();
    open(&index).await;
    assert!(reserve(&index, 1).await.expect("of this epoch")[0].is_some());
    assert_eq!(advance(&unfit, 0, legs([1])).await, Err(Error::Away));
}

#[tokio::test]
async fn a_redis_that_is_full_is_away_and_has_done_nothing_by_halves() {
    let server = Server::start(&[]);
    let index = connected(patient(&server.url())).await;
    open(&index).await;
    advance(&index, 0, legs(1..=3)).await.expect("of this epoch");
    let before = index.dump(&desk()).await.expect("it can be read");
    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let change = Change { retired_lanes: vec![LANE], ..legs(4..=400) };
    assert_eq!(advance(&index, 1, change.clone()).await, Err(Error::Away));
    assert_eq!(index.expire(9, NOW + Span::from_secs(9)).await, Err(Error::Away));
    server.say(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(index.dump(&desk()).await.expect("it can be read"), before);
    assert!(matches!(advance(&index, 1, change).await, Ok(Advanced::Applied { cursor: 2, .. })));
}

#[tokio::test]
async fn after_a_reservation_that_took_too_long_none_is_tried_for_a_while() {
    let server = Server::start(&[]);
    let long = Duration::from_secs(3_600);
    let hasty =
        Options { reserve_budget: Duration::from_millis(50), reserve_pause: long..=long, ..patient(&server.url()) };
    let index = connected(hasty).await;
    open(&index).await;
    server.pause();
    assert_eq!(reserve(&index, 1).await, Err(Error::Away));
    server.resume();
    assert!(matches!(advance(&index, 0, Change::default()).await, Ok(Advanced::Applied { .. })), "all else goes on");
    let asked = asked(&server);
    assert_eq!(reserve(&index, 2).await, Err(Error::Away));
    assert_eq!(self::asked(&server), asked, "Redis is not asked");
}

/// How many scripts were run by digest.
fn asked(server: &Server) -> String {
    let said = server.say(&["INFO", "commandstats"]);
    said.lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"))
        .unwrap_or_default()
        .split(',')
        .next()
        .expect("calls")
        .to_owned()
}

#[tokio::test]
async fn a_redis_that_stands_still_is_away() {
    let server = Server::start(&[]);
    let hasty = Options { response_timeout: Duration::from_millis(200), ..patient(&server.url()) };
    let index = connected(hasty).await;
    open(&index).await;
    server.pause();
    assert_eq!(advance(&index, 0, legs([1])).await, Err(Error::Away));
    server.resume();
    let applied = crate::harness::eventually("it answers again", async || advance(&index, 0, legs([1])).await.ok());
    // What was sent to it while it stood still it did afterwards, and says so.
    assert!(matches!(applied.await, Advanced::Applied { .. } | Advanced::Passed));
}

#[tokio::test]
async fn two_desks_and_two_tenants_share_a_redis_and_nothing_else() {
    let server = Server::start(&[]);
    let index = connected(patient(&server.url())).await;
    open(&index).await;
    let other = DeskKey { tenant: TenantId::parse("other").expect("valid"), ..desk() };
    assert_eq!(index.rematch(&other, 1, NOW).await, Err(Error::WrongEpoch { desk: other.clone(), epoch: 1 }));
    index.begin(&other, 5, 1, NOW).await.expect("begins");
    assert!(reserve(&index, 1).await.expect("of this epoch")[0].is_some());
    let made = index.expire(9, NOW + Span::from_secs(9)).await.expect("it sweeps both");
    assert_eq!(made, vec![], "nobody waits: a lapsed reservation for a leg that never came");
    assert_eq!(index.dump(&other).await.expect("it can be read"), None);
}

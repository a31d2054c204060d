//! The index in Redis against the oracle and the index in this process, on one server and on a cluster of three.
//!
//! After each step all three answer the same, and hold the same view. `HANDOFF_REDIS_STEPS` makes the runs longer,
//! `HANDOFF_DIFFERENTIAL_SEED` repeats one. Branches of the scripts are marked by lines `--@ name`, which a run counts; planted
//! bugs, changes of a few characters in the scripts, must each be found.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use handoff::availability::memory::MemoryIndex;
use handoff::availability::redis::{Options, RedisIndex};
use handoff::availability::{AgentView, Ask, Availability, Change, Reservation, Serves, Waiting};
use handoff::clock::Clock;
use handoff::domain::id::{AgentNo, GroupNo, LaneNo, LegId, TicketId};
use handoff::domain::requirement::Channel;
use handoff::domain::time::Time;
use handoff::routing::lanes::Rank;
use handoff::routing::order::OrderKey;
use uuid::Uuid;

use super::cost::Desk;
use super::steps::Size;
use super::{CROWD, NARROW, Run, SMALL, WIDE, on_index, property, ready, setting};
use crate::harness::redis::{Cluster, Server};

/// A branch that is reached less often than this is not tested by a run.
const ENOUGH: u32 = 3;

/// As patient as tests are.
pub fn options(url: &str) -> Options {
    let patience = Duration::from_secs(20);
    Options { response_timeout: patience, reserve_budget: patience, ..Options::new(url) }
}

pub async fn connected(url: &str, edit: impl Fn(&str) -> String) -> RedisIndex {
    RedisIndex::connect_edited(options(url), Clock::new(1), edit).await.expect("it connects")
}

/// The first difference between Redis and the others in so many steps.
pub async fn difference(index: &RedisIndex, seed: u64, steps: u64, size: Size) -> Option<String> {
    let memory = MemoryIndex::default();
    let mut run = Run::new(seed, size);
    for _ in 0..steps {
        let expected = run.next();
        assert_eq!(ready(on_index(&memory, &run.desk, run.step(), run.now)), expected, "with {}", run.place());
        let answer = on_index(index, &run.desk, run.step(), run.now).await;
        if answer != expected {
            return Some(format!("another answer with {}\nredis  {answer}\noracle {expected}", run.place()));
        }
        let expected = run.oracle.dump();
        match index.dump(&run.desk).await {
            Ok(view) if view == expected => {}
            Ok(view) => {
                return Some(format!("another view with {}\nredis  {view:?}\noracle {expected:?}", run.place()));
            }
            Err(error) => return Some(format!("{error} with {}", run.place())),
        }
        if let Some(stranded) = expected.as_ref().and_then(property::stranded) {
            panic!("{stranded} with {}", run.place());
        }
    }
    None
}

/// Steps over all runs, and the seed of the first.
fn extent(steps: u64) -> (u64, u64) {
    let seed = setting("HANDOFF_DIFFERENTIAL_SEED").unwrap_or(0x5eed);
    (setting("HANDOFF_REDIS_STEPS").unwrap_or(steps), seed)
}

const SIZES: [Size; 4] = [SMALL, WIDE, NARROW, CROWD];

/// Every run is on a Redis that the runs before have left as it is: an index must begin anew on whatever is there.
async fn compare(index: &RedisIndex, flush: impl Fn(), runs: u64, steps: u64) {
    let (steps, seed) = extent(steps);
    for (run, size) in (0..runs).zip(SIZES.into_iter().cycle()) {
        flush();
        if let Some(difference) = difference(index, seed + run, steps / runs, size).await {
            panic!("HANDOFF_DIFFERENTIAL_SEED={seed} HANDOFF_REDIS_STEPS={steps}: {difference}");
        }
    }
}

#[tokio::test]
async fn redis_answers_as_the_others_do() {
    let server = Server::start(&[]);
    let names = Mutex::new(BTreeMap::new());
    let index = connected(&server.url(), |text| counted(text, &names)).await;
    compare(&index, || drop(server.say(&["FLUSHALL"])), 8, 16_000).await;
    let said = server.say(&["HGETALL", "handoff:{default/main}:meta:reached"]);
    let said: Vec<&str> = said.lines().collect();
    let mut reached = names.into_inner().expect("not poisoned");
    reached.extend(said.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].parse::<u32>().expect("a count"))));
    let rare: Vec<_> = reached.iter().filter(|(_, count)| **count < ENOUGH).collect();
    assert!(rare.is_empty(), "reached too seldom: {rare:?}\nof {reached:#?}");
}

#[tokio::test]
async fn a_cluster_answers_as_the_others_do() {
    let cluster = Cluster::start();
    let index = connected(&cluster.url(), str::to_owned).await;
    let flush = || cluster.0.iter().for_each(|node| drop(node.say(&["FLUSHALL"])));
    compare(&index, flush, 4, 2_000).await;
}

/// Among the first free agents that are looked at, one room has nobody of the lane and another has somebody: the first room may have
/// somebody better further back.
#[tokio::test]
async fn of_two_rooms_the_better_agent_is_chosen_however_far_back() {
    let server = Server::start(&[]);
    let index = connected(&server.url(), str::to_owned).await;
    // Ten groups of one rank serve the lane; the eleventh does not, and has the agents who have waited longest.
    let agent = |number: u32, group: u32, blocked: u8, last_accept: i64| AgentView {
        number: AgentNo(number),
        ver: 1,
        group: GroupNo(group),
        session: 1,
        on_duty: true,
        pools: [100, 100],
        weights: Channel::ALL.map(Channel::default_weight),
        maxima: [1; 5],
        blocked,
        last_accept: Time(last_accept),
        deleted: false,
    };
    let mut agents: Vec<AgentView> = (0..40).map(|number| agent(number, 10, 0, i64::from(number))).collect();
    agents.extend([agent(40, 3, 0, 40), agent(41, 4, Channel::Email.bit(), 99)]);
    let serves = (0..10).map(|group| Serves { lane: LaneNo(0), group: GroupNo(group), rank: Rank::default() });
    let page = Change { serves: serves.collect(), agents, ..Change::default() };
    let (desk, now) = (super::cost::desk_key(), Time(1_000_000));
    index.begin(&desk, 1, 1, now).await.expect("begins");
    index.load(&desk, 1, 0, page, now).await.expect("loads");
    index.flip(&desk, 1, 1, 0, 0).await.expect("flips");
    index.rematch(&desk, 1, now).await.expect("rematches");
    let leg = LegId { ticket: TicketId(Uuid::from_u128(1)), leg: 1 };
    let key = OrderKey { band: 1, time: now, enqueue: now, leg };
    let (want, excluded, prefer, connector) = (1, vec![], None, None);
    let waiting = Waiting { lane: LaneNo(0), key, channel: Channel::Chat, want, excluded, prefer, connector };
    let made = index.reserve(&desk, 1, 0, vec![Ask { leg, waiting }], now).await.expect("of this epoch");
    assert_eq!(made[0].as_ref().map(|made| made.agents[0].0), Some(AgentNo(40)));
}

/// More agents are reserved at once than any reservation looks at, and no fewer are named for it.
#[tokio::test]
async fn of_very_many_held_back_both_name_the_same() {
    let server = Server::start(&[]);
    let mut memory = Desk::new(MemoryIndex::default(), 320, 10).await;
    let mut redis = Desk::new(connected(&server.url(), str::to_owned).await, 320, 10).await;
    let mut made = Vec::new();
    for count in [200, 100, 30] {
        let answer = memory.reserve(count).await;
        assert_eq!(redis.reserve(count).await, answer);
        made.extend(answer.into_iter().flatten());
    }
    assert!(made.len() > 300, "{} are reserved", made.len());
    for one in made.drain(..60) {
        memory.serve(one.clone()).await;
        redis.serve(one).await;
    }
    assert_eq!(redis.reserve(70).await, memory.reserve(70).await);
}

/// A script keeps everybody else waiting, so it does not match all that a busy day lets come at once.
#[tokio::test]
async fn what_one_call_leaves_unmatched_the_next_matches_and_nobody_is_served_before() {
    let server = Server::start(&[]);
    let mut memory = Desk::new(MemoryIndex::default(), 320, 10).await;
    let mut redis = Desk::new(connected(&server.url(), str::to_owned).await, 320, 10).await;
    let expected = memory.arrive(300).await;
    let mut made = redis.arrive(300).await;
    assert_eq!(made.len(), 256);
    assert_eq!(redis.reserve(1).await, vec![None], "somebody is free, and others were first");
    let (rest, done) = redis.rematch().await;
    assert!(done);
    made.extend(rest);
    let held = |made: &[Reservation]| made.iter().map(|one| (one.leg, one.agents.clone())).collect::<Vec<_>>();
    assert_eq!(held(&made), held(&expected));
    assert!(redis.reserve(1).await[0].is_some());
}

/// One call makes so many reservations at the most; with just so many there is nothing left.
#[tokio::test]
async fn a_call_that_matched_as_many_as_one_may_leaves_the_view_matched() {
    let server = Server::start(&[]);
    let mut redis = Desk::new(connected(&server.url(), str::to_owned).await, 320, 10).await;
    assert_eq!(redis.arrive(256).await.len(), 256);
    assert!(redis.reserve(1).await[0].is_some(), "nobody waits before it");
}

/// Each of a thousand free agents looking again after each leg that was served took longer than a script may, for a few dozen legs.
#[tokio::test]
async fn a_hundred_legs_find_their_agents_among_a_thousand_in_one_call() {
    let server = Server::start(&[]);
    let mut memory = Desk::new(MemoryIndex::default(), 1_000, 40).await;
    let mut redis = Desk::new(connected(&server.url(), str::to_owned).await, 1_000, 40).await;
    let expected = memory.arrive(356).await;
    let mut made = redis.arrive(356).await;
    let (rest, done) = redis.rematch().await;
    assert!(done, "{} of a hundred", rest.len());
    made.extend(rest);
    let held = |made: &[Reservation]| made.iter().map(|one| (one.leg, one.agents.clone())).collect::<Vec<_>>();
    assert_eq!(held(&made), held(&expected));
}

/// The script with its marks made into counters, and the names of the marks.
fn counted(text: &str, names: &Mutex<BTreeMap<String, u32>>) -> String {
    let mut names = names.lock().expect("not poisoned");
    let line = |line: &str| match line.trim_start().strip_prefix("--@ ") {
        Some(name) => {
            names.insert(name.to_owned(), 0);
            format!("redis.call('HINCRBY', KEYS[1] .. ':reached', '{name}', 1)\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

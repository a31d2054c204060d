//! Races, each a thousand times with jitter: one winner, one stated answer for each loser, nobody rung afterwards.
//!
//! `HANDOFF_RACES=N` sets how often, `HANDOFF_RACES_SEED=N` the seed, which every run prints.

mod lane;
mod plays;
mod watched;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use handoff::clock::Clock;
use handoff::domain::event::Body;
use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::entropy::Entropy;

use super::records::Past;
use super::say;
use crate::harness::{Folder, Service};
use lane::Lane;
use watched::Watched;

/// Offers of a chat ring as short as a policy may have them.
const POLICY: &str = "queues:\n  chat:\n    offer_timeout: 5s\n";

/// How fast the clock runs where a race is against one.
const FAST: u32 = 10;
const LANES: usize = 16;
const MANY_LANES: usize = 64;
/// How often heartbeats are sent, in the service's seconds.
const BEAT_SECONDS: u32 = 5;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// What one run came to: who won.
type Outcome = Result<&'static str, String>;

/// Plays one race again and again in lanes that share a service, a desk and a connector, but no agents.
async fn race(what: &str, rate: u32, lanes: usize, winners: &[&'static str], play: impl AsyncFn(&mut Lane) -> Outcome) {
    let runs = number("HANDOFF_RACES").unwrap_or(1_000) as usize;
    let seed = number("HANDOFF_RACES_SEED").unwrap_or_else(|| Entropy::from_system().uuid().as_u64_pair().1);
    let started = Instant::now();
    let service = Service::start_with(Folder::new(), rate).await;
    let watched = Watched::open(&service, POLICY).await;
    let lanes: Vec<Lane> = join_all((0..lanes).map(|number| Lane::open(&service, seed, number))).await;
    let count = lanes.len();
    let beating = tokio::spawn(lane::beat(lanes.iter().flat_map(Lane::on_duty).collect(), BEAT_SECONDS, rate));
    let turns = lanes.into_iter().enumerate().map(async |(nth, mut lane)| {
        let mut outcomes = Vec::new();
        for _ in (nth..runs).step_by(count) {
            let won = play(&mut lane).await;
            let quiet = lane.quiet().await;
            outcomes.push(won.and_then(|won| quiet.map(|()| won)));
        }
        outcomes
    });
    let outcomes: Vec<Outcome> = join_all(turns).await.into_iter().flatten().collect();
    beating.abort();

    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut complaints: Vec<String> = Vec::new();
    for outcome in &outcomes {
        match outcome {
            Ok(won) => *tally.entry(won).or_default() += 1,
            Err(complaint) => complaints.push(complaint.clone()),
        }
    }
    complaints.extend(watched.close().await);
    complaints.extend(never_over_capacity(&service).await);
    say(&format!("{what}: {runs} runs in {:.1?}, seed {seed}: {tally:?}", started.elapsed()));
    assert!(
        complaints.is_empty(),
        "{what}, seed {seed}: {} complaints\n{:#?}",
        complaints.len(),
        &complaints[..complaints.len().min(8)]
    );
    assert_eq!(outcomes.len(), runs);
    for winner in winners.iter().filter(|_| runs >= 1_000) {
        assert!(tally.contains_key(winner), "{what}, seed {seed}: {winner} never won, so it was no race: {tally:?}");
    }
    service.stop().await;
}

/// Invariant I2, from the log: nobody was booked above the capacity in force.
async fn never_over_capacity(service: &Service) -> Vec<String> {
    let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("stage").expect("a name") };
    let past = Past::read(service.engine.store(), key).await;
    let mut complaints = Vec::new();
    past.walk(|ticket, moments, entry| {
        let (Body::Offered { offers, .. }, Some(ticket), Some(before)) = (&entry.event.body, ticket, moments.last())
        else {
            return;
        };
        for offer in offers {
            if !before.agents[&offer.agent].has_room(ticket.channel) {
                complaints.push(format!("{}: {} has no room for {}", entry.seq, offer.agent, ticket.name));
            }
        }
    });
    complaints
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_against_an_accept() {
    race("hang-up against accept", 1, LANES, &["accept", "hang-up"], plays::hang_up_against_accept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accept_against_the_expiry_of_its_offer() {
    race("accept against expiry", FAST, MANY_LANES, &["accept", "expiry"], plays::accept_against_expiry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_of_an_agent_accept() {
    race("two devices", 1, LANES, &["desktop", "phone"], plays::two_devices).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_overtakes_its_create() {
    race("cancel before create", 1, LANES, &["create", "cancel"], plays::cancel_against_create).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_accepted_while_the_customer_leaves() {
    let winners = ["accept before cancel", "cancel", "accept before end", "end"];
    race("transfer against customer gone", 1, LANES, &winners, plays::transfer_against_customer_gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_lowered_while_work_is_offered() {
    race("capacity against offer", 1, LANES, &["offer", "capacity"], plays::capacity_against_offer).await;
}

/// A wait of real time: the machine's, however fast the service's clock runs.
async fn wait(span: Duration) {
    Clock::new(1).real_sleep(span).await;
}

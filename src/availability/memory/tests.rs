//! The rules of choosing, of presence and of the view, one by one.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use uuid::Uuid;

use super::*;
use crate::availability::{AgentView, Booking, HELD_BACK, LOST_AFTER, LegView, Place, SUSPECT_AFTER, Serves, Waiting};
use crate::domain::id::{AgentNo, ConnectorId, DeskId, GroupNo, LaneNo, TenantId, TicketId};
use crate::domain::record::{Trigger, Unfit};
use crate::domain::requirement::Channel;
use crate::routing::lanes::Rank;
use crate::routing::order::OrderKey;

const NOW: Time = Time(1_000_000_000);
const PHONE: LaneNo = LaneNo(0);
const CHAT: LaneNo = LaneNo(1);
const EMAIL: LaneNo = LaneNo(3);

/// A desk with a loaded view whose log is written by the test.
struct Bench {
    index: MemoryIndex,
    desk: DeskKey,
    cursor: u64,
    now: Time,
}

fn desk(name: &str) -> DeskKey {
    DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse(name).expect("valid") }
}

fn ready<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the index in this process never waits"),
    }
}

impl Bench {
    /// Group 0 serves the first five lanes, lane n on channel n.
    fn new() -> Bench {
        let bench = Bench { index: MemoryIndex::default(), desk: desk("main"), cursor: 0, now: NOW };
        let serves = (0..5).map(|lane| serves(lane, 0, 0)).collect();
        bench.rebuild(1, Change { serves, ..Change::default() });
        bench
    }

    fn rebuild(&self, epoch: u64, page: Change) {
        ready(self.index.begin(&self.desk, epoch, 7, self.now)).expect("begins");
        ready(self.index.load(&self.desk, 7, 0, page, self.now)).expect("loads");
        ready(self.index.flip(&self.desk, 7, 1, self.cursor, self.cursor)).expect("flips");
        assert_eq!(ready(self.index.rematch(&self.desk, epoch, self.now)), Ok((vec![], true)));
    }

    fn advance(&mut self, change: Change) -> Vec<Reservation> {
        let from = self.cursor;
        self.cursor += 1;
        match ready(self.index.advance(&self.desk, 1, from, self.cursor, change, self.now)) {
            Ok(Advanced::Applied { reservations, .. }) => reservations,
            other => panic!("not applied: {other:?}"),
        }
    }

    fn agents(&mut self, agents: impl IntoIterator<Item = AgentView>) -> Vec<(u8, Vec<u32>)> {
        let agents = agents.into_iter().collect();
        pairs(self.advance(Change { agents, ..Change::default() }))
    }

    fn legs(&mut self, legs: impl IntoIterator<Item = LegView>) -> Vec<(u8, Vec<u32>)> {
        let legs = legs.into_iter().collect();
        pairs(self.advance(Change { legs, ..Change::default() }))
    }

    fn serve(&mut self, serves: Vec<Serves>) {
        self.advance(Change { serves, ..Change::default() });
    }

    fn ask(&self, asks: Vec<Ask>) -> Vec<Option<Reservation>> {
        ready(self.index.reserve(&self.desk, 1, self.cursor, asks, self.now)).expect("of this epoch")
    }

    fn sweep(&mut self, seconds: i64) -> Lapsed {
        let mut all = Lapsed::default();
        for _ in 0..seconds {
            self.now = self.now + Span::from_secs(1);
            for (_, lapsed) in ready(self.index.lost(self.now)).expect("answers") {
                all.suspect.extend(lapsed.suspect);
                all.lost.extend(lapsed.lost);
            }
        }
        all
    }

    fn beat(&self, agent: u32, session: u64) -> (Vec<bool>, Vec<(u8, Vec<u32>)>) {
        let beats = [Beat { agent: AgentNo(agent), session }];
        let (current, made) = ready(self.index.beat(&self.desk, 1, &beats, self.now)).expect("of this epoch");
        (current, pairs(made))
    }
}

/// Who got what: the leg's number and its agents.
fn pairs(made: Vec<Reservation>) -> Vec<(u8, Vec<u32>)> {
    made.into_iter().map(|one| (one.leg.leg, one.agents.into_iter().map(|(agent, _)| agent.0).collect())).collect()
}

fn serves(lane: u32, group: u32, tier_surplus: u8) -> Serves {
    Serves { lane: LaneNo(lane), group: GroupNo(group), rank: Rank { tier_surplus, ..Rank::default() } }
}

fn agent(number: u32) -> AgentView {
    AgentView {
        number: AgentNo(number),
        ver: 1,
        group: GroupNo(0),
        session: 1,
        on_duty: true,
        pools: [100, 100],
        weights: Channel::ALL.map(Channel::default_weight),
        maxima: Channel::ALL.map(Channel::default_max),
        blocked: 0,
        last_accept: Time(0),
        deleted: false,
    }
}

fn id(leg: u8) -> LegId {
    LegId { ticket: TicketId(Uuid::from_u128(1)), leg }
}

/// Waits since `leg` microseconds after the beginning, so that a smaller number goes first.
fn waiting(lane: LaneNo, leg: u8) -> Waiting {
    Waiting {
        lane,
        key: OrderKey { band: 1, time: Time(i64::from(leg)), enqueue: Time(0), leg: id(leg) },
        channel: Channel::ALL[lane.0 as usize],
        want: 1,
        excluded: vec![],
        prefer: None,
        connector: None,
    }
}

fn waits(waiting: Waiting) -> LegView {
    LegView { id: waiting.key.leg, ver: 1, place: Place::Waiting(waiting) }
}

fn held(leg: u8, ver: u32, channel: Channel, agents: &[u32]) -> LegView {
    let weight = channel.default_weight();
    let by = agents.iter().map(|no| Booking { agent: AgentNo(*no), weight }).collect();
    LegView { id: id(leg), ver, place: Place::Held { channel, by } }
}

fn closed(leg: u8) -> LegView {
    LegView { id: id(leg), ver: 99, place: Place::Closed }
}

#[test]
fn the_better_fitting_group_goes_first_even_when_it_is_busier() {
    let mut bench = Bench::new();
    bench.serve(vec![serves(1, 1, 1)]);
    bench.agents([agent(1), AgentView { group: GroupNo(1), ..agent(2) }]);
    bench.legs([held(9, 1, Channel::Chat, &[1])]);
    assert_eq!(bench.legs([waits(waiting(CHAT, 1))]), [(1, vec![1])]);
}

#[test]
fn among_equal_fits_load_decides_then_idle_time_then_the_number_whatever_the_group() {
    let mut bench = Bench::new();
    bench.serve(vec![serves(1, 1, 0)]);
    let other_group = |number| AgentView { group: GroupNo(1), ..agent(number) };
    bench.agents([
        AgentView { last_accept: Time(50), ..agent(1) },
        AgentView { last_accept: Time(40), ..other_group(2) },
        AgentView { last_accept: Time(40), ..agent(3) },
        other_group(4),
    ]);
    bench.legs([held(9, 1, Channel::Chat, &[4])]);
    let legs = (1..=4).map(|leg| waits(waiting(CHAT, leg)));
    // Each reservation loads its agent, so that the next leg goes to the next one.
    assert_eq!(bench.legs(legs), [(1, vec![2]), (2, vec![3]), (3, vec![1]), (4, vec![4])]);
}

#[test]
fn who_never_had_any_work_counts_as_idle_for_longest() {
    let mut bench = Bench::new();
    bench.agents([AgentView { last_accept: Time(1), ..agent(1) }, agent(2)]);
    assert_eq!(bench.legs([waits(waiting(CHAT, 1))]), [(1, vec![2])]);
}

#[test]
fn a_freed_agent_takes_the_smallest_key_over_all_lanes_band_first() {
    let mut bench = Bench::new();
    let mut emergency = waiting(CHAT, 7);
    emergency.key.band = 0;
    bench.legs([waits(waiting(EMAIL, 1)), waits(waiting(PHONE, 2)), waits(emergency)]);
    // The chat leaves no room for a phone call, but some in the other pool.
    assert_eq!(bench.agents([agent(1)]), [(7, vec![1]), (1, vec![1])]);
}

#[test]
fn a_preferred_agent_is_waited_for_and_takes_the_leg_in_the_order_of_its_own_key() {
    let mut bench = Bench::new();
    bench.agents([agent(1), agent(2)]);
    bench.legs([held(9, 1, Channel::Phone, &[1])]);
    let prefers = Waiting { prefer: Some(AgentNo(1)), ..waiting(PHONE, 5) };
    assert_eq!(bench.legs([waits(prefers)]), [], "agent 2 is free, but not meant");
    assert_eq!(bench.legs([held(8, 1, Channel::Phone, &[2]), waits(waiting(PHONE, 6))]), []);
    assert_eq!(bench.legs([waits(waiting(PHONE, 4))]), []);
    assert_eq!(bench.legs([closed(9)]), [(4, vec![1])], "the older leg first");
    assert_eq!(bench.legs([closed(4)]), [(5, vec![1])], "then hers, before the younger one");
}

#[test]
fn a_preference_ends_when_the_agent_goes_off_duty_and_comes_back_with_the_agent() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    bench.legs([held(9, 1, Channel::Phone, &[1])]);
    bench.legs([waits(Waiting { prefer: Some(AgentNo(1)), ..waiting(PHONE, 5) })]);
    bench.agents([AgentView { ver: 2, on_duty: false, ..agent(1) }]);
    bench.agents([AgentView { ver: 3, ..agent(1) }]);
    assert_eq!(bench.agents([agent(2)]), [], "she is back, and the leg is hers again");
    assert_eq!(bench.agents([AgentView { ver: 4, on_duty: false, ..agent(1) }]), [(5, vec![2])]);
}

#[test]
fn a_preference_for_somebody_excluded_does_not_bind() {
    let mut bench = Bench::new();
    bench.agents([agent(1), agent(2)]);
    let torn = Waiting { prefer: Some(AgentNo(1)), excluded: vec![AgentNo(1)], ..waiting(CHAT, 1) };
    assert_eq!(bench.legs([waits(torn)]), [(1, vec![2])]);
}

#[test]
fn a_freed_agent_looks_past_any_number_of_heads_that_exclude_her() {
    let mut bench = Bench::new();
    let excluding = |leg| waits(Waiting { excluded: vec![AgentNo(1)], ..waiting(CHAT, leg) });
    bench.legs((1..=40).map(excluding).chain([waits(waiting(CHAT, 50))]));
    let made = bench.advance(Change { agents: vec![agent(1)], ..Change::default() });
    assert_eq!((made.len(), made[0].leg.leg, made[0].ahead), (1, 50, 40));
}

#[test]
fn pools_are_apart_and_nothing_deferred_is_offered_during_a_phone_leg() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    assert_eq!(bench.legs([held(9, 1, Channel::Chat, &[1]), waits(waiting(EMAIL, 1))]), [(1, vec![1])]);
    assert_eq!(bench.legs([closed(9), waits(waiting(PHONE, 2))]), [(2, vec![1])]);
    assert_eq!(bench.legs([waits(waiting(EMAIL, 3))]), [], "a reserved phone leg is in the way too");
    assert_eq!(bench.legs([closed(2)]), [(3, vec![1])]);
}

#[test]
fn a_blocked_channel_is_offered_nothing() {
    let mut bench = Bench::new();
    bench.agents([AgentView { blocked: Channel::Chat.bit(), ..agent(1) }]);
    assert_eq!(bench.legs([waits(waiting(CHAT, 1)), waits(waiting(EMAIL, 2))]), [(2, vec![1])]);
    assert_eq!(bench.agents([AgentView { ver: 2, ..agent(1) }]), [(1, vec![1])]);
}

#[test]
fn parallel_offers_go_to_the_best_and_to_fewer_when_fewer_are_free() {
    let mut bench = Bench::new();
    bench.agents([agent(1), agent(2), agent(3)]);
    let two = Waiting { want: 2, ..waiting(PHONE, 1) };
    assert_eq!(bench.legs([waits(two)]), [(1, vec![1, 2])]);
    let again = Waiting { want: 2, ..waiting(PHONE, 2) };
    assert_eq!(bench.legs([waits(again)]), [(2, vec![3])]);
    assert_eq!(bench.legs([closed(1)]), [], "leg 2 has somebody: it does not wait for more");
}

#[test]
fn a_live_leg_waits_for_its_connector_and_is_matched_when_it_comes_back() {
    let mut bench = Bench::new();
    let pbx = ConnectorId::parse("pbx").expect("valid");
    let connectors = |away| Change { connectors: vec![(pbx.clone(), away)], ..Change::default() };
    bench.advance(connectors(true));
    bench.agents([agent(1)]);
    let bound = Waiting { connector: Some(pbx.clone()), ..waiting(PHONE, 1) };
    assert_eq!(bench.legs([waits(bound)]), []);
    let back = bench.advance(connectors(false));
    assert_eq!((back[0].leg, back[0].trigger), (id(1), Trigger::LegArrived));
}

#[test]
fn a_suspect_session_gets_nothing_until_it_beats_and_a_lost_one_until_it_is_begun_anew() {
    let mut bench = Bench::new();
    bench.agents([agent(1), agent(2)]);
    bench.sweep(1);
    assert_eq!(bench.sweep(SUSPECT_AFTER.0 / 1_000_000).suspect, [AgentNo(1), AgentNo(2)]);
    assert_eq!(bench.legs([waits(waiting(CHAT, 1))]), []);
    assert_eq!(bench.beat(1, 2), (vec![false], vec![]), "that is not her session");
    assert_eq!(bench.beat(1, 1), (vec![true], vec![(1, vec![1])]));
    assert_eq!(bench.sweep(14).lost.first(), Some(&(AgentNo(2), 1)));
    assert_eq!(bench.sweep(1).lost, [(AgentNo(2), 1)], "again, until its end is in the log");
    assert_eq!(bench.beat(2, 1), (vec![false], vec![]));
    bench.legs([held(9, 1, Channel::Phone, &[1]), waits(waiting(PHONE, 2))]);
    assert_eq!(bench.agents([AgentView { ver: 2, session: 2, ..agent(2) }]), [(2, vec![2])]);
    assert_eq!(bench.sweep(1).lost, []);
}

#[test]
fn a_sweeper_that_slept_lapses_nobody() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    bench.sweep(1);
    bench.now = bench.now + LOST_AFTER + LOST_AFTER;
    assert_eq!(ready(bench.index.lost(bench.now)), Ok(vec![]));
    assert_eq!(bench.sweep(SUSPECT_AFTER.0 / 1_000_000 - 1), Lapsed::default(), "a whole lease begins");
    assert_eq!(bench.sweep(1).suspect, [AgentNo(1)]);
}

#[test]
fn the_reservation_says_who_was_held_back_by_what_the_log_does_not_know() {
    let mut bench = Bench::new();
    bench.agents((1..=100).map(agent));
    for leg in 1..=99 {
        bench.legs([waits(waiting(PHONE, leg))]);
    }
    let made = bench.advance(Change { legs: vec![waits(waiting(PHONE, 200))], ..Change::default() });
    assert_eq!(made[0].agents, [(AgentNo(100), 1)]);
    let expected: Vec<_> = (1..=HELD_BACK as u32).map(|number| (AgentNo(number), Unfit::Reserved)).collect();
    assert_eq!(made[0].held_back, expected);
}

#[test]
fn a_reservation_beforehand_is_the_same_when_asked_for_twice_and_ends_with_the_legs_first_state() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    let ask = || vec![Ask { leg: id(1), waiting: waiting(PHONE, 1) }];
    let first = bench.ask(ask());
    bench.now = bench.now + Span::from_millis(500);
    assert_eq!(bench.ask(ask()), first);
    assert_eq!(first[0].as_ref().map(|one| (one.leg_ver, one.agents.clone())), Some((0, vec![(AgentNo(1), 1)])));
    assert_eq!(bench.legs([held(1, 2, Channel::Phone, &[1])]), []);
    assert_eq!(bench.ask(ask()), [None], "the leg exists: it is served from the view");
}

#[test]
fn reserve_knows_nobody_before_its_callers_last_write_or_for_an_unknown_lane() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    let ask = |lane: LaneNo| Ask { leg: id(1), waiting: Waiting { lane, ..waiting(PHONE, 1) } };
    let early = ready(bench.index.reserve(&bench.desk, 1, bench.cursor + 1, vec![ask(PHONE)], NOW));
    assert_eq!(early, Ok(vec![None]));
    assert_eq!(bench.ask(vec![ask(LaneNo(77))]), [None]);
    assert!(bench.ask(vec![ask(PHONE)])[0].is_some());
}

#[test]
fn asks_of_one_call_are_served_in_the_order_of_their_keys() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    let asks = [2, 1].map(|leg| Ask { leg: id(leg), waiting: waiting(PHONE, leg) });
    let answers = bench.ask(asks.to_vec());
    assert!(answers[0].is_none() && answers[1].is_some());
}

#[test]
fn a_refused_hold_is_kept_until_the_cursor_reaches_what_the_refusal_saw() {
    let mut bench = Bench::new();
    bench.agents([agent(1)]);
    assert_eq!(bench.legs([waits(waiting(PHONE, 1))]), [(1, vec![1])]);
    let refuse = |head| ready(bench.index.refuse(&bench.desk, 1, id(1), 1, head, NOW)).map(pairs);
    assert_eq!(refuse(bench.cursor + 2), Ok(vec![]));
    let refuse_other = ready(bench.index.refuse(&bench.desk, 1, id(1), 2, 0, NOW));
    assert_eq!(refuse_other, Ok(vec![]), "another version is no reservation of this one");
    assert_eq!(bench.agents([]), []);
    assert_eq!(bench.agents([]), [(1, vec![1])]);
}

#[test]
fn a_reservation_lapses_at_its_time_not_before_on_every_desk_up_to_the_limit() {
    let mut bench = Bench::new();
    bench.agents([agent(1), agent(2)]);
    bench.legs([waits(waiting(PHONE, 1)), waits(waiting(PHONE, 2))]);
    let just_before = NOW + RESERVATION - Span(1);
    assert_eq!(ready(bench.index.expire(256, just_before)), Ok(vec![]));
    let again = ready(bench.index.expire(1, NOW + RESERVATION)).expect("answers");
    assert_eq!(again.iter().map(|(_, one)| one.leg).collect::<Vec<_>>(), [id(1)], "the earliest, by id");
    let other = Bench { desk: desk("other"), ..Bench::new() };
    ready(bench.index.begin(&other.desk, 1, 7, NOW)).expect("begins beside the other desk");
    let rest = ready(bench.index.expire(256, NOW + RESERVATION)).expect("answers");
    assert_eq!(rest.into_iter().map(|(desk, one)| (desk, one.leg)).collect::<Vec<_>>(), [(desk("main"), id(2))]);
}

#[test]
fn an_advance_applies_only_over_its_interval() {
    let bench = Bench::new();
    let advance = |from, to| ready(bench.index.advance(&bench.desk, 1, from, to, Change::default(), NOW));
    assert_eq!(advance(1, 2), Ok(Advanced::Behind { cursor: 0 }));
    assert_eq!(advance(0, 2), Ok(Advanced::Applied { cursor: 2, reservations: vec![] }));
    assert_eq!(advance(1, 2), Ok(Advanced::Passed));
    assert_eq!(advance(1, 3), Ok(Advanced::Applied { cursor: 3, reservations: vec![] }));
}

#[test]
fn a_new_epoch_fences_the_old_one_and_is_refused_with_a_page_missing() {
    let bench = Bench::new();
    let (index, desk) = (&bench.index, &bench.desk);
    ready(index.begin(desk, 2, 8, NOW)).expect("begins");
    let wrong = |epoch| Err(Error::WrongEpoch { desk: desk.clone(), epoch });
    for epoch in [1, 2] {
        assert_eq!(ready(index.rematch(desk, epoch, NOW)), wrong(epoch), "no view of epoch {epoch}");
    }
    let is_refused = |answer| matches!(answer, Err(Error::RebuildRefused { .. }));
    assert!(is_refused(ready(index.begin(desk, 2, 9, NOW))), "another loader needs another epoch");
    assert!(is_refused(ready(index.load(desk, 9, 0, Change::default(), NOW))), "a foreign token");
    assert_eq!(ready(index.load(desk, 8, 0, Change::default(), NOW)), Ok(()));
    assert!(is_refused(ready(index.load(desk, 8, 0, Change::default(), NOW))), "twice");
    assert!(is_refused(ready(index.flip(desk, 8, 2, 0, 0))), "a page is missing");
    assert_eq!(ready(index.flip(desk, 8, 1, 0, 0)), Ok(()));
    assert!(is_refused(ready(index.flip(desk, 8, 1, 0, 0))), "twice");
}

#[test]
fn a_loaded_view_is_matched_a_page_at_a_time_in_order_once_it_has_reached_the_head() {
    let bench = Bench::new();
    let many = PAGE as u32 + 44;
    let leg = |number: u32| LegId { ticket: TicketId(Uuid::from_u128(u128::from(number))), leg: 1 };
    let legs = (0..many).rev().map(|number| {
        let key = OrderKey { leg: leg(number), time: Time(i64::from(number)), ..waiting(PHONE, 1).key };
        LegView { id: leg(number), ver: 1, place: Place::Waiting(Waiting { key, ..waiting(PHONE, 1) }) }
    });
    let page = Change {
        serves: vec![serves(0, 0, 0)],
        agents: (0..many).map(agent).collect(),
        legs: legs.collect(),
        ..Change::default()
    };
    let (index, desk) = (&bench.index, &bench.desk);
    ready(index.begin(desk, 2, 8, NOW)).expect("begins");
    ready(index.load(desk, 8, 0, page, NOW)).expect("loads");
    ready(index.flip(desk, 8, 1, 4, 5)).expect("flips");
    assert_eq!(ready(index.rematch(desk, 2, NOW)), Ok((vec![], false)), "below the head");
    let advanced = ready(index.advance(desk, 2, 4, 5, Change::default(), NOW));
    assert_eq!(advanced, Ok(Advanced::Applied { cursor: 5, reservations: vec![] }), "unmatched");
    let mut left: VecDeque<u32> = (0..many).collect();
    for (count, done) in [(PAGE, false), (44, true), (0, true)] {
        let (made, is_done) = ready(index.rematch(desk, 2, NOW)).expect("of this epoch");
        assert_eq!((made.len(), is_done), (count, done));
        for one in made {
            assert_eq!(Some(one.leg), left.pop_front().map(leg));
        }
    }
}

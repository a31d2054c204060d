//! Bugs that somebody could write, each planted alone: the invariants must object, and the length of the shortest way there
//! is printed. A mutant that nothing objects to would mean that the model cannot see what its guard is for, or that nobody
//! needs the guard. `HANDOFF_MODEL_TRACES=1` prints every way.

use super::broken::Broken;
use super::config::{Budget, Config, Mutant};
use super::rows::Agents;
use super::run::{Extent, explore};

/// More states than any mutant takes to be caught.
const ENOUGH: usize = 500_000;

/// States of the same desk without the bug that are looked at: there must be nothing to find.
const GLANCE: usize = 10_000;

const NONE: Budget = Budget::NONE;
const LOST: Budget = Budget { losses: 1, rebuilds: 1, ..NONE };

fn caught(mutant: Mutant, as_what: Broken, config: Config) {
    let outcome = explore(Config { mutant: Some(mutant), ..config }, ENOUGH);
    outcome.print(&format!("mutant {mutant:?}"));
    let found = outcome.found.unwrap_or_else(|| panic!("{mutant:?} breaks nothing"));
    found.print();
    assert_eq!(found.broken, as_what, "{mutant:?} after {} steps\n{}", found.steps, found.trace);
    let without = explore(config, GLANCE).found;
    assert!(
        without.is_none(),
        "the desk of {mutant:?} breaks without it, too: {:?}",
        without.map(|found| found.broken)
    );
}

fn one_leg(actors: usize, budget: Budget) -> Config {
    Config { budget, ..Config::of(1, actors) }
}

fn two_legs(actors: usize, budget: Budget) -> Config {
    Config { budget, ..Config::of(2, actors) }
}

#[test]
fn a_cursor_outside_redis_loses_what_the_failover_took() {
    caught(Mutant::CursorOutsideRedis, Broken::Missing, one_leg(2, Budget { failovers: 1, ..NONE }));
}

#[test]
fn without_the_version_guard_a_leg_has_two_holders() {
    caught(Mutant::NoVersionGuard, Broken::SingleHolder, two_legs(2, NONE));
}

#[test]
fn without_the_capacity_guard_an_agent_is_booked_twice() {
    caught(Mutant::NoCapacityGuard, Broken::Capacity, two_legs(2, NONE));
}

#[test]
fn without_the_session_guard_an_old_session_is_offered_work() {
    caught(Mutant::NoSessionGuard, Broken::OldSession, one_leg(2, Budget { sessions: 1, ..NONE }));
}

#[test]
fn without_the_ready_guard_somebody_who_left_is_offered_work() {
    caught(Mutant::NoReadyGuard, Broken::OffDuty, one_leg(2, Budget { leaves: 1, ..NONE }));
}

/// The design page names three guards. A profile that changed since the reservation passes all of them.
#[test]
fn without_a_guard_on_the_fit_somebody_who_lost_the_skill_is_offered_work() {
    caught(Mutant::NoFitGuard, Broken::Misfit, one_leg(2, Budget { regroups: 1, ..NONE }));
}

#[test]
fn a_new_session_that_revokes_nothing_leaves_offers_to_the_old_one() {
    caught(Mutant::SessionKeepsOffers, Broken::OldSession, one_leg(2, Budget { sessions: 1, ..NONE }));
}

#[test]
fn without_the_cursor_check_an_entry_is_skipped() {
    caught(Mutant::NoCursorCheck, Broken::Missing, two_legs(2, NONE));
}

#[test]
fn without_the_cursor_check_a_view_of_one_leg_goes_back() {
    let config = one_leg(3, Budget { declines: 1, ..NONE });
    caught(Mutant::NoCursorCheck, Broken::ViewWentBack, Config { agents: 1, ..config });
}

#[test]
fn without_the_version_gate_a_leg_goes_back() {
    let config = one_leg(3, Budget { declines: 1, ..NONE });
    caught(Mutant::NoVersionGate, Broken::ViewWentBack, Config { want: [2; _], ..config });
}

#[test]
fn a_reserve_that_enqueues_makes_a_leg_that_nobody_created() {
    let offline = Agents::one(0).with(1);
    caught(Mutant::ReserveEnqueues, Broken::Phantom, Config { offline, ..two_legs(2, NONE) });
}

#[test]
fn a_flip_at_the_head_skips_what_happened_during_the_load() {
    caught(Mutant::FlipAtHead, Broken::Missing, one_leg(2, LOST));
}

#[test]
fn without_expire_an_agent_is_held_for_nothing() {
    caught(Mutant::NoExpire, Broken::HeldForNothing, two_legs(2, NONE));
}

#[test]
fn a_refusal_that_sends_rows_revives_a_closed_leg() {
    caught(Mutant::RefusalWithRows, Broken::ClosedLegLives, one_leg(3, Budget { cancels: 1, ..NONE }));
}

/// V1 of the study.
#[test]
fn without_the_mark_a_loaded_leg_is_never_matched() {
    caught(Mutant::NoUnmatchedMark, Broken::Stranded, one_leg(2, LOST));
}

/// V2, by a failover during the load.
#[test]
fn without_page_counts_a_failover_takes_pages_out_of_the_view() {
    caught(Mutant::NoPageCount, Broken::Missing, one_leg(2, Budget { failovers: 1, ..LOST }));
}

/// V2, by two masters.
#[test]
fn without_page_counts_two_masters_have_half_of_the_pages_each() {
    let config = one_leg(2, Budget { splits: 1, ..LOST });
    caught(Mutant::NoPageCount, Broken::Missing, Config { split_calls: 4, ..config });
}

/// V3.
#[test]
fn matching_an_unmatched_view_serves_newcomers_first() {
    let config = Config { offline: Agents::one(1), ..two_legs(2, LOST) };
    caught(Mutant::MatchWhileUnmatched, Broken::OrderAtIndex, config);
}

/// V4. With R for every ticket: without R it takes three steps.
#[test]
fn a_reserve_below_the_known_head_lets_a_serial_client_overtake_itself() {
    let config = Config { serial: true, offline: Agents::one(1), without_reserve: false, ..Config::of(3, 3) };
    caught(Mutant::ReserveBelowHead, Broken::Overtaken, config);
}

#[test]
fn a_match_below_h1_serves_legs_before_older_ones_that_the_tail_brings() {
    let config = Config { offline: Agents::one(1), ..two_legs(2, LOST) };
    caught(Mutant::MatchBeforeHead, Broken::OrderAfterLoad, config);
}

#[test]
fn a_beat_that_matches_an_unmatched_view_does_so_too() {
    let config = Config { agents: 1, with_reserve: false, ..two_legs(2, Budget { suspects: 1, ..LOST }) };
    caught(Mutant::BeatMatchesUnmatched, Broken::OrderAfterLoad, config);
}

#[test]
fn a_match_that_clears_the_mark_after_one_call_strands_the_rest() {
    let config = Config { with_reserve: false, ..two_legs(2, LOST) };
    caught(Mutant::MatchClearsEarly, Broken::StrandedAtIndex, config);
}

#[test]
fn without_the_token_two_loads_mix() {
    let config = two_legs(3, Budget { rebuilds: 2, ..LOST });
    caught(Mutant::NoToken, Broken::Missing, Config { agents: 0, with_reserve: false, ..config });
}

#[test]
fn a_view_that_counts_one_of_two_offers_takes_the_other_agent_for_free() {
    caught(Mutant::FirstOfferHolds, Broken::HeldForNothing, Config { want: [2; _], ..two_legs(2, NONE) });
}

#[test]
fn a_decline_beside_another_offer_that_keeps_the_version_is_never_seen() {
    let config = one_leg(2, Budget { declines: 1, ..NONE });
    caught(Mutant::DeclineKeepsVersion, Broken::HeldForNothing, Config { want: [2; _], ..config });
}

#[test]
fn an_exclusion_that_lapses_without_an_entry_strands_its_leg() {
    let config = one_leg(2, Budget { declines: 1, lapses: 1, ..NONE });
    caught(Mutant::SilentLapse, Broken::Stranded, Config { agents: 1, decline_excludes: true, ..config });
}

#[test]
fn without_lifting_a_leg_waits_for_nobody() {
    let config = one_leg(2, Budget { declines: 1, ..NONE });
    caught(Mutant::NeverLifted, Broken::NobodyLeft, Config { agents: 1, decline_excludes: true, ..config });
}

/// The design page looks past eight heads and then answers MORE; here it looks past none. Digest and rows agree on what is
/// left, so anti-entropy sees nothing either.
#[test]
fn an_agent_who_stops_at_a_head_that_excludes_the_agent_strands_the_next_leg() {
    let excluded = [Agents::one(0), Agents::NOBODY, Agents::NOBODY];
    let config = Config { offline: Agents::one(1), excluded, with_reserve: false, ..two_legs(2, NONE) };
    caught(Mutant::MoreIsLost, Broken::StrandedAtIndex, Config { agents: 2, ..config });
}

/// The design page does not say who looks, and when. A roster is as old as its replica's last look at the log.
#[test]
fn an_exclusion_lifted_from_an_old_roster_is_lifted_beside_somebody_on_duty() {
    let config = one_leg(3, Budget { declines: 1, sessions: 1, ..NONE });
    let offline = Agents::one(1);
    caught(Mutant::LiftFromRoster, Broken::LiftedEarly, Config { offline, decline_excludes: true, ..config });
}

#[test]
fn a_lane_that_becomes_known_must_be_matched_with_those_who_wait_in_it() {
    let config = one_leg(2, Budget { widenings: 1, ..NONE });
    caught(Mutant::LaneArrivesUnmatched, Broken::Stranded, Config { wide: false, groups: [1; _], ..config });
}

#[test]
fn an_index_that_ignores_lanes_proposes_for_ever_what_is_refused() {
    caught(Mutant::LanesIgnored, Broken::NoEnd, Config { groups: [1; _], ..one_leg(2, NONE) });
}

#[test]
fn anti_entropy_that_does_not_wait_for_the_cursor_rebuilds_a_sound_view() {
    caught(Mutant::DigestAcrossCursors, Broken::NeedlessRebuild, one_leg(2, Budget { digests: 2, ..NONE }));
}

#[test]
fn without_anti_entropy_a_leg_that_vanished_is_stranded() {
    caught(Mutant::NoAntiEntropy, Broken::Stranded, one_leg(2, Budget { rots: 1, ..NONE }));
}

/// The one that nothing objects to: an interval of the log is the same in every epoch, and rows carry versions. The check is
/// for logs that lost commits (an asynchronous standby promoted), which the model does not have.
#[test]
fn without_the_epoch_check_nothing_breaks_while_the_log_is_whole() {
    let config = one_leg(2, Budget { rebuilds: 2, ..LOST });
    let outcome = explore(Config { mutant: Some(Mutant::NoEpochCheck), ..config }, ENOUGH);
    outcome.print("mutant NoEpochCheck");
    assert!(outcome.found.is_none() && outcome.extent == Extent::Exhaustive);
}

//! Reserve, commit, advance as a model: every order in which replicas, store and Redis can meet, checked with stateright before
//! there is any Lua.
//!
//! Start at [`scripts`], which has one function per script under the script's name, then [`store`], whose functions are the
//! transactions of W with their guards, and [`actor`], the tasks in between. [`turn`] is one step, [`protocol`] what may happen
//! next, [`broken`] what must hold, [`repair`] what must hold once the sweeps have run, [`runs`] the desks, [`mutants`] the bugs.
//!
//! # What is modelled
//!
//! - **Store**: versioned rows, a dense log, one transaction a step (the head's lock serialises them), guards in W.
//! - **View**: cursor, `unmatched`, rows gated by version and without tombstones, one reservation a leg, in one slot of Redis.
//! - **Tasks**: up to k at once, of any replica. Each may stop for ever or go on at any later time, so three of them contain two
//!   replicas paused anywhere. A stopped task's place is taken by the next: stopping is a step only when a place is needed.
//! - **Redis**: failover to any one earlier prefix, two masters for some calls of which either survives, loss of everything, a leg
//!   that vanishes (rot). Every deadline may pass at any moment.
//! - **Desk**: create with and without R, accept, decline, end, cancel, new session, off duty, a profile that changes, exclusions
//!   that lapse or are lifted because nobody else is on duty, two lanes and two groups, a lane that is interned while others
//!   work, parallel offers, capacity 1.
//! - **Rebuild** in all its steps, pages read at one time and loaded at another, h1; **anti-entropy** in three steps.
//! - In every state: I2, I3, sessions, fit, cursor and head, I7, no phantom, nothing goes back but by a failover, I5 and I6 at the
//!   index. From every distinct (store, view) all tasks are dropped and the sweeps run to the end: I5, I12, nobody is held for
//!   nothing, nobody waits for excluded agents alone, and anti-entropy finds nothing.
//!
//! # What is not
//!
//! Dedup of callers' requests; leases beyond suspect and back; preference windows and connectors that are away; lanes and groups that retire;
//! a Postgres that loses commits (which is what the epoch check is for: see [`mutants`]); pages of more than two entries; rows of
//! one page of the log that are read at different times.
//!
//! # Where it differs from the study
//!
//! `shared/reference/protocol-model.md` is the study. Its variant FREE is what is here, with what it left out: lanes, lapses,
//! parallel offers, anti-entropy, heartbeats, the rule of h1, a tailer whose cursor is old, an R that comes late, calls that happen twice. A commit needs a free
//! place for its A, so k counts the task that commits. The study's overtakes are looked for at creations only: a proposal under
//! way may overtake a leg that is requeued meanwhile, also for a serial client.
//!
//! Reductions are exact: the log below every cursor that can be read from is cut, tasks that can change nothing have ended,
//! and tasks are sorted. States are told apart by 64-bit fingerprints.
//!
//! `HANDOFF_MODEL_STATES=3000000` looks at that many states of each of the larger desks, the nearest first (in about 2 GB a
//! million), and walks as many steps along random ways; `HANDOFF_MODEL_TRACES=1` prints how each mutant is caught.

mod actor;
mod broken;
mod config;
mod mutants;
mod protocol;
mod redis;
mod repair;
mod reservation;
mod rows;
mod run;
mod runs;
mod scripts;
mod store;
mod turn;
mod view;

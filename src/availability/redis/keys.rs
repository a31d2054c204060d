//! The names of everything the index keeps in Redis: the one place that knows them.
//!
//! All keys of a desk carry the same hash tag, so that they lie in one slot of a cluster and fail over together with the cursor
//! that says how far they are. There is one view per desk: the row of its epoch lies beside the data, every script looks at it
//! first, and a new epoch begins by removing what the old one left.
//!
//! | Key | Type | Holds |
//! |---|---|---|
//! | `meta` | hash | epoch, state (`loading` or `view`), cursor, unmatched head, loader's token, pages loaded, last sweep, last comparison with the store, how many are free by room |
//! | `agents` | hash | by number: lease, place among the free, what the log said, pieces of work held and reserved |
//! | `legs` | hash | by id: the line it stands in, what the log said; open legs only |
//! | `holds` | hash | by leg id: the reservation as it was answered, and the head that a refused one waits for |
//! | `fits` | hash | which group serves which lane and how well, in both directions |
//! | `free` | sorted set | free agents by group and room (the channels on which they have some), and by room alone |
//! | `lines` | sorted set | waiting legs by lane or agent, and the head of each lane |
//! | `links` | sorted set | waiting legs by connector, and by the agent whom they prefer |
//! | `deadlines` | sorted set | legs with a reservation, by the time at which it lapses |
//! | `beats` | sorted set | agents with a session, by their last heartbeat |
//! | `refused` | sorted set | refused reservations, by the head that the cursor must reach |
//! | `backs` | sorted set | agents whom the index holds back and the log does not |
//! | `away` | set | connectors that are away |
//!
//! Numbers, ids and keys only; of names, those of tenant, desk and connectors. No customer's text.

use crate::domain::id::DeskKey;

/// In the order in which the scripts take them (`base.lua`).
pub(super) const NAMES: [&str; 13] = [
    "meta",
    "agents",
    "legs",
    "holds",
    "fits",
    "free",
    "lines",
    "links",
    "deadlines",
    "beats",
    "refused",
    "backs",
    "away",
];

/// What every name begins with, for access rules.
pub const PREFIX: &str = "handoff:";

pub(super) struct Keys(pub(super) [String; NAMES.len()]);

impl Keys {
    pub(super) fn of(desk: &DeskKey) -> Keys {
        // No name holds a brace or a slash, so the tag ends where it should and two desks never share one.
        Keys(NAMES.map(|name| format!("{PREFIX}{{{}/{}}}:{name}", desk.tenant, desk.desk)))
    }
}

//! The latest past of a desk's agents: an agent is chosen at one number of the log and the offer recorded a little later, and the
//! record has to say what the choice was made of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::agent::Agent;
use crate::domain::id::AgentNo;

/// Rows that are kept. A choice older than these is made anew.
const KEPT: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Past {
    /// Rows as they were until the log had this number, the oldest first.
    rows: VecDeque<(u64, Arc<Agent>)>,
    /// What was before this number is not known any more.
    known_from: u64,
}

impl Past {
    /// The row was this one until the log had the number `until`.
    pub fn keep(&mut self, until: u64, row: Arc<Agent>) {
        self.rows.push_back((until, row));
        if self.rows.len() > KEPT
            && let Some((until, _)) = self.rows.pop_front()
        {
            self.known_from = until;
        }
    }

    /// Who belongs to which group, or fits which lane how well, changed: choices made before are not explained any more.
    pub fn forget(&mut self, until: u64) {
        self.rows.clear();
        self.known_from = until;
    }

    /// The agents whose rows were others when the log had the number `seq`; `None`: that is not known any more.
    pub fn at(&self, seq: u64) -> Option<BTreeMap<AgentNo, Arc<Agent>>> {
        let later = self.rows.iter().rev().take_while(|(until, _)| *until > seq);
        (seq >= self.known_from).then(|| later.map(|(_, row)| (row.number, row.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32, ver: u64) -> Arc<Agent> {
        let mut agent: Agent = serde_json::from_value(serde_json::json!({
            "id": "kim", "number": number, "ver": ver, "profile_rev": 1,
            "profile": {"display_name": "", "team": "", "expertise": {"tier": 1}, "pools": {}, "channels": {}, "endpoints": [], "labels": {}},
            "group": 1, "deleted": false, "create_time": 0, "update_time": 0, "declared": "ready", "next_declared": null,
            "since": 0, "session": null, "last_epoch": 0, "misses": 0, "not_responding": false, "used_live": 0,
            "used_deferred": 0, "held": {}, "last_accept_time": 0, "lost_until": null, "next_due_at": null,
        }))
        .expect("a row");
        agent.number = AgentNo(number);
        Arc::new(agent)
    }

    #[test]
    fn the_row_of_a_number_is_the_one_that_the_first_later_change_replaced() {
        let mut past = Past::default();
        past.keep(5, row(1, 1));
        past.keep(7, row(1, 2));
        past.keep(9, row(2, 1));
        let versions = |seq| {
            let rows = past.at(seq).expect("known");
            rows.values().map(|row| (row.number.0, row.ver)).collect::<Vec<_>>()
        };
        assert_eq!(versions(4), [(1, 1), (2, 1)]);
        assert_eq!(versions(5), [(1, 2), (2, 1)]);
        assert_eq!(versions(8), [(2, 1)]);
        assert_eq!(versions(9), []);
    }

    #[test]
    fn what_was_forgotten_is_not_known() {
        let mut past = Past::default();
        past.keep(5, row(1, 1));
        past.forget(6);
        assert!(past.at(5).is_none());
        assert_eq!(past.at(6).map(|rows| rows.len()), Some(0));
    }
}

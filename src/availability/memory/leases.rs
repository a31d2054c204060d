//! Leases: sessions go without a heartbeat, become suspect, and are lost.

use super::agents::Lease;
use super::view::View;
use crate::availability::{LOST_AFTER, Lapsed, SUSPECT_AFTER};
use crate::domain::id::AgentNo;
use crate::domain::time::Time;

impl View {
    /// Renews the lease of a current session; whether it is one. A suspect session is free again.
    pub(super) fn beat(&mut self, number: AgentNo, session: u64, now: Time) -> bool {
        let Some(agent) = self.agents.get_mut(&number) else { return false };
        let current = session != 0 && agent.view.as_ref().is_some_and(|view| view.session == session);
        match agent.lease {
            Lease::Live { since } | Lease::Suspect { since } if current => {
                agent.lease = Lease::Live { since: since.max(now) };
                self.touched.insert(number);
                true
            }
            Lease::None | Lease::Live { .. } | Lease::Suspect { .. } | Lease::Lost => false,
        }
    }

    /// Gives every session that is not lost a whole lease. A suspect one stays suspect until it beats.
    pub(super) fn renew_leases(&mut self, now: Time) {
        for agent in self.agents.values_mut() {
            match &mut agent.lease {
                Lease::Live { since } | Lease::Suspect { since } => *since = now.max(*since),
                Lease::None | Lease::Lost => {}
            }
        }
    }

    /// Takes sessions without a heartbeat out of the free set; names the newly suspect, and all that are lost.
    pub(super) fn sweep_leases(&mut self, now: Time) -> Lapsed {
        let mut lapsed = Lapsed::default();
        for (number, agent) in &mut self.agents {
            let (since, suspect) = match agent.lease {
                Lease::Live { since } => (since, false),
                Lease::Suspect { since } => (since, true),
                Lease::Lost => {
                    lapsed.lost.push((*number, agent.session()));
                    continue;
                }
                Lease::None => continue,
            };
            if since + LOST_AFTER <= now {
                agent.lease = Lease::Lost;
                lapsed.lost.push((*number, agent.session()));
            } else if since + SUSPECT_AFTER <= now && !suspect {
                agent.lease = Lease::Suspect { since };
                lapsed.suspect.push(*number);
            } else {
                continue;
            }
            self.touched.insert(*number);
        }
        lapsed
    }
}

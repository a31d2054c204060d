//! I7 at rest: when nothing is under way any more, the index holds what the rows say, no more and no less.

use std::sync::Arc;

use handoff::availability::memory::Dump;
use handoff::availability::{AgentView, LegView, Serves, rows as index_rows};
use handoff::domain::agent::Agent;
use handoff::domain::id::AgentId;
use handoff::routing::roster::{Roster, TableChange};
use handoff::routing::workset::WorkingSet;

use crate::pure::checks::Checked;

/// Holds a view against the rows and the head of the log.
pub fn is_of(rows: &WorkingSet<'static>, head: u64, view: &Dump) -> Checked {
    if (view.cursor, view.unmatched) != (head, None) {
        return Err(format!("I7: the view is at {} ({:?}), the log at {head}", view.cursor, view.unmatched));
    }
    let number = |agent: &AgentId| rows.agents.get(agent).map(|row| row.number);
    let open = rows.tickets.own().values().flat_map(|ticket| ticket.open_legs().map(move |leg| (ticket, leg)));
    let legs: Vec<LegView> = open.map(|(ticket, leg)| index_rows::of_leg(number, ticket, leg)).collect();
    same("leg", &legs, &view.legs)?;
    let mut agents: Vec<&Arc<Agent>> = rows.agents.own().values().filter(|agent| !agent.deleted).collect();
    agents.sort_by_key(|agent| agent.number);
    let agents: Vec<AgentView> = agents.into_iter().map(|agent| index_rows::of_agent(agent)).collect();
    let seen: Vec<AgentView> = view.agents.iter().filter_map(|agent| agent.view.clone()).collect();
    same("agent", &agents, &seen)?;
    let mut roster = Roster::default();
    if let Some(scope) = &rows.scope {
        roster.set_tables(&scope.desk, &TableChange::default());
    }
    let serves: Vec<Serves> = roster.pairs().map(index_rows::of_pair).collect();
    let sorted = |mut pairs: Vec<Serves>| {
        pairs.sort_by_key(|pair| (pair.lane, pair.group));
        pairs
    };
    same("pair of lane and group", &sorted(serves), &sorted(view.serves.clone()))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> Checked {
    let missing = expected.iter().find(|row| !found.contains(row));
    let beyond = found.iter().find(|row| !expected.contains(row));
    if missing.is_some() || beyond.is_some() {
        return Err(format!("I7: a {what} is not in the view: {missing:?}; one is that should not be: {beyond:?}"));
    }
    Ok(())
}

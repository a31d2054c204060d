//! Loading what a batch works on: the rows its roots name, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use handoff::domain::id::DeskKey;
use handoff::domain::time::{Span, Time};
use handoff::routing::command::Roots;
use handoff::routing::workset::WorkingSet;
use handoff::store::{DEDUP_DAYS, Loaded, Request};

use super::rows::{waits_for, works_on};
use super::{Kept, Slip, Tables};

pub fn batch(tables: &Tables, requests: &[Request], now: Time, slip: Slip) -> Loaded {
    let expired = now - Span::from_days(DEDUP_DAYS);
    let answer = |request: &Request| {
        let found = request.dedup.as_ref().and_then(|key| tables.answers.get(key));
        found.filter(|(_, at)| *at >= expired && !slip.forgets_answers).map(|(answer, _)| answer.clone())
    };
    let answers = requests.iter().map(answer).collect();
    let mut named: BTreeMap<&DeskKey, Vec<&Roots>> = BTreeMap::new();
    for request in requests {
        named.entry(&request.desk).or_default().push(&request.roots);
    }
    let desks = named.into_iter().map(|(key, roots)| {
        let set = tables.desks.get(key).map_or_else(|| absent(key, &roots), |kept| closure(kept, &roots));
        (key.clone(), set)
    });
    let heads = tables.desks.iter().map(|(key, kept)| (key.clone(), kept.head));
    Loaded { desks: desks.collect(), heads: heads.collect(), answers, now }
}

fn absent(key: &DeskKey, roots: &[&Roots]) -> WorkingSet<'static> {
    let mut set = WorkingSet::empty(key.clone());
    set.waiting = roots.iter().flat_map(|roots| &roots.queues).map(|queue| (queue.clone(), 0)).collect();
    set
}

fn closure(kept: &Kept, roots: &[&Roots]) -> WorkingSet<'static> {
    let mut set = WorkingSet::empty(kept.rows.key.clone());
    set.scope.clone_from(&kept.rows.scope);
    let mut agents: BTreeSet<_> =
        roots.iter().flat_map(|roots| roots.agents.iter().chain(&roots.agents_with_work)).collect();
    let mut tickets: BTreeSet<_> = roots.iter().flat_map(|roots| roots.tickets.iter().copied()).collect();
    let mut conversations: BTreeSet<_> = roots.iter().flat_map(|roots| roots.conversations.iter().cloned()).collect();
    for agent in roots.iter().flat_map(|roots| &roots.agents_with_work) {
        let theirs = kept.open_rows().filter(|ticket| works_on(ticket, agent) || waits_for(ticket, agent));
        tickets.extend(theirs.map(|ticket| ticket.id));
    }
    let found: Vec<_> = tickets.iter().filter_map(|id| kept.rows.tickets.get(id)).collect();
    for ticket in &found {
        agents.extend(ticket.concerned_agents());
        let own = ticket.content.conversation_keys.iter().map(|key| (ticket.connector.clone(), key.clone()));
        conversations.extend(own);
    }
    for ticket in found {
        set.tickets.insert(ticket.id, ticket.clone());
    }
    for key in conversations {
        if let Some(held) = kept.rows.conversations.get(&key).filter(|held| held.is_some()) {
            // Without their agents: a refusal only names them.
            if let Some(holder) = held.as_ref().and_then(|id| kept.rows.tickets.get(&id)) {
                set.tickets.insert(holder.id, holder.clone());
            }
            set.conversations.insert(key, held.clone());
        }
    }
    for agent in agents {
        if let Some(row) = kept.rows.agents.get(agent) {
            set.agents.insert(agent.clone(), row.clone());
        }
    }
    let queues = roots.iter().flat_map(|roots| &roots.queues);
    set.waiting = queues.map(|queue| (queue.clone(), kept.waiting_in(queue))).collect();
    set
}

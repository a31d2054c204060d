//! No waiting leg beside an eligible free agent: read off a dump pair by pair, with neither lines nor free sets.

use handoff::availability::memory::{AgentDump, Dump, Lease};
use handoff::availability::{AgentView, Place, Waiting};
use handoff::domain::id::AgentNo;
use handoff::domain::requirement::{Channel, Pool};

/// The first leg that waits beside somebody who could take it, in words.
pub fn stranded(dump: &Dump) -> Option<String> {
    if dump.unmatched.is_some() {
        return None;
    }
    for leg in &dump.legs {
        let Place::Waiting(waiting) = &leg.place else { continue };
        let reserved = dump.reservations.iter().any(|(reservation, _)| reservation.leg == leg.id);
        let away = waiting.connector.as_ref().is_some_and(|connector| dump.away.contains(connector));
        if reserved || away {
            continue;
        }
        if let Some(agent) = dump.agents.iter().find(|agent| takes(dump, agent, waiting)) {
            return Some(format!("{leg:?} waits beside {agent:?}"));
        }
    }
    None
}

fn takes(dump: &Dump, agent: &AgentDump, waiting: &Waiting) -> bool {
    let Some(view) = &agent.view else { return false };
    let live = matches!(agent.lease, Lease::Live { .. });
    let on_duty = |number: AgentNo| {
        dump.agents.iter().any(|other| other.number == number && other.view.as_ref().is_some_and(|view| view.on_duty))
    };
    let for_one = waiting.prefer.filter(|number| on_duty(*number) && !waiting.excluded.contains(number));
    let meant = match for_one {
        Some(number) => number == agent.number,
        None => dump.serves.iter().any(|serves| (serves.lane, serves.group) == (waiting.lane, view.group)),
    };
    meant && view.on_duty && live && !waiting.excluded.contains(&agent.number) && has_room(agent, view, waiting.channel)
}

fn has_room(agent: &AgentDump, view: &AgentView, channel: Channel) -> bool {
    let at = Channel::ALL.iter().position(|one| *one == channel).expect("one of all");
    let work = || agent.held.iter().chain(&agent.reserved);
    let points: u32 =
        work().filter(|(_, on, _)| on.pool() == channel.pool()).map(|(.., weight)| u32::from(*weight)).sum();
    let pieces = work().filter(|(_, on, _)| *on == channel).count();
    let (pool, deferred) = (channel.pool(), channel.pool() == Pool::Deferred);
    let on_the_phone = work().any(|(_, on, _)| *on == Channel::Phone);
    view.blocked & channel.bit() == 0
        && points + u32::from(view.weights[at]) <= u32::from(view.pools[usize::from(pool == Pool::Deferred)])
        && pieces < usize::from(view.maxima[at])
        && !(deferred && on_the_phone)
}

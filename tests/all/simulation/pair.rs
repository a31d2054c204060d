//! A connector of two processes that share its decisions. Either dies and comes back on any replica and goes on after what is
//! acknowledged of its part; whatever it is given comes to one of the two, in the order of its ticket, and nothing is passed
//! over (I9, I10).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use handoff::availability::Availability;
use handoff::domain::event::Entry;
use handoff::domain::id::{ConnectorId, TicketId};
use handoff::domain::log::{LogRow, Selection};
use handoff::domain::time::Span;
use handoff::engine::Engine;
use handoff::store::Store;
use handoff::stream::instances::{InstanceSeat, Part};
use handoff::stream::subscription::Subscription;
use rand::RngExt;
use tokio::sync::watch;

use super::fleet::Fleet;
use super::pause;
use super::readers::{Habits, rows};
use super::scene::desk_key;
use super::trace::Trace;
use crate::pure::desk::connector_id;

pub const NAME: &str = "soc";
pub const PROCESSES: [&str; 2] = ["soc-1", "soc-2"];

/// What the two have seen together.
pub struct Pair {
    id: ConnectorId,
    selection: Selection,
    seen: BTreeSet<u64>,
    /// The last decision number of each of its own tickets.
    last_of: BTreeMap<TicketId, u32>,
    trace: Trace,
}

pub type Shared = Arc<Mutex<Pair>>;

pub fn new(trace: &Trace) -> Shared {
    let id = connector_id(NAME);
    let selection = Selection { connector: Some(id.clone()), ..Selection::default() };
    let (seen, last_of) = (BTreeSet::new(), BTreeMap::new());
    Arc::new(Mutex::new(Pair { id, selection, seen, last_of, trace: trace.clone() }))
}

pub fn lock(pair: &Shared) -> MutexGuard<'_, Pair> {
    pair.lock().expect("nothing that panics runs under this lock")
}

impl Pair {
    fn get(&mut self, process: &str, row: &LogRow, selection: &Selection) -> Result<(), String> {
        let (entry, seq) = (&row.entry, row.seq());
        self.trace.say(|| format!("{process} gets {seq}"));
        if !selection.holds(entry) {
            return Err(format!("I9: {process} was sent {seq}, which is not of its part"));
        }
        self.seen.insert(seq);
        let mine = entry.route.as_ref().is_some_and(|route| route.connector == self.id);
        let Some(ticket) = entry.event.ticket.filter(|_| mine) else { return Ok(()) };
        let now = entry.event.ticket_seq;
        let last = self.last_of.entry(ticket).or_insert(0);
        if now > *last + 1 {
            return Err(format!("I10: {process} saw decision {now} of ticket {ticket}, and nobody saw {}", *last + 1));
        }
        *last = now.max(*last);
        Ok(())
    }

    /// At the end: the two have seen all of the connector's decisions in this log.
    pub fn complete(&self, log: &[Arc<Entry>]) -> Result<(), String> {
        let mut missed = log.iter().filter(|entry| self.selection.holds(entry) && !self.seen.contains(&entry.seq));
        missed.next().map_or(Ok(()), |entry| Err(format!("I10: neither of {PROCESSES:?} has seen {}", entry.seq)))
    }
}

/// One of the two reads through one replica or another, as long as there are any.
pub async fn read(pair: Shared, process: &'static str, fleet: Arc<Fleet>, mut habits: Habits) -> Result<(), String> {
    loop {
        let rest = if habits.faithful { 100 } else { habits.dice.random_range(20..9_000) };
        pause::millis(&fleet.clock, rest + habits.turn).await;
        let Some(live) = fleet.pick() else { continue };
        tokio::select! {
            biased;
            () = live.weather.died() => {}
            ended = connection(&pair, process, &live.engine, &mut habits) => ended?,
        }
    }
}

/// One stream, from its hello to its end, over whatever parts it is given. A store that does not answer ends it.
async fn connection<S: Store, A: Availability>(
    pair: &Shared,
    process: &'static str,
    engine: &Engine<S, A>,
    habits: &mut Habits,
) -> Result<(), String> {
    let (desk, clock) = (desk_key(), engine.clock());
    let (id, whole) = {
        let pair = lock(pair);
        (pair.id.clone(), pair.selection.clone())
    };
    let Ok(begun) = engine.begin_reader(&desk, &id, Arc::from(process)).await else { return Ok(()) };
    let Ok(Some((head, _))) = engine.store().head(&desk).await else { return Ok(()) };
    engine.hub().publish(&desk, [], head);
    let mut seat = begun.seat;
    let mut head = engine.hub().head(&desk);
    let window = if habits.faithful { 256 } else { habits.dice.random_range(1..40) };
    let patience = Span::from_millis(if habits.faithful { 3_600_000 } else { habits.dice.random_range(500..20_000) });
    let leaves = clock.now() + patience;
    let first = |part: &Part| part.shares.first().unwrap_or(*engine.hub().head(&desk).borrow());
    let mut open: Option<Subscription> = None;
    while clock.now() < leaves {
        let Some(part) = seat.part() else { return Ok(()) };
        let now = clock.now();
        let open = match &mut open {
            Some(open) if open.generation() == part.generation => open,
            Some(open) => {
                *open = open.anew(part.generation, first(&part), now);
                open
            }
            none => none.insert(Subscription::new(part.generation, window, first(&part), first(&part), now)),
        };
        let selection = Selection { shares: Some(Arc::new(part.shares.clone())), ..whole.clone() };
        open.beats(now);
        open.rewind_if_due(now);
        if !take_in(pair, process, engine, (&seat, &part), open, &mut head, &selection).await? {
            return Ok(());
        }
        if habits.faithful || habits.dice.random_bool(0.6) {
            let acked = open.ack(part.generation, open.last(), clock.now());
            if let Some(seq) =
                acked.map_err(|ahead| format!("I10: {process} may not acknowledge what it got: {ahead}"))?
            {
                engine.ack(&desk, &id, part.generation, seq);
            }
        }
        let (hungry, generation) = (open.room() > 0, part.generation);
        tokio::select! {
            biased;
            () = seat.moved(generation) => {}
            _ = head.changed(), if hungry => {}
            () = pause::until(clock, open.deadline().min(leaves)) => {}
        }
        pause::millis(clock, 1 + habits.turn).await;
    }
    Ok(())
}

/// Takes in what there is, as far as the window goes. `false`: the store did not answer.
async fn take_in<S: Store, A: Availability>(
    pair: &Shared,
    process: &str,
    engine: &Engine<S, A>,
    (seat, part): (&InstanceSeat, &Arc<Part>),
    open: &mut Subscription,
    head: &mut watch::Receiver<u64>,
    selection: &Selection,
) -> Result<bool, String> {
    loop {
        let room = open.room().min(16);
        let known = *head.borrow_and_update();
        let after = open.cursor();
        if room == 0 || after >= known {
            return Ok(true);
        }
        let Some((rows, upto)) = rows(engine, selection, after, room).await else { return Ok(false) };
        if (rows.is_empty() && upto <= after) || seat.part().as_ref() != Some(part) {
            return Ok(true);
        }
        for row in &rows {
            if open.deliver(row.seq(), engine.clock().now()).is_some() {
                lock(pair).get(process, row, selection)?;
            }
        }
        open.looked_at(upto);
    }
}

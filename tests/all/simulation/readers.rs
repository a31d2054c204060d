//! The connectors as they read their decisions, and what each of them has seen so far (I9, I10). A connector outlives the
//! replica; now and then it dies itself and goes on after what it had acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use handoff::availability::Availability;
use handoff::domain::connector::Reach;
use handoff::domain::event::Entry;
use handoff::domain::id::{ConnectorId, TicketId};
use handoff::domain::log::{LogRow, Selection};
use handoff::domain::time::Span;
use handoff::engine::Engine;
use handoff::store::Store;
use handoff::stream::cursor::{self, Extent, Prev, RETENTION, Resume};
use handoff::stream::hub::Recent;
use handoff::stream::instances::{InstanceSeat, Part};
use handoff::stream::subscription::{Delivery, Subscription};
use rand::RngExt;
use rand::rngs::StdRng;

use super::fleet::Fleet;
use super::scene::desk_key;
use super::trace::Trace;
use super::{pair, pause};
use crate::pure::desk;

/// A connector's own memory.
pub struct Reader {
    pub id: ConnectorId,
    selection: Selection,
    /// Every decision taken in, in order.
    seen: Vec<u64>,
    /// The last decision number of each ticket of its own, and where it was seen.
    last_of: BTreeMap<TicketId, (u32, u64)>,
    /// What it acknowledged to a subscription that was its own.
    acked: u64,
    /// What the service said it had acknowledged.
    told: u64,
    /// Counts its streams: only the newest is listened to.
    stream: u64,
    pub redelivered: usize,
    trace: Trace,
}

pub type Shared = Arc<Mutex<Reader>>;

pub fn all(trace: &Trace) -> Vec<Shared> {
    let reader = |connector: handoff::domain::connector::Connector| {
        let own = (connector.reach == Reach::Own).then(|| connector.id.clone());
        Arc::new(Mutex::new(Reader {
            id: connector.id,
            selection: Selection { connector: own, ..Selection::default() },
            seen: Vec::new(),
            last_of: BTreeMap::new(),
            acked: 0,
            told: 0,
            stream: 0,
            redelivered: 0,
            trace: trace.clone(),
        }))
    };
    desk::connectors().into_iter().filter(|row| row.id.as_str() != pair::NAME).map(reader).collect()
}

pub fn lock(reader: &Shared) -> MutexGuard<'_, Reader> {
    reader.lock().expect("nothing that panics runs under this lock")
}

impl Reader {
    /// Dies and comes back with what it had acknowledged.
    fn forget(&mut self) {
        let kept = self.seen.partition_point(|seq| *seq <= self.acked);
        self.seen.truncate(kept);
        // What it knew of each ticket is worked out again from what comes.
        self.last_of.clear();
    }

    fn last(&self) -> u64 {
        self.seen.last().copied().unwrap_or(0)
    }

    /// Takes in a decision.
    fn get(&mut self, delivery: Delivery, row: &LogRow) -> Result<(), String> {
        let Delivery { seq, prev_seq, .. } = delivery;
        let name = &self.id;
        self.trace.say(|| format!("{name} gets {seq} after {prev_seq}"));
        if row.seq() != seq || !self.selection.holds(&row.entry) {
            return Err(format!("I9: {name} was sent {seq}, which is not of its selection"));
        }
        match self.seen.binary_search(&seq) {
            Ok(at) => {
                let before = at.checked_sub(1).map_or(0, |before| self.seen[before]);
                self.redelivered += 1;
                (before == prev_seq)
                    .then_some(())
                    .ok_or_else(|| format!("I9: {name} got {seq} again, after {prev_seq} instead of {before}"))
            }
            Err(_) if prev_seq != self.last() => {
                Err(format!("I9: {name} got {seq} after {prev_seq}, and had seen {} last", self.last()))
            }
            Err(_) => {
                self.seen.push(seq);
                self.in_ticket_order(&row.entry)
            }
        }
    }

    /// Of its own tickets a connector sees every decision.
    fn in_ticket_order(&mut self, entry: &Entry) -> Result<(), String> {
        let mine = entry.route.as_ref().is_some_and(|route| route.connector == self.id);
        let Some(ticket) = entry.event.ticket.filter(|_| mine || self.selection.connector.is_none()) else {
            return Ok(());
        };
        let now = entry.event.ticket_seq;
        let known = self.last_of.insert(ticket, (now, entry.seq));
        match known {
            Some((last, _)) if now != last + 1 => {
                Err(format!("I9: {} saw decision {now} of ticket {ticket} after {last}", self.id))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn told(&mut self, acked: u64) -> Result<(), String> {
        if acked < self.told {
            return Err(format!("I10: {} was told that it acknowledged {acked}, and before {}", self.id, self.told));
        }
        self.told = acked;
        Ok(())
    }

    /// At the end: it has seen its whole selection of this log, once and in order.
    pub fn complete(&self, log: &[Arc<Entry>]) -> Result<(), String> {
        let mut expected = log.iter().filter(|entry| self.selection.holds(entry)).map(|entry| entry.seq);
        let end = log.last().map_or(0, |last| last.seq);
        let seen = &self.seen[..self.seen.partition_point(|seq| *seq <= end)];
        if expected.clone().eq(seen.iter().copied()) {
            return Ok(());
        }
        let missed = expected.find(|seq| self.seen.binary_search(seq).is_err());
        Err(format!("I10: {} has seen up to {} and missed {missed:?}", self.id, self.last()))
    }
}

/// How a connector behaves.
pub struct Habits {
    pub dice: StdRng,
    /// Stays on, and acknowledges everything.
    pub faithful: bool,
    /// Keeps the wake-ups of several readers apart, so that their order is that of the seed.
    pub turn: i64,
}

/// Reads through one replica or another, as long as there are any.
pub async fn read(reader: Shared, fleet: Arc<Fleet>, mut habits: Habits) -> Result<(), String> {
    loop {
        let rest = if habits.faithful { 100 } else { habits.dice.random_range(20..3_500) };
        pause::millis(&fleet.clock, rest + habits.turn).await;
        let Some(live) = fleet.pick() else { continue };
        tokio::select! {
            biased;
            () = live.weather.died() => {}
            ended = connection(&reader, &live.engine, &mut habits) => ended?,
        }
    }
}

/// One stream, from its hello to its end. A store that does not answer ends it.
async fn connection<S: Store, A: Availability>(
    reader: &Shared,
    engine: &Engine<S, A>,
    habits: &mut Habits,
) -> Result<(), String> {
    let (id, selection, stream, resume) = {
        let mut reader = lock(reader);
        reader.stream += 1;
        if !habits.faithful && habits.dice.random_bool(0.2) {
            reader.forget();
        }
        // With a cursor it says what it saw last; without one the service goes on after its last ack.
        let by_ack = reader.last() == reader.acked && habits.dice.random_bool(0.5);
        let resume = if by_ack { Resume::Acked } else { Resume::Cursor { seq: reader.last(), incarnation: 0 } };
        (reader.id.clone(), reader.selection.clone(), reader.stream, resume)
    };
    let desk = desk_key();
    let Ok(begun) = engine.begin_reader(&desk, &id, Arc::from("sim")).await else { return Ok(()) };
    let Some((start, prev)) = begins(reader, engine, &id, &selection, resume, begun.readers.acked()).await? else {
        return Ok(());
    };
    let mut seat = begun.seat;
    let Some(part) = all_of_it(&seat)? else { return Ok(()) };
    let mut head = engine.hub().head(&desk);
    let window = if habits.faithful { 256 } else { habits.dice.random_range(1..40) };
    let mut open = Subscription::new(part.generation, window, start, prev, engine.clock().now());
    let patience = Span::from_millis(if habits.faithful { 3_600_000 } else { habits.dice.random_range(500..50_000) });
    let lazy = !habits.faithful && habits.dice.random_bool(0.2);
    let leaves = engine.clock().now() + patience;
    while engine.clock().now() < leaves {
        let now = engine.clock().now();
        open.beats(now);
        open.rewind_if_due(now);
        loop {
            let room = open.room().min(16);
            let known = *head.borrow_and_update();
            let after = open.cursor();
            if room == 0 || after >= known {
                break;
            }
            let Some((rows, upto)) = rows(engine, &selection, after, room).await else { return Ok(()) };
            if rows.is_empty() && upto <= after {
                break;
            }
            if lock(reader).stream != stream || seat.part().as_ref() != Some(&part) {
                return Ok(());
            }
            for row in &rows {
                if let Some(delivery) = open.deliver(row.seq(), engine.clock().now()) {
                    lock(reader).get(delivery, row)?;
                }
            }
            open.looked_at(upto);
            seat.sent(open.last());
        }
        if !lazy {
            acknowledge(reader, engine, &mut open, habits)?;
        }
        let hungry = open.room() > 0;
        tokio::select! {
            biased;
            () = seat.moved(part.generation) => return Ok(()),
            _ = head.changed(), if hungry => {}
            () = pause::until(engine.clock(), open.deadline().min(leaves)) => {}
        }
        pause::millis(engine.clock(), 1 + habits.turn).await;
    }
    Ok(())
}

/// What the stream reads: there is one instance, and it has everything.
fn all_of_it(seat: &InstanceSeat) -> Result<Option<Arc<Part>>, String> {
    let part = seat.part();
    if part.as_ref().is_some_and(|part| !part.shares.is_whole()) {
        return Err(format!("I10: the only reader is not given all: {part:?}"));
    }
    Ok(part)
}

fn acknowledge<S: Store, A: Availability>(
    reader: &Shared,
    engine: &Engine<S, A>,
    open: &mut Subscription,
    habits: &mut Habits,
) -> Result<(), String> {
    if !habits.faithful && habits.dice.random_bool(0.4) {
        return Ok(());
    }
    let mut reader = lock(reader);
    let seq = reader.last();
    let moved = open.ack(open.generation(), seq, engine.clock().now());
    if let Some(seq) = moved.map_err(|ahead| format!("I10: {} may not acknowledge what it got: {ahead}", reader.id))? {
        reader.acked = reader.acked.max(seq);
        engine.ack(&desk_key(), &reader.id, open.generation(), seq);
    }
    Ok(())
}

/// Where the stream starts, as the service works it out. `None`: the store did not answer.
async fn begins<S: Store, A: Availability>(
    reader: &Shared,
    engine: &Engine<S, A>,
    id: &ConnectorId,
    selection: &Selection,
    resume: Resume,
    acked: u64,
) -> Result<Option<(u64, u64)>, String> {
    let (desk, store) = (desk_key(), engine.store());
    let Ok(Some((head, _))) = store.head(&desk).await else { return Ok(None) };
    engine.hub().publish(&desk, [], head);
    let Ok(first) = store.first_seq(&desk, engine.clock().now() - RETENTION).await else { return Ok(None) };
    lock(reader).told(acked)?;
    // An ack that was given may not have been saved before a crash: then it goes on after an earlier one.
    let resume = match resume {
        Resume::Acked if acked != lock(reader).last() => Resume::Cursor { seq: lock(reader).last(), incarnation: 0 },
        resume => resume,
    };
    let log = Extent { incarnation: store.incarnation(), head, first, acked, born: 1 };
    let start = cursor::start(resume, log).map_err(|bad| format!("I9: {id} cannot go on from {resume:?}: {bad}"))?;
    match start.prev {
        Prev::Seen(prev) => Ok(Some((start.after, prev))),
        Prev::LastUpTo(upto) => {
            Ok(store.last_matching(&desk, selection, upto).await.ok().map(|prev| (start.after, prev)))
        }
    }
}

/// Rows of the selection and how far they reach; from memory, else from the store.
pub async fn rows<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    selection: &Selection,
    after: u64,
    limit: usize,
) -> Option<(Vec<Arc<LogRow>>, u64)> {
    if let Recent::Rows { rows, upto } = engine.hub().recent(&desk_key(), selection, after, limit) {
        return Some((rows, upto));
    }
    let (rows, head) = engine.store().log_after(&desk_key(), selection, after, limit as u32).await.ok()?;
    let upto = rows.last().filter(|_| rows.len() >= limit).map_or(head, LogRow::seq);
    Some((rows.into_iter().map(Arc::new).collect(), upto))
}

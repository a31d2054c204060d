//! The clients' calls: each is repeated under its request id until it is answered, over failures and restarts, and every
//! answer is held against the store (I1, I4).

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::engine::{Call, Failure, Reply};
use handoff::store::{DedupKey, StoredAnswer};

use super::fleet::Fleet;
use super::pause;
use super::store::Ground;
use super::trace::Trace;

/// What the clients know, which outlives the replica.
pub struct Book {
    ground: Arc<Ground>,
    trace: Trace,
    /// Asked and not answered yet, by their number.
    open: BTreeMap<usize, Arc<Call>>,
    asked: usize,
    /// Calls that were answered, for repeating them.
    done: Vec<Arc<Call>>,
    pub answered: usize,
    pub refused: usize,
    pub repeated: usize,
}

impl Book {
    pub fn new(ground: Arc<Ground>, trace: Trace) -> Book {
        let (open, done) = (BTreeMap::new(), Vec::new());
        Book { ground, trace, open, asked: 0, done, answered: 0, refused: 0, repeated: 0 }
    }

    /// Notes a call to be made.
    pub fn ask(&mut self, call: Call) -> usize {
        let number = self.asked;
        self.asked += 1;
        self.trace.say(|| format!("ask {number} {:?} {:?}", call.dedup.as_ref().map(|it| &it.key.key), call.command));
        self.open.insert(number, Arc::new(call));
        number
    }

    pub fn asked(&self) -> usize {
        self.asked
    }

    /// The calls that were not answered.
    pub fn open(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }

    /// One that was answered, or is under way.
    pub fn earlier(&self, roll: usize) -> Option<Arc<Call>> {
        let all = self.done.len() + self.open.len();
        let at = roll.checked_rem(all)?;
        self.done.get(at).or_else(|| self.open.values().nth(at - self.done.len())).cloned()
    }

    /// A replica died: whoever gave no request id cannot repeat.
    pub fn hang_up(&mut self) {
        self.open.retain(|_, call| call.dedup.is_some());
    }

    fn known(&self, call: &Call) -> Option<StoredAnswer> {
        self.ground.answer(&call.dedup.as_ref()?.key)
    }

    /// Judges what a call came to; `known` is what the store had under its request id before it was sent.
    fn judge(
        &mut self,
        number: usize,
        call: &Arc<Call>,
        known: Option<StoredAnswer>,
        outcome: &Result<Reply, Failure>,
    ) -> Result<Verdict, String> {
        let hash = call.dedup.as_ref().map(|dedup| &dedup.request_hash);
        let same = known.as_ref().filter(|known| Some(&known.request_hash) == hash);
        self.trace.say(|| match outcome {
            Ok(reply) => format!("answer {number} {:?} repeated {}", reply.answer, reply.repeated),
            Err(failure) => format!("answer {number} {failure:?}"),
        });
        match outcome {
            Ok(reply) => {
                if known.is_some() && same.is_none() {
                    return Err(format!("I4: call {number} has another call's request id and was answered: {reply:?}"));
                }
                self.in_the_store(number, call, reply)?;
                if same.is_some_and(|same| same.answer != reply.answer) {
                    return Err(format!("I4: call {number} got another answer when repeated: {:?}", reply.answer));
                }
                self.answered += 1;
                self.repeated += usize::from(reply.repeated);
            }
            Err(Failure::RequestIdReused) if known.is_some() && same.is_none() => self.refused += 1,
            Err(Failure::RequestIdReused) if known.is_some() => {
                return Err(format!("I4: call {number} was repeated as it was and called another"));
            }
            Err(Failure::Rejected(reject)) => {
                if same.is_some() {
                    return Err(format!(
                        "I4: call {number} had been answered, and was refused when repeated: {reject:?}"
                    ));
                }
                self.refused += 1;
            }
            Err(Failure::RequestIdReused) => self.refused += 1,
            Err(Failure::Internal) => return Err(format!("call {number} came to INTERNAL: {:?}", call.command)),
            Err(Failure::StoreAway { .. } | Failure::Overloaded { .. } | Failure::Draining) => {
                if call.dedup.is_some() {
                    return Ok(Verdict::Again);
                }
            }
        }
        self.open.remove(&number);
        self.done.push(call.clone());
        Ok(Verdict::Over)
    }

    /// I1: what was acknowledged is in the store.
    fn in_the_store(&self, number: usize, call: &Call, reply: &Reply) -> Result<(), String> {
        if call.dedup.is_some() && self.known(call).map(|known| known.answer).as_ref() != Some(&reply.answer) {
            return Err(format!("I1: call {number} was answered {:?}, and the store does not have it", reply.answer));
        }
        let Some(told) = reply.ticket.as_ref().filter(|_| !call.validate_only) else { return Ok(()) };
        let stored = self.ground.look(&call.desk, |rows, _| rows.tickets.get(&told.id).map(|row| row.ver)).flatten();
        if stored.is_none_or(|stored| stored < told.ver) {
            return Err(format!("I1: call {number} was told version {}, the store has {stored:?}", told.ver));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Over,
    Again,
}

/// How often each answer was written: one request id, one effect.
#[derive(Default)]
pub struct Effects(BTreeMap<DedupKey, u32>);

impl Effects {
    pub fn note(&mut self, answers: &[(DedupKey, StoredAnswer)]) -> Result<(), String> {
        for (key, answer) in answers {
            let count = self.0.entry(key.clone()).or_default();
            *count += 1;
            if *count > 1 {
                return Err(format!("I4: request id {} had two effects, the second one {answer:?}", key.key));
            }
        }
        Ok(())
    }
}

/// Makes a call until it is answered. `Err`: an answer that must not be.
pub async fn carry_out(book: Arc<std::sync::Mutex<Book>>, fleet: Arc<Fleet>, number: usize) -> Result<(), String> {
    let lock = || book.lock().expect("nothing that panics runs under this lock");
    let Some(call) = lock().open.get(&number).cloned() else { return Ok(()) };
    for attempt in 1.. {
        let known = lock().known(&call);
        let outcome = fleet.submit(call.as_ref().clone()).await;
        let verdict = lock().judge(number, &call, known, &outcome)?;
        if verdict == Verdict::Over {
            break;
        }
        let rest = (number * 37 + attempt * 61) % 400 + 30;
        pause::millis(&fleet.clock, rest as i64).await;
    }
    Ok(())
}

//! The index in this process against a naive oracle: random calls, and after each one the same answer, the same view, and no
//! waiting leg beside an eligible free agent.
//!
//! `HANDOFF_DIFFERENTIAL_STEPS` makes the run longer, `HANDOFF_DIFFERENTIAL_SEED` repeats one.

mod cost;
mod oracle;
mod planted;
mod property;
mod redis;
mod steps;

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use handoff::availability::memory::MemoryIndex;
use handoff::availability::{Availability, Error, Reservation};
use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::domain::time::Time;

use oracle::{Oracle, Reached, Refused};
use steps::{Generator, Size, Step};

const SMALL: Size = Size { agents: 8, groups: 6, lanes: 7, legs: 20 };
/// Few lanes, long lines.
const NARROW: Size = Size { agents: 7, groups: 4, lanes: 3, legs: 24 };
/// More groups than free agents some of the time, and the other way round.
const WIDE: Size = Size { agents: 30, groups: 24, lanes: 9, legs: 40 };
/// More free agents than are looked at before groups are.
const CROWD: Size = Size { agents: 90, groups: 30, lanes: 4, legs: 40 };

/// A branch that is reached less often than this is not tested by a run.
const ENOUGH: u32 = 200;

#[test]
fn the_index_answers_as_the_oracle_does_and_strands_no_pair() {
    let steps = setting("HANDOFF_DIFFERENTIAL_STEPS").unwrap_or(25_000);
    let seed = setting("HANDOFF_DIFFERENTIAL_SEED").unwrap_or(0x5eed);
    let test = "differential::the_index_answers_as_the_oracle_does_and_strands_no_pair";
    let again = format!(
        "HANDOFF_DIFFERENTIAL_SEED={seed} HANDOFF_DIFFERENTIAL_STEPS={steps} cargo test --release --test all {test}"
    );
    let mut reached: BTreeMap<&str, u32> = BTreeMap::new();
    // Several short runs reach more than a long one: each begins with another world.
    for (run, size) in [SMALL, NARROW, SMALL, WIDE].into_iter().cycle().take(12).enumerate() {
        let steps = if size == WIDE { steps / 40 } else { steps / 10 };
        for (branch, count) in compare(seed + run as u64, steps, size, &again).0 {
            *reached.entry(branch).or_default() += count;
        }
    }
    let table: Vec<String> = reached.iter().map(|(branch, count)| format!("{count:>7} {branch}")).collect();
    let rare: Vec<&str> = reached.iter().filter(|(_, count)| **count < ENOUGH).map(|(branch, _)| *branch).collect();
    assert!(rare.is_empty(), "reached too seldom: {rare:?}\n{}", table.join("\n"));
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// `again` is the command that repeats the whole run.
fn compare(seed: u64, steps: u64, size: Size, again: &str) -> Reached {
    let index = MemoryIndex::default();
    let mut run = Run::new(seed, size);
    for _ in 0..steps {
        let expected = run.next();
        let answer = ready(on_index(&index, &run.desk, run.step(), run.now));
        assert_eq!(answer, expected, "another answer (left: index) with {}\n{again}", run.place());
        let (view, expected) = (index.dump(&run.desk).expect("not poisoned"), run.oracle.dump());
        let place = || format!("{}\n{again}", run.place());
        assert!(view == expected, "another view with {}\nindex {view:?}\noracle {expected:?}", place());
        if let Some(stranded) = expected.as_ref().and_then(property::stranded) {
            panic!("{stranded} with {}", place());
        }
    }
    run.oracle.reached
}

/// The oracle on its way through random steps.
struct Run {
    desk: DeskKey,
    oracle: Oracle,
    generator: Generator,
    last: VecDeque<Step>,
    now: Time,
    seed: u64,
    size: Size,
    taken: u64,
}

impl Run {
    fn new(seed: u64, size: Size) -> Run {
        let desk = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("main").expect("valid") };
        let generator = Generator::new(seed, size);
        let now = generator.now();
        Run { desk, oracle: Oracle::default(), generator, last: VecDeque::new(), now, seed, size, taken: 0 }
    }

    /// Takes the next step; what the oracle answers.
    fn next(&mut self) -> String {
        let dump = self.oracle.dump();
        let step = self.generator.next(self.oracle.epoch(), dump.as_ref(), &mut self.oracle.reached);
        self.now = self.generator.now();
        self.taken += 1;
        self.last.push_back(step);
        self.last.drain(..self.last.len().saturating_sub(4));
        let step = self.last.back().expect("just pushed");
        let (expected, made) = on_oracle(&mut self.oracle, step, self.now);
        self.generator.remember(made);
        expected
    }

    fn step(&self) -> &Step {
        self.last.back().expect("a step was taken")
    }

    fn place(&self) -> String {
        format!("seed {}, step {} of {:?}, after {:?}", self.seed, self.taken, self.size, self.last)
    }
}

fn on_oracle(oracle: &mut Oracle, step: &Step, now: Time) -> (String, Vec<Reservation>) {
    fn all(made: &Result<Vec<Reservation>, Refused>) -> Vec<Reservation> {
        made.as_deref().map(<[Reservation]>::to_vec).unwrap_or_default()
    }
    match step {
        Step::Reserve { epoch, seen, asks } => {
            let answer = oracle.reserve(*epoch, *seen, asks, now);
            let made = answer.as_ref().map(|made| made.iter().flatten().cloned().collect()).unwrap_or_default();
            (format!("{answer:?}"), made)
        }
        Step::Advance { epoch, from, to, change } => {
            let answer = oracle.advance(*epoch, *from, *to, change, now);
            let made = match &answer {
                Ok(handoff::availability::Advanced::Applied { reservations, .. }) => reservations.clone(),
                _ => vec![],
            };
            (format!("{answer:?}"), made)
        }
        Step::Refuse { epoch, leg, ver, head } => {
            let made = oracle.refuse(*epoch, *leg, *ver, *head, now);
            (format!("{made:?}"), all(&made))
        }
        Step::Expire { limit } => {
            let made = oracle.expire(*limit, now);
            (format!("{made:?}"), made)
        }
        Step::Beat { epoch, beats } => {
            let answer = oracle.beat(*epoch, beats, now);
            let made = answer.as_ref().map(|(_, made)| made.clone()).unwrap_or_default();
            (format!("{answer:?}"), made)
        }
        Step::Lost => (format!("{:?}", oracle.lost(now)), vec![]),
        Step::Begin { epoch, token } => (format!("{:?}", oracle.begin(*epoch, *token)), vec![]),
        Step::Load { token, page, change } => (format!("{:?}", oracle.load(*token, *page, change, now)), vec![]),
        Step::Flip { token, pages, cursor, head } => {
            (format!("{:?}", oracle.flip(*token, *pages, *cursor, *head)), vec![])
        }
        Step::Rematch { epoch } => {
            let answer = oracle.rematch(*epoch, now);
            let made = answer.as_ref().map(|(made, _)| made.clone()).unwrap_or_default();
            (format!("{answer:?}"), made)
        }
    }
}

async fn on_index(index: &impl Availability, desk: &DeskKey, step: &Step, now: Time) -> String {
    match step {
        Step::Reserve { epoch, seen, asks } => spell(index.reserve(desk, *epoch, *seen, asks.clone(), now).await),
        Step::Advance { epoch, from, to, change } => {
            spell(index.advance(desk, *epoch, *from, *to, change.clone(), now).await)
        }
        Step::Refuse { epoch, leg, ver, head } => spell(index.refuse(desk, *epoch, *leg, *ver, *head, now).await),
        Step::Expire { limit } => match index.expire(*limit, now).await {
            Ok(made) => format!("{:?}", made.into_iter().map(|(_, reservation)| reservation).collect::<Vec<_>>()),
            Err(error) => format!("{error:?}"),
        },
        Step::Beat { epoch, beats } => spell(index.beat(desk, *epoch, beats, now).await),
        Step::Lost => match index.lost(now).await {
            Ok(mut lapsed) => format!("{:?}", lapsed.pop().map(|(_, lapsed)| lapsed)),
            Err(error) => format!("{error:?}"),
        },
        Step::Begin { epoch, token } => spell(index.begin(desk, *epoch, *token, now).await),
        Step::Load { token, page, change } => spell(index.load(desk, *token, *page, change.clone(), now).await),
        Step::Flip { token, pages, cursor, head } => spell(index.flip(desk, *token, *pages, *cursor, *head).await),
        Step::Rematch { epoch } => spell(index.rematch(desk, *epoch, now).await),
    }
}

/// An answer as the oracle spells it.
fn spell<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Away) => "away".to_owned(),
        Err(Error::WrongEpoch { .. }) => format!("{:?}", Err::<T, _>(Refused::Epoch)),
        Err(Error::RebuildRefused { .. }) => format!("{:?}", Err::<T, _>(Refused::Rebuild)),
        Ok(answer) => format!("{:?}", Ok::<_, Refused>(answer)),
    }
}

/// The index in this process never waits.
fn ready<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the call waits"),
    }
}

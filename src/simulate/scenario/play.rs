//! Playing a scenario, and what it came to.

use std::sync::Arc;

use rand::rngs::StdRng;
use serde::Serialize;

use super::{Class, Group, Scenario};
use crate::domain::id::AgentId;
use crate::domain::time::{Span, Time};
use crate::entropy;
use crate::simulate::calls::Call;
use crate::simulate::draw::{Draw, Law, secs};
use crate::simulate::measure::{BATCHES, Estimate, percentile, ratio, spread};
use crate::simulate::run::{ARRIVALS, Arrival, Fate, Person, Run, START, Settled, Usage};
use crate::simulate::world::Broken;

/// Percentiles of the wait that are told.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// How often the caller is told how far it is, in tickets.
const PROGRESS_EVERY: u64 = 1_000;

/// What a scenario came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Played {
    pub tickets: u64,
    pub warm_up: u64,
    pub seed: u64,
    /// Measured tickets that still waited when the run was broken off: the desk cannot keep up.
    pub unsettled: u64,
    /// From the first measured ticket to the last.
    pub simulated_secs: f64,
    pub batches: usize,
    pub classes: Vec<Served>,
    pub agents: Vec<Used>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Served {
    pub class: String,
    pub arrivals: u64,
    /// `None`: nobody of the class came.
    pub figures: Option<Figures>,
}

/// Of a class; spans in seconds. Those who gave up count with the time until they did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The share that was not answered at once.
    pub waited: Estimate,
    pub mean_wait_secs: Estimate,
    pub wait_percentiles_secs: Vec<(&'static str, Estimate)>,
    /// Shares answered within so many seconds.
    pub answered_within: Vec<(f64, Estimate)>,
    pub abandoned: Estimate,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Used {
    pub group: String,
    pub count: u32,
    /// The share of the time on duty, weighed by load.
    pub utilisation: Option<Estimate>,
}

/// Plays a scenario to its end. `progress` is told how many of `tickets + warm_up` came.
///
/// # Errors
/// [`Broken`]: a bug in the router.
pub fn play(scenario: &Scenario, mut progress: impl FnMut(u64)) -> Result<Played, Broken> {
    let kinds = scenario.classes.iter().map(|class| class.kind.clone()).collect();
    let streams = streams(scenario);
    let people = people(&scenario.groups);
    let mut run = Run::new(scenario.policy.clone(), kinds, people, streams, scenario.seed, START)?;
    let mut tally = Tally::new(scenario);
    let last = scenario.warm_up + scenario.tickets;
    // A desk that cannot keep up is given as long again.
    let limit = last + scenario.tickets;
    while tally.settled < scenario.tickets && run.created() < limit {
        let Some(settled) = run.step()? else { break };
        tally.count(scenario, settled);
        if tally.at_a_boundary() {
            let usage = run.usage();
            tally.marks.push(usage);
        }
        if settled.number.is_multiple_of(PROGRESS_EVERY) {
            progress(settled.number.min(last));
        }
    }
    Ok(tally.result(scenario))
}

/// What was counted so far.
struct Tally {
    /// Measured tickets whose waiting is over.
    settled: u64,
    tickets: u64,
    first: Time,
    last: Time,
    /// By class, then by batch.
    classes: Vec<Vec<Counted>>,
    /// Usage of the groups at the batches' boundaries, the first one included.
    marks: Vec<Vec<Usage>>,
}

#[derive(Clone, Default)]
struct Counted {
    /// Microseconds.
    waits: Vec<i64>,
    waited: u64,
    abandoned: u64,
    within: Vec<u64>,
}

impl Tally {
    fn new(scenario: &Scenario) -> Tally {
        let empty = Counted { within: vec![0; scenario.within.len()], ..Counted::default() };
        Tally {
            settled: 0,
            tickets: scenario.tickets,
            first: Time(i64::MAX),
            last: Time(i64::MIN),
            classes: vec![vec![empty; BATCHES]; scenario.classes.len()],
            marks: Vec::new(),
        }
    }

    fn count(&mut self, scenario: &Scenario, settled: Settled) {
        let Some(number) = settled.number.checked_sub(scenario.warm_up).filter(|number| *number < scenario.tickets)
        else {
            return;
        };
        self.settled += 1;
        self.first = self.first.min(settled.at);
        self.last = self.last.max(settled.at);
        let batch = (number * BATCHES as u64 / self.tickets) as usize;
        let counted = &mut self.classes[settled.kind][batch];
        counted.waits.push(settled.wait.micros());
        counted.waited += u64::from(settled.wait > Span::ZERO);
        match settled.fate {
            Fate::GaveUp => counted.abandoned += 1,
            Fate::Answered => {
                for (count, within) in counted.within.iter_mut().zip(&scenario.within) {
                    *count += u64::from(settled.wait <= *within);
                }
            }
        }
    }

    /// Whether the first measured ticket was settled just now, or a batch's worth since the last boundary.
    fn at_a_boundary(&self) -> bool {
        let next = (self.marks.len() as u64 * self.tickets / BATCHES as u64).max(1);
        self.settled >= next && self.marks.len() <= BATCHES
    }

    fn result(mut self, scenario: &Scenario) -> Played {
        let classes = scenario.classes.iter().zip(&mut self.classes);
        let classes = classes.map(|(class, batches)| served(scenario, class, batches)).collect();
        let agents = scenario.groups.iter().enumerate().map(|(at, group)| used(at, group, &self.marks)).collect();
        Played {
            tickets: scenario.tickets,
            warm_up: scenario.warm_up,
            seed: scenario.seed,
            unsettled: scenario.tickets - self.settled,
            simulated_secs: if self.settled == 0 { 0.0 } else { secs(self.last - self.first) },
            batches: BATCHES,
            classes,
            agents,
        }
    }
}

fn served(scenario: &Scenario, class: &Class, batches: &mut [Counted]) -> Served {
    let arrivals = batches.iter().map(|batch| batch.waits.len() as u64).sum();
    Served { class: class.name.to_string(), arrivals, figures: figures(scenario, batches) }
}

fn figures(scenario: &Scenario, batches: &mut [Counted]) -> Option<Figures> {
    let share = |batches: &[Counted], of: &dyn Fn(&Counted) -> f64| {
        let pairs: Vec<(f64, f64)> = batches.iter().map(|batch| (of(batch), batch.waits.len() as f64)).collect();
        ratio(&pairs)
    };
    let waited = share(batches, &|batch| batch.waited as f64)?;
    let abandoned = share(batches, &|batch| batch.abandoned as f64)?;
    let mean_wait_secs = share(batches, &|batch| batch.waits.iter().map(|wait| secs(Span(*wait))).sum())?;
    let within = scenario.within.iter().enumerate();
    let answered_within =
        within.filter_map(|(at, within)| Some((secs(*within), share(batches, &|batch| batch.within[at] as f64)?)));
    let answered_within = answered_within.collect();
    let mut all: Vec<i64> = Vec::new();
    for batch in batches.iter_mut() {
        batch.waits.sort_unstable();
        all.extend(&batch.waits);
    }
    all.sort_unstable();
    let wait_percentiles_secs = PERCENTILES.map(|(name, share)| {
        let full = batches.iter().filter(|batch| !batch.waits.is_empty());
        let each: Vec<f64> = full.map(|batch| secs(Span(percentile(&batch.waits, share)))).collect();
        (name, spread(secs(Span(percentile(&all, share))), &each))
    });
    Some(Figures {
        waited,
        mean_wait_secs,
        wait_percentiles_secs: wait_percentiles_secs.into(),
        answered_within,
        abandoned,
    })
}

fn used(at: usize, group: &Group, marks: &[Vec<Usage>]) -> Used {
    let between = marks.windows(2).map(|pair| {
        let (before, after) = (pair[0][at], pair[1][at]);
        ((after.busy - before.busy) as f64 / 100.0, (after.on_duty - before.on_duty) as f64)
    });
    Used { group: group.name.to_string(), count: group.count, utilisation: ratio(&between.collect::<Vec<_>>()) }
}

fn people(groups: &[Group]) -> Vec<Person> {
    let of_group = |(at, group): (usize, &Group)| {
        let answer = group.answer.and_then(Law::ready);
        let (name, profile, count) = (group.name.clone(), group.profile.clone(), group.count);
        (1..=count).map(move |nth| Person {
            name: AgentId::parse(&format!("{name}-{nth}")).expect("a group's name was checked"),
            group: at,
            profile: profile.clone(),
            answer,
            shifts: vec![(START, Time(i64::MAX))],
        })
    };
    groups.iter().enumerate().flat_map(of_group).collect()
}

/// Arrivals of all classes, in order of time, without an end.
fn streams(scenario: &Scenario) -> impl Iterator<Item = Arrival> + use<> {
    let class = |(at, class): (usize, &Class)| Stream::new(at, class, scenario.seed);
    let mut streams: Vec<Stream> = scenario.classes.iter().enumerate().filter_map(class).collect();
    std::iter::from_fn(move || {
        let next = streams.iter_mut().min_by_key(|stream| stream.next)?;
        Some(next.arrive())
    })
}

/// The first arrivals of a scenario as recorded calls.
pub fn drawn(scenario: &Scenario, count: usize) -> Vec<Call> {
    let call = |arrival: Arrival| {
        let class = &scenario.classes[arrival.kind];
        let priority = class.kind.priority.unwrap_or(0);
        Call {
            at: arrival.at,
            class: class.name.clone(),
            standing: Arc::from(""),
            skills: class.kind.requirement.skills.clone(),
            priority,
            credit: arrival.credit,
            handling: arrival.handling,
            patience: arrival.patience,
            recorded: None,
        }
    };
    streams(scenario).take(count).map(call).collect()
}

/// One class. What is drawn for it does not depend on what else a scenario holds.
struct Stream {
    kind: usize,
    gaps: Draw,
    handling: Draw,
    patience: Option<Draw>,
    next: Time,
    /// One each for gaps, handling and patience, so that a change of one law leaves the others' draws as they were.
    rngs: [StdRng; 3],
}

impl Stream {
    fn new(at: usize, class: &Class, seed: u64) -> Option<Stream> {
        let number = |nth| ARRIVALS + 3 * at as u64 + nth;
        let mut stream = Stream {
            kind: at,
            gaps: Law::Exponential(class.rate.recip()).ready()?,
            handling: class.handling.ready()?,
            patience: class.patience.and_then(Law::ready),
            next: START,
            rngs: [0, 1, 2].map(|nth| entropy::stream(seed, number(nth))),
        };
        stream.next = START + stream.gaps.draw(&mut stream.rngs[0]);
        Some(stream)
    }

    fn arrive(&mut self) -> Arrival {
        let [gaps, handling, patience] = &mut self.rngs;
        let at = self.next;
        self.next = at + self.gaps.draw(gaps);
        let handling = self.handling.draw(handling);
        let patience = self.patience.map(|law| law.draw(patience));
        Arrival { at, kind: self.kind, handling, patience, credit: Span::ZERO }
    }
}

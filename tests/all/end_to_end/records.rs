//! Every decision record of a demonstration is true: from the record, and the agents and live lanes at its roster seq alone,
//! a naive reader of the documents finds the same winner, and for the losers the same reasons. So is every diagnosis of why
//! nobody takes a leg.

mod naive;
mod past;

use std::sync::{Arc, Mutex};

use handoff::client::demo::{self, Ending, Format, Length, Output, Play};
use handoff::domain::event::{Body, Entry};
use handoff::domain::id::{DeskId, DeskKey, LegId, TenantId};
use handoff::domain::leg::Leg;
use handoff::domain::offer::Offer;
use handoff::domain::record::{Candidate, DecisionRecord, Unfit, Verdict};
use handoff::domain::ticket::Ticket;
use handoff::entropy::Entropy;
use handoff::shutdown;

use super::say;
use crate::harness::Service;
use naive::{Judged, Need};
use past::Moment;
pub use past::Past;

/// Fifty minutes of the demonstration in two.
const RATE: u32 = 30;
const LOSERS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_record_of_a_demonstration_is_what_the_documents_say_of_the_log_at_its_seq() {
    let service = Service::start_at_rate(RATE).await;
    let play = Play { server: service.address.clone(), seed: 3, desk: "demo".to_owned(), length: Length::Morning };
    let printed = Printed::default();
    let output = Output { to: Box::new(printed.clone()), format: Format::Json, colour: false };
    let (_trigger, interrupted) = shutdown::switch();
    let clock = service.engine.clock().clone();
    let ending = Box::pin(demo::run(&play, clock, Entropy::seeded(3), output, interrupted)).await;
    let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("demo").expect("a name") };
    let past = Past::read(service.engine.store(), key).await;
    let mut audit = Audit::default();
    past.walk(|ticket, moments, entry| audit.entry(ticket, moments, entry));
    audit.conclude();
    assert_eq!(ending.expect("it is played to its end"), Ending::Good, "{}", printed.verdict());
    service.stop().await;
}

/// What the demonstration prints, kept for when it ends badly.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn verdict(&self) -> String {
        let text = String::from_utf8_lossy(&self.0.lock().expect("nobody panics while printing")).into_owned();
        let verdict = text.rfind("\"verdict\"").unwrap_or(0);
        text[verdict..].to_owned()
    }
}

impl std::io::Write for Printed {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics while printing").write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Audit {
    records: usize,
    losers: usize,
    diagnoses: usize,
    complaints: Vec<String>,
}

impl Audit {
    /// `ticket` is the row right before the entry.
    fn entry(&mut self, ticket: Option<&Ticket>, moments: &[Moment], entry: &Entry) {
        let found = match (&entry.event.body, ticket) {
            (Body::Offered { leg, offers, record }, Some(ticket)) => {
                let leg = ticket.leg(*leg).expect("only a leg that there is is offered");
                self.records += 1;
                for (what, lie) in lies(record) {
                    let believed = self.record(moments, ticket, leg, offers, &lie).is_ok();
                    assert!(!believed, "{what} is believed of {record:#?}");
                }
                self.losers += usize::min(record.candidates.len().saturating_sub(offers.len()), LOSERS);
                self.record(moments, ticket, leg, offers, record)
            }
            (Body::Infeasible { leg, infeasibility: Some(said) }, Some(ticket)) => {
                let leg = ticket.leg(*leg).expect("only a leg that there is is diagnosed");
                self.diagnoses += 1;
                let before = past::before_its_batch(moments, entry);
                let naive = naive::diagnose(before, ticket, leg);
                if naive == *said { Ok(()) } else { Err(format!("says {said:?}, and it is {naive:?}")) }
            }
            _ => Ok(()),
        };
        if let Err(complaint) = found {
            let leg = entry.event.ticket.map(|ticket| LegId { ticket, leg: 0 }.ticket);
            self.complaints.push(format!("{} of {leg:?} (after {}): {complaint}", entry.seq, moments.len() - 1));
        }
    }

    fn record(
        &self,
        moments: &[Moment],
        ticket: &Ticket,
        leg: &Leg,
        offers: &[Offer],
        record: &DecisionRecord,
    ) -> Result<(), String> {
        let at = usize::try_from(record.roster_seq).expect("a small log");
        let moment = moments.get(at).ok_or_else(|| format!("is made of a later log: {at}"))?;
        let need = Need { moment, ticket, leg };
        let mut judged = need.judge(record)?;
        same(&record.policy_rev, &ticket.policy_rev, "the policy's revision")?;
        same(&record.preferred, &leg.prefer, "the preference")?;
        same(&record.order.band, &ticket.band, "the band")?;
        same(&record.order.virtual_arrival_time, &leg.order_time, "the place in line")?;

        // The winner is the first in order of choice whom nothing keeps away, or whom the leg prefers.
        judged.sort_by_key(Judged::order);
        let free: Vec<&Judged> = judged.iter().filter(|judged| judged.kept_by.is_none()).collect();
        let winners: Vec<_> = offers.iter().map(|offer| &offer.agent).collect();
        let expected: Vec<_> = match need.preferred() {
            Some(agent) => vec![agent],
            None => free.iter().take(usize::from(leg.want)).map(|judged| &judged.agent.id).collect(),
        };
        if !winners.iter().all(|winner| expected.contains(winner)) {
            return Err(format!("goes to {winners:?}, and {expected:?} comes first: {record:#?}"));
        }
        self.candidates(record, &judged, &winners)?;
        counts(moment, record, &judged)
    }

    /// What the record says of those it names, losers in order of choice first of all.
    fn candidates(
        &self,
        record: &DecisionRecord,
        judged: &[Judged<'_>],
        winners: &[&handoff::domain::id::AgentId],
    ) -> Result<(), String> {
        let ranks: Vec<u32> = record.candidates.iter().map(|candidate| candidate.rank).collect();
        if !ranks.is_sorted_by(|one, other| one < other) {
            return Err(format!("ranks are {ranks:?}"));
        }
        let mut losers = 0;
        for candidate in &record.candidates {
            let naive = judged.iter().zip(1_u32..).find(|(judged, _)| judged.agent.id == candidate.agent);
            let (naive, rank) = naive.ok_or_else(|| format!("names {}, who does not fit", candidate.agent))?;
            agrees(candidate, naive, rank, record)?;
            if !winners.contains(&&candidate.agent) && losers < LOSERS {
                losers += 1;
                let reason = naive.kept_by.map_or(Verdict::Eligible, Verdict::Excluded);
                same(&candidate.verdict, &reason, &format!("the reason of {}", candidate.agent))?;
            } else if winners.contains(&&candidate.agent) {
                same(&candidate.verdict, &Verdict::Chosen, "the winner's verdict")?;
            }
        }
        for winner in winners {
            if !record.candidates.iter().any(|candidate| candidate.agent == **winner) {
                return Err(format!("does not name its winner {winner}"));
            }
        }
        let (named, all) = (record.candidates.len(), judged.len());
        if named < all.min(10) { Err(format!("names {named} of {all}")) } else { Ok(()) }
    }

    fn conclude(self) {
        let Audit { records, losers, diagnoses, complaints } = self;
        say(&format!("{records} records, {losers} losers, {diagnoses} diagnoses: {} complaints", complaints.len()));
        let first: Vec<&String> = complaints.iter().take(8).collect();
        assert!(complaints.is_empty(), "{} of {records} + {diagnoses}:\n{first:#?}", complaints.len());
        assert!(records >= 50 && losers >= 100 && diagnoses >= 10, "too little happened to prove anything");
    }
}

/// The record with something in it that is not true: the checks have to be seen failing.
fn lies(record: &DecisionRecord) -> Vec<(&'static str, DecisionRecord)> {
    let lie = |tell: &dyn Fn(&mut DecisionRecord)| {
        let mut lie = record.clone();
        tell(&mut lie);
        lie
    };
    let mut lies = vec![
        ("a desk of nobody", lie(&|lie| lie.roster_seq = 1)),
        ("one agent more", lie(&|lie| *lie.unfit.entry(Unfit::Requirement).or_default() += 1)),
        (
            "another reason",
            lie(&|lie| {
                let (reason, count) = lie.unfit.pop_first().unwrap_or((Unfit::Capacity, 0));
                let other = if reason == Unfit::NotReady { Unfit::NoSession } else { Unfit::NotReady };
                *lie.unfit.entry(other).or_default() += count.max(1);
            }),
        ),
        ("an unnamed winner", lie(&|lie| lie.candidates.retain(|row| row.verdict != Verdict::Chosen))),
        ("a rank too many", lie(&|lie| lie.candidates.iter_mut().for_each(|row| row.rank += 1))),
    ];
    if record.candidates.iter().any(|row| row.fit.is_some()) {
        let better = |lie: &mut DecisionRecord| {
            let fits = lie.candidates.iter_mut().filter_map(|row| row.fit.as_mut());
            fits.for_each(|fit| fit.skill_surplus += 1);
        };
        lies.push(("a better fit", lie(&better)));
    }
    if record.candidates.iter().any(|row| row.verdict == Verdict::Eligible) {
        let away = |lie: &mut DecisionRecord| {
            let eligible = lie.candidates.iter_mut().filter(|row| row.verdict == Verdict::Eligible);
            eligible.for_each(|row| row.verdict = Verdict::Excluded(Unfit::NotReady));
        };
        lies.push(("an eligible agent who was away", lie(&away)));
    }
    lies
}

fn agrees(candidate: &Candidate, naive: &Judged<'_>, rank: u32, record: &DecisionRecord) -> Result<(), String> {
    let of = |what: &str| format!("{what} of {}", candidate.agent);
    same(&candidate.fit, &naive.fit, &of("the fit"))?;
    same(&candidate.rank, &rank, &of("the rank"))?;
    same(&candidate.idle, &naive.idle(record.decide_time), &of("the time since the last work"))?;
    // Reservations under way are counted in, and only the index knows them.
    if candidate.load < naive.agent_load() {
        return Err(format!("{}: {} instead of {} at least", of("the load"), candidate.load, naive.agent_load()));
    }
    Ok(())
}

/// Every agent of the desk is accounted for, under the reason that the log gives.
fn counts(moment: &Moment, record: &DecisionRecord, judged: &[Judged<'_>]) -> Result<(), String> {
    let desk = moment.agents.values().filter(|agent| !agent.deleted).count();
    let verdict = |wanted: Verdict| record.candidates.iter().filter(|row| row.verdict == wanted).count();
    let kept: u32 = record.unfit.values().sum();
    let free = verdict(Verdict::Chosen) + verdict(Verdict::Eligible) + record.omitted as usize;
    same(&(kept as usize + free), &desk, "the number of agents accounted for")?;
    for reason in naive::KNOWN_TO_THE_LOG {
        let naive = match reason {
            Unfit::Requirement => desk - judged.len(),
            _ => judged.iter().filter(|judged| judged.kept_by == Some(reason)).count(),
        };
        same(&(record.unfit.get(&reason).copied().unwrap_or(0) as usize), &naive, &format!("{reason:?}"))?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(said: &T, naive: &T, what: &str) -> Result<(), String> {
    if said == naive { Ok(()) } else { Err(format!("{what} is said to be {said:?} and is {naive:?}")) }
}

//! The morning itself: everybody takes their place, customers come as drawn, the doors close, open work is finished or
//! withdrawn within a bound, and the records are judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Status;

use super::agent::Agent;
use super::cast::{CONNECTORS, MEMBERS, Place};
use super::check::Findings;
use super::connector::{Connector, SharedLedger, TakeUp};
use super::customer::Customer;
use super::stage::Stage;
use super::table::Verdict;
use super::traffic::{Arrival, Scale, scaled};
use super::{exchange, verdict};
use crate::clock::{Clock, Span};
use crate::proto::handoff::v1::{CancelReason, CancelTicketRequest, ResolveTicketRequest, Ticket};
use crate::shutdown::Shutdown;

/// Real time for everybody to take their place.
const TAKE_PLACES: Duration = Duration::from_secs(20);
/// How long after the doors have closed agents go on, in the run's pace, and at most in real time.
const LAST_CUSTOMERS: Span = Span::from_mins(6);
const LAST_CUSTOMERS_AT_MOST: Duration = Duration::from_secs(60);
/// Rounds of withdrawing what is still open, and the real time between them.
const SWEEPS: u32 = 20;
const SWEEP_PAUSE: Duration = Duration::from_millis(250);

/// What a whole morning, or one that was broken off, leaves behind.
pub(super) struct Played {
    pub(super) ledgers: BTreeMap<String, SharedLedger>,
    /// `None`: broken off before it could be judged.
    pub(super) verdict: Option<Verdict>,
}

/// Everybody on the desk. Dropping it ends them.
struct People {
    ledgers: BTreeMap<String, SharedLedger>,
    tasks: JoinSet<()>,
}

/// Plays until it is over or `interrupted`; `stop` ends those who are on the stage.
pub(super) async fn play(
    stage: &Arc<Stage>,
    arrivals: Vec<Arrival>,
    scale: Scale,
    interrupted: &mut Shutdown,
    stop: crate::shutdown::Trigger,
) -> Result<Played, Status> {
    let mut people = take_places(stage, scale).await?;
    let whole = tokio::select! {
        biased;
        () = interrupted.wait() => None,
        () = stage.board.broken() => None,
        judged = run(stage, arrivals, scale, &people.ledgers) => Some(judged?),
    };
    stop.stop();
    let ended = async { while people.tasks.join_next().await.is_some() {} };
    if stage.clock.real_timeout(TAKE_PLACES, ended).await.is_err() {
        people.tasks.abort_all();
    }
    Ok(Played { ledgers: people.ledgers, verdict: whole })
}

async fn take_places(stage: &Arc<Stage>, scale: Scale) -> Result<People, Status> {
    let mut people = People { ledgers: BTreeMap::new(), tasks: JoinSet::new() };
    let mut ready = Vec::new();
    for (number, (id, _, _)) in CONNECTORS.iter().enumerate() {
        let connector = Connector::new(Arc::clone(stage), stage.connector(id), drops(stage, scale, number));
        people.ledgers.insert(stage.connector(id), connector.ledger());
        ready.push(connector.ready());
        people.tasks.spawn(connector.serve());
    }
    let all_open = async {
        for mut connector in ready {
            if connector.wait_for(|open| *open).await.is_err() {
                return Err(Status::unavailable("a connector ended before its stream was open"));
            }
        }
        Ok(())
    };
    match stage.clock.real_timeout(TAKE_PLACES, all_open).await {
        Ok(open) => open?,
        Err(late) => return Err(Status::deadline_exceeded(format!("the connectors' streams did not open: {late}"))),
    }
    for member in MEMBERS.iter().filter(|member| member.place != Place::Handset) {
        people.tasks.spawn(Agent::new(Arc::clone(stage), member).serve(scale.length));
    }
    let handsets = Arc::clone(stage);
    people.tasks.spawn(async move { exchange::hold_handsets(&handsets).await });
    let pulse = Arc::clone(stage);
    people.tasks.spawn(async move {
        let mut stopping = pulse.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.wait() => {}
            () = pulse.pulse.beat(&pulse) => {}
        }
    });
    Ok(people)
}

/// Each connector drops its stream twice, at times of its own.
fn drops(stage: &Stage, scale: Scale, number: usize) -> Vec<(crate::clock::Time, TakeUp)> {
    let at = |share: f64| stage.start + scaled(scale.length, share + 0.05 * number as f64);
    vec![(at(0.15), TakeUp::AfterTheLastAcknowledged), (at(0.55), TakeUp::AtTheLastSeen)]
}

async fn run(
    stage: &Arc<Stage>,
    arrivals: Vec<Arrival>,
    scale: Scale,
    ledgers: &BTreeMap<String, SharedLedger>,
) -> Result<Verdict, Status> {
    let mut customers = JoinSet::new();
    for arrival in arrivals {
        stage.clock.sleep_until(stage.start + arrival.at).await;
        customers.spawn(Customer::new(Arc::clone(stage), arrival).visit());
        while customers.try_join_next().is_some() {}
    }
    stage.clock.sleep_until(stage.start + scale.length).await;

    let busy = verdict::survey(stage).await?;
    stage.aside(&format!("the doors close; {} tickets are open and will be finished or withdrawn", busy.open.len()));
    let mut verdict = Verdict { findings: Findings::default(), limbo: busy.limbo, looked_at: busy.open.len() };
    finish(stage, scale).await?;
    withdraw(stage, &mut verdict).await?;
    verdict.findings = verdict::compare(stage, ledgers).await?;
    Ok(verdict)
}

/// Waits until nothing is open, or the last customers' time is over.
async fn finish(stage: &Stage, scale: Scale) -> Result<(), Status> {
    let until = stage.clock.now() + scaled(LAST_CUSTOMERS, scale.pace);
    let at_most = stage.clock.uptime() + LAST_CUSTOMERS_AT_MOST;
    while stage.clock.now() < until && stage.clock.uptime() < at_most {
        if verdict::survey(stage).await?.open.is_empty() {
            return Ok(());
        }
        pause(&stage.clock, until - stage.clock.now()).await;
    }
    Ok(())
}

async fn pause(clock: &Clock, left: Span) {
    let left = left.to_std() / clock.rate();
    clock.real_sleep(left.min(Duration::from_secs(1))).await;
}

/// What is still open goes the way a supervisor would send it at the end of a shift: answered if somebody has it, withdrawn
/// if not. A ticket on which neither works is looked at again; what is open at the end stays in the verdict's survey.
async fn withdraw(stage: &Stage, verdict: &mut Verdict) -> Result<(), Status> {
    for sweep in 0..SWEEPS {
        let left = verdict::survey(stage).await?;
        verdict.limbo.extend(left.limbo);
        if left.open.is_empty() {
            return Ok(());
        }
        if sweep == 0 {
            stage.aside(&format!("{} still open: answered by whoever has them, or withdrawn", left.open.len()));
        }
        for ticket in &left.open {
            close(stage, ticket).await;
        }
        stage.clock.real_sleep(SWEEP_PAUSE).await;
    }
    Ok(())
}

async fn close(stage: &Stage, ticket: &Ticket) {
    let calls = &stage.calls;
    let request_id = calls.request_id();
    if ticket.handler.is_empty() {
        let request = CancelTicketRequest {
            name: ticket.name.clone(),
            reason: i32::from(CancelReason::Withdrawn),
            request_id,
            ..CancelTicketRequest::default()
        };
        calls.settle("CancelTicket", calls.cancel_ticket(request).await);
    } else {
        let request = ResolveTicketRequest {
            name: ticket.name.clone(),
            resolution: "Will be called back tomorrow".to_owned(),
            request_id,
            ..ResolveTicketRequest::default()
        };
        calls.settle("ResolveTicket", calls.resolve_ticket(request).await);
    }
}

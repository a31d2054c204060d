//! The six races. Each says who won, or what was wrong with an answer.

use std::time::{Duration, Instant};

use handoff::clock::{Span, Time};
use handoff::proto::handoff::v1 as pb;
use rand::RngExt;
use tonic::{Code, Status};

use super::lane::Lane;
use super::{Outcome, wait};
use crate::end_to_end::bad_input::reason;
use crate::harness::eventually;
use crate::harness::stage::request_id;

/// A loser's answer must be one of these reasons of FAILED_PRECONDITION.
fn stated(status: &Status, reasons: &[&str]) -> Result<(), String> {
    let (code, said) = reason(status);
    let known = code == Code::FailedPrecondition && reasons.contains(&said.as_str());
    if known { Ok(()) } else { Err(format!("{code:?} {said} is not one of {reasons:?}: {}", status.message())) }
}

fn refused(what: &str) -> impl Fn(Status) -> String {
    move |status| format!("{what} is refused: {} {}", status.code(), status.message())
}

pub async fn hang_up_against_accept(lane: &mut Lane) -> Outcome {
    let (name, offer) = lane.ringing().await;
    let (first, second) = lane.jitter();
    let (mut ann, mut tickets, request) = (lane.ann.clone(), lane.stage.clients.tickets.clone(), lane.cancel(&name));
    let accept = async {
        first.pass().await;
        ann.accept_connected(&offer.name).await
    };
    let hang_up = async {
        second.pass().await;
        tickets.cancel_ticket(request).await
    };
    let (accepted, cancelled) = tokio::join!(accept, hang_up);
    let cancelled = cancelled.map_err(refused("a hang-up"))?.into_inner();
    if cancelled.state() != pb::TicketState::Cancelled {
        return Err(format!("cancelled, and {:?}", cancelled.state()));
    }
    let kinds = kinds(lane, &name).await;
    let assigned = kinds.iter().any(|kind| kind == "assigned");
    match accepted {
        Ok(_) if assigned => Ok("accept"),
        Ok(_) => Err(format!("accepted, and the history says {kinds:?}")),
        Err(_) if assigned => Err(format!("accepted by nobody, and the history says {kinds:?}")),
        Err(status) => stated(&status, &["OFFER_REVOKED"]).map(|()| "hang-up"),
    }
}

async fn kinds(lane: &mut Lane, name: &str) -> Vec<String> {
    lane.stage.history(name).await.into_iter().map(|event| event.kind).collect()
}

pub async fn accept_against_expiry(lane: &mut Lane) -> Outcome {
    let (name, offer) = lane.ringing().await;
    // Two seconds of grace after its time: that is when it is gone. Who won has it harder the next time, so that both win
    // on any machine: how long an accept takes, and how long a create, have little to do with each other on a busy one.
    let expire = offer.expire_time.ok_or("rings for ever")?;
    let lapse = Time(expire.seconds * 1_000_000 + i64::from(expire.nanos) / 1_000) + Span::from_secs(2);
    let left = (lapse - lane.clock.now()).to_std() / lane.clock.rate();
    let step = lane.pace.as_secs_f64() * lane.dice.random_range(0.0..1.0);
    wait(Duration::try_from_secs_f64(left.as_secs_f64() - lane.lead).unwrap_or_default()).await;
    let accepted = lane.ann.accept_connected(&offer.name).await;
    match accepted {
        Ok(taken) if taken.state() == pb::OfferState::Confirmed => {
            lane.lead -= step;
            Ok("accept")
        }
        Ok(taken) => Err(format!("accepted, and {:?}", taken.state())),
        Err(status) => {
            stated(&status, &["OFFER_EXPIRED"])?;
            lane.lead += step;
            // It may be refused a moment before the timer that says so to everybody.
            let stage = lane.stage.clone();
            let expired = async || {
                let legs = stage.clone().get(&name).await.legs;
                let known = legs.into_iter().flat_map(|leg| leg.offers).find(|known| known.name == offer.name)?;
                (known.state() != pb::OfferState::Pending).then_some(known.state())
            };
            let state = eventually("the offer ends", expired).await;
            if state != pb::OfferState::Expired {
                return Err(format!("refused as expired, and {state:?}"));
            }
            lane.give_up(&name).await?;
            lane.ready_again().await;
            Ok("expiry")
        }
    }
}

pub async fn two_devices(lane: &mut Lane) -> Outcome {
    let joined = pb::StartSessionRequest {
        name: lane.ann.name.clone(),
        device_id: "phone".into(),
        secret: lane.ann.secret.clone(),
        ..Default::default()
    };
    let joined = lane.ann.stage.clients.agents.start_session(joined).await.map_err(refused("a further device"))?;
    let epoch = joined.into_inner().welcome.map_or(0, |welcome| welcome.session_epoch);
    if epoch != lane.ann.epoch {
        return Err(format!("a further device has epoch {epoch}, not {}", lane.ann.epoch));
    }
    let (_, offer) = lane.ringing().await;
    let (first, second) = lane.jitter();
    let (mut desktop, mut phone) = (lane.ann.clone(), lane.ann.clone());
    let one = async {
        first.pass().await;
        desktop.accept_on(&offer.name, "desktop", true).await
    };
    let other = async {
        second.pass().await;
        phone.accept_on(&offer.name, "phone", true).await
    };
    let (winner, loser) = match tokio::join!(one, other) {
        (Ok(taken), Err(refused)) => (("desktop", taken), refused),
        (Err(refused), Ok(taken)) => (("phone", taken), refused),
        (one, other) => return Err(format!("not one winner: {one:?} {other:?}")),
    };
    stated(&loser, &["ACCEPTED_ELSEWHERE"])?;
    let (device, taken) = winner;
    if taken.device_id == device {
        Ok(device)
    } else {
        Err(format!("{device} accepted, and {} has it", taken.device_id))
    }
}

pub async fn cancel_against_create(lane: &mut Lane) -> Outcome {
    let (create, name) = lane.request();
    let (first, second) = lane.jitter();
    let connector = lane.stage.connector.clone();
    let cancel = pb::CancelTicketRequest { allow_missing: true, connector, ..lane.cancel(&name) };
    let (mut one, mut other) = (lane.stage.clients.tickets.clone(), lane.stage.clients.tickets.clone());
    let started = Instant::now();
    let creating = async {
        first.pass().await;
        (one.create_ticket(create).await, started.elapsed())
    };
    let cancelling = async {
        second.pass().await;
        other.cancel_ticket(cancel).await
    };
    let (created, cancelled) = tokio::join!(creating, cancelling);
    let (created, took) = created;
    lane.pace = took;
    let created = created.map_err(refused("a create"))?.into_inner();
    let cancelled = cancelled.map_err(refused("a cancel"))?.into_inner();
    let after = lane.stage.get(&name).await;
    if [cancelled.state(), after.state()] != [pb::TicketState::Cancelled; 2] {
        return Err(format!("cancelled, and {:?}", after.state()));
    }
    match (created.state(), after.legs.len()) {
        (pb::TicketState::Cancelled, 0) => Ok("cancel"),
        (pb::TicketState::Queued, 1) => Ok("create"),
        (state, legs) => Err(format!("created {state:?}, with {legs} legs in the end")),
    }
}

pub async fn transfer_against_customer_gone(lane: &mut Lane) -> Outcome {
    let (name, offer) = lane.ringing().await;
    lane.ann.accept_connected(&offer.name).await.map_err(refused("the first accept"))?;
    let target = pb::TransferTarget { target: Some(pb::transfer_target::Target::Agent(lane.ben.name.clone())) };
    let transfer = pb::TransferTicketRequest {
        name: name.clone(),
        kind: pb::TransferKind::Blind.into(),
        target: Some(target),
        request_id: request_id(),
        ..Default::default()
    };
    lane.stage.clients.tickets.transfer_ticket(transfer).await.map_err(refused("the transfer"))?;
    let offer = lane.stage.offered(&name).await;
    let ends = lane.dice.random_bool(0.5);
    let (first, second) = lane.jitter();
    let (mut ben, mut tickets, cancel) = (lane.ben.clone(), lane.stage.clients.tickets.clone(), lane.cancel(&name));
    let end = pb::EndLegRequest {
        name: format!("{name}/legs/1"),
        ended_by: pb::EndedBy::Customer.into(),
        ..Default::default()
    };
    let accept = async {
        first.pass().await;
        ben.accept_connected(&offer.name).await
    };
    let gone = async {
        second.pass().await;
        match ends {
            true => tickets.end_leg(end).await.map(|_| ()),
            false => tickets.cancel_ticket(cancel).await.map(|_| ()),
        }
    };
    let (accepted, gone) = tokio::join!(accept, gone);
    gone.map_err(refused("a customer who leaves"))?;
    let transfers = lane.stage.get(&name).await.transfers;
    let state = transfers.first().map(pb::Transfer::state);
    match (accepted, state) {
        (Ok(_), Some(pb::TransferState::Completed)) if ends => Ok("accept before end"),
        (Ok(_), Some(pb::TransferState::Completed)) => Ok("accept before cancel"),
        (Err(status), Some(pb::TransferState::Cancelled)) => {
            stated(&status, &["OFFER_REVOKED"]).map(|()| if ends { "end" } else { "cancel" })
        }
        (answer, state) => Err(format!("the transfer is {state:?} after {answer:?}")),
    }
}

pub async fn capacity_against_offer(lane: &mut Lane) -> Outcome {
    let (create, name) = lane.request();
    let (first, second) = lane.jitter();
    let (mut tickets, mut agents) = (lane.stage.clients.tickets.clone(), lane.stage.clients.agents.clone());
    let agent = lane.ann.name.clone();
    let live = |capacity| pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            name: agent.clone(),
            pools: vec![pb::PoolCapacity { pool: pb::Pool::Live.into(), capacity: Some(capacity) }],
            ..Default::default()
        }),
        request_id: request_id(),
        ..Default::default()
    };
    let creating = async {
        first.pass().await;
        tickets.create_ticket(create).await
    };
    let lowered = live(0);
    let lowering = async {
        second.pass().await;
        agents.update_agent(lowered).await
    };
    let (created, lowered) = tokio::join!(creating, lowering);
    created.map_err(refused("a create"))?;
    lowered.map_err(refused("a lower capacity"))?;
    let ringing = lane.stage.pending_offer(&name).await.is_some();
    // Whoever won, nothing new is offered until there is room again, and then it is.
    lane.stage.clients.agents.update_agent(live(100)).await.map_err(refused("a higher capacity"))?;
    let offer = lane.stage.offered(&name).await;
    if offer.agent != lane.ann.name {
        return Err(format!("{} is rung", offer.agent));
    }
    Ok(if ringing { "offer" } else { "capacity" })
}

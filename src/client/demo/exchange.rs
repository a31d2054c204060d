//! What a connector does with its hands: rings endpoints, connects customer and agent, and for agents who have nothing but a
//! phone, holds the session and presses the keys they would press.

use std::sync::Arc;

use rand::RngExt;

use super::act::{After, Work};
use super::cast::{MEMBERS, Member, Place, find};
use super::connector::Connector;
use super::plot::Act;
use super::stage::Stage;
use super::traffic::{lognormal, scaled, stream_of};
use super::words;
use crate::clock::Span;
use crate::proto::handoff::v1::{
    AcceptOfferRequest, Accepts, Channel, ConfirmOfferRequest, Decision, DecisionSide, DeclaredState,
    DeclineOfferRequest, DeclineReason, EndSessionRequest, FailOfferRequest, FailReason, HandlerLostDecision, Offer,
    RequeueTicketRequest, SetAgentStateRequest, StartSessionRequest,
};

const HANDSET: &str = "handset";
/// How often a session that was lost is looked for.
const LOOK: Span = Span::from_secs(5);
/// Median seconds until a call is joined, and the shares of calls that cannot be.
const CONNECT_SECS: f64 = 1.2;
const UNREACHABLE: f64 = 0.02;
const MEDIA_ERROR: f64 = 0.02;

/// Rings an endpoint of this connector on which answering is accepting.
pub(super) fn ring(connector: &mut Connector, offer: &Offer) {
    let Some(endpoint) = offer.endpoint.as_ref().filter(|endpoint| endpoint.connector == connector.name) else {
        return;
    };
    let (accepts, stage, offer) = (endpoint.accepts(), Arc::clone(&connector.stage), offer.clone());
    let name = offer.name.clone();
    let task = match accepts {
        Accepts::Endpoint => connector.tasks.spawn(async move { ring_handset(&stage, &offer).await }),
        Accepts::Auto => connector.tasks.spawn(async move { pick_up(&stage, &offer, "headset").await }),
        Accepts::Desktop | Accepts::Unspecified => return,
    };
    connector.stoppable.insert(name, task);
}

/// An agent accepted on a screen: joins the two, which fails now and then.
pub(super) fn connect(connector: &mut Connector, offer: &Offer) {
    let (stage, offer) = (Arc::clone(&connector.stage), offer.clone());
    let name = offer.name.clone();
    let task = connector.tasks.spawn(async move { join(&stage, &offer).await });
    connector.stoppable.insert(name, task);
}

/// Somebody with only a phone has a call: the connector sees when it ends, and what is keyed in.
pub(super) fn talk(connector: &mut Connector, decision: &Decision, offer: &Offer) {
    let on_handset = member(&offer.agent).is_some_and(|member| member.place == Place::Handset);
    if !on_handset || decision.side() == DecisionSide::AgentSide {
        return;
    }
    let work = Work {
        ticket: decision.ticket.clone(),
        leg: offer.leg.clone(),
        agent: offer.agent.clone(),
        channel: decision.channel,
    };
    let (stage, leg) = (Arc::clone(&connector.stage), offer.leg.clone());
    let task = connector.tasks.spawn(async move { work_by_phone(&stage, work).await });
    connector.stoppable.insert(leg, task);
}

/// The agent's screen is gone. On the phone it is for the connector to say whether the line stands.
pub(super) fn judge_line(connector: &mut Connector, decision: &Decision, lost: &HandlerLostDecision) {
    if decision.channel() != Channel::Phone || decision.side() == DecisionSide::AgentSide {
        return;
    }
    let stage = Arc::clone(&connector.stage);
    let request = RequeueTicketRequest {
        name: decision.ticket.clone(),
        reason: "line dropped".to_owned(),
        prefer_handler: false,
        request_id: stage.calls.request_id(),
    };
    let leg = lost.leg.clone();
    let task = connector.tasks.spawn(async move {
        stage.clock.sleep(stage.human(Span::from_secs(4))).await;
        stage.calls.settle("RequeueTicket", stage.calls.requeue_ticket(request).await);
    });
    connector.stoppable.insert(leg, task);
}

async fn ring_handset(stage: &Stage, offer: &Offer) {
    let mut rng = stream_of(stage.seed, words::short(&offer.name));
    let roll = rng.random::<f64>();
    let (misses, declines) = member(&offer.agent).map_or((0.0, 0.0), |member| (member.misses, member.declines));
    if roll < misses {
        return;
    }
    stage.clock.sleep(stage.human(lognormal(4.0, 0.4, &mut rng))).await;
    if roll < misses + declines {
        let request = DeclineOfferRequest {
            name: offer.name.clone(),
            session_epoch: offer.session_epoch,
            reason: i32::from(DeclineReason::Busy),
            request_id: stage.calls.request_id(),
        };
        stage.calls.settle("DeclineOffer", stage.calls.decline_offer(request).await);
    } else {
        pick_up(stage, offer, HANDSET).await;
    }
}

/// Answered: accepts and confirms in one.
async fn pick_up(stage: &Stage, offer: &Offer, device: &str) {
    let request = AcceptOfferRequest {
        name: offer.name.clone(),
        session_epoch: offer.session_epoch,
        device_id: device.to_owned(),
        connected: true,
        request_id: stage.calls.request_id(),
    };
    stage.calls.settle("AcceptOffer", stage.calls.accept_offer(request).await);
}

async fn join(stage: &Stage, offer: &Offer) {
    let mut rng = stream_of(stage.seed, &format!("{} joined", words::short(&offer.name)));
    stage.clock.sleep(stage.human(lognormal(CONNECT_SECS, 0.3, &mut rng))).await;
    let calls = &stage.calls;
    let (name, request_id) = (offer.name.clone(), calls.request_id());
    let roll = rng.random::<f64>();
    let failed = if roll < UNREACHABLE {
        Some(FailReason::AgentUnreachable)
    } else if roll < UNREACHABLE + MEDIA_ERROR {
        Some(FailReason::MediaError)
    } else {
        None
    };
    match failed {
        Some(reason) => {
            let request = FailOfferRequest { name, reason: i32::from(reason), request_id };
            calls.settle("FailOffer", calls.fail_offer(request).await);
        }
        None => {
            calls.settle("ConfirmOffer", calls.confirm_offer(ConfirmOfferRequest { name, request_id }).await);
        }
    }
}

/// The call's story, as its agent's keys tell it. Ended by the connector when the leg is over.
async fn work_by_phone(stage: &Stage, work: Work) {
    let chapter = stage.cases.begin(&work.ticket, &work.leg);
    let (mut wait, mut act) = (chapter.handling, chapter.act);
    loop {
        stage.clock.sleep(wait).await;
        match stage.perform(&work, &act).await {
            After::Done => return,
            After::Look(longer) => (wait, act) = (longer, Act::Resolve),
            After::Held(held) => {
                stage.clock.sleep(held).await;
                stage.resume(&work.ticket).await;
                let chapter = stage.cases.go_on(&work.ticket);
                (wait, act) = (scaled(chapter.handling, 0.5), chapter.act);
            }
        }
    }
}

/// Holds the sessions of those who have only a phone, until the run stops.
pub(super) async fn hold_handsets(stage: &Stage) {
    let mut stopping = stage.stopping.clone();
    tokio::select! {
        biased;
        () = stopping.wait() => {}
        () = keep_in_session(stage) => {}
    }
    for agent in handsets(stage) {
        if let Some(session_epoch) = stage.pulse.epoch(&agent) {
            stage.pulse.remove(&agent);
            let request = EndSessionRequest { name: agent, session_epoch, request_id: stage.calls.request_id() };
            stage.calls.settle("EndSession", stage.calls.end_session(request).await);
        }
    }
}

async fn keep_in_session(stage: &Stage) {
    loop {
        for agent in handsets(stage).filter(|agent| stage.pulse.epoch(agent).is_none()) {
            start_session(stage, agent).await;
        }
        stage.clock.sleep(LOOK).await;
    }
}

async fn start_session(stage: &Stage, agent: String) {
    let calls = &stage.calls;
    let request = StartSessionRequest {
        name: agent.clone(),
        device_id: HANDSET.to_owned(),
        request_id: calls.request_id(),
        ..StartSessionRequest::default()
    };
    let started = calls.settle("StartSession", calls.start_session(request).await);
    let Some(welcome) = started.and_then(|started| started.welcome) else { return };
    stage.pulse.add(&agent, welcome.session_epoch, HANDSET);
    let request = SetAgentStateRequest {
        name: agent,
        state: i32::from(DeclaredState::Ready),
        request_id: calls.request_id(),
        ..SetAgentStateRequest::default()
    };
    calls.settle("SetAgentState", calls.set_agent_state(request).await);
}

fn handsets(stage: &Stage) -> impl Iterator<Item = String> {
    let members = MEMBERS.iter().filter(|member| member.place == Place::Handset);
    members.map(|member| stage.agent(member.id))
}

fn member(agent: &str) -> Option<&'static Member> {
    find(words::short(agent))
}

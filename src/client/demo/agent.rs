//! An agent at a screen: holds a session by OpenSession, answers offers, works, takes a break, may lose the connection.
//!
//! One task per agent does one thing after the other, from an agenda. What the agent knows comes from the session's updates
//! alone; what they find out about a ticket comes from its plot.

mod notice;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::act::{After, Work};
use super::agenda::Agenda;
use super::cast::{Member, UNLUCKY};
use super::plot::Act;
use super::stage::Stage;
use super::traffic::{scaled, secs, stream_of};
use crate::clock::Span;
use crate::proto::handoff::v1::open_session_response::Response;
use crate::proto::handoff::v1::session_update::Update;
use crate::proto::handoff::v1::{
    AcceptOfferRequest, DeclaredState, DeclineOfferRequest, DeclineReason, EndSessionRequest, FinishWrapUpRequest,
    Offer, OpenSessionRequest, OpenSessionResponse, SessionHello, SessionWelcome, SetAgentStateRequest, StateTiming,
};

const DEVICE: &str = "desktop";
const BREAK: Span = Span::from_mins(5);
/// Real time before a stream that failed is opened again.
const RECONNECT: Duration = Duration::from_millis(100);
/// When the unlucky one's connection goes, as a share of the morning, and how long it stays away.
const LOST_AT: f64 = 0.42;
const AWAY: Span = Span::from_mins(4);

/// Something planned.
#[derive(Debug)]
enum Deed {
    Answer(Box<Offer>, Answer),
    /// The handling time of a piece of work is over.
    Work(Work, Act),
    Resume(Work),
    /// The customer hung up: what is left is to close the ticket.
    TidyUp(Work),
    FinishWrapUp {
        leg: String,
    },
    GoOnBreak,
    ComeBack,
    LoseConnection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accept,
    Decline(DeclineReason),
}

/// Why a session's stream was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// To be opened again.
    Broken,
    /// Opened again after this time.
    Away(Span),
}

pub(super) struct Agent {
    stage: Arc<Stage>,
    member: &'static Member,
    name: String,
    agenda: Agenda<Deed>,
    epoch: u64,
    secret: String,
    /// Offers that are being thought about.
    offers: BTreeSet<String>,
    /// Legs in hand.
    active: BTreeMap<String, Work>,
    /// Legs in wrap-up.
    wrapping: BTreeSet<String>,
}

type Down = Streaming<OpenSessionResponse>;

impl Agent {
    pub(super) fn new(stage: Arc<Stage>, member: &'static Member) -> Agent {
        Agent {
            name: stage.agent(member.id),
            stage,
            member,
            agenda: Agenda::default(),
            epoch: 0,
            secret: String::new(),
            offers: BTreeSet::new(),
            active: BTreeMap::new(),
            wrapping: BTreeSet::new(),
        }
    }

    /// Is on duty until the run stops.
    pub(super) async fn serve(mut self, length: Span) {
        let mut stopping = self.stage.stopping.clone();
        self.plan_the_morning(length);
        tokio::select! {
            biased;
            () = stopping.wait() => {}
            () = self.hold_sessions() => {}
        }
        self.stage.pulse.remove(&self.name);
        let request = EndSessionRequest {
            name: self.name.clone(),
            session_epoch: self.epoch,
            request_id: self.stage.calls.request_id(),
        };
        if self.epoch > 0 {
            self.stage.calls.settle("EndSession", self.stage.calls.end_session(request).await);
        }
    }

    fn plan_the_morning(&mut self, length: Span) {
        let start = self.stage.start;
        let mut rng = stream_of(self.stage.seed, self.member.id);
        if rng.random_bool(0.6) {
            let share = rng.random_range(0.15..0.85);
            self.agenda.plan(start + scaled(length, share), Deed::GoOnBreak);
        }
        if self.member.id == UNLUCKY {
            self.agenda.plan(start + scaled(length, LOST_AT), Deed::LoseConnection);
        }
    }

    async fn hold_sessions(&mut self) {
        loop {
            let left = match self.open().await {
                Ok((up, down)) => self.follow(up, down).await,
                Err(status) => {
                    if !matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) {
                        self.stage.calls.settle::<()>("OpenSession", Err(status));
                    }
                    Left::Broken
                }
            };
            match left {
                Left::Broken => self.stage.clock.real_sleep(RECONNECT).await,
                Left::Away(span) => {
                    let told = format!("{} loses her connection: no stream, no heartbeat", self.member.name);
                    self.stage.aside(&told);
                    self.stage.pulse.remove(&self.name);
                    self.stage.clock.sleep(span).await;
                    self.stage.aside(&format!("{} is back", self.member.name));
                }
            }
        }
    }

    async fn open(&mut self) -> Result<(mpsc::Sender<OpenSessionRequest>, Down), Status> {
        let hello = SessionHello {
            agent: self.name.clone(),
            device_id: DEVICE.to_owned(),
            secret: self.secret.clone(),
            ..SessionHello::default()
        };
        self.stage.calls.open_session(hello).await
    }

    /// Lives with one stream until it ends. `up` stays open as long: closing it would end the stream.
    async fn follow(&mut self, up: mpsc::Sender<OpenSessionRequest>, mut down: Down) -> Left {
        let clock = self.stage.clock.clone();
        loop {
            tokio::select! {
                biased;
                message = down.message() => match message {
                    Ok(Some(OpenSessionResponse { response: Some(Response::Welcome(welcome)) })) => {
                        self.welcome(welcome).await;
                    }
                    Ok(Some(OpenSessionResponse { response: Some(Response::Update(update)) })) => {
                        let over = matches!(update.update, Some(Update::Ended(_) | Update::GoingAway(_)));
                        if let Some(update) = update.update {
                            self.learn(update);
                        }
                        if over {
                            drop(up);
                            return Left::Broken;
                        }
                    }
                    Ok(Some(OpenSessionResponse { response: None })) => {}
                    Ok(None) | Err(_) => return Left::Broken,
                },
                deed = self.agenda.next(&clock) => {
                    if let Some(left) = self.act(deed).await {
                        return left;
                    }
                }
            }
        }
    }

    async fn welcome(&mut self, welcome: SessionWelcome) {
        self.epoch = welcome.session_epoch;
        self.secret = welcome.secret;
        self.stage.pulse.add(&self.name, self.epoch, DEVICE);
        if !welcome.resumed {
            self.declare(DeclaredState::Ready, "", StateTiming::Now).await;
        }
    }

    async fn act(&mut self, deed: Deed) -> Option<Left> {
        let (now, stage) = (self.stage.clock.now(), Arc::clone(&self.stage));
        match deed {
            Deed::Answer(offer, answer) => self.answer(&offer, answer).await,
            Deed::Work(work, act) => match stage.perform(&work, &act).await {
                After::Done => {}
                After::Look(wait) => self.agenda.plan(now + wait, Deed::Work(work, Act::Resolve)),
                After::Held(wait) => self.agenda.plan(now + wait, Deed::Resume(work)),
            },
            Deed::Resume(work) => {
                stage.resume(&work.ticket).await;
                // On the phone the leg stays, and the same agent goes on; elsewhere a new leg says who does.
                if self.active.contains_key(&work.leg) {
                    let chapter = stage.cases.go_on(&work.ticket);
                    self.agenda.plan(now + scaled(chapter.handling, 0.5), Deed::Work(work, chapter.act));
                }
            }
            Deed::TidyUp(work) => {
                stage.perform(&work, &Act::Resolve).await;
            }
            Deed::FinishWrapUp { leg } => {
                let request = FinishWrapUpRequest {
                    name: leg,
                    code: "solved".to_owned(),
                    request_id: stage.calls.request_id(),
                    ..FinishWrapUpRequest::default()
                };
                stage.calls.settle("FinishWrapUp", stage.calls.finish_wrap_up(request).await);
            }
            Deed::GoOnBreak => {
                self.declare(DeclaredState::Break, "coffee", StateTiming::AfterCurrent).await;
                self.agenda.plan(now + stage.human(BREAK), Deed::ComeBack);
            }
            Deed::ComeBack => self.declare(DeclaredState::Ready, "", StateTiming::Now).await,
            Deed::LoseConnection => {
                // Somebody who has a customer is the better story; after a while anything goes.
                if self.active.is_empty() && secs(now - stage.start) < 1_800.0 * stage.pace {
                    self.agenda.plan(now + stage.human(Span::from_secs(5)), Deed::LoseConnection);
                } else {
                    return Some(Left::Away(stage.human(AWAY)));
                }
            }
        }
        None
    }

    async fn answer(&mut self, offer: &Offer, answer: Answer) {
        let calls = &self.stage.calls;
        let (name, session_epoch, request_id) = (offer.name.clone(), offer.session_epoch, calls.request_id());
        match answer {
            Answer::Accept => {
                let device_id = DEVICE.to_owned();
                let request = AcceptOfferRequest { name, session_epoch, device_id, connected: false, request_id };
                calls.settle("AcceptOffer", calls.accept_offer(request).await);
            }
            Answer::Decline(reason) => {
                let request = DeclineOfferRequest { name, session_epoch, reason: i32::from(reason), request_id };
                calls.settle("DeclineOffer", calls.decline_offer(request).await);
            }
        }
    }

    async fn declare(&self, state: DeclaredState, why: &str, timing: StateTiming) {
        let request = SetAgentStateRequest {
            name: self.name.clone(),
            state: i32::from(state),
            break_reason: why.to_owned(),
            timing: i32::from(timing),
            request_id: self.stage.calls.request_id(),
            ..SetAgentStateRequest::default()
        };
        self.stage.calls.settle("SetAgentState", self.stage.calls.set_agent_state(request).await);
    }
}

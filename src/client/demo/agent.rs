//! An agent at a screen: holds a session by OpenSession, answers offers, works, takes a break, may lose the connection.
//!
//! One task per agent does one thing after the other, from an agenda. What the agent knows comes from the session's updates
//! alone; what they find out about a ticket comes from its plot.

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
use super::traffic::{lognormal, scaled, secs, stream_of};
use super::words;
use crate::clock::Span;
use crate::proto::handoff::v1::open_session_response::Response;
use crate::proto::handoff::v1::session_update::Update;
use crate::proto::handoff::v1::{
    AcceptOfferRequest, Accepts, Channel, DeclaredState, DeclineOfferRequest, DeclineReason, EndSessionRequest,
    EndedBy, FinishWrapUpRequest, LegState, Offer, OfferState, OpenSessionRequest, OpenSessionResponse, SessionHello,
    SessionLeg, SessionSnapshot, SessionWelcome, SetAgentStateRequest, StateTiming,
};

const DEVICE: &str = "desktop";
/// Until somebody who was called not responding notices.
const NOTICES: Span = Span::from_secs(60);
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

    fn learn(&mut self, update: Update) {
        match update {
            Update::Snapshot(snapshot) => self.see_all(snapshot),
            Update::Agent(agent) => {
                let deaf = agent.presence.as_ref().is_some_and(|presence| presence.not_responding);
                if deaf {
                    self.agenda.forget(|deed| matches!(deed, Deed::ComeBack));
                    self.agenda.plan(self.stage.clock.now() + self.stage.human(NOTICES), Deed::ComeBack);
                }
            }
            Update::Offer(offer) => self.see_offer(offer),
            Update::Leg(leg) => self.see_leg(&leg),
            Update::Ended(_) => {
                self.epoch = 0;
                self.secret.clear();
                self.stage.pulse.remove(&self.name);
            }
            Update::GoingAway(_) => {}
        }
    }

    /// The snapshot replaces everything known: what it does not name is gone.
    fn see_all(&mut self, snapshot: SessionSnapshot) {
        let named = |legs: &[SessionLeg]| legs.iter().filter_map(|leg| Some(leg.leg.as_ref()?.name.clone())).collect();
        let legs: BTreeSet<String> = named(&snapshot.legs);
        let gone: Vec<String> = self.active.keys().filter(|leg| !legs.contains(*leg)).cloned().collect();
        for leg in gone {
            self.drop_leg(&leg);
        }
        self.offers.clear();
        self.agenda.forget(|deed| matches!(deed, Deed::Answer(..)));
        for offer in snapshot.offers {
            self.see_offer(offer);
        }
        for leg in snapshot.legs.iter().chain(&snapshot.wrap_ups) {
            self.see_leg(leg);
        }
    }

    fn see_offer(&mut self, offer: Offer) {
        if offer.state() != OfferState::Pending {
            self.offers.remove(&offer.name);
            self.agenda.forget(|deed| matches!(deed, Deed::Answer(other, _) if other.name == offer.name));
            return;
        }
        let accepts = offer.endpoint.as_ref().map_or(Accepts::Desktop, |endpoint| endpoint.accepts());
        // Whoever rings the endpoint answers for it.
        if matches!(accepts, Accepts::Endpoint | Accepts::Auto) || !self.offers.insert(offer.name.clone()) {
            return;
        }
        let mut rng = stream_of(self.stage.seed, words::short(&offer.name));
        let roll = rng.random::<f64>();
        if roll < self.member.misses {
            return;
        }
        let declines = roll < self.member.misses + self.member.declines;
        let answer = if declines { Answer::Decline(decline_reason(rng.random_range(0..100))) } else { Answer::Accept };
        let think = self.stage.human(think(offer.channel(), &mut rng));
        self.agenda.plan(self.stage.clock.now() + think, Deed::Answer(Box::new(offer), answer));
    }

    fn see_leg(&mut self, session_leg: &SessionLeg) {
        let Some(leg) = &session_leg.leg else { return };
        let work = Work {
            ticket: session_leg.ticket.clone(),
            leg: leg.name.clone(),
            agent: self.name.clone(),
            channel: session_leg.channel,
        };
        match leg.state() {
            LegState::Active => {
                if !self.active.contains_key(&leg.name) {
                    let chapter = self.stage.cases.begin(&work.ticket, &work.leg);
                    let done = self.stage.clock.now() + chapter.handling;
                    self.active.insert(leg.name.clone(), work.clone());
                    self.agenda.plan(done, Deed::Work(work, chapter.act));
                }
            }
            LegState::Wrapping => {
                self.drop_leg(&leg.name);
                if self.wrapping.insert(leg.name.clone()) {
                    self.plan_wrap_up(session_leg);
                    self.plan_tidying(work, leg.ended_by());
                }
            }
            LegState::Done => {
                self.drop_leg(&leg.name);
                if !self.wrapping.remove(&leg.name) {
                    self.plan_tidying(work, leg.ended_by());
                }
            }
            LegState::Waiting
            | LegState::Offered
            | LegState::Connecting
            | LegState::Cancelled
            | LegState::Unspecified => {
                self.drop_leg(&leg.name);
            }
        }
    }

    fn drop_leg(&mut self, leg: &str) {
        self.active.remove(leg);
        self.agenda.forget(|deed| matches!(deed, Deed::Work(work, _) if work.leg == leg));
    }

    /// Half of the wrap-ups are done before their time.
    fn plan_wrap_up(&mut self, session_leg: &SessionLeg) {
        let Some(leg) = &session_leg.leg else { return };
        let mut rng = stream_of(self.stage.seed, &leg.name);
        if let Some(end) = leg.wrap_up_expire_time.as_ref().map(words::time)
            && rng.random_bool(0.5)
        {
            let now = self.stage.clock.now();
            let share = rng.random_range(0.2..0.8);
            self.agenda.plan(now + scaled(end - now, share), Deed::FinishWrapUp { leg: leg.name.clone() });
        }
    }

    /// On the phone the queue's `after_contact` closes the ticket; elsewhere whoever had the customer does.
    fn plan_tidying(&mut self, work: Work, ended_by: EndedBy) {
        if ended_by == EndedBy::Customer && work.channel != i32::from(Channel::Phone) {
            let at = self.stage.clock.now() + self.stage.human(Span::from_secs(5));
            self.agenda.plan(at, Deed::TidyUp(work));
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

/// Before pressing accept: seconds on the phone, longer for what does not ring.
fn think(channel: Channel, rng: &mut rand::rngs::StdRng) -> Span {
    match channel {
        Channel::Phone => lognormal(3.0, 0.4, rng),
        Channel::Chat | Channel::Social | Channel::Unspecified => lognormal(5.0, 0.5, rng),
        Channel::Email | Channel::Portal => lognormal(15.0, 0.6, rng),
    }
}

fn decline_reason(roll: u32) -> DeclineReason {
    match roll {
        0..40 => DeclineReason::NotMySkill,
        40..80 => DeclineReason::Busy,
        80..90 => DeclineReason::Personal,
        90..95 => DeclineReason::Conflict,
        _ => DeclineReason::Other,
    }
}

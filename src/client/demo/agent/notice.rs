//! What an agent sees on the screen, and what they plan to do about it.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::act::Work;
use super::super::traffic::{lognormal, scaled, stream_of};
use super::super::words;
use super::{Agent, Answer, Deed};
use crate::clock::Span;
use crate::proto::handoff::v1::session_update::Update;
use crate::proto::handoff::v1::{
    Accepts, Channel, DeclineReason, EndedBy, LegState, Offer, OfferState, SessionLeg, SessionSnapshot,
};

/// Until somebody who was called not responding notices.
const NOTICES: Span = Span::from_secs(60);

impl Agent {
    pub(super) fn learn(&mut self, update: Update) {
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
}

/// Before pressing accept: seconds on the phone, longer for what does not ring.
fn think(channel: Channel, rng: &mut StdRng) -> Span {
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

//! A lane of a race: tickets that only its own agent fits, a second agent to hand on to, and dice.

use std::time::{Duration, Instant};

use handoff::clock::Clock;
use handoff::proto::handoff::v1 as pb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::wait;
use crate::harness::Service;
use crate::harness::agents::OnDuty;
use crate::harness::stage::Stage;

pub struct Lane {
    pub stage: Stage,
    /// The service's.
    pub clock: Clock,
    /// The only one who fits the lane's tickets.
    pub ann: OnDuty,
    /// Fits nothing; takes what is sent by name.
    pub ben: OnDuty,
    pub dice: StdRng,
    /// How long the last create took: delays go up to twice that, so that a slow machine has races as well.
    pub pace: Duration,
    /// How many seconds before the end of an offer its accept starts out; after its end where negative.
    pub lead: f64,
    skill: String,
    /// The tickets of this run.
    played: Vec<String>,
    numbered: u64,
}

impl Lane {
    pub async fn open(service: &Service, seed: u64, number: usize) -> Lane {
        let stage = Stage::again(service, "stage").await;
        let skill = format!("lane-{number}");
        let ann = stage.agent(&format!("ann-{number}")).skill(&skill, 5).ready().await;
        let ben = stage.agent(&format!("ben-{number}")).ready().await;
        let dice = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
        let clock = service.engine.clock().clone();
        Lane { stage, clock, ann, ben, dice, pace: Duration::ZERO, lead: 0.0, skill, played: Vec::new(), numbered: 0 }
    }

    pub fn on_duty(&self) -> [OnDuty; 2] {
        [self.ann.clone(), self.ben.clone()]
    }

    /// A request for a ticket of this lane, with a name that is known beforehand.
    pub fn request(&mut self) -> (pb::CreateTicketRequest, String) {
        let skills = vec![pb::SkillNeed { skill: self.skill.clone(), min_level: None }];
        let requirement = Some(pb::Requirement { skills, ..Default::default() });
        self.numbered += 1;
        let id = format!("{}-{}", self.skill, self.numbered);
        let name = format!("{}/tickets/{id}", self.stage.desk);
        self.played.push(name.clone());
        let ticket = pb::Ticket { requirement, ..Stage::ticket(pb::Channel::Chat) };
        (pb::CreateTicketRequest { ticket_id: id, ..self.stage.create(ticket) }, name)
    }

    /// A ticket that ann is rung with.
    pub async fn ringing(&mut self) -> (String, pb::Offer) {
        let (request, name) = self.request();
        let started = Instant::now();
        self.stage.clients.tickets.create_ticket(request).await.expect("a ticket");
        self.pace = started.elapsed();
        let offer = self.stage.offered(&name).await;
        assert_eq!(offer.agent, self.ann.name);
        (name, offer)
    }

    pub fn cancel(&self, ticket: &str) -> pb::CancelTicketRequest {
        pb::CancelTicketRequest {
            name: ticket.into(),
            reason: pb::CancelReason::CustomerLeft.into(),
            ..Default::default()
        }
    }

    /// Two delays of which either may be the longer: a few turns of the scheduler, or up to some milliseconds.
    pub fn jitter(&mut self) -> (Jitter, Jitter) {
        let most = (self.pace * 2).max(Duration::from_millis(3));
        (Jitter::draw(&mut self.dice, most), Jitter::draw(&mut self.dice, most))
    }

    /// The customer of a ticket leaves.
    pub async fn give_up(&mut self, ticket: &str) -> Result<(), String> {
        let request = self.cancel(ticket);
        let cancelled = self.stage.clients.tickets.cancel_ticket(request).await;
        cancelled.map(|_| ()).map_err(|refused| refused.to_string())
    }

    /// What was played is over: nobody is rung, and the agents have nothing left.
    pub async fn quiet(&mut self) -> Result<(), String> {
        for name in std::mem::take(&mut self.played) {
            let before = self.stage.get(&name).await;
            if before.state() != pb::TicketState::Cancelled && before.state() != pb::TicketState::Resolved {
                self.give_up(&name).await?;
            }
            let ticket = self.stage.get(&name).await;
            let offers = ticket.legs.iter().flat_map(|leg| &leg.offers);
            let rung = offers.filter(|it| matches!(it.state(), pb::OfferState::Pending | pb::OfferState::Accepted));
            if let Some(rung) = rung.map(|offer| offer.name.clone()).next() {
                return Err(format!("{name} is {:?}, and {rung} rings: {before:#?}", ticket.state()));
            }
            let over = |leg: &&pb::Leg| matches!(leg.state(), pb::LegState::Done | pb::LegState::Cancelled);
            if let Some(open) = ticket.legs.iter().find(|leg| !over(leg)) {
                return Err(format!("{name} is {:?}, and a leg is {:?}", ticket.state(), open.state()));
            }
        }
        for agent in [&mut self.ann, &mut self.ben] {
            let held: u32 = agent.get().await.load.iter().map(|load| load.held()).sum();
            if held != 0 {
                return Err(format!("{} holds {held} points of nothing", agent.name));
            }
        }
        Ok(())
    }

    /// The lane's agent says READY again after a miss.
    pub async fn ready_again(&mut self) {
        let presence = self.ann.declare(pb::DeclaredState::Ready).await.presence.expect("a presence");
        assert!(!presence.not_responding && presence.session_epoch == self.ann.epoch, "{presence:?}");
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Jitter {
    Turns(u32),
    Time(Duration),
}

impl Jitter {
    fn draw(dice: &mut StdRng, most: Duration) -> Jitter {
        if dice.random_bool(0.5) {
            Jitter::Time(most.mul_f64(dice.random_range(0.0..1.0)))
        } else {
            Jitter::Turns(dice.random_range(0..24))
        }
    }

    pub async fn pass(self) {
        match self {
            Jitter::Turns(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Jitter::Time(span) => wait(span).await,
        }
    }
}

/// Keeps everybody's session alive.
pub async fn beat(agents: Vec<OnDuty>, seconds: u32, rate: u32) {
    let Some(first) = agents.first() else { return };
    let (mut client, parent) = (first.stage.clients.agents.clone(), first.stage.desk.clone());
    let heartbeats: Vec<pb::Heartbeat> = agents
        .iter()
        .map(|agent| pb::Heartbeat {
            agent: agent.name.clone(),
            session_epoch: agent.epoch,
            device_id: agent.device.clone(),
        })
        .collect();
    loop {
        let request = pb::SendHeartbeatsRequest { parent: parent.clone(), heartbeats: heartbeats.clone() };
        client.send_heartbeats(request).await.expect("heartbeats are taken");
        wait(Duration::from_secs(seconds.into()) / rate).await;
    }
}

//! What lies in Redis is damaged by hand, and found; on a busy desk where nobody does that, nothing is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use handoff::availability::memory::Dump;
use handoff::domain::agent::{Declared, OpenWork};
use handoff::domain::id::{AgentId, TicketId};
use handoff::domain::ticket::CancelReason;
use handoff::routing::command::{Command, SessionMode, Timing};
use handoff::store::Store;

use super::hints::{Lookout, Replica, ask, quiet, replica};
use super::*;
use crate::harness::eventually;
use crate::pure::desk;
use crate::pure::world::{new_ticket, start_session, ticket_id};
use crate::simulation::scene;
use crate::simulation::store::{Ground, Slip};

/// Half a minute passes in a second and a half.
const RATE: u32 = 20;

fn key(name: &str) -> String {
    format!("handoff:{{default/help}}:{name}")
}

fn mail(name: &str) -> Command {
    Command::CreateTicket(Box::new(new_ticket(name, Channel::Email)))
}

/// One replica over one Redis, with a ticket that waits and nobody on duty.
struct Room {
    server: Server,
    replica: Replica,
    index: RedisIndex,
    ticket: TicketId,
}

impl Room {
    async fn open() -> Room {
        let server = Server::start(&[]);
        let ground = Ground::shared(Slip::default(), 7);
        let replica = replica(&ground, &server.url(), Clock::new(RATE), Lookout::Works).await;
        quiet(&replica).await;
        ask(&replica, mail("waits")).await;
        let index = connected(patient(&server.url())).await;
        let room = Room { server, replica, index, ticket: ticket_id("waits") };
        room.is_whole(0).await;
        room
    }

    async fn view(&self) -> Option<Dump> {
        self.index.dump(&scene::desk_key()).await.ok().flatten()
    }

    /// Until the view has the leg that waits, in line, and nothing else; after so many differences found.
    async fn is_whole(&self, drifts: u64) {
        let whole = async || {
            let view = self.view().await?;
            let [leg] = view.legs.as_slice() else { return None };
            let whole = leg.id.ticket == self.ticket && leg.ver > 0 && view.lines.len() == 1;
            (whole && self.replica.drifts() == drifts).then_some(())
        };
        eventually("the view is what the log says", whole).await;
    }

    fn leg(&self) -> String {
        format!("{}01", self.ticket)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_leg_a_stale_one_and_one_too_many_are_found_and_the_view_is_built_anew() {
    let room = Room::open().await;
    room.server.say(&["DEL", &key("legs"), &key("lines"), &key("links")]);
    room.is_whole(1).await;

    let row = room.server.say(&["HGET", &key("legs"), &room.leg()]);
    let stale = format!("{}00000000{}", &row[..10], &row[18..]);
    room.server.say(&["HSET", &key("legs"), &room.leg(), &stale]);
    room.is_whole(2).await;

    let surplus = format!("{:032x}01", 77);
    room.server.say(&["HSET", &key("legs"), &surplus, "---------I00000001"]);
    room.is_whole(3).await;

    let ann = desk::agent_id("ann");
    room.on_duty(&ann).await;
    let offered = async || {
        let ticket = room.replica.store().get_ticket(&scene::desk_key(), room.ticket).await.ok()??;
        let leg = ticket.pending_leg()?;
        leg.pending_offers().next().map(drop)
    };
    eventually("the leg is offered", offered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_who_is_missing_is_found() {
    let room = Room::open().await;
    room.on_duty(&desk::agent_id("ann")).await;
    room.server.say(&["DEL", &key("agents"), &key("free"), &key("beats"), &key("backs")]);
    eventually("the agent is there again", async || {
        let view = room.view().await?;
        (room.replica.drifts() == 1 && view.agents.iter().any(|agent| agent.view.is_some())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_busy_desk_nothing_is_found() {
    let (server, ground) = (Server::start(&[]), Ground::shared(Slip::default(), 7));
    let one = replica(&ground, &server.url(), Clock::new(RATE), Lookout::Works).await;
    for command in scene::opening() {
        ask(&one, command).await;
    }
    let other = replica(&ground, &server.url(), Clock::new(RATE), Lookout::Works).await;
    let (rounds, nth) = (RefCell::new(BTreeSet::new()), Cell::new(0));
    eventually("a few rounds", async || {
        for replica in [&one, &other] {
            nth.set(nth.get() + 1);
            let name = format!("busy-{}", nth.get());
            ask(replica, mail(&name)).await;
            if nth.get() % 3 > 0 {
                let reason = CancelReason::Withdrawn;
                let cancel = Command::CancelTicket { ticket: ticket_id(&name), reason, missing: None };
                ask(replica, cancel).await;
            }
        }
        rounds.borrow_mut().insert(server.say(&["HGET", &key("meta"), "compared"]));
        (rounds.borrow().len() > 3).then_some(())
    })
    .await;
    assert_eq!((one.drifts(), other.drifts()), (0, 0));
}

impl Room {
    async fn on_duty(&self, agent: &AgentId) {
        let (_, profile) = desk::agents().into_iter().find(|(id, _)| id == agent).expect("she is on the desk");
        ask(&self.replica, Command::CreateAgent { agent: agent.clone(), profile: Box::new(profile) }).await;
        ask(&self.replica, start_session(agent, "desk", SessionMode::Join, "s", None)).await;
        let (agent, declared, timing, open_work) = (agent.clone(), Declared::Ready, Timing::Now, OpenWork::Keep);
        ask(&self.replica, Command::SetAgentState { agent, declared, timing, open_work }).await;
    }
}

//! Commands out of four bytes: mostly what a client would ask for at this moment, sometimes what it must not get.

use std::collections::BTreeSet;
use std::sync::Arc;

use handoff::domain::agent::{Declared, OpenWork, Reachability};
use handoff::domain::event::{Actor, SessionEnd};
use handoff::domain::id::{AgentId, LaneNo, LegId, OfferId, TicketId};
use handoff::domain::leg::{EndedBy, Leg, LegState};
use handoff::domain::offer::{DeclineReason, FailReason, Offer, OfferState};
use handoff::domain::requirement::{Channel, Requirement, Strategy};
use handoff::domain::ticket::{
    Axis, CancelReason, EscalationReason, Infeasibility, OnUnavailable, Release, Target, Ticket,
};
use handoff::domain::time::{Span, Time};
use handoff::routing::command::{
    AssignMode, Command, ConnectorPatch, Missing, NewEscalation, NewResolution, NewTransfer, ProfilePatch, Proposed,
    SessionMode, TicketPatch, Timing,
};
use handoff::routing::lanes::lane_key;
use handoff::routing::workset::WorkingSet;

use super::desk::{self, connector_id, euros, need, queue_id};
use super::world::{new_ticket, record, start_session, ticket_id};

pub type Bytes = [u8; 4];

/// What a client sees that chooses what to ask for next.
pub struct Scene<'a> {
    pub rows: &'a WorkingSet<'static>,
    pub now: Time,
    /// How many were asked for before: in the names of new tickets.
    pub nth: usize,
    /// Policies that are put into force, the first one more rarely.
    pub policies: [&'static str; 2],
}

impl Scene<'_> {
    fn tickets(&self) -> impl Iterator<Item = &Arc<Ticket>> {
        self.rows.tickets.own().values()
    }

    fn ticket(&self, id: TicketId) -> &Ticket {
        self.rows.tickets.get(&id).expect("a ticket")
    }

    fn leg(&self, id: LegId) -> &Leg {
        self.ticket(id.ticket).leg(id.leg).expect("a leg")
    }
}

fn pick<T: Clone>(from: &[T], by: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(by) % from.len()].clone())
}

fn one<T: Copy, const N: usize>(from: [T; N], by: u8) -> T {
    from[usize::from(by) % N]
}

fn words(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// The command that these bytes mean now; `None`: time passes instead.
pub fn command(scene: &Scene<'_>, [op, a, b, c]: Bytes) -> Option<Command> {
    match op {
        0..30 => Some(create(scene, a, b, c)),
        30..80 => Some(sensible_proposal(scene, a, b, c).unwrap_or_else(|| create(scene, a, b, c))),
        80..86 => wild_proposal(scene, a, b, c),
        86..128 => answer(scene, a, b, c),
        128..136 => end(scene, a, b, c),
        136..164 => None,
        164..180 => Some(agent_command(scene, a, b, c)),
        180..184 => Some(profile_command(a, b, c)),
        184..188 => desk_command(scene, a, b, c),
        188..194 => engine_command(scene, a, b, c),
        194..206 => Some(transfer(scene, a, b, c)),
        206..216 => Some(escalate(scene, a, b, c)),
        216..=255 => Some(ticket_command(scene, op, a, b, c)),
    }
}

/// How far the clock goes: to a deadline, just before it, just after it, or anywhere.
pub fn span(scene: &Scene<'_>, a: u8, b: u8) -> Span {
    let dues: Vec<_> = scene.tickets().filter_map(|row| row.next_due_at).collect();
    let dues: Vec<_> =
        dues.into_iter().chain(scene.rows.agents.own().values().filter_map(|row| row.next_due_at)).collect();
    let next = dues.iter().min().map(|due| *due - scene.now);
    let to = match a % 8 {
        0 | 1 => next,
        2 => next.map(|span| span - Span(1)),
        3 => next.map(|span| span + Span(1)),
        4 => Some(Span::from_secs(i64::from(b) / 8)),
        5 => Some(Span::from_secs(30)),
        6 => Some(Span::from_mins(i64::from(b))),
        _ => Some(Span::from_hours(i64::from(b) / 8)),
    };
    to.unwrap_or(Span::from_secs(1)).max(Span::ZERO)
}

fn any_ticket(scene: &Scene<'_>, by: u8) -> TicketId {
    let all: Vec<&Arc<Ticket>> = scene.tickets().collect();
    // Mostly an open one; one in sixteen is unknown.
    if by % 16 == 15 {
        return ticket_id("unknown");
    }
    let open: Vec<TicketId> = all.iter().filter(|row| row.state.is_open()).map(|row| row.id).collect();
    let any: Vec<TicketId> = all.iter().map(|row| row.id).collect();
    let open = if by % 16 < 12 { pick(&open, by / 16) } else { None };
    open.or_else(|| pick(&any, by / 16)).unwrap_or_else(|| ticket_id("unknown"))
}

fn any_agent(by: u8) -> AgentId {
    let mut all: Vec<AgentId> = desk::agents().into_iter().map(|(agent, _)| agent).collect();
    all.push(desk::agent_id("nobody"));
    pick(&all, by).expect("there are agents")
}

fn legs(scene: &Scene<'_>, wanted: impl Fn(&Leg) -> bool) -> Vec<LegId> {
    let all = scene.tickets().flat_map(|ticket| ticket.legs.iter().map(move |leg| (ticket.id, leg)));
    all.filter(|(_, leg)| wanted(leg)).map(|(ticket, leg)| LegId { ticket, leg: leg.n }).collect()
}

fn offers(scene: &Scene<'_>, wanted: impl Fn(&Offer) -> bool) -> Vec<Offer> {
    let all = scene.tickets().flat_map(|ticket| &ticket.legs).flat_map(|leg| &leg.offers);
    all.filter(|offer| wanted(offer)).cloned().collect()
}

fn any_need(by: u8) -> Requirement {
    let authority =
        |name: &str, amount| Requirement { authorities: [(words(name), amount)].into(), ..Requirement::default() };
    let base = match by % 8 {
        0 | 1 => Requirement::default(),
        2 => need("vpn", 1 + by / 32),
        3 => need("billing", 3),
        4 => Requirement { min_tier: Some(1 + by / 64), ..Requirement::default() },
        5 => authority("refund", euros(i64::from(by) * 4)),
        6 => Requirement { language: Some(words("et")), ..need("vpn", 2) },
        _ => need("nobody-has-it", 1),
    };
    let queues = ["billing", "overflow", "vip", "late", "pair", "phone"];
    let queue = (by / 8 % 4 < 2).then(|| queue_id(one(queues, by / 2)));
    Requirement { queue, ..base }
}

fn create(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Command {
    let name = if a.is_multiple_of(16) { "t0".to_owned() } else { format!("t{}", scene.nth) };
    let mut new = new_ticket(&name, one(Channel::ALL, a / 16));
    new.requirement = any_need(b);
    // Mostly one that serves the channel.
    let second = if new.channel == Channel::Phone || c % 16 == 3 { "tel" } else { "web" };
    new.connector = connector_id(if c % 32 == 1 { "mon" } else { one([second, "web", "soc"], c) });
    new.priority = (c.is_multiple_of(3)).then_some(c % 101);
    if c.is_multiple_of(5) {
        new.preferred = vec![any_agent(c / 5)];
    }
    new.schedule_time = (c % 13 == 7).then(|| scene.now + Span::from_mins(i64::from(b)));
    new.arrival_time = (c % 7 == 3).then(|| scene.now - Span::from_hours(i64::from(b)));
    if b.is_multiple_of(6) {
        new.content.conversation_keys = vec![Arc::from(format!("key{}", c % 3))];
    }
    Command::CreateTicket(Box::new(new))
}

fn proposed(scene: &Scene<'_>, agent: &AgentId) -> Option<Proposed> {
    let row = scene.rows.agents.get(agent)?;
    let session = row.session.as_ref().map_or(0, |session| session.epoch);
    Some(Proposed { agent: agent.clone(), number: row.number, session })
}

fn sensible_proposal(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let leg = pick(&legs(scene, |leg| leg.state == LegState::Waiting && leg.pause_until.is_none()), a)?;
    let row = scene.leg(leg);
    let channel = scene.ticket(leg.ticket).channel;
    let free = |agent: &handoff::domain::agent::Agent| {
        agent.on_duty() && agent.room() & channel.bit() != 0 && row.excludes(&agent.id).is_none()
    };
    let preferred = row.prefer.as_ref().and_then(|agent| scene.rows.agents.get(agent)).filter(|agent| free(agent));
    let mut agents: Vec<AgentId> = match preferred {
        Some(agent) => vec![agent.id.clone()],
        None => scene.rows.agents.own().values().filter(|agent| free(agent)).map(|agent| agent.id.clone()).collect(),
    };
    if agents.is_empty() {
        return None;
    }
    let turn = usize::from(b) % agents.len();
    agents.rotate_left(turn);
    // Sometimes more than wanted, and sometimes one of them twice: the guards must see to it.
    let many = usize::from(row.want) + usize::from(c.is_multiple_of(16)) * 2;
    agents.truncate(many);
    let twice = (c % 16 == 1).then(|| agents[0].clone());
    let agents = agents.iter().chain(&twice).filter_map(|agent| proposed(scene, agent)).collect();
    Some(Command::Propose { leg, leg_ver: row.ver, agents, record: Box::new(record(scene.now)) })
}

fn wild_proposal(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let leg = pick(&legs(scene, |_| true), a)?;
    let leg_ver = scene.leg(leg).ver.saturating_sub(u32::from(b % 2));
    let agents = [any_agent(b), any_agent(c)].into_iter().filter_map(|agent| proposed(scene, &agent));
    let agents =
        agents.map(|known| Proposed { session: known.session + u64::from(c.is_multiple_of(4)), ..known }).collect();
    Some(Command::Propose { leg, leg_ver, agents, record: Box::new(record(scene.now)) })
}

fn answer(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let pending = offers(scene, |offer| offer.state == OfferState::Pending);
    let connecting = offers(scene, |offer| offer.state == OfferState::Accepted);
    let any = offers(scene, |_| true);
    let device = words(one(["desk", "phone"], c));
    let fails = [
        FailReason::AgentUnreachable,
        FailReason::AgentBusyElsewhere,
        FailReason::MediaError,
        FailReason::MediaError,
        FailReason::CustomerGone,
        FailReason::CustomerUnreachable,
        FailReason::Other,
    ];
    let declines = [DeclineReason::Busy, DeclineReason::NotMySkill, DeclineReason::Conflict, DeclineReason::Other];
    let accept = |offer: Offer, session| Command::AcceptOffer {
        offer: offer.id,
        session,
        device: device.clone(),
        connected: c.is_multiple_of(3),
    };
    match a % 16 {
        0..8 => pick(&pending, b).map(|offer| accept(offer.clone(), offer.session)),
        8 => pick(&any, b).map(|offer| accept(offer.clone(), offer.session + u64::from(c % 2))),
        9 | 10 => pick(&pending, b).map(|offer| Command::DeclineOffer {
            offer: offer.id,
            session: offer.session,
            reason: one(declines, c),
        }),
        11 | 12 => pick(&connecting, b).map(|offer| Command::ConfirmOffer { offer: offer.id }),
        13 => pick(&connecting, b).map(|offer| Command::FailOffer { offer: offer.id, reason: one(fails, c) }),
        14 => pick(&any, b).map(|offer| Command::FailOffer { offer: offer.id, reason: one(fails, c) }),
        _ => {
            let id = pick(&any, b)?.id;
            Some(Command::ConfirmOffer { offer: OfferId { nth: id.nth + c % 2, ..id } })
        }
    }
}

fn end(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let by = one([EndedBy::Customer, EndedBy::Agent, EndedBy::Connector], c);
    let wrap_up = |leg| Command::FinishWrapUp { leg, code: words("done"), note: words("said") };
    match a % 4 {
        0 | 1 => {
            pick(&legs(scene, |leg| leg.state == LegState::Active), b).map(|leg| Command::EndLeg { leg, ended_by: by })
        }
        2 => pick(&legs(scene, |leg| leg.state == LegState::Wrapping), b).map(wrap_up),
        _ if b.is_multiple_of(2) => pick(&legs(scene, |_| true), b).map(wrap_up),
        _ => pick(&legs(scene, |_| true), b).map(|leg| Command::EndLeg { leg, ended_by: by }),
    }
}

fn agent_command(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Command {
    let agent = any_agent(b);
    let epoch = scene.rows.agents.get(&agent).map_or(0, |row| row.last_epoch);
    let declared = match c % 4 {
        0 | 1 => Declared::Ready,
        2 => Declared::Break { reason: words("lunch") },
        _ => Declared::Offline,
    };
    let timing = if c % 8 < 5 { Timing::Now } else { Timing::AfterCurrent };
    let open_work = if c % 16 < 8 { OpenWork::Keep } else { OpenWork::Requeue };
    match a % 8 {
        0..3 => Command::SetAgentState { agent, declared, timing, open_work },
        3 => start_session(
            &agent,
            one(["desk", "phone"], c),
            SessionMode::Join,
            "s",
            one([None, Some("s"), Some("x")], c),
        ),
        4 => start_session(&agent, "new", SessionMode::TakeOver, "s", None),
        5 => {
            let reason = one([SessionEnd::Ended, SessionEnd::Lost, SessionEnd::Lost], c);
            Command::EndSession { agent, epoch: epoch.saturating_sub(u64::from(c.is_multiple_of(16))), reason }
        }
        6 => Command::TickAgent { agent },
        _ => {
            let reported = [Reachability::Reachable, Reachability::Unreachable, Reachability::BusyElsewhere];
            Command::ReportEndpoint {
                agent,
                channel: one([Channel::Phone, Channel::Chat], c),
                reachability: one(reported, c),
            }
        }
    }
}

fn profile_command(a: u8, b: u8, c: u8) -> Command {
    let agent = any_agent(b);
    let patch = ProfilePatch {
        tier: (c.is_multiple_of(2)).then_some(1 + c % 4),
        pools: (c.is_multiple_of(3))
            .then(|| [(handoff::domain::requirement::Pool::Live, u16::from(c) % 120)].into_iter().collect()),
        authorities: (c.is_multiple_of(5)).then(|| [(words("refund"), euros(i64::from(c) * 3))].into()),
        ..ProfilePatch::default()
    };
    match a % 4 {
        0 | 1 => Command::UpdateAgent { agent, patch: Box::new(patch), etag: (c.is_multiple_of(7)).then_some(1) },
        2 => Command::DeleteAgent { agent, etag: None },
        _ => Command::CreateAgent { agent, profile: Box::new(desk::profile(1 + c % 3, &[("vpn", 4)])) },
    }
}

/// Another policy than the one that the desk began with: the same queues, other settings, a rule, fewer hops.
pub const POLICY: &str = "
classification:
  - name: other
    when: {category: other}
    queue: vip
    requirement: {skills: {vpn: 3}}
    priority: 30
queues:
  billing: {max_waiting: 1, when_full: {queue: overflow}}
  overflow: {max_waiting: 2}
  vip: {after_contact: keep, wrap_up: 5s, parallel_offers: 3}
  late: {unassigned_timeout: 2m, terminal: {queue: last, requirement: {min_tier: 3}}}
  last: {unassigned_timeout: 1m}
  pair: {ordering: strict, strategy: best, reopen_window: 1h}
limits:
  hop_soft: 1
  hop_hard: 2
  exclusion_after_decline: 10s
";

fn desk_command(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let connector = connector_id(one(["tel", "web", "soc"], b));
    Some(match a % 10 {
        0 => Command::UpdateDesk { display_name: Some(words("New")), time_zone: None, etag: None },
        1 => Command::CreateDesk { display_name: words("Twice"), time_zone: words("UTC") },
        2 => Command::ConnectorPresence { connector, away: b.is_multiple_of(2) },
        3 => Command::UpdateConnector { connector, patch: Box::new(ConnectorPatch::default()), etag: None },
        4 => Command::DeleteConnector { connector, etag: Some(1_000) },
        5 | 6 => {
            let source = words(scene.policies[usize::from(!b.is_multiple_of(4))]);
            // An empty policy has no queue but those of the channels: what is waiting keeps the one it is pinned to.
            let etag = (c.is_multiple_of(8)).then_some(1_000);
            Command::UpdatePolicy { source, author: words(""), change_note: words(""), etag }
        }
        7 => intern(scene, b, c),
        _ => retire(scene, b, c),
    })
}

fn intern(scene: &Scene<'_>, b: u8, c: u8) -> Command {
    let limits = scene.rows.scope.as_ref().map(|scope| scope.limits.clone()).unwrap_or_default();
    let need = any_need(b);
    let queue = queue_id(one(["vip", "pair", "gone"], c));
    let lane = lane_key(one(Channel::ALL, c), &queue, std::iter::once(&need), Strategy::Scarce, &limits);
    let group = desk::profile(1 + c % 4, &[("vpn", 1 + b % 10)]).expertise;
    // Twice in one command, as when two calls lacked the same.
    Command::Intern { lanes: vec![lane.clone(), lane], groups: vec![group.clone(), group] }
}

/// What nobody uses any more, as the engine finds it: lanes without an open leg, groups without an agent.
fn retire(scene: &Scene<'_>, b: u8, c: u8) -> Command {
    let Some(scope) = &scene.rows.scope else { return Command::Retire { lanes: Vec::new(), groups: Vec::new() } };
    let asked: BTreeSet<_> = scene.tickets().flat_map(|ticket| ticket.open_legs()).map(|leg| leg.lane).collect();
    let held: BTreeSet<_> = scene.rows.agents.own().values().map(|agent| agent.group).collect();
    let lanes = scope.desk.lanes.iter().map(|(lane, _)| lane).filter(|lane| !asked.contains(lane));
    let groups = scope.desk.groups.iter().map(|(group, _)| group).filter(|group| !held.contains(group));
    // One that is not there is retired already.
    let gone = (b.is_multiple_of(4)).then_some(LaneNo(9_999));
    let some = usize::from(c % 4) + 1;
    Command::Retire { lanes: lanes.take(some).chain(gone).collect(), groups: groups.take(some).collect() }
}

fn engine_command(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Option<Command> {
    let leg = pick(&legs(scene, |leg| leg.state == LegState::Waiting), b)?;
    let leg_ver = scene.leg(leg).ver - u32::from(c.is_multiple_of(16));
    let found = [
        None,
        Some(Infeasibility::Never),
        Some(Infeasibility::Absent),
        Some(Infeasibility::Busy),
        Some(Infeasibility::Excluded),
        Some(Infeasibility::ConnectorAway),
    ];
    Some(match a % 4 {
        0 | 1 => Command::Diagnose { leg, leg_ver, infeasibility: one(found, c) },
        2 => Command::LiftExclusions { leg, leg_ver },
        _ => Command::Relane { leg, leg_ver },
    })
}

fn transfer(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Command {
    let target = match a % 8 {
        0..4 => Target::Agent(any_agent(b)),
        4 | 5 => Target::Requirement(any_need(b)),
        _ => Target::Queue(queue_id(one(["vip", "pair", "billing", "gone"], b))),
    };
    let transfer = NewTransfer {
        target,
        release: if c.is_multiple_of(3) { Release::Now } else { Release::AfterConfirm },
        on_unavailable: one([OnUnavailable::Reject, OnUnavailable::Queue, OnUnavailable::Fallback], c / 2),
        reason: words("theirs"),
        override_reason: words(if c.is_multiple_of(2) { "" } else { "because" }),
        note: words(""),
    };
    Command::TransferTicket {
        ticket: any_ticket(scene, (a / 8).wrapping_mul(16) + b % 16),
        transfer: Box::new(transfer),
    }
}

fn escalate(scene: &Scene<'_>, a: u8, b: u8, c: u8) -> Command {
    let escalation = NewEscalation {
        axis: one([Axis::Functional, Axis::Hierarchical], c),
        reason: EscalationReason::Other,
        requirement: any_need(b),
        requested_by: Actor::Caller,
        note: words("help"),
    };
    Command::EscalateTicket { ticket: any_ticket(scene, a), escalation: Box::new(escalation) }
}

fn ticket_command(scene: &Scene<'_>, op: u8, a: u8, b: u8, c: u8) -> Command {
    let ticket = any_ticket(scene, a);
    let etag = (c % 16 == 9).then_some(1);
    match op {
        216..220 => Command::CancelTicket {
            ticket,
            reason: one([CancelReason::CustomerLeft, CancelReason::Withdrawn], b),
            missing: (c.is_multiple_of(2)).then(|| Missing {
                name: handoff::domain::id::TicketName::parse("unknown").expect("a name"),
                connector: (c.is_multiple_of(4)).then(|| connector_id("web")),
            }),
        },
        220..225 => Command::ResolveTicket {
            ticket,
            resolution: Box::new(NewResolution {
                text: words("done"),
                code: words("ok"),
                first_contact: None,
                concession: (b.is_multiple_of(4)).then(|| (words("refund"), euros(i64::from(b)))),
            }),
            etag,
        },
        225..230 => Command::ReopenTicket { ticket, reason: words("again") },
        230..236 => {
            let resume_time = (c.is_multiple_of(2)).then(|| scene.now + Span::from_mins(i64::from(b) - 3));
            Command::HoldTicket { ticket, reason: words("waits"), resume_time }
        }
        236..240 => Command::ResumeTicket { ticket },
        240..244 => Command::RequeueTicket { ticket, reason: words("dropped"), prefer_handler: b.is_multiple_of(2) },
        244 => Command::QuarantineTicket {
            ticket,
            connector: connector_id(one(["web", "pbx"], c)),
            from: u64::from(b),
            attempts: 5,
            reason: words("no line"),
        },
        245 => Command::ReleaseTicket { ticket },
        246..250 => Command::AssignTicket {
            ticket,
            agent: any_agent(b),
            mode: one([AssignMode::Offer, AssignMode::Force], c),
            reason: words(if c % 8 == 7 { "" } else { "now" }),
        },
        250 | 251 => Command::TickTicket { ticket },
        _ => Command::UpdateTicket {
            ticket,
            patch: Box::new(TicketPatch {
                priority: (c.is_multiple_of(3)).then_some(Some(b % 101)),
                requirement: (c % 3 == 1).then(|| any_need(b)),
                schedule_time: (c % 8 == 5).then_some(None),
                category: (c.is_multiple_of(2)).then(|| words("other")),
                ..TicketPatch::default()
            }),
            reclassify: c % 4 == 2,
            etag,
        },
    }
}

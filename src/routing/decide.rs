//! `decide`: the one function through which every state changes. It reads rows and a command and answers events, or a refusal;
//! it never waits, never looks at a clock, and leaves the rows alone.
//!
//! One file per family of commands. Each checks what it may refuse for before it emits its first event, where it can; whatever a
//! refused command has emitted is dropped with its draft, so a refusal is never half done.

mod agents;
mod assign;
mod cancel;
mod create;
mod desk;
mod draft;
mod end;
mod escalate;
mod hold;
mod hops;
mod offers;
mod place;
mod propose;
mod quarantine;
mod requeue;
mod resolve;
mod sessions;
mod tick;
mod transfer;
mod update;

pub use create::{Plan, plan};
pub use place::leg_key;
pub use propose::LIFT_AFTER;

use super::command::{Answer, Command};
use super::reject::Reject;
use super::workset::{Changed, WorkingSet};
use crate::domain::event::{Actor, Event};
use crate::domain::time::Time;
use draft::Draft;

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// In order. Empty: it had happened already, and the answer says what stands.
    pub events: Vec<Event>,
    pub answer: Answer,
}

/// Decides one command at `now`.
pub fn decide(ws: &WorkingSet<'_>, command: &Command, actor: &Actor, now: Time) -> Result<Decision, Reject> {
    decide_rows(ws, command, actor, now).map(|(decision, _)| decision)
}

/// The same, with the rows that the events leave: what evolving them over `ws` would give, without doing it a second time.
pub fn decide_rows(
    ws: &WorkingSet<'_>,
    command: &Command,
    actor: &Actor,
    now: Time,
) -> Result<(Decision, Changed), Reject> {
    let mut draft = Draft::new(ws.layer(), actor.clone(), now);
    let answer = dispatch(&mut draft, command)?;
    agents::after_current(&mut draft);
    let (events, rows) = draft.into_parts();
    Ok((Decision { events, answer }, rows.into_changed()))
}

/// The same on rows that nobody else looks at meanwhile: they are left as evolving the events over them would leave them, and
/// none is copied for it. For commands that are refused, if at all, before their first event: there is no draft to drop.
///
/// # Panics
/// When the command is refused later than that. An assignment by force, a hand-over or a tick may be.
pub fn decide_in_place(
    ws: &mut WorkingSet<'static>,
    command: &Command,
    actor: &Actor,
    now: Time,
) -> Result<Decision, Reject> {
    let empty = WorkingSet::empty(ws.key.clone());
    let mut rows = std::mem::replace(ws, empty);
    rows.agents.note_changes();
    rows.tickets.note_changes();
    let mut draft = Draft::new(rows, actor.clone(), now);
    let answer = dispatch(&mut draft, command);
    if answer.is_ok() {
        agents::after_current(&mut draft);
    }
    let (events, rows) = draft.into_parts();
    *ws = rows;
    assert!(answer.is_ok() || events.is_empty(), "a command that is decided in place is never refused half done");
    answer.map(|answer| Decision { events, answer })
}

fn dispatch(draft: &mut Draft<'_>, command: &Command) -> Result<Answer, Reject> {
    match command {
        Command::CreateDesk { .. }
        | Command::UpdateDesk { .. }
        | Command::UpdatePolicy { .. }
        | Command::CreateConnector { .. }
        | Command::UpdateConnector { .. }
        | Command::DeleteConnector { .. }
        | Command::ConnectorPresence { .. }
        | Command::Intern { .. }
        | Command::Retire { .. } => desk::decide(draft, command),
        Command::CreateAgent { agent, profile } => agents::create(draft, agent, profile),
        Command::UpdateAgent { agent, patch, etag } => agents::update(draft, agent, patch, *etag),
        Command::DeleteAgent { agent, etag } => agents::delete(draft, agent, *etag),
        Command::SetAgentState { agent, declared, timing, open_work } => {
            agents::set_state(draft, agent, declared, *timing, *open_work)
        }
        Command::ReportEndpoint { agent, channel, reachability } => {
            agents::report_endpoint(draft, agent, *channel, *reachability)
        }
        Command::StartSession { agent, device, mode, secret_hash, shown_hash } => {
            sessions::start(draft, agent, device, *mode, secret_hash, shown_hash.as_ref())
        }
        Command::EndSession { agent, epoch, reason } => sessions::end(draft, agent, *epoch, *reason),
        Command::TickAgent { agent } => tick::agent(draft, agent),
        _ => dispatch_ticket(draft, command),
    }
}

fn dispatch_ticket(draft: &mut Draft<'_>, command: &Command) -> Result<Answer, Reject> {
    match command {
        Command::CreateTicket(new) => create::decide(draft, new),
        Command::UpdateTicket { ticket, patch, reclassify, etag } => {
            update::decide(draft, *ticket, patch, *reclassify, *etag)
        }
        Command::CancelTicket { ticket, reason, missing } => cancel::decide(draft, *ticket, *reason, missing.as_ref()),
        Command::ResolveTicket { ticket, resolution, etag } => resolve::decide(draft, *ticket, resolution, *etag),
        Command::ReopenTicket { ticket, reason } => resolve::reopen(draft, *ticket, reason),
        Command::HoldTicket { ticket, reason, resume_time } => hold::decide(draft, *ticket, reason, *resume_time),
        Command::ResumeTicket { ticket } => hold::resume(draft, *ticket),
        Command::RequeueTicket { ticket, prefer_handler, .. } => requeue::decide(draft, *ticket, *prefer_handler),
        Command::AssignTicket { ticket, agent, mode, reason } => assign::decide(draft, *ticket, agent, *mode, reason),
        Command::EscalateTicket { ticket, escalation } => escalate::decide(draft, *ticket, escalation),
        Command::TransferTicket { ticket, transfer } => transfer::decide(draft, *ticket, transfer),
        Command::QuarantineTicket { ticket, connector, from, attempts, reason } => {
            quarantine::decide(draft, *ticket, connector, *from, *attempts, reason)
        }
        Command::ReleaseTicket { ticket } => quarantine::release(draft, *ticket),
        Command::EndLeg { leg, ended_by } => end::leg(draft, *leg, *ended_by),
        Command::FinishWrapUp { leg, code, note } => end::wrap_up(draft, *leg, code, note),
        Command::Propose { leg, leg_ver, agents, record } => propose::decide(draft, *leg, *leg_ver, agents, record),
        Command::Diagnose { leg, leg_ver, infeasibility } => propose::diagnose(draft, *leg, *leg_ver, *infeasibility),
        Command::LiftExclusions { leg, leg_ver } => propose::lift(draft, *leg, *leg_ver),
        Command::Relane { leg, leg_ver } => propose::relane(draft, *leg, *leg_ver),
        Command::AcceptOffer { offer, session, device, connected } => {
            offers::accept(draft, *offer, *session, device, *connected)
        }
        Command::DeclineOffer { offer, session, reason } => offers::decline(draft, *offer, *session, *reason),
        Command::ConfirmOffer { offer } => offers::confirm(draft, *offer),
        Command::FailOffer { offer, reason } => offers::fail(draft, *offer, *reason),
        Command::TickTicket { ticket } => tick::ticket(draft, *ticket),
        Command::CreateDesk { .. }
        | Command::UpdateDesk { .. }
        | Command::UpdatePolicy { .. }
        | Command::CreateConnector { .. }
        | Command::UpdateConnector { .. }
        | Command::DeleteConnector { .. }
        | Command::ConnectorPresence { .. }
        | Command::Intern { .. }
        | Command::Retire { .. }
        | Command::CreateAgent { .. }
        | Command::UpdateAgent { .. }
        | Command::DeleteAgent { .. }
        | Command::SetAgentState { .. }
        | Command::ReportEndpoint { .. }
        | Command::StartSession { .. }
        | Command::EndSession { .. }
        | Command::TickAgent { .. } => unreachable!("dispatched above"),
    }
}

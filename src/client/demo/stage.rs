//! What everybody in the demonstration shares: the desk, the clock, the calls, the cases, and the board they are shown on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::calls::Calls;
use super::customer::Phase;
use super::plot::{Act, Chapter, Plot};
use super::print::Printer;
use crate::clock::{Clock, Span, Time};
use crate::proto::handoff::v1::{Decision, Heartbeat, SendHeartbeatsRequest, SessionState};
use crate::shutdown::Shutdown;

pub(super) struct Stage {
    /// `desks/{desk}`.
    pub(super) desk: String,
    pub(super) clock: Clock,
    /// When the morning began.
    pub(super) start: Time,
    pub(super) seed: u64,
    /// See `Scale::pace`.
    pub(super) pace: f64,
    pub(super) calls: Calls,
    pub(super) cases: Cases,
    pub(super) pulse: Pulse,
    pub(super) board: Board,
    /// Thrown when the run is broken off or over.
    pub(super) stopping: Shutdown,
}

impl Stage {
    pub(super) fn agent(&self, id: &str) -> String {
        format!("{}/agents/{id}", self.desk)
    }

    pub(super) fn connector(&self, id: &str) -> String {
        format!("{}/connectors/{id}", self.desk)
    }

    pub(super) fn ticket(&self, id: &str) -> String {
        format!("{}/tickets/{id}", self.desk)
    }

    /// Says something beside the decisions.
    pub(super) fn aside(&self, text: &str) {
        let now = self.clock.now();
        self.board.show(|printer| printer.aside(now, text));
    }

    /// A time that people take, in the run's pace.
    pub(super) fn human(&self, span: Span) -> Span {
        super::traffic::scaled(span, self.pace)
    }
}

/// The printer, shared. When nobody reads any more (a closed pipe), it falls silent and says so once.
pub(super) struct Board {
    /// Guards the printer while a line is written.
    printer: Mutex<Printer>,
    broken: watch::Sender<bool>,
}

impl Board {
    pub(super) fn new(printer: Printer) -> Board {
        Board { printer: Mutex::new(printer), broken: watch::Sender::new(false) }
    }

    pub(super) fn show(&self, write: impl FnOnce(&mut Printer) -> std::io::Result<()>) {
        let mut printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        if !*self.broken.borrow() && write(&mut printer).is_err() {
            self.broken.send_replace(true);
        }
    }

    pub(super) fn decision(&self, connector: &str, decision: &Decision, clock: &Clock) {
        self.show(|printer| printer.decision(connector, decision, clock.uptime()));
    }

    /// Returns when nobody reads any more.
    pub(super) async fn broken(&self) {
        let mut broken = self.broken.subscribe();
        // The sender lives as long as this borrow of the board.
        if broken.wait_for(|broken| *broken).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The customers' side of every ticket of the run, by the ticket's name.
#[derive(Default)]
pub(super) struct Cases {
    /// Guards the map; never held across a wait.
    all: Mutex<BTreeMap<String, Case>>,
}

struct Case {
    plot: Plot,
    phase: watch::Sender<Phase>,
    /// Chapters begun.
    begun: usize,
    /// What was found for a leg that is being worked on: a session that comes back finds the same.
    legs: BTreeMap<String, Chapter>,
}

impl Cases {
    pub(super) fn open(&self, ticket: String, plot: Plot) -> watch::Receiver<Phase> {
        let (phase, watcher) = watch::channel(Phase::Waiting);
        self.lock().insert(ticket, Case { plot, phase, begun: 0, legs: BTreeMap::new() });
        watcher
    }

    /// What whoever works on the leg finds. A ticket that is not of this run is simply answered.
    pub(super) fn begin(&self, ticket: &str, leg: &str) -> Chapter {
        let mut all = self.lock();
        let Some(case) = all.get_mut(ticket) else {
            return Chapter { handling: Span::from_secs(60), act: Act::Resolve };
        };
        if let Some(chapter) = case.legs.get(leg) {
            return chapter.clone();
        }
        let chapter = case.next();
        case.legs.insert(leg.to_owned(), chapter.clone());
        chapter
    }

    /// The next chapter with the same agent: back from asking somebody.
    pub(super) fn go_on(&self, ticket: &str) -> Chapter {
        let mut all = self.lock();
        all.get_mut(ticket).map_or(Chapter { handling: Span::from_secs(30), act: Act::Resolve }, Case::next)
    }

    /// The customer learns of a decision.
    pub(super) fn tell(&self, decision: &Decision) {
        if let Some(case) = self.lock().get(&decision.ticket) {
            case.phase.send_if_modified(|phase| match phase.after(decision) {
                Some(next) if next != *phase => {
                    *phase = next;
                    true
                }
                Some(_) | None => false,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Case>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Case {
    fn next(&mut self) -> Chapter {
        let place = self.begun.min(self.plot.chapters.len().saturating_sub(1));
        self.begun += 1;
        let answered = Chapter { handling: Span::from_secs(60), act: Act::Resolve };
        self.plot.chapters.get(place).cloned().unwrap_or(answered)
    }
}

/// Every session's heartbeat, in one call: sessions that are not in it go unheard.
#[derive(Default)]
pub(super) struct Pulse {
    /// By agent name. Guards the map alone.
    sessions: Mutex<BTreeMap<String, Session>>,
    beats: AtomicU32,
    late: AtomicU32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    epoch: u64,
    device: String,
}

/// Half of what the service asks for: on a busy machine one may come late.
const BEAT: Span = Span::from_secs(5);
/// A beat that takes this long, call included, is late: people's times of a few seconds mean nothing then.
const LATE: Span = Span::from_secs(10);

impl Pulse {
    pub(super) fn add(&self, agent: &str, epoch: u64, device: &str) {
        self.lock().insert(agent.to_owned(), Session { epoch, device: device.to_owned() });
    }

    pub(super) fn remove(&self, agent: &str) {
        self.lock().remove(agent);
    }

    pub(super) fn epoch(&self, agent: &str) -> Option<u64> {
        self.lock().get(agent).map(|session| session.epoch)
    }

    /// Beats until the run stops. A session that the service calls over is dropped.
    pub(super) async fn beat(&self, stage: &Stage) {
        loop {
            let begun = stage.clock.now();
            let heartbeats: Vec<Heartbeat> =
                self.lock().iter().map(|(agent, session)| session.heartbeat(agent)).collect();
            if !heartbeats.is_empty() {
                let sent: BTreeMap<String, u64> =
                    heartbeats.iter().map(|beat| (beat.agent.clone(), beat.session_epoch)).collect();
                let request = SendHeartbeatsRequest { parent: stage.desk.clone(), heartbeats };
                let answer = stage.calls.send_heartbeats(request).await;
                for result in stage.calls.settle("SendHeartbeats", answer).into_iter().flat_map(|answer| answer.results)
                {
                    let mut sessions = self.lock();
                    let same =
                        sessions.get(&result.agent).map(|session| session.epoch) == sent.get(&result.agent).copied();
                    if result.state() != SessionState::Live && same {
                        sessions.remove(&result.agent);
                    }
                }
            }
            stage.clock.sleep(BEAT).await;
            self.beats.fetch_add(1, Ordering::Relaxed);
            self.late.fetch_add(u32::from(stage.clock.now() - begun > LATE), Ordering::Relaxed);
        }
    }

    /// Of a hundred beats, those that were late: how well the machine keeps up with the clock's rate.
    pub(super) fn late_percent(&self) -> u32 {
        self.late.load(Ordering::Relaxed) * 100 / self.beats.load(Ordering::Relaxed).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn heartbeat(&self, agent: &str) -> Heartbeat {
        Heartbeat { agent: agent.to_owned(), session_epoch: self.epoch, device_id: self.device.clone() }
    }
}

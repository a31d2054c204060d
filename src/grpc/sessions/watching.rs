//! What a session's stream is told. It wakes with the desk's log, looks only at entries that concern its agent, reads the
//! agent's whole situation and sends what differs from what it sent before: nothing is missed by reading late, and an end
//! that came in between is seen as an end.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::Status;

use super::situation::Situation;
use super::{epoch, has, over, stale};
use crate::availability::Availability;
use crate::domain::log::LogRow;
use crate::domain::time::{Span, Time};
use crate::engine::Engine;
use crate::grpc::agents::find;
use crate::grpc::form::Form;
use crate::grpc::name::AgentRef;
use crate::grpc::status::{Fault, of_store};
use crate::grpc::{agents, render};
use crate::proto::handoff::v1::session_update::Update;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::hub::{DeviceSeat, Recent};
use crate::stream::seats::Standing;

/// The lease changes without an entry in the log; this is how late a stream may say so.
const LOOK_AGAIN: Span = Span::from_secs(5);
/// Entries looked at under one lock.
const SCAN: usize = 1;
/// How long a client that is sent away waits before it comes back.
const RECONNECT_DELAY: Span = Span::from_secs(1);

pub(in crate::grpc) struct SessionWatch<S, A> {
    engine: Engine<S, A>,
    named: AgentRef,
    session_epoch: u64,
    seat: DeviceSeat,
    head: watch::Receiver<u64>,
    shutdown: Shutdown,
    /// Entries up to here are part of `told`.
    cursor: u64,
    /// `None`: the snapshot is still to come.
    told: Option<Situation>,
    look_time: Time,
    pending: VecDeque<Update>,
    over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    No,
    /// What is pending is the last.
    Ended,
    /// `going_away` is out; the status is next.
    GoingAway,
    Yes,
}

/// Opens WatchSession.
pub(in crate::grpc) async fn watch<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    shutdown: &Shutdown,
    request: &pb::WatchSessionRequest,
) -> Result<SessionWatch<S, A>, Status> {
    let mut form = Form::new();
    let named = form.agent("name", &request.name);
    epoch(&mut form, "session_epoch", request.session_epoch);
    let device = form.named("device_id", &request.device_id);
    let (named, device) = form.finish(named.zip(device))?;
    let row = find(engine, &named).await?;
    if !has(&row, request.session_epoch) {
        return Err(stale(&named, &row));
    }
    if row.session.as_ref().is_some_and(|session| !session.devices.contains(&device)) {
        let message = "the device has not joined the session; start or join it first";
        return Err(Fault::new(ErrorReason::SessionStale, message).into());
    }
    Ok(SessionWatch::new(engine.clone(), shutdown.clone(), named, request.session_epoch, device))
}

impl<S: Store, A: Availability> SessionWatch<S, A> {
    pub(super) fn new(
        engine: Engine<S, A>,
        shutdown: Shutdown,
        named: AgentRef,
        session_epoch: u64,
        device: Arc<str>,
    ) -> SessionWatch<S, A> {
        let seat = engine.hub().watch_session(&named.desk, &named.agent, device);
        let head = engine.hub().head(&named.desk);
        let look_time = engine.clock().now() + LOOK_AGAIN;
        SessionWatch {
            engine,
            named,
            session_epoch,
            seat,
            head,
            shutdown,
            cursor: 0,
            told: None,
            look_time,
            pending: VecDeque::new(),
            over: Over::No,
        }
    }

    /// The next update, for as long as there is one. May be cancelled and called again: what was not handed out stays.
    pub async fn next(&mut self) -> Option<Result<pb::SessionUpdate, Status>> {
        loop {
            if let Some(update) = self.pending.pop_front() {
                return Some(Ok(pb::SessionUpdate { update: Some(update) }));
            }
            match self.over {
                Over::No => {}
                Over::Ended | Over::Yes => return None,
                Over::GoingAway => {
                    self.over = Over::Yes;
                    return Some(Err(Fault::shutting_down().into()));
                }
            }
            if let Err(status) = self.advance().await {
                self.over = Over::Yes;
                return Some(Err(status));
            }
        }
    }

    pub(super) fn named(&self) -> &AgentRef {
        &self.named
    }

    pub(super) fn session_epoch(&self) -> u64 {
        self.session_epoch
    }

    async fn advance(&mut self) -> Result<(), Status> {
        match self.seat.standing() {
            Standing::Seated => {}
            Standing::Displaced => return Err(displaced()),
        }
        if self.shutdown.is_stopping() {
            self.over = Over::GoingAway;
            self.pending.push_back(Update::GoingAway(render::going_away(None, RECONNECT_DELAY)));
            return Ok(());
        }
        let now = self.engine.clock().now();
        // Marked as seen before anything is read: what is appended after this wakes the stream.
        let head = *self.head.borrow_and_update();
        if self.told.is_none() || self.look_time <= now || self.concerned(head) {
            return self.look(head, now).await;
        }
        self.wait().await;
        Ok(())
    }

    /// Whether an entry up to `head` that was not looked at yet is about this agent.
    fn concerned(&mut self, head: u64) -> bool {
        if self.cursor >= head {
            return false;
        }
        let (told, agent) = (self.told.as_ref(), &self.named.agent);
        let concerns = |row: &LogRow| told.is_none_or(|told| told.is_concerned_by(row, agent));
        match self.engine.hub().scan(&self.named.desk, self.cursor, SCAN, concerns) {
            Recent::Rows { rows, upto } => {
                self.cursor = if rows.is_empty() { upto } else { self.cursor };
                !rows.is_empty()
            }
            Recent::Older => true,
        }
    }

    async fn look(&mut self, head: u64, now: Time) -> Result<(), Status> {
        let agent = &self.named.agent;
        let (desk, store) = (&self.named.desk, self.engine.store());
        let row = find(&self.engine, &self.named).await?;
        let mut work = store.work_of(desk, agent).await.map_err(|error| of_store(&error))?;
        // What was told and is the agent's no more: its end is still to be told.
        let told = self.told.iter().flat_map(Situation::tickets);
        for ticket in told.filter(|ticket| work.iter().all(|row| row.id != *ticket)).collect::<Vec<_>>() {
            work.extend(store.get_ticket(desk, ticket).await.map_err(|error| of_store(&error))?);
        }
        let drawn = agents::draw(&self.engine, desk, &row).await?;
        let now_is = Situation::of(&desk.desk, drawn, agent, &work, self.told.as_ref());
        match &self.told {
            None => self.pending.push_back(Update::Snapshot(now_is.snapshot())),
            Some(told) => self.pending.extend(now_is.changes_since(told)),
        }
        if !has(&row, self.session_epoch) {
            let state = over(&self.engine, desk, agent, self.session_epoch);
            self.pending.push_back(Update::Ended(pb::SessionEnded { state: state as i32 }));
            self.over = Over::Ended;
        }
        self.told = Some(now_is.standing());
        self.cursor = self.cursor.max(head);
        self.look_time = now + LOOK_AGAIN;
        Ok(())
    }

    async fn wait(&mut self) {
        let clock = self.engine.clock().clone();
        tokio::select! {
            biased;
            _ = self.seat.lost() => {}
            () = self.shutdown.wait() => {}
            // The hub lives as long as the engine, so there is always a sender.
            _ = self.head.changed() => {}
            () = clock.sleep_until(self.look_time) => {}
        }
    }
}

fn displaced() -> Status {
    Fault::new(ErrorReason::SessionDisplaced, "a newer stream of the same device replaced this one").into()
}

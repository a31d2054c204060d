//! OpenSession: a session on one stream. The stream renews the lease and tells what WatchSession tells; when it breaks, the
//! session goes on until its lease ends.

use std::time::Duration;

use tonic::{Status, Streaming};

use super::watching::SessionWatch;
use super::{asked, begin, command, ending};
use crate::availability::Availability;
use crate::domain::event::Actor;
use crate::domain::id::DeskKey;
use crate::engine::{Call, Engine};
use crate::grpc::call::submit;
use crate::grpc::form::Form;
use crate::grpc::serve::unreadable;
use crate::grpc::status::{About, Fault, of_failure};
use crate::proto::handoff::v1::open_session_request::Request as Up;
use crate::proto::handoff::v1::open_session_response::Response as Down;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::routing::command::Command;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// How long a client may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

pub(in crate::grpc) struct OpenSession<S, A> {
    engine: Engine<S, A>,
    watch: SessionWatch<S, A>,
    inbound: Streaming<pb::OpenSessionRequest>,
    welcome: Option<pb::SessionWelcome>,
    /// The client has said all it had to say; it still listens.
    deaf: bool,
    over: bool,
}

pub(in crate::grpc) async fn open<S: Store, A: Availability>(
    engine: Engine<S, A>,
    mut shutdown: Shutdown,
    mut inbound: Streaming<pb::OpenSessionRequest>,
) -> Result<OpenSession<S, A>, Status> {
    let said = tokio::select! {
        biased;
        () = shutdown.wait() => return Err(Fault::shutting_down().into()),
        said = engine.clock().real_timeout(HELLO, inbound.message()) => said,
    };
    let Ok(said) = said else { return Err(protocol("no hello came within 10 s")) };
    let hello = match said.map_err(unreadable)? {
        Some(pb::OpenSessionRequest { request: Some(Up::Hello(hello)) }) => hello,
        Some(_) => return Err(protocol("the first message must be a hello")),
        None => return Err(protocol("the stream ended before a hello came")),
    };
    let mut form = Form::new();
    let named = form.agent("hello.agent", &hello.agent);
    let asked = asked(&mut form, "hello.", named, &hello.device_id, hello.mode, &hello.secret);
    let asked = form.finish(asked)?;
    let fresh = engine.entropy().secret();
    let call = alone(&asked.named.desk, command(&asked, &fresh));
    let started = begin(&engine, asked, fresh, call).await?;
    let epoch = started.welcome.session_epoch;
    let watch = SessionWatch::new(engine.clone(), shutdown, started.named, epoch, started.device);
    Ok(OpenSession { engine, watch, inbound, welcome: Some(started.welcome), deaf: false, over: false })
}

impl<S: Store, A: Availability> OpenSession<S, A> {
    /// The next message, for as long as there is one.
    pub async fn next(&mut self) -> Option<Result<pb::OpenSessionResponse, Status>> {
        if let Some(welcome) = self.welcome.take() {
            return Some(Ok(down(Down::Welcome(welcome))));
        }
        while !self.over {
            let said = tokio::select! {
                biased;
                said = self.inbound.message(), if !self.deaf => said,
                told = self.watch.next() => {
                    return told.map(|told| told.map(|update| down(Down::Update(update))));
                }
            };
            if let Err(status) = self.hear(said).await {
                self.over = true;
                return Some(Err(status));
            }
        }
        None
    }

    async fn hear(&mut self, said: Result<Option<pb::OpenSessionRequest>, Status>) -> Result<(), Status> {
        let request = match said {
            Ok(Some(request)) => request.request,
            Ok(None) => {
                self.deaf = true;
                return Ok(());
            }
            // Reset by the client, or its connection is gone: there is nobody to tell.
            Err(status) if status.code() == tonic::Code::Cancelled || status.code() == tonic::Code::Unknown => {
                self.over = true;
                return Ok(());
            }
            Err(status) => return Err(unreadable(status)),
        };
        let (named, epoch) = (self.watch.named(), self.watch.session_epoch());
        match request {
            Some(Up::Heartbeat(pb::SessionHeartbeat {})) => {
                // A session that is over says so itself, by its entry in the log.
                let beaten = self.engine.beat(&named.desk, &[(named.agent.clone(), epoch)]).await;
                beaten.map(|_renewed| ()).map_err(|failure| of_failure(failure, &About::agent(named)))
            }
            Some(Up::End(pb::SessionEnd {})) => {
                let call = alone(&named.desk, ending(&named.agent, epoch));
                submit(&self.engine, call, &About::agent(named)).await.map(|_reply| ())
            }
            Some(Up::Hello(_)) | None => Err(protocol("after the hello only heartbeats and an end may be sent")),
        }
    }
}

/// A call that is not repeated under a request id: a stream that breaks is opened anew.
fn alone(desk: &DeskKey, command: Command) -> Call {
    Call { desk: desk.clone(), actor: Actor::Caller, command, dedup: None, validate_only: false }
}

fn protocol(what: &str) -> Status {
    Fault::new(ErrorReason::Protocol, what).into()
}

fn down(response: Down) -> pb::OpenSessionResponse {
    pb::OpenSessionResponse { response: Some(response) }
}

//! A connection to a server, and calls that are repeated until they are answered.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::clock::Clock;
use crate::entropy::Entropy;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits between the attempts of one call.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1_600),
    Duration::from_millis(3_200),
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{server}` is no address of a server such as http://127.0.0.1:50051")]
    Address { server: String, source: tonic::transport::Error },
    #[error("cannot reach the server at {server}: {}", cause(error))]
    Unreachable { server: String, error: tonic::transport::Error },
    /// What the server said, for whoever asked.
    #[error("{what}: {}", said(status))]
    Refused { what: String, status: Box<Status> },
}

/// A server that answered.
#[derive(Debug)]
pub struct Connection {
    pub channel: Channel,
    clock: Clock,
    entropy: Entropy,
}

impl Connection {
    pub async fn open(server: &str, clock: Clock, entropy: Entropy) -> Result<Connection, Error> {
        let address = |source| Error::Address { server: server.to_owned(), source };
        let endpoint = Endpoint::from_shared(server.to_owned()).map_err(address)?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT);
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| Error::Unreachable { server: server.to_owned(), error })?;
        Ok(Connection { channel, clock, entropy })
    }

    /// An id for one change, kept through its repetitions so that it is made once.
    pub fn request_id(&self) -> String {
        self.entropy.request_id(self.clock.now())
    }

    /// Repeats a call that may be repeated (it reads, or carries a request id) while the server cannot answer.
    pub async fn call<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        for pause in PAUSES {
            match attempt().await {
                Err(status) if is_temporary(status.code()) => self.clock.real_sleep(pause).await,
                answer => return answer.map(Response::into_inner),
            }
        }
        attempt().await.map(Response::into_inner)
    }
}

fn is_temporary(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

/// The innermost cause: the outer ones say "transport error".
fn cause(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The message of a status, else the words of its code.
pub fn said(status: &Status) -> String {
    if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() }
}

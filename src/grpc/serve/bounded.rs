//! A service whose refusal of an oversized request says what the contract promises, instead of what tonic says.

use std::convert::Infallible;

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::grpc::status::Fault;
use crate::proto::handoff::v1::ErrorReason;

/// The largest request message.
pub const MAX_REQUEST: usize = 256 * 1024;
/// How tonic begins to say that a message is over the limit. It has no other mark.
const OVERSIZED: &str = "Error, decoded message length too large";

#[derive(Clone, Debug)]
pub(super) struct Bounded<S>(pub S);

impl<S: NamedService> NamedService for Bounded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Bounded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let work = self.0.call(request);
        Box::pin(async move {
            let response = work.await?;
            let refused = Status::from_header_map(response.headers());
            Ok(match refused {
                Some(status) if is_oversized(&status) => too_large().into_http(),
                Some(_) | None => response,
            })
        })
    }
}

/// What a client is told whose message on a stream could not be read: oversized, or not decodable.
pub fn unreadable(status: Status) -> Status {
    if is_oversized(&status) { too_large() } else { status }
}

fn is_oversized(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().starts_with(OVERSIZED)
}

fn too_large() -> Status {
    Fault::new(ErrorReason::TooLarge, format!("the request is over {} KiB", MAX_REQUEST / 1024)).into()
}

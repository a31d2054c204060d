//! A service whose bounds on a call's size and time say what the contract promises, instead of what tonic says.

use std::convert::Infallible;
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::clock::Clock;
use crate::grpc::status::Fault;
use crate::proto::handoff::v1::ErrorReason;

/// The largest request message.
pub const MAX_REQUEST: usize = 256 * 1024;
/// How tonic begins to say that a message is over the limit. It has no other mark.
const OVERSIZED: &str = "Error, decoded message length too large";

/// How long a call may take, as its client says.
const TIMEOUT: &str = "grpc-timeout";
/// Digits of that.
const TIMEOUT_DIGITS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Bounded<S> {
    service: S,
    clock: Clock,
}

impl<S> Bounded<S> {
    pub fn new(service: S, clock: &Clock) -> Bounded<S> {
        Bounded { service, clock: clock.clone() }
    }
}

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
        self.service.poll_ready(context)
    }

    /// tonic has a timer for the same deadline and would answer CANCELLED, to a page in words it cannot read. This one is
    /// started before it, and what it guards is polled first.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let late = timeout(request.headers()).map(|limit| self.clock.real_timer(limit));
        let work = self.service.call(request);
        Box::pin(async move {
            let response = match late {
                None => work.await?,
                Some(late) => tokio::select! {
                    biased;
                    done = work => done?,
                    () = late => return Ok(deadline_passed().into_http()),
                },
            };
            let refused = Status::from_header_map(response.headers());
            Ok(match refused {
                Some(status) if is_oversized(&status) => too_large().into_http(),
                Some(_) | None => response,
            })
        })
    }
}

/// Absent or unreadable: none.
fn timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let unit = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(unit)?;
    let is_number = number.len() <= TIMEOUT_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn deadline_passed() -> Status {
    Fault::new(ErrorReason::DeadlinePassed, "the call's deadline passed; repeat it with the same request id").into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Time;
    use tonic_types::StatusExt as _;

    /// Never answers.
    #[derive(Clone)]
    struct Silent;

    impl Service<http::Request<Body>> for Silent {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<Body>) -> Self::Future {
            std::future::pending()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_deadline_passes_is_told_so_and_not_that_it_was_cancelled() {
        let clock = Clock::starting_at(Time(0), 1);
        let request = http::Request::builder().header(TIMEOUT, "20m").body(Body::empty()).expect("a request");
        let response = Bounded::new(Silent, &clock).call(request).await.expect("an answer");
        assert_eq!(clock.uptime(), Duration::from_millis(20));
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.get_details_error_info().expect("a reason").reason, "DEADLINE_PASSED");
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        let read = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(TIMEOUT, text.parse().expect("a value"));
            timeout(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("99999999M"), Some(Duration::from_secs(99_999_999 * 60)));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "5", "5s", "-5S", "+5S", "123456789S", "5 S"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

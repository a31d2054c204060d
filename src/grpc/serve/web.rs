//! What browsers need: gRPC-web beside gRPC on the same port, and leave for pages of other origins to use it (CORS).

use std::time::Duration;

use tonic::codegen::http::Method;
use tonic::codegen::http::header::{self, HeaderName, HeaderValue, InvalidHeaderValue};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// Any page of any origin.
pub const ANYWHERE: &str = "*";
/// What gRPC-web clients send beside the content type, and what callers add for tracing and, later, authentication.
const REQUEST_HEADERS: [&str; 6] =
    ["x-grpc-web", "x-user-agent", "grpc-timeout", "authorization", "traceparent", "tracestate"];
/// Where gRPC puts a status that comes without a message. A page may not read them unless they are named here.
const STATUS_HEADERS: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
/// How long a browser may remember what it was allowed.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Lets pages of these origins call; none: of no other origin.
///
/// # Errors
/// When an origin cannot stand in a header.
pub(super) fn cors(origins: &[String]) -> Result<CorsLayer, InvalidHeaderValue> {
    let allowed = if origins.iter().any(|origin| origin == ANYWHERE) {
        AllowOrigin::from(Any)
    } else {
        let listed = origins.iter().map(|origin| HeaderValue::from_str(origin));
        AllowOrigin::list(listed.collect::<Result<Vec<_>, _>>()?)
    };
    let sent = REQUEST_HEADERS.into_iter().map(HeaderName::from_static).chain([header::CONTENT_TYPE]);
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers(sent.collect::<Vec<_>>())
        .expose_headers(STATUS_HEADERS.map(HeaderName::from_static))
        .max_age(MAX_AGE);
    Ok(layer)
}

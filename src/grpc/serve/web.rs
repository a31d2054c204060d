//! Which pages may call over gRPC-web: those of the origins that the settings name, and no others.

use std::sync::Arc;
use std::time::Duration;

use tonic::codegen::http::Method;
use tonic::codegen::http::header::{self, HeaderName, HeaderValue, InvalidHeaderValue};
use tonic::{Request, Status};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::grpc::status::Fault;
use crate::proto::handoff::v1::ErrorReason;

/// Any page of any origin.
pub const ANYWHERE: &str = "*";
/// What gRPC-web clients send beside the content type, and what callers add for tracing and, later, authentication.
const REQUEST_HEADERS: [&str; 6] =
    ["x-grpc-web", "x-user-agent", "grpc-timeout", "authorization", "traceparent", "tracestate"];
/// Where gRPC puts a status that comes without a message. A page may not read them unless they are named here.
const STATUS_HEADERS: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
/// How long a browser may remember what it was allowed.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Has browsers let pages of these origins call.
///
/// # Errors
/// When an origin cannot stand in a header.
pub(super) fn cors(origins: &[String]) -> Result<CorsLayer, InvalidHeaderValue> {
    let allowed = if anywhere(origins) {
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

/// Refuses a page without leave here too: to a browser that was told that our address is a name of the page's site (DNS
/// rebinding) the page is of our own origin, and CORS does not ask.
pub(super) fn guard(origins: &[String]) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + use<> {
    let allowed: Arc<[String]> = Arc::from(origins);
    move |request| {
        // Only browsers send one; they always do.
        let Some(origin) = request.metadata().get(header::ORIGIN.as_str()) else { return Ok(request) };
        let named = allowed.iter().any(|allowed| origin.as_encoded_bytes() == allowed.as_bytes());
        if named || anywhere(&allowed) { Ok(request) } else { Err(refused()) }
    }
}

fn anywhere(origins: &[String]) -> bool {
    origins.iter().any(|origin| origin == ANYWHERE)
}

fn refused() -> Status {
    Fault::new(ErrorReason::OriginRefused, "pages of this origin may not call; see allowed_origins").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn code(allowed: &[&str], origin: Option<&str>) -> Option<Code> {
        let mut request = Request::new(());
        if let Some(origin) = origin {
            request.metadata_mut().insert("origin", origin.parse().expect("a value"));
        }
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        guard(&allowed)(request).err().map(|status| status.code())
    }

    #[test]
    fn a_page_calls_only_with_leave_and_what_is_no_page_always() {
        let desk = "https://desk.example.com";
        assert_eq!(code(&[], None), None);
        assert_eq!(code(&[], Some(desk)), Some(Code::PermissionDenied));
        assert_eq!(code(&[desk], Some(desk)), None);
        assert_eq!(code(&[desk], Some("https://desk.example.com.evil.example")), Some(Code::PermissionDenied));
        assert_eq!(code(&[desk], Some("null")), Some(Code::PermissionDenied));
        assert_eq!(code(&["*"], Some(desk)), None);
    }
}

//! What an orchestrator asks over HTTP: `/livez` (does the process answer) and `/readyz` (may it be sent calls).
//!
//! Neither looks at PostgreSQL or Redis. A replica whose database is gone answers its callers with UNAVAILABLE and when to try
//! again, keeps its streams, and goes on by itself when the database is back; if that took it out of service, every replica
//! would be withdrawn at once, or started again for nothing.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It reads what it needs.
    Starting,
    Serving,
    /// It was asked to stop, and lets what has begun come to its end.
    Stopping,
}

impl Phase {
    fn readiness(self) -> (StatusCode, &'static str) {
        match self {
            Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Phase::Serving => (StatusCode::OK, "serving\n"),
            Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        }
    }
}

/// Answers until it is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, phase: watch::Receiver<Phase>) -> std::io::Result<()> {
    let readyz = async move || phase.borrow().readiness();
    let routes = Router::new().route("/livez", get(async || "alive\n")).route("/readyz", get(readyz));
    axum::serve(listener, routes).await
}

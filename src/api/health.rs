//! Answers about the host itself: `/healthz`, `/readyz`, `/metrics`.
//!
//! The first two need no login and say nothing but how the host is: probes of orchestrators and load balancers have none.
//! They answer from the first moment on; everybody else waits until every job is known.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};

use super::{Api, answer, problem::Answer};

/// The media type of OpenMetrics 1.0, which Prometheus asks for.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The path of the numbers.
pub const METRICS: &str = "/metrics";

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route(METRICS, get(metrics))
}

/// Tells whether a path is a probe's, which needs no login and waits for nothing.
pub fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Lets a request wait until every job is known, so that no answer shows half a host.
pub async fn once_ready(api: &Api, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if !is_probe(request.uri().path()) {
        tokio::select! {
            biased;
            // Cancel-safe: both only look at a value.
            () = api.handle.view().ready() => {}
            () = api.stopped() => {}
        }
    }
    next(request).await
}

async fn healthz(State(api): State<Api>) -> Response {
    match api.handle.is_alive().await {
        true => answer::text(StatusCode::OK, "ok\n"),
        false => answer::text(StatusCode::SERVICE_UNAVAILABLE, "the host does not answer\n"),
    }
}

async fn readyz(State(api): State<Api>) -> Response {
    match api.handle.is_ready().await {
        Ok(()) => answer::text(StatusCode::OK, "ready\n"),
        Err(why) => answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(api): State<Api>) -> Answer {
    let mut response = answer::text(StatusCode::OK, api.handle.metrics().await?);
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    Ok(response)
}

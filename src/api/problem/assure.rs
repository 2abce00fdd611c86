//! The net below our own routes: every error leaves as a problem, and says in `instance` what was asked.
//!
//! Handlers answer with problems. What the libraries below refuse before a handler is asked (a body that is too large, a
//! path that is no text) they answer in plain text; that becomes the detail of a problem here.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{CONTENT_TYPE, Problem, kinds};
use crate::api::{path::Sent, wire::ProblemWire};

/// Bytes of a plain text that become a detail.
const DETAIL_BYTES_MAX: usize = 4096;

/// Seconds after which it is worth while to ask a busy host again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// Tells whether a path, in its one spelling, is one of ours.
pub fn is_ours(path: &str) -> bool {
    path == "/api/v1" || path.starts_with("/api/v1/")
}

/// Lets every answer pass, and makes a problem of what is an error and none.
pub async fn assure(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if !is_ours(request.uri().path()) {
        return next(request).await;
    }
    let asked = request.extensions().get::<Sent>().map(|Sent(path)| path.clone());
    let response = next(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut problem = match parts.extensions.remove::<ProblemWire>() {
        Some(problem) => problem,
        None => of_plain(status, body).await,
    };
    problem.instance = asked;
    let body = serde_json::to_vec(&problem).expect("a problem holds nothing that JSON cannot");
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.entry(header::RETRY_AFTER).or_insert(RETRY_AFTER);
    }
    (parts, Body::from(body)).into_response()
}

async fn of_plain(status: StatusCode, body: Body) -> ProblemWire {
    let kind = kinds::of_status(status.as_u16());
    let text = to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let advice = kinds::of(kind).map(|row| row.advice).unwrap_or_default();
    let detail = if text.is_empty() { advice.to_owned() } else { format!("{text}. {advice}") };
    let Problem(wire) = Problem::new(status, kind, detail);
    *wire
}

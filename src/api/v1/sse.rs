//! Server-sent events: how they are written, what every stream of them has, and where a reader goes on.
//!
//! A stream is asked for its next piece only when its reader has taken the last one: a slow reader makes it wait, and
//! nothing is held for it. While there is nothing to tell, a comment shows that the connection lives.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, Params, Problem};
use crate::api::FOLLOWERS_MAX;

/// Longest silence of a stream.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long a reader that lost its connection waits before it comes again, in milliseconds.
const RETRY_MS: u32 = 2000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Takes a place among those who follow something.
///
/// # Errors
/// When all places are taken.
pub fn place(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&api.followers).try_acquire_owned();
    place.map_err(|_| Problem::busy(format!("{FOLLOWERS_MAX} streams are open already; close one that nobody reads")))
}

/// Returns where a reader goes on: the last id that it saw, by header or, where it can set none, by query.
pub fn last_id(headers: &HeaderMap, params: &Params) -> Option<String> {
    let sent = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    sent.or(params.get("last_event_id")).map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Writes one event.
pub fn event(out: &mut Vec<u8>, id: &str, word: &str, data: &impl Serialize) {
    out.extend_from_slice(format!("id: {id}\nevent: {word}\ndata: ").as_bytes());
    // JSON on one line has no line end in it.
    serde_json::to_writer(&mut *out, data).expect("memory takes what JSON can say");
    out.extend_from_slice(b"\n\n");
}

/// Writes what a stream begins with: where its reader stands, when there is nothing to tell yet.
pub fn hello(id: &str) -> Vec<u8> {
    format!("retry: {RETRY_MS}\nid: {id}\n\n").into_bytes()
}

/// Writes that the connection lives, and where its reader stands.
pub fn beat(id: &str) -> Vec<u8> {
    format!(": still here\nid: {id}\n\n").into_bytes()
}

/// Answers with a stream of events.
pub fn answer(events: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects a block first would keep back news.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

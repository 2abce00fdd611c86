//! HTTP over a running host: Kudu's routes of WebJobs, our own below `/api/v1`, and the files of jobs and logs.
//!
//! ```text
//!  connection ── server ── path: one spelling ── answer: request id ── front ── login ── kudu | v1 | vfs ── HostHandle, View
//! ```
//!
//! A GET shows the view or a range of a log; a POST is a command to the host and its reply. Nothing here decides
//! anything about jobs, and no state of a job is read from disk. Nobody is served whom the door has not let in.

mod answer;
mod app_settings;
mod arm;
mod deployments;
mod doc;
mod etag;
mod front;
mod health;
mod hooks;
mod job_path;
mod kudu;
mod links;
mod list;
mod login;
mod logstream;
mod path;
mod problem;
mod query;
#[cfg(test)]
mod sample;
mod server;
mod site;
mod uploads;
mod v1;
mod vfs;
pub mod wire;
mod zips;

use std::{panic, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
};
use tokio::{
    sync::{Semaphore, watch},
    task,
};
use tower::util::MapRequest;
use tower_http::timeout::RequestBodyTimeoutLayer;

pub use self::server::serve;
use crate::{
    host::{door::Door, handle::HostHandle},
    store::looks::Looks,
};

/// Connections at once; for further ones, those that are idle the longest are closed.
pub const CONNECTIONS_MAX: usize = 1024;

/// Connections of one address at once, this machine's and those of trusted proxies aside.
pub const CONNECTIONS_EACH_MAX: usize = 256;

/// Requests that are answered at once; further ones get 503.
pub const REQUESTS_MAX: usize = 512;

/// Bytes of a request's head, and headers in it; more is answered with 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request.
pub const HEADERS_MAX: usize = 100;

/// Time for a TLS handshake; the connection is closed then.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Time for the head of a request, and of a connection without one; the connection is closed then.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// Time between two pieces of a request's body; the request fails then.
pub const BODY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Bytes of a request's body, uploads aside; more is answered with 413.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of an upload; more is answered with 413.
pub const UPLOAD_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Streams of events, of lines and of findings at once; further ones are answered with 503.
pub const FOLLOWERS_MAX: usize = 256;

/// Searches in logs that read at once; further ones wait between two blocks.
pub const SEARCHES_MAX: usize = 2;

/// Time that requests on their way have once the host stops.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// What every handler knows.
#[derive(Clone, Debug)]
pub struct Api {
    /// The host.
    handle: HostHandle,
    /// Who comes in.
    door: Door,
    /// Becomes true when the host stops: streams without an end of their own end then.
    stopping: watch::Receiver<bool>,
    /// Places of streams.
    followers: Arc<Semaphore>,
    /// Places of searches that read.
    searches: Arc<Semaphore>,
    /// What lies in the data folders of jobs.
    looks: Arc<Looks>,
}

impl Api {
    /// Makes the API of a host; `stopping` becomes true when it is to end its streams.
    pub fn new(handle: HostHandle, door: Door, stopping: watch::Receiver<bool>) -> Self {
        let places = |n_max| Arc::new(Semaphore::new(n_max));
        let (followers, searches) = (places(FOLLOWERS_MAX), places(SEARCHES_MAX));
        Self { handle, door, stopping, followers, searches, looks: Arc::default() }
    }

    /// Waits until the host stops.
    async fn stopped(&self) {
        // A sender that is gone means the same.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// Does what may wait for the disk where it keeps nobody waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(error) => unreachable!("work that has begun is never cancelled: {error}"),
        },
    }
}

/// All routes, with what stands before them.
pub type Service = MapRequest<Router, fn(Request) -> Request>;

/// Returns all routes, with what stands before them, as they are served.
pub fn service(api: Api) -> Service {
    MapRequest::new(router(api), path::respell as fn(Request) -> Request)
}

fn router(api: Api) -> Router {
    let routes = Router::new()
        .merge(kudu::routes())
        .merge(v1::routes())
        .merge(vfs::routes())
        .merge(zips::routes())
        .merge(deployments::routes())
        .merge(logstream::routes())
        .merge(health::routes())
        .merge(arm::routes())
        .merge(app_settings::routes())
        .merge(hooks::routes())
        .merge(site::routes());
    routes
        .fallback(answer::no_route)
        .method_not_allowed_fallback(answer::no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(middleware::from_fn_with_state(api.clone(), meet))
        .with_state(api)
}

/// What every request passes on its way in and every answer on its way out: one layer, for each makes a copy of all that
/// is inside it for each request.
async fn meet(State(api): State<Api>, request: Request, next: Next) -> Response {
    let api = &api;
    let within = async |request| health::once_ready(api, request, async |request| next.run(request).await).await;
    let known = async |request| login::check(api, request, within).await;
    let from_somewhere = async |request| front::meet(api, request, known).await;
    let assured = async |request| problem::assure::assure(request, from_somewhere).await;
    answer::dress(request, async |request| arm::translate(request, assured).await).await
}

#[cfg(test)]
mod tests;

//! The log stream (spec/kudu-webjobs 8.13): lines of the files below `LogFiles` as they come, and, since Kudu's users missed
//! them, those of one job: `/api/logstream/jobs/{kind}/{name}`.
//!
//! A stream ends at its time limit and with the host. Its reader sets the pace: what waits for it is bounded, and the files
//! keep the rest. The application log is written while the root or `Application` is followed.

pub mod session;
pub mod source;

use axum::{
    Extension, Router,
    body::Body,
    extract::{RawQuery, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
    routing::any,
};
use futures_util::stream;

use self::{
    session::{IDLE, Session},
    source::Source,
};
use super::{
    Api, answer,
    path::Sent,
    query::Params,
    vfs::{Named, missing},
};

const START: &str = "/api/logstream/";

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new().route(START, any(follow)).route("/api/logstream/{*path}", any(follow))
}

async fn follow(
    State(api): State<Api>,
    sent: Extension<Sent>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    if request.method() != Method::GET {
        return answer::message(StatusCode::BAD_REQUEST, "a log stream is asked for with GET");
    }
    let parts = match Named::below(START, request.uri(), &api.handle.files()) {
        Ok(named) => named.parts,
        Err(place) => return missing(&place),
    };
    let Some(source) = Source::open(&api, &parts).await else { return missing(&sent.0.0) };
    let filter = Params::parse(query.as_deref()).get("filter").map(str::to_owned);
    let session = Session::new(api, source, filter, IDLE);
    let body = stream::unfold(session, |mut session| async move {
        let text = session.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), session))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! Requests that are passed on to a continuous job which listens on its `WEBJOBS_PORT` (spec/kudu-webjobs 8.8).
//!
//! Bodies stream both ways; nothing is kept. Only the job of this host is reached. The login of the request stays here: a
//! job needs no credentials of the host's. A job that does not answer is Kudu's 404 with the shape of an exception.

use std::{net::Ipv4Addr, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time};
use tracing::debug;

use crate::{
    api::{Api, answer, job_path::JobPath, path},
    host::view::JobView,
    model::{id::JobKind, status::StateWord},
};

/// How long a job may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Segments of the canonical path before what the job is asked: `/api/jobs/continuous/{name}/passthrough`.
const SEGMENTS_BEFORE: usize = 5;

/// Headers that are about one connection, not about what is said on it (RFC 9110, 7.6.1), and the login.
const NOT_PASSED: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Passes a request on, and the answer back.
pub async fn pass(State(api): State<Api>, Path(path): Path<JobPath>, request: Request) -> Response {
    let job = path.find_of(&api, JobKind::Continuous).and_then(|id| api.handle.view().job(&id));
    let Some(port) = job.as_deref().and_then(port) else {
        return failed(&format!("job `{}` is not running on this host, so nobody listens", path.name));
    };
    match forward(request, port).await {
        Ok(response) => response,
        Err(why) => failed(&format!("job `{}` does not answer on port {port} (WEBJOBS_PORT): {why}", path.name)),
    }
}

/// The port of the first copy that runs.
fn port(job: &JobView) -> Option<u16> {
    job.copies.iter().filter(|copy| copy.status.state == StateWord::Running).find_map(|copy| copy.port)
}

async fn forward(request: Request, port: u16) -> Result<Response, String> {
    let connecting = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    let stream = time::timeout(CONNECT_MAX, connecting).await.map_err(|_| "it accepts no connection".to_owned())?;
    let stream = stream.map_err(|error| error.to_string())?;
    // Answers are small and somebody waits for each of them. Where it cannot be set, they come a bit later.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // Ends with the answer's last byte, or when its reader goes.
        if let Err(error) = connection.await {
            debug!(%error, "a connection to a job ended early");
        }
    });
    let response = sender.send_request(addressed(request, port)?).await.map_err(|error| error.to_string())?;
    let (mut parts, body) = response.into_parts();
    unbind(&mut parts.headers);
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The same request as the job is to see it.
fn addressed(request: Request, port: u16) -> Result<Request, String> {
    let (mut parts, body) = request.into_parts();
    let asked = match path::after(parts.uri.path(), SEGMENTS_BEFORE) {
        "" => "/",
        rest => rest,
    };
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    parts.uri = format!("{asked}{query}").parse::<Uri>().map_err(|error| error.to_string())?;
    unbind(&mut parts.headers);
    let host = HeaderValue::from_str(&format!("127.0.0.1:{port}")).expect("digits and dots");
    parts.headers.insert(header::HOST, host);
    parts.extensions.clear();
    let is_get = parts.method == Method::GET;
    if is_get {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    Ok(Request::from_parts(parts, if is_get { Body::empty() } else { body }))
}

/// Takes away what concerns one connection only, also what its `Connection` header names.
fn unbind(headers: &mut HeaderMap) {
    let lists = headers.get_all(header::CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in NOT_PASSED.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Kudu's answer for every failure: an exception in JSON.
fn failed(why: &str) -> Response {
    let exception = serde_json::json!({
        "Message": "An error has occurred.",
        "ExceptionMessage": why,
        "ExceptionType": "System.Net.Http.HttpRequestException",
        "StackTrace": null,
    });
    answer::json(StatusCode::NOT_FOUND, &exception)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_sees_its_own_path_and_no_login() {
        let request = Request::builder()
            .method("POST")
            .uri("/api/jobs/continuous/w/passthrough/A//b%2Fc/?q=1&q=%20")
            .header("authorization", "Basic x")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("x-own", "2")
            .header("host", "site")
            .body(Body::empty())
            .expect("a request");
        let passed = addressed(request, 7000).expect("it is one");
        assert_eq!(passed.uri(), "/A//b%2Fc/?q=1&q=%20");
        let names: Vec<&str> = passed.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-own", "host"]);
        assert_eq!(passed.headers()["host"], "127.0.0.1:7000");
        let root = Request::builder().uri("/api/jobs/continuous/w/passthrough").body(Body::empty()).expect("a request");
        assert_eq!(addressed(root, 1).expect("it is one").uri(), "/");
    }
}

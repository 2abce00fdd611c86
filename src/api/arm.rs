//! The dialect of Azure's resource manager: a request that bears `x-ms-geo-location`, or comes by a path of the management
//! API, is answered by the same handlers, and its answer is put into an envelope afterwards (spec/kudu-webjobs 8.10).
//!
//! Errors become `{"error":{"code","message"}}`; an accepted run is answered with 200.

mod resource;

use axum::{
    Router,
    body::{self, Body},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::Response,
    routing::get,
};
use serde_json::Value;

pub use self::resource::Scope;
use super::{
    Api, answer,
    job_path::JobPath,
    kudu,
    path::{Sent, management},
};
use crate::model::id::JobKind;

/// The header by which Azure's front end marks its requests.
const GEO_LOCATION: HeaderName = HeaderName::from_static("x-ms-geo-location");

/// Largest answer that is put into an envelope, in bytes: a list of 100,000 jobs has fewer.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Returns the routes that only the management API has.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/arm/webjobs/{name}", get(webjob).delete(delete))
}

/// Answers in this dialect whoever speaks it.
pub async fn translate(mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let sent = request.extensions().get::<Sent>().map(|Sent(path)| path.clone()).unwrap_or_default();
    let Some(scope) = scope(request.headers(), &sent) else { return next(request).await };
    request.extensions_mut().insert(scope.clone());
    wrapped(&scope, next(request).await).await
}

/// The id is the path of the `Referer`, which the front end sets to what its client asked for, or else of the request.
fn scope(headers: &HeaderMap, sent: &str) -> Option<Scope> {
    let location = headers.get(GEO_LOCATION);
    if location.is_none() && !management::is_management(sent) {
        return None;
    }
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
    let id = referer.as_ref().map_or(sent, Uri::path).trim_end_matches('/').to_owned();
    let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default();
    Some(Scope { id, location })
}

async fn wrapped(scope: &Scope, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (is_json, is_text) = (media.starts_with("application/json"), media.starts_with("text/plain"));
    let is_error = parts.status.is_client_error() || parts.status.is_server_error();
    if parts.status == StatusCode::ACCEPTED {
        parts.status = StatusCode::OK;
    }
    if !(is_error || is_json) || parts.status == StatusCode::NOT_MODIFIED {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = body::to_bytes(body, ANSWER_BYTES_MAX).await else {
        return answer::message(StatusCode::INTERNAL_SERVER_ERROR, "the answer was cut off");
    };
    let known = serde_json::from_slice::<Value>(&bytes).ok().filter(|_| is_json);
    let shown = match known {
        Some(value) if !is_error => scope.wrap(value),
        Some(value) => Scope::error(&code(parts.status), &message_of(&value, parts.status)),
        None if is_error && is_text => Scope::error(&code(parts.status), &String::from_utf8_lossy(&bytes)),
        None if is_error => Scope::error(&code(parts.status), &message_of(&Value::Null, parts.status)),
        None => return Response::from_parts(parts, Body::from(bytes)),
    };
    let mut response = answer::json(parts.status, &shown);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    response.headers_mut().extend(parts.headers);
    response
}

/// A word for the status, such as `NotFound`.
fn code(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").replace([' ', '-'], "")
}

fn message_of(value: &Value, status: StatusCode) -> String {
    let member = |name| value.get(name).and_then(Value::as_str);
    let text = member("Message").or_else(|| member("detail")).or_else(|| value.as_str());
    text.map_or_else(|| code(status), str::to_owned)
}

/// A job of either kind, by its name; the triggered one where there are both, which comes first in lists.
fn of_any_kind(api: &Api, path: &JobPath) -> Option<JobPath> {
    let kinds = [JobKind::Triggered, JobKind::Continuous];
    let kind = kinds.into_iter().find(|kind| path.find_of(api, *kind).is_some())?;
    Some(JobPath { kind: kind.to_string(), ..path.clone() })
}

async fn webjob(State(api): State<Api>, Path(path): Path<JobPath>, frame: kudu::Frame) -> Response {
    match of_any_kind(&api, &path).and_then(|path| path.view(&api)) {
        Some(job) => kudu::answer_job(api, frame, job).await,
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

/// There is no deletion without a kind (spec/kudu-webjobs 8.10): it would be a guess.
async fn delete() -> Response {
    answer::message(StatusCode::METHOD_NOT_ALLOWED, "delete the job below continuouswebjobs or triggeredwebjobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_referers_path_or_the_requests() {
        let mut headers = HeaderMap::new();
        assert_eq!(scope(&headers, "/api/webjobs"), None);
        let of = |id: &str, location: &str| Some(Scope { id: id.to_owned(), location: location.to_owned() });
        let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x/webjobs/";
        assert_eq!(scope(&headers, path), of(path.trim_end_matches('/'), ""));
        headers.insert(GEO_LOCATION, "West US".parse().expect("a value"));
        assert_eq!(scope(&headers, "/api/webjobs/"), of("/api/webjobs", "West US"));
        let referer = "https://management.azure.com/subscriptions/s/sites/x/webjobs/?api-version=2022-03-01";
        headers.insert(header::REFERER, referer.parse().expect("a value"));
        assert_eq!(scope(&headers, "/api/webjobs"), of("/subscriptions/s/sites/x/webjobs", "West US"));
    }

    #[tokio::test]
    async fn errors_have_a_code_and_a_message() {
        let scope = Scope { id: "/x".to_owned(), location: String::new() };
        for (response, code, message) in [
            (answer::empty(StatusCode::NOT_FOUND), "NotFound", "NotFound"),
            (answer::text(StatusCode::CONFLICT, "it runs"), "Conflict", "it runs"),
            (answer::message(StatusCode::BAD_REQUEST, "no zip"), "BadRequest", "no zip"),
        ] {
            let status = response.status();
            let wrapped = wrapped(&scope, response).await;
            assert_eq!(wrapped.status(), status);
            let bytes = body::to_bytes(wrapped.into_body(), 1000).await.expect("a body");
            let value: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(value, Scope::error(code, message));
        }
    }
}

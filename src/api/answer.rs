//! Answers: what every one carries, and the shapes that Kudu's errors have (spec/kudu-webjobs 8.1).

use axum::{
    Extension,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    path::Sent,
    problem::{Problem, assure::is_ours},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const ARR_LOG_ID: HeaderName = HeaderName::from_static("x-arr-log-id");

/// Gives every answer its request id.
pub async fn dress(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let id = request_id(request.headers());
    let mut response = next(request).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    response
}

/// Answers for what is no route. Below `/api/v1` it is a problem, elsewhere Kudu's text.
pub async fn no_route(uri: Uri, sent: Option<Extension<Sent>>) -> Response {
    if !is_ours(uri.path()) {
        return no_route_to(sent.as_deref());
    }
    let detail = format!("there is nothing at `{}`; GET /api/v1/openapi.json describes every route", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", detail).into_response()
}

/// Answers for methods that a route has not: below `/api/v1` as HTTP has it, elsewhere as Kudu does, which knows a route
/// by its method too.
pub async fn no_method(method: Method, uri: Uri, sent: Option<Extension<Sent>>) -> Response {
    if !is_ours(uri.path()) {
        return no_route_to(sent.as_deref());
    }
    let detail = format!("`{}` has no method {method}; the header `Allow` lists those that it has", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail).into_response()
}

/// The same, for a handler that finds out that it is none.
pub fn no_route_to(sent: Option<&Sent>) -> Response {
    let path = sent.map_or("", |Sent(path)| path);
    json(StatusCode::NOT_FOUND, &format!("No route registered for '{path}'"))
}

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers hold nothing that JSON cannot");
    json_bytes(status, body)
}

/// An answer that is JSON already.
pub fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    (status, Body::empty()).into_response()
}

/// An error that is a plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response {
    (status, text.into()).into_response()
}

/// An error that is a message in JSON.
pub fn message(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({ "Message": message }))
}

/// Says in a response where what it is about lies.
pub fn locate(response: &mut Response, link: &str) {
    // A link that no header can carry is left out: the client asked with a host that is none.
    if let Ok(link) = HeaderValue::from_str(link) {
        response.headers_mut().insert(header::LOCATION, link);
    }
}

/// The id that the request brings, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let brought = headers.get(ARR_LOG_ID).or_else(|| headers.get(REQUEST_ID));
    brought.cloned().unwrap_or_else(|| HeaderValue::from_bytes(&new_id()).expect("hexadecimal digits and dashes"))
}

/// Makes a random id in the form of a version 4 UUID. Without random numbers it is all zeroes: it only names a request.
fn new_id() -> [u8; 36] {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = *b"00000000-0000-0000-0000-000000000000";
    let places = id.iter_mut().filter(|place| **place == b'0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    places.zip(digits).for_each(|(place, digit)| *place = b"0123456789abcdef"[usize::from(digit)]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_echoed_or_new() {
        let mut headers = HeaderMap::new();
        let (first, second) = (request_id(&headers), request_id(&headers));
        assert_ne!(first, second);
        assert_eq!((first.len(), first.as_bytes()[14]), (36, b'4'));
        let groups: Vec<&str> = first.to_str().expect("plain letters").split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{first:?}");
        assert!(groups.concat().bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{first:?}");
        assert!(matches!(groups[3].as_bytes()[0], b'8' | b'9' | b'a' | b'b'), "{first:?}");
        headers.insert(REQUEST_ID, HeaderValue::from_static("mine"));
        assert_eq!(request_id(&headers), "mine");
        headers.insert(ARR_LOG_ID, HeaderValue::from_static("arr"));
        assert_eq!(request_id(&headers), "arr");
    }
}

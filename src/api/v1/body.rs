//! Bodies of our own routes: JSON, or a text, each checked for its type, its size and its form before a handler sees it.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Problem;
use crate::api::{Api, BODY_BYTES_MAX};

/// A body in JSON; an empty one is the default.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A body that is text.
#[derive(Clone, Debug)]
pub struct Text(pub String);

impl<T: DeserializeOwned + Default> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (kind, bytes) = read(request, api).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        if kind.is_some_and(|kind| kind != "application/json" && !kind.ends_with("+json")) {
            return Err(wrong_type("the body must be JSON: send it with `Content-Type: application/json`"));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| not_read(&error))
    }
}

impl FromRequest<Api> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (kind, bytes) = read(request, api).await?;
        let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/") || kind == "application/zip");
        if is_form {
            return Err(wrong_type("the body must be the text itself: send it with `Content-Type: text/plain`"));
        }
        let text = String::from_utf8(bytes.into());
        text.map(Self).map_err(|error| Problem::invalid(format!("the body is not UTF-8: {}", error.utf8_error())))
    }
}

/// Reads a body whole, with its type in lower case and without parameters.
async fn read(request: Request, api: &Api) -> Result<(Option<String>, Bytes), Problem> {
    let kind = media_type(request.headers());
    let bytes = Bytes::from_request(request, api).await;
    let bytes = bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is larger than {BODY_BYTES_MAX} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
        _ => {
            let detail = format!("the body did not come whole: {}", rejection.body_text());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail)
        }
    })?;
    Ok((kind, bytes))
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("unreadable");
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn wrong_type(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type", detail)
}

fn not_read(error: &serde_json::Error) -> Problem {
    let problem = match error.classify() {
        Category::Data => Problem::invalid(format!("the body does not say what it must: {error}")),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("the body is not JSON: {error}"))
        }
    };
    if error.line() == 0 { problem } else { problem.at(error.line(), error.column()) }
}

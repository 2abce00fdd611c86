//! The login: every request, of known routes and unknown ones, brings the credentials (product.md 8).
//!
//! Basic with user and secret, as Kudu's clients do it, or Bearer with the secret alone. Nothing here keeps or prints
//! what was sent.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Api, answer, health, problem::Problem};
use crate::store::credentials::Credentials;

const MISSING: &str = "log in with the user and secret of data/webjobd/credentials; `webjobd credentials` shows how";

/// Lets a request pass that brings the credentials, and answers all others with 401.
pub async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    if health::is_probe(request.uri().path()) || admits(&api.credentials, request.headers()) {
        return next.run(request).await;
    }
    let mut response = match request.uri().path().starts_with("/api/v1") {
        true => Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", MISSING).into_response(),
        false => answer::message(StatusCode::UNAUTHORIZED, MISSING),
    };
    let challenge = HeaderValue::from_static("Basic realm=\"webjobd\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn admits(credentials: &Credentials, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
    let value = value.as_bytes();
    let Some(at) = value.iter().position(|byte| *byte == b' ') else { return false };
    let (scheme, given) = (&value[..at], value[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return credentials.admits_secret(given);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return false;
    }
    let Ok(pair) = STANDARD.decode(given) else { return false };
    let Some(at) = pair.iter().position(|byte| *byte == b':') else { return false };
    credentials.admits(&pair[..at], &pair[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_user_and_secret_pass() {
        let credentials = Credentials::parse("webjobd:s3cret:x").expect("credentials");
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (value, passes) in [
            (basic("webjobd:s3cret:x"), true),
            (basic("webjobd:s3cret:x").replace("Basic", "bAsIc "), true),
            ("Bearer s3cret:x".to_owned(), true),
            ("bearer  s3cret:x".to_owned(), true),
            (basic("webjobd:s3cret"), false),
            (basic("webjobd:"), false),
            (basic("webjobd"), false),
            (basic(":s3cret:x"), false),
            (basic("Webjobd:s3cret:x"), false),
            ("Basic".to_owned(), false),
            ("Basic %%%".to_owned(), false),
            ("Bearer".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Bearer webjobd:s3cret:x".to_owned(), false),
            ("Digest s3cret:x".to_owned(), false),
            ("s3cret:x".to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
            assert_eq!(admits(&credentials, &headers), passes, "{value}");
        }
        assert!(!admits(&credentials, &HeaderMap::new()));
    }
}

//! Kudu's routes of app settings (spec/kudu-webjobs 8.14): texts by name, written as a whole or not at all.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde_json::{Map, Value};

use super::{Api, answer};
use crate::host::handle::ChangeError;

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/settings", get(all).post(write)).route("/api/settings/{key}", get(one).delete(delete))
}

async fn all(State(api): State<Api>) -> Response {
    let all = api.handle.app_settings().into_iter().map(|(name, value)| (name, Value::String(value)));
    answer::json(StatusCode::OK, &all.collect::<Map<_, _>>())
}

async fn one(State(api): State<Api>, Path(key): Path<String>) -> Response {
    match api.handle.app_setting(&key) {
        Some(value) => answer::json(StatusCode::OK, &value),
        None => answer::message(StatusCode::NOT_FOUND, &format!("The setting '{key}' does not exist.")),
    }
}

async fn write(State(api): State<Api>, body: Bytes) -> Response {
    let changes = match changes(&body) {
        Ok(changes) => changes,
        Err(text) => return answer::message(StatusCode::BAD_REQUEST, &text),
    };
    done(api.handle.write_app_settings(changes).await)
}

async fn delete(State(api): State<Api>, Path(key): Path<String>) -> Response {
    done(api.handle.delete_app_setting(&key).await)
}

fn done(result: Result<(), ChangeError>) -> Response {
    match result {
        Ok(()) => answer::empty(StatusCode::NO_CONTENT),
        Err(error) => answer::message(status(&error), &error.to_string()),
    }
}

/// Returns Kudu's status for a change that was not made: 409 for a lock that is not free.
fn status(error: &ChangeError) -> StatusCode {
    match error {
        ChangeError::Invalid(_) => StatusCode::BAD_REQUEST,
        ChangeError::Busy(_) => StatusCode::CONFLICT,
        ChangeError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Takes `{"NAME": "value", …}`, or exactly `{"key": "NAME", "value": "value"}`.
fn changes(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let sent: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| "send settings as one JSON object of texts, such as {\"NAME\": \"value\"}".to_owned())?;
    if let (2, Some(Value::String(key)), Some(value)) = (sent.len(), sent.get("key"), sent.get("value")) {
        return Ok(vec![(key.clone(), text(key, value)?)]);
    }
    sent.iter().map(|(name, value)| Ok((name.clone(), text(name, value)?))).collect()
}

/// The value may be a secret: what is wrong with it is said without it.
fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("the value of `{name}` must be a text, or a number, or true or false"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_body_are_read() {
        let pairs = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Ok(owned.collect::<Vec<_>>())
        };
        for (body, expected) in [
            (r#"{"A":"1","b":"x y"}"#, pairs(&[("A", "1"), ("b", "x y")])),
            (r#"{"key":"A","value":"1"}"#, pairs(&[("A", "1")])),
            (r#"{"value":7,"key":"A"}"#, pairs(&[("A", "7")])),
            (r#"{"key":"A","value":"1","more":true}"#, pairs(&[("key", "A"), ("value", "1"), ("more", "true")])),
            (r#"{"key":"A"}"#, pairs(&[("key", "A")])),
            ("{}", pairs(&[])),
        ] {
            assert_eq!(changes(body.as_bytes()), expected, "{body}");
        }
        for body in
            ["", "null", "[]", "\"A\"", "{", r#"{"A":null}"#, r#"{"A":{}}"#, r#"{"key":"A","value":["s3cret"]}"#]
        {
            let error = changes(body.as_bytes()).expect_err(body);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

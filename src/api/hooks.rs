//! Kudu's routes of hooks (spec/kudu-webjobs 8.9), better where section 12.2 says so: a missing hook is 404, what makes
//! no sense 400. Ours are a secret that signs, and the record of deliveries.

use std::str::FromStr;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Api, answer,
    kudu::{strict, text},
    problem::{Answer, Problem},
    query::Params,
};
use crate::{
    host::handle::{ChangeError, Subscribed, Subscription},
    model::hook::{Attempt, Hook, HookId, Secret},
};

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2048;
/// Longest name of an event, in bytes.
const EVENT_BYTES_MAX: usize = 128;
/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 256;

/// Attempts that are shown when nothing is said.
const ATTEMPTS: usize = 50;

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/hooks", get(all).post(subscribe))
        .route("/api/hooks/{id}", get(one).delete(delete))
        .route("/api/hooks/publish/{event}", post(publish))
        .route("/api/v1/hooks/{id}/deliveries", get(deliveries))
}

/// A hook as Kudu shows it: nulls included, the secret never.
#[derive(Debug, Serialize)]
struct HookWire {
    id: String,
    event: String,
    url: String,
    insecure_ssl: bool,
    last_status: Option<String>,
    last_reason: Option<String>,
    last_datetime: Option<String>,
    last_context: Option<String>,
}

/// The latest attempts, newest first.
#[derive(Debug, Serialize)]
struct DeliveriesWire {
    deliveries: Vec<Attempt>,
}

/// Why a body is no hook.
#[derive(Clone, Debug, PartialEq, Eq)]
enum BadHook {
    /// Its address is none.
    Address(String),
    /// Something else is wrong.
    Other(String),
}

impl From<Hook> for HookWire {
    fn from(hook: Hook) -> Self {
        let url = hook.shown_url();
        let (id, event, insecure_ssl) = (hook.id.to_string(), hook.event, hook.insecure_ssl);
        let (last_datetime, last) = (hook.last.as_ref().map(|last| text::date(Some(last.at))), hook.last);
        let (last_status, last_reason, last_context) = match last {
            Some(last) => (Some(last.status), Some(last.reason), Some(last.context)),
            None => (None, None, None),
        };
        Self { id, event, url, insecure_ssl, last_status, last_reason, last_datetime, last_context }
    }
}

async fn all(State(api): State<Api>) -> Response {
    match api.handle.hooks().await {
        Ok(hooks) => answer::json(StatusCode::OK, &hooks.into_iter().map(HookWire::from).collect::<Vec<_>>()),
        Err(error) => refuse(&error),
    }
}

async fn one(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let hook = match id.parse() {
        Ok(id) => api.handle.hook(id).await,
        Err(_) => Ok(None),
    };
    match hook {
        Ok(Some(hook)) => answer::json(StatusCode::OK, &HookWire::from(hook)),
        Ok(None) if strict::is_on(&api) => answer::json(StatusCode::OK, &Value::Null),
        Ok(None) => answer::empty(StatusCode::NOT_FOUND),
        Err(error) => refuse(&error),
    }
}

async fn subscribe(State(api): State<Api>, body: Bytes) -> Response {
    let asked = match subscription(&body) {
        Ok(asked) => asked,
        Err(BadHook::Address(text)) if strict::is_on(&api) => {
            return strict::exception(StatusCode::INTERNAL_SERVER_ERROR, "System.FormatException", &text);
        }
        Err(BadHook::Address(text) | BadHook::Other(text)) => return answer::message(StatusCode::BAD_REQUEST, &text),
    };
    match api.handle.subscribe(asked).await {
        Ok(Subscribed::New(hook) | Subscribed::Known(hook)) => answer::json(StatusCode::CREATED, &HookWire::from(hook)),
        Ok(Subscribed::Taken) => answer::empty(StatusCode::CONFLICT),
        Err(error) => refuse(&error),
    }
}

async fn delete(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let Ok(id) = HookId::from_str(&id) else { return answer::empty(StatusCode::OK) };
    match api.handle.unsubscribe(id).await {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(error) => refuse(&error),
    }
}

async fn publish(State(api): State<Api>, Path(event): Path<String>, body: Bytes) -> Response {
    let payload: Value = match serde_json::from_slice(&body) {
        Ok(payload) => payload,
        Err(error) => {
            return answer::message(StatusCode::BAD_REQUEST, &format!("what is published must be JSON: {error}"));
        }
    };
    let text = serde_json::to_string_pretty(&payload).expect("JSON is JSON");
    match api.handle.publish(event, text).await {
        Ok(_) => answer::empty(StatusCode::OK),
        Err(error) => refuse(&error),
    }
}

async fn deliveries(State(api): State<Api>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let count = Params::parse(query.as_deref()).value("limit", "a number of deliveries")?.unwrap_or(ATTEMPTS);
    let known = match HookId::from_str(&id) {
        Ok(id) => api.handle.hook(id).await.map_err(|error| Problem::failed(error.to_string()))?,
        Err(_) => None,
    };
    let Some(hook) = known else {
        let detail = format!("there is no hook `{id}`; GET /api/hooks lists all");
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_hook", detail));
    };
    let deliveries = api.handle.deliveries(hook.id, count).await.map_err(|error| Problem::failed(error.to_string()))?;
    Ok(answer::json(StatusCode::OK, &DeliveriesWire { deliveries }))
}

fn refuse(error: &ChangeError) -> Response {
    let status = match error {
        ChangeError::Invalid(_) => StatusCode::BAD_REQUEST,
        // Kudu's answer to a lock that is not free.
        ChangeError::Busy(_) | ChangeError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer::message(status, &error.to_string())
}

/// Takes `{"url": …, "event": …, "insecure_ssl": …, "secret": …}`; names count without regard to case, others are passed
/// over, since clients send back what they got.
fn subscription(body: &[u8]) -> Result<Subscription, BadHook> {
    let form = "send a hook as one JSON object, such as {\"url\": \"https://…\", \"event\": \"…\"}";
    let sent: Map<String, Value> = serde_json::from_slice(body).map_err(|_| BadHook::Other(form.to_owned()))?;
    let member = |name: &str| sent.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let bad = |text: &str| BadHook::Other(text.to_owned());
    let event = bounded("event", member("event"), EVENT_BYTES_MAX)?
        .filter(|event| !event.chars().any(char::is_control))
        .ok_or_else(|| bad("the member `event` must name an event, such as \"TriggeredJobFinished\""))?;
    let insecure_ssl = match member("insecure_ssl") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => return Err(bad("the member `insecure_ssl` must be true or false")),
    };
    let secret = bounded("secret", member("secret"), SECRET_BYTES_MAX)?.map(Secret::new);
    let url = member("url").and_then(Value::as_str).unwrap_or_default();
    if !is_address(url) {
        return Err(BadHook::Address(format!("The hooks address received - '{url}' is invalid.")));
    }
    Ok(Subscription { event, url: url.to_owned(), insecure_ssl, secret })
}

/// Takes a text; an empty one is none.
fn bounded(name: &str, value: Option<&Value>, bytes_max: usize) -> Result<Option<String>, BadHook> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > bytes_max => {
            Err(BadHook::Other(format!("the member `{name}` may have no more than {bytes_max} bytes")))
        }
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(BadHook::Other(format!("the member `{name}` must be a text"))),
    }
}

fn is_address(url: &str) -> bool {
    let is_clean = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    let parsed = Url::parse(url).ok().filter(|_| is_clean && url.len() <= URL_BYTES_MAX);
    parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_as_clients_send_it() {
        let asked = subscription(br#"{"Url":"https://a:b@x.example/h?c=d","EVENT":"E","more":1,"secret":"s"}"#);
        let asked = asked.expect("a subscription");
        assert_eq!((asked.event.as_str(), asked.insecure_ssl), ("E", false));
        assert_eq!(asked.url, "https://a:b@x.example/h?c=d");
        assert_eq!(asked.secret, Some(Secret::new("s".to_owned())));
        for (body, says) in [
            ("", "one JSON object"),
            ("null", "one JSON object"),
            ("[]", "one JSON object"),
            (r#"{"url":"https://x.example"}"#, "`event`"),
            (r#"{"url":"https://x.example","event":""}"#, "`event`"),
            (r#"{"url":"https://x.example","event":7}"#, "`event` must be a text"),
            (r#"{"url":"https://x.example","event":"E","insecure_ssl":"yes"}"#, "`insecure_ssl`"),
            (r#"{"event":"E"}"#, "The hooks address received - '' is invalid."),
            (r#"{"event":"E","url":"x.example"}"#, "The hooks address received - 'x.example' is invalid."),
            (r#"{"event":"E","url":"/hook"}"#, "'/hook' is invalid."),
            (r#"{"event":"E","url":"file:///etc/passwd"}"#, "is invalid."),
            (r#"{"event":"E","url":"http://x.example/a b"}"#, "is invalid."),
        ] {
            let (BadHook::Address(error) | BadHook::Other(error)) = subscription(body.as_bytes()).expect_err(body);
            assert!(error.contains(says), "{body}: {error}");
        }
    }
}

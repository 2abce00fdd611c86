//! Kudu's smaller routes of a site (spec/kudu-webjobs 8.14): what answers here, what it said of late, and the remote
//! shell that there is not.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;

use super::{Api, answer, kudu::text, query::Params};

/// Lines of trace when nothing is said.
const LINES: usize = 100;

const NO_SHELL: &str =
    "webjobd runs no commands for anybody: there is no remote shell. Make the command a triggered job and run that.";

/// What Kudu's application logging may write to. Here the output of jobs is always kept, each in its own log.
const DIAGNOSTICS: [(&str, bool, &str); 3] =
    [("AzureDrive", true, "Verbose"), ("AzureTable", false, "Error"), ("AzureBlob", false, "Error")];

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/environment", get(environment))
        .route("/api/command", post(no_shell))
        .route("/api/logs/recent", get(recent))
        .route("/api/diagnostics/settings", get(diagnostics).post(fixed))
        .route("/api/diagnostics/settings/{key}", get(diagnostic).delete(fixed))
}

#[derive(Debug, Serialize)]
struct Environment {
    version: &'static str,
    product: &'static str,
    instance: String,
    os: &'static str,
    arch: &'static str,
    time_zone: String,
}

async fn environment(State(api): State<Api>) -> Response {
    let environment = Environment {
        version: env!("CARGO_PKG_VERSION"),
        product: "webjobd",
        instance: api.handle.config().instance.to_string(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        time_zone: api.handle.time_zone(),
    };
    answer::json(StatusCode::OK, &environment)
}

async fn no_shell() -> Response {
    answer::message(StatusCode::FORBIDDEN, NO_SHELL)
}

/// One line, with Kudu's members.
#[derive(Debug, Serialize)]
struct Line {
    timestamp: String,
    level: &'static str,
    message: String,
}

async fn recent(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let count = match Params::parse(query.as_deref()).value("top", "a number of lines") {
        Ok(count) => count.unwrap_or(LINES),
        Err(problem) => return problem.into_response(),
    };
    let lines = api.handle.recent_trace(count).into_iter().map(|line| Line {
        timestamp: text::date(Some(line.at)),
        level: line.weight.as_str(),
        message: line.message,
    });
    answer::json(StatusCode::OK, &lines.collect::<Vec<_>>())
}

async fn diagnostics() -> Response {
    answer::json(StatusCode::OK, &diagnostics_map())
}

async fn diagnostic(Path(key): Path<String>) -> Response {
    match diagnostics_map().into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)) {
        Some((_, value)) => answer::json(StatusCode::OK, &value),
        None => answer::message(StatusCode::NOT_FOUND, &format!("The setting '{key}' does not exist.")),
    }
}

async fn fixed() -> Response {
    let text = "the output of jobs is always kept, each in its own log; there is nothing to switch on or off";
    answer::message(StatusCode::FORBIDDEN, text)
}

fn diagnostics_map() -> serde_json::Map<String, serde_json::Value> {
    let pairs = DIAGNOSTICS.iter().flat_map(|(sink, enabled, level)| {
        [(format!("{sink}Enabled"), (*enabled).into()), (format!("{sink}TraceLevel"), (*level).into())]
    });
    pairs.collect()
}

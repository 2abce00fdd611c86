//! Settings checked without being used: nothing here writes anything.

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
};

use super::{Answer, Api, JobPath, Params, answer, body::Text, find, show};
use crate::{
    api::wire::{
        CheckedWire,
        params::{JobParams, KindParams},
    },
    model::id::JobKind,
};

/// Due times that an answer shows.
const COMING: usize = 5;

/// Checks settings for a job
///
/// The body is the text of a `settings.job`. Nothing is written. Problems have their line and column.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/settings/validate", tag = "settings", params(JobParams),
    request_body(content = String, content_type = "text/plain", description = "The text of a settings.job"),
    responses((status = 200, description = "What is wrong with it, and what it would make due", body = CheckedWire)))]
pub async fn validate_for_job(State(api): State<Api>, Path(path): Path<JobPath>, Text(text): Text) -> Answer {
    let kind = find(&api, &path)?.kind;
    Ok(checked(&api, kind, &path.name, &text))
}

/// Checks settings for a kind of job
///
/// As for one job, without there being any.
#[utoipa::path(post, path = "/api/v1/settings/validate", tag = "settings", params(KindParams),
    request_body(content = String, content_type = "text/plain", description = "The text of a settings.job"),
    responses((status = 200, description = "What is wrong with it, and what it would make due", body = CheckedWire)))]
pub async fn validate(State(api): State<Api>, RawQuery(query): RawQuery, Text(text): Text) -> Answer {
    let params = Params::parse(query.as_deref());
    let kind = params.value("kind", "`continuous` or `triggered`")?.unwrap_or(JobKind::Triggered);
    Ok(checked(&api, kind, "", &text))
}

fn checked(api: &Api, kind: JobKind, name: &str, text: &str) -> axum::response::Response {
    let checked = api.handle.check_settings(kind, text, COMING);
    let usable = !checked.problems.iter().any(|problem| problem.fatal);
    let job = if name.is_empty() { kind.to_string() } else { format!("{kind}/{name}") };
    let next = checked.coming.into_iter().map(|one| show::coming_of(&job, one)).collect();
    answer::json(StatusCode::OK, &CheckedWire { usable, problems: checked.problems, next })
}

//! Runs over all jobs and of one, page by page: filters, cursors, and what is wrong with them.

use std::collections::BTreeSet;

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{MOMENT, find, limit, show};
use crate::{
    api::{
        Api, answer,
        job_path::JobPath,
        problem::{Answer, Problem},
        query::Params,
        wire::{
            RunsWire,
            params::{JobParams, OfJobParams, RunsParams},
        },
    },
    model::{
        history::{Position, RunQuery, RunStatus},
        id::JobId,
    },
};

/// Runs of all jobs
///
/// Page by page, the newest first; `job` names one.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(OfJobParams, RunsParams),
    responses((status = 200, description = "The runs, the newest first", body = RunsWire)))]
pub async fn all(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    let params = Params::parse(query.as_deref());
    let job = match params.get("job").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let (kind, name) = text.split_once('/').unwrap_or(("", text));
            let path = JobPath { kind: kind.to_owned(), name: name.to_owned(), run: String::new() };
            Some(find(&api, &path)?)
        }
    };
    list(&api, job, &params).await
}

/// Runs of one job
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/runs", tag = "runs", params(JobParams, RunsParams),
    responses((status = 200, description = "The runs, the newest first", body = RunsWire)))]
pub async fn of_one(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    list(&api, Some(find(&api, &path)?), &Params::parse(query.as_deref())).await
}

async fn list(api: &Api, job: Option<JobId>, params: &Params) -> Answer {
    let query = RunQuery {
        job,
        kind: params.value("kind", "continuous or triggered")?,
        statuses: statuses(params)?,
        since: params.value("since", MOMENT)?,
        until: params.value("until", MOMENT)?,
        after: cursor(params)?,
    };
    let page = api.handle.page(query, limit(params, "limit")?).await?;
    let now = api.handle.now();
    let runs = page.runs.iter().map(|record| show::run(record, now)).collect();
    let next_cursor = page.next.map(|next| URL_SAFE_NO_PAD.encode(next.to_string()));
    Ok(answer::json(StatusCode::OK, &RunsWire { runs, next_cursor }))
}

/// `?status=` with one status or several, and `?failed`; those that both allow where both are given.
fn statuses(params: &Params) -> Result<Option<BTreeSet<RunStatus>>, Problem> {
    let failed = params.flag("failed")?.then(|| BTreeSet::from(RunStatus::FAILED));
    let Some(text) = params.get("status").filter(|text| !text.is_empty()) else { return Ok(failed) };
    let wrong = |_| {
        let allowed = RunStatus::ALL.map(RunStatus::as_str).join(", ");
        Problem::invalid(format!("`status={text}` is wrong: it must be one of {allowed}, or several of them by comma"))
    };
    let mut named: BTreeSet<RunStatus> =
        text.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map_err(wrong)?;
    if let Some(failed) = failed {
        named.retain(|status| failed.contains(status));
    }
    Ok(Some(named))
}

fn cursor(params: &Params) -> Result<Option<Position>, Problem> {
    let Some(text) = params.get("cursor").filter(|text| !text.is_empty()) else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let position = bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    let wrong = || Problem::invalid(format!("`cursor={text}` is wrong: it must be the `next_cursor` of an answer"));
    position.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(Some(query))
    }

    #[test]
    fn statuses_are_named_by_comma_and_narrowed_by_failed() {
        let words = |query: &str| -> Option<Vec<&'static str>> {
            let statuses = statuses(&params(query)).expect("statuses")?;
            Some(statuses.into_iter().map(RunStatus::as_str).collect())
        };
        assert_eq!(words(""), None);
        assert_eq!(words("status="), None);
        assert_eq!(words("failed"), Some(vec!["failed", "timed_out", "lost"]));
        assert_eq!(words("status=lost,running"), Some(vec!["running", "lost"]));
        assert_eq!(words("status=lost,%20succeeded&failed=true"), Some(vec!["lost"]));
        assert_eq!(words("status=succeeded&failed=true"), Some(vec![]));
        for bad in ["status=Failed", "status=failed,", "status=failed,aborted", "failed=perhaps"] {
            assert!(statuses(&params(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_what_an_answer_gave_and_nothing_else() {
        let position: Position = "201510200336425903 triggered/größe 1".parse().expect("a position");
        let text = URL_SAFE_NO_PAD.encode(position.to_string());
        assert_eq!(cursor(&params(&format!("cursor={text}"))).expect("a cursor"), Some(position));
        assert_eq!(cursor(&params("cursor=")).expect("none"), None);
        for bad in ["2", "201510200336425903", "AAAA", "%2e%2e", &text[1..]] {
            assert!(cursor(&params(&format!("cursor={bad}"))).is_err(), "{bad}");
        }
    }
}

//! `kudu_strict`: where webjobd's answers are better than Kudu's on purpose, the switch gives the original ones
//! (spec/kudu-webjobs 12.2).

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};

use crate::{
    api::{Api, answer, job_path::JobPath},
    host::view::JobView,
    model::{
        id::{JobId, JobKind},
        status::StateWord,
    },
};

/// Tells whether the switch is on.
pub fn is_on(api: &Api) -> bool {
    api.handle.config().kudu_strict
}

/// Tells whether Kudu would not show a job: one that cannot run is none (spec/kudu-webjobs 1.3).
pub fn hides(api: &Api, job: &JobView) -> bool {
    is_on(api) && job.status.state == StateWord::Problem
}

/// Returns the jobs that are shown.
pub fn listed(api: &Api) -> Vec<Arc<JobView>> {
    let mut jobs = api.handle.view().jobs();
    jobs.retain(|job| !hides(api, job));
    jobs
}

/// Finds a job of a kind that is shown.
pub fn find(api: &Api, path: &JobPath, kind: JobKind) -> Option<JobId> {
    let job = path.find_of(api, kind)?;
    let is_hidden = api.handle.view().job(&job).is_some_and(|view| hides(api, &view));
    (!is_hidden).then_some(job)
}

/// Tells whether Kudu would know no history of a job: one that never ran and never had a schedule (8.6).
pub fn has_no_history(api: &Api, job: &JobId) -> bool {
    is_on(api) && !api.handle.layout().job(job).exists()
}

/// An error as .NET tells it (8.1).
pub fn exception(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({
        "Message": "An error has occurred.",
        "ExceptionMessage": message,
        "ExceptionType": kind,
        "StackTrace": "",
    });
    answer::json(status, &body)
}

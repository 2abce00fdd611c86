//! What people ask of a job as a whole: to run, not to run, to run anew.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};

use super::{Answer, Api, JobPath, Json, Problem, Who, answer, find, show, view};
use crate::{
    api::wire::{JobWire, PauseRequest, params::JobParams},
    model::wish::Wish,
};

/// Longest reason of a pause, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Lets a job run
///
/// A continuous job is started, now and at every start of the host; a triggered job may run again. A `disable.job` beside
/// its script is removed.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/start", tag = "jobs", params(JobParams),
    responses((status = 202, description = "It is on its way", body = JobWire)))]
pub async fn start(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    let job = find(&api, &path)?;
    api.handle.start(job, who).await?;
    accepted(&api, &path)
}

/// Lets a job not run
///
/// It stays stopped over restarts of the host and new content, until it is started. Runs on their way are stopped.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/stop", tag = "jobs", params(JobParams),
    responses((status = 202, description = "It is on its way", body = JobWire)))]
pub async fn stop(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    let job = find(&api, &path)?;
    api.handle.stop(job, who).await?;
    accepted(&api, &path)
}

/// Stops a continuous job and starts it again
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/restart", tag = "jobs", params(JobParams),
    responses((status = 202, description = "It is on its way", body = JobWire)))]
pub async fn restart(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    let job = find(&api, &path)?;
    api.handle.restart(job, who).await?;
    accepted(&api, &path)
}

/// Lets a job run, whatever its settings say
///
/// Goes before `enabled` of its settings, and removes a `disable.job`. A job that was stopped stays so until it is started.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/enable", tag = "jobs", params(JobParams),
    responses((status = 202, description = "It is in force", body = JobWire)))]
pub async fn enable(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    wish(&api, &path, Wish::Enable, who).await
}

/// Lets a job not run, whatever its settings say
///
/// The host keeps it over restarts and new content, until it is enabled. Runs on their way are stopped.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/disable", tag = "jobs", params(JobParams),
    responses((status = 202, description = "It is in force", body = JobWire)))]
pub async fn disable(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    wish(&api, &path, Wish::Disable, who).await
}

/// Pauses a triggered job's schedules
///
/// What is due meanwhile is not run, and its outcome is `paused`. Requests still run. The pause ends by itself at `until`,
/// is kept over restarts, and holds on every host of the root. Another pause takes its place.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/pause", tag = "schedules", params(JobParams),
    request_body(content = Option<PauseRequest>, description = "Until when and why; an empty body has neither"),
    responses((status = 202, description = "It is in force", body = JobWire)))]
pub async fn pause(
    State(api): State<Api>,
    Path(path): Path<JobPath>,
    Who(who): Who,
    Json(request): Json<PauseRequest>,
) -> Answer {
    wish(&api, &path, pause_of(request)?, who).await
}

/// Ends a job's pause
///
/// Nothing that was due meanwhile is run. A pause of all jobs goes on.
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/resume", tag = "schedules", params(JobParams),
    responses((status = 202, description = "It is in force", body = JobWire)))]
pub async fn resume(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    wish(&api, &path, Wish::Resume, who).await
}

/// Pauses the schedules of all jobs
///
/// As the pause of one job, for jobs to come too.
#[utoipa::path(post, path = "/api/v1/pause", tag = "schedules",
    request_body(content = Option<PauseRequest>, description = "Until when and why; an empty body has neither"),
    responses((status = 204, description = "It is in force")))]
pub async fn pause_all(State(api): State<Api>, Who(who): Who, Json(request): Json<PauseRequest>) -> Answer {
    api.handle.wish(None, pause_of(request)?, who).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Ends every pause
///
/// That of all jobs, and those of single ones.
#[utoipa::path(post, path = "/api/v1/resume", tag = "schedules",
    responses((status = 204, description = "It is in force")))]
pub async fn resume_all(State(api): State<Api>, Who(who): Who) -> Answer {
    api.handle.wish(None, Wish::Resume, who).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn wish(api: &Api, path: &JobPath, wish: Wish, who: String) -> Answer {
    api.handle.wish(Some(find(api, path)?), wish, who).await?;
    accepted(api, path)
}

fn pause_of(request: PauseRequest) -> Result<Wish, Problem> {
    let PauseRequest { until, reason } = request;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::invalid(format!("`reason` is longer than {REASON_CHARS_MAX} characters")));
    }
    let is_said = |reason: &String| !reason.trim().is_empty();
    Ok(Wish::Pause { until, reason: reason.filter(is_said) })
}

/// The job as it is once it has heard of the wish.
fn accepted(api: &Api, path: &JobPath) -> Answer {
    Ok(answer::json(StatusCode::ACCEPTED, &show::job(&*view(api, path)?, api.handle.now())))
}

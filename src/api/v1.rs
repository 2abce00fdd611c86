//! Our own routes, below `/api/v1`: what Kudu never had. Shapes in `wire`, errors in `problem`.

mod body;
mod control;
mod described;
mod due;
pub mod log;
mod news;
mod runs;
mod settings;
mod show;
mod sse;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use tokio::sync::watch;
use utoipa::OpenApi;

use self::body::Json;
use super::{
    Api, answer, blocking, etag,
    job_path::{JobPath, Who},
    links::Links,
    list,
    problem::{Answer, Problem},
    query::Params,
    wire::{
        JobWire, PhaseWire, RunRequest, RunWire,
        params::{JobParams, OfJobParams, RunParams, WaitParams},
    },
};
use crate::{
    host::{handle::Ticket, view::JobView},
    model::{
        args,
        id::{JobId, JobKind, JobName, RunId},
        run::{RunRecord, Trigger},
    },
};

/// Longest time that an answer waits for the end of a run.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Most items that a list shows, and how many when nothing is said.
const ITEMS_MAX: usize = 1000;
const ITEMS: usize = 50;

/// What a moment must look like.
const MOMENT: &str = "a moment such as 2026-02-28T12:00:00Z";

/// Returns the routes. Their descriptions are read when somebody asks for them, which is hardly ever.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/jobs", get(jobs))
        .route("/api/v1/jobs/{kind}/{name}", get(one))
        .route("/api/v1/runs", get(runs::all))
        .route("/api/v1/jobs/{kind}/{name}/runs", get(runs::of_one).post(run))
        .route("/api/v1/jobs/{kind}/{name}/runs/{run}", get(run_one))
        .route("/api/v1/jobs/{kind}/{name}/runs/{run}/cancel", post(cancel))
        .route("/api/v1/refresh", post(refresh))
        .route("/api/v1/jobs/{kind}/{name}/start", post(control::start))
        .route("/api/v1/jobs/{kind}/{name}/stop", post(control::stop))
        .route("/api/v1/jobs/{kind}/{name}/restart", post(control::restart))
        .route("/api/v1/jobs/{kind}/{name}/enable", post(control::enable))
        .route("/api/v1/jobs/{kind}/{name}/disable", post(control::disable))
        .route("/api/v1/jobs/{kind}/{name}/pause", post(control::pause))
        .route("/api/v1/jobs/{kind}/{name}/resume", post(control::resume))
        .route("/api/v1/pause", post(control::pause_all))
        .route("/api/v1/resume", post(control::resume_all))
        .route("/api/v1/jobs/{kind}/{name}/next", get(due::next))
        .route("/api/v1/next", get(due::next_of_all))
        .route("/api/v1/jobs/{kind}/{name}/occurrences", get(due::occurrences))
        .route("/api/v1/settings/validate", post(settings::validate))
        .route("/api/v1/jobs/{kind}/{name}/settings/validate", post(settings::validate_for_job))
        .route("/api/v1/jobs/{kind}/{name}/log", get(log::log))
        .route("/api/v1/jobs/{kind}/{name}/log/stream", get(log::lines::stream))
        .route("/api/v1/jobs/{kind}/{name}/log/search", get(log::search::search))
        .route("/api/v1/events", get(news::events))
        .route("/api/v1/openapi.json", get(described::openapi))
        .route("/api/v1/docs", get(described::docs))
}

/// The descriptions of all routes; a test holds them to the routes themselves.
#[derive(OpenApi)]
#[openapi(paths(
    jobs,
    one,
    run,
    run_one,
    cancel,
    refresh,
    runs::all,
    runs::of_one,
    control::start,
    control::stop,
    control::restart,
    control::enable,
    control::disable,
    control::pause,
    control::resume,
    control::pause_all,
    control::resume_all,
    due::next,
    due::next_of_all,
    due::occurrences,
    settings::validate,
    settings::validate_for_job,
    log::log,
    log::lines::stream,
    log::search::search,
    news::events,
    described::openapi,
    described::docs
))]
pub struct Described;

/// Every job
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs",
    responses((status = 200, description = "Continuous jobs first, by name", body = Vec<JobWire>)))]
async fn jobs(State(api): State<Api>) -> Response {
    let (now, handle) = (api.handle.now(), api.handle.clone());
    let jobs = blocking(move || handle.view().jobs()).await;
    let write = move |part| {
        let jobs = api.handle.shown(part);
        etag::bytes_of(&jobs.iter().map(|job| show::job(job, now)).collect::<Vec<JobWire>>())
    };
    answer::json_bytes(StatusCode::OK, list::written(jobs, write).await)
}

/// One job
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}", tag = "jobs", params(JobParams),
    responses((status = 200, description = "The job", body = JobWire)))]
async fn one(State(api): State<Api>, Path(path): Path<JobPath>) -> Answer {
    Ok(answer::json(StatusCode::OK, &show_one(&api, &path).await?))
}

async fn show_one(api: &Api, path: &JobPath) -> Result<JobWire, Problem> {
    let (job, handle) = (view(api, path)?, api.handle.clone());
    let job = blocking(move || handle.shown_one(job)).await;
    Ok(show::job(&job, api.handle.now()))
}

fn find(api: &Api, path: &JobPath) -> Result<JobId, Problem> {
    path.find(api).ok_or_else(|| no_job(api, path))
}

fn view(api: &Api, path: &JobPath) -> Result<Arc<JobView>, Problem> {
    path.view(api).ok_or_else(|| no_job(api, path))
}

fn no_job(api: &Api, path: &JobPath) -> Problem {
    let named = if path.kind.is_empty() { path.name.clone() } else { format!("{}/{}", path.kind, path.name) };
    let meant = api.handle.meant(&path.kind, &path.name).map(|meant| meant.to_string());
    Problem::no_job(&named, meant.as_deref())
}

fn run_id(job: &JobId, path: &JobPath) -> Result<RunId, Problem> {
    RunId::parse(&path.run).map_err(|_| Problem::no_run(&job.to_string(), &path.run))
}

/// `?limit=N`, within its bounds.
fn limit(params: &Params, name: &str) -> Result<usize, Problem> {
    let given = params.value(name, "a number of items")?;
    Ok(given.unwrap_or(ITEMS).min(ITEMS_MAX))
}

/// Runs a triggered job
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/runs", tag = "runs", params(JobParams),
    request_body(content = Option<RunRequest>, description = "Arguments; an empty body has none"),
    responses((status = 202, description = "It is accepted; `Location` says where it is", body = RunWire)))]
async fn run(
    State(api): State<Api>,
    Path(path): Path<JobPath>,
    Who(who): Who,
    links: Links,
    Json(request): Json<RunRequest>,
) -> Answer {
    let job = find(&api, &path)?;
    if job.kind == JobKind::Continuous {
        let detail = format!("job `{job}` is kept running; only triggered jobs run on request. Start or restart it");
        return Err(Problem::invalid(detail));
    }
    let arguments = request.args.map(|list| args::join(&list));
    let ticket = api.handle.run(job.clone(), arguments.clone(), who.clone()).await?;
    let record = api.handle.record(&job, ticket.run).await;
    let record = record.unwrap_or_else(|| accepted(&api, &job, ticket, arguments, who));
    let mut response = answer::json(StatusCode::ACCEPTED, &show::run(&record, api.handle.now()));
    answer::locate(&mut response, &links.own_run(&job, ticket.run));
    Ok(response)
}

/// A run that waits for its turn and has no record yet.
fn accepted(api: &Api, job: &JobId, ticket: Ticket, arguments: Option<String>, user_agent: String) -> RunRecord {
    let instance = api.handle.config().instance.clone();
    let begun = RunRecord::accepted(ticket.run, job.clone(), instance, Trigger::Api { user_agent });
    RunRecord { arguments, started: api.handle.now(), ..begun }
}

/// One run
///
/// With `wait` the answer is held back until the run has ended, or the time is over.
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/runs/{run}", tag = "runs", params(RunParams, WaitParams),
    responses((status = 200, description = "The run", body = RunWire)))]
async fn run_one(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&api, &path)?;
    let run = run_id(&job, &path)?;
    let wait = Params::parse(query.as_deref()).seconds("wait", WAIT_MAX)?.unwrap_or_default();
    // Subscribed before the first look, so that no change is missed between a look and the wait for the next.
    let (mut changes, mut elsewhere) = (api.handle.view().changes_of(&job), api.handle.view().changes());
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    loop {
        let record = api.handle.record(&job, run).await;
        let record = record.ok_or_else(|| Problem::no_run(&job.to_string(), &path.run))?;
        let shown = show::run(&record, api.handle.now());
        if shown.phase == PhaseWire::Ended || wait.is_zero() {
            return Ok(answer::json(StatusCode::OK, &shown));
        }
        tokio::select! {
            biased;
            // All arms are cancel-safe: nothing is taken from any of them but the news that there is some.
            () = api.stopped() => return Ok(answer::json(StatusCode::OK, &shown)),
            () = &mut deadline => return Ok(answer::json(StatusCode::OK, &shown)),
            () = changed(&api, &job, run, &mut changes, &mut elsewhere) => {}
        }
    }
}

/// Waits until the view shows a run otherwise than as one on its way.
async fn changed(
    api: &Api,
    job: &JobId,
    run: RunId,
    changes: &mut watch::Receiver<()>,
    elsewhere: &mut watch::Receiver<u64>,
) {
    let is_active = || {
        let view = api.handle.view().job(job);
        view.is_some_and(|view| view.active.iter().any(|active| active.id == run))
    };
    if !is_active() {
        // Another host runs it: then every change of any job is a reason to look. The sender lives as long as the host.
        let _ = elsewhere.changed().await;
        return;
    }
    while changes.changed().await.is_ok() {
        if !is_active() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Ends a run
#[utoipa::path(post, path = "/api/v1/jobs/{kind}/{name}/runs/{run}/cancel", tag = "runs", params(RunParams),
    responses((status = 202, description = "The run; it is being stopped", body = RunWire)))]
async fn cancel(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Answer {
    let job = find(&api, &path)?;
    let run = run_id(&job, &path)?;
    api.handle.cancel(job.clone(), run, who).await?;
    match api.handle.record(&job, run).await {
        Some(record) => Ok(answer::json(StatusCode::ACCEPTED, &show::run(&record, api.handle.now()))),
        None => Err(Problem::no_run(&job.to_string(), &path.run)),
    }
}

/// Reads folders again
///
/// One job's, or all. A job that is not known yet may be named.
#[utoipa::path(post, path = "/api/v1/refresh", tag = "jobs", params(OfJobParams),
    responses((status = 204, description = "What was read is in use")))]
async fn refresh(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    let params = Params::parse(query.as_deref());
    let job = match params.get("job").filter(|text| !text.is_empty()) {
        Some(text) => Some(job_id(text).ok_or_else(|| Problem::invalid(format!("`{text}` is not `kind/name`")))?),
        None => None,
    };
    api.handle.refresh(job).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn job_id(text: &str) -> Option<JobId> {
    let (kind, name) = text.split_once('/')?;
    Some(JobId { kind: kind.parse().ok()?, name: JobName::parse(name).ok()? })
}

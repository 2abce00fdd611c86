//! Kudu's routes of jobs (spec/kudu-webjobs 8.2 to 8.6), better where section 12.2 says so: a job with a problem is
//! listed with it, a missing job has no settings, a delete that failed says so, a broken zip is the client's fault. With
//! `kudu_strict` they answer as Kudu's own, see `strict`.

mod files;
mod list;
mod passthrough;
mod processes;
pub mod strict;
mod swagger;
pub mod text;
mod upload;
mod wire;

use std::{cmp::Reverse, convert::Infallible, sync::Arc};

use axum::{
    Extension, Router,
    body::{self, Body, Bytes},
    extract::{FromRequestParts, Path, RawQuery, Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::Response,
    routing::{MethodFilter, get, on, post},
};

pub use self::wire::Frame;
use self::{
    files::JobFiles,
    wire::{KuduHistory, KuduJob},
};
use super::{
    Api, BODY_BYTES_MAX, UPLOAD_BYTES_MAX, answer, arm, blocking, etag,
    job_path::{JobPath, KindPath, Who},
    links::Links,
    query::Params,
    uploads,
};
use crate::{
    host::{
        handle::{CommandError, RunFilter, Upload},
        view::JobView,
    },
    model::id::{Instance, JobId, JobKind, JobName, RunId},
};

/// The methods that a job is asked with (spec/kudu-webjobs 8.2).
const PASSED: MethodFilter = MethodFilter::GET
    .or(MethodFilter::HEAD)
    .or(MethodFilter::PUT)
    .or(MethodFilter::POST)
    .or(MethodFilter::DELETE)
    .or(MethodFilter::PATCH);

/// Returns the routes, in the one spelling that `path` brings them to.
pub fn routes() -> Router<Api> {
    let passthrough = on(PASSED, passthrough::pass);
    Router::new()
        .route("/api/jobs/continuous/{name}/passthrough", passthrough.clone())
        .route("/api/jobs/continuous/{name}/passthrough/", passthrough.clone())
        .route("/api/jobs/continuous/{name}/passthrough/{*path}", passthrough)
        .route("/api/swagger/triggered", get(swagger::document))
        .route("/api/processes", get(processes::list))
        .route("/api/processes/{id}", get(processes::one).delete(processes::kill))
        .route("/api/processes/{id}/stop", post(processes::kill))
        .route("/api/jobs", get(list_all))
        .route("/api/jobs/{kind}", get(list_kind))
        .route("/api/jobs/{kind}/{name}", get(one).put(put).delete(delete))
        .route("/api/jobs/{kind}/{name}/settings", get(settings).put(put_settings))
        .route("/api/jobs/triggered/{name}/run", post(run))
        .route("/api/jobs/triggered/{name}/history", get(history))
        .route("/api/jobs/triggered/{name}/history/{run}", get(history_one))
        .route("/api/jobs/continuous/{name}/start", post(start))
        .route("/api/jobs/continuous/{name}/stop", post(stop))
}

impl FromRequestParts<Api> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let links = Links::from_request_parts(parts, api).await?;
        Ok(Self { links, instance: api.handle.config().instance.clone(), now: api.handle.now() })
    }
}

async fn list_all(State(api): State<Api>, frame: Frame, headers: HeaderMap) -> Response {
    let mut jobs = strict::listed(&api);
    // Stable: triggered jobs come first, each kind in its order.
    jobs.sort_by_key(|job| Reverse(job.found.id.kind));
    list::answer(api, frame, &headers, jobs).await
}

async fn list_kind(State(api): State<Api>, KindPath(kind): KindPath, frame: Frame, headers: HeaderMap) -> Response {
    let jobs = strict::listed(&api).into_iter().filter(|job| job.found.id.kind == kind).collect();
    list::answer(api, frame, &headers, jobs).await
}

async fn one(State(api): State<Api>, _: KindPath, Path(path): Path<JobPath>, frame: Frame) -> Response {
    match path.view(&api).filter(|job| !strict::hides(&api, job)) {
        Some(job) => answer_job(api, frame, job).await,
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

/// Answers with a job as Kudu shows it.
pub async fn answer_job(api: Api, frame: Frame, job: Arc<JobView>) -> Response {
    let show_one = move || {
        let (job, others) = (api.handle.shown_one(job), api.handle.other_instances());
        let files = files::of_job(api.handle.layout(), &job.found.id, job.latest.as_ref().map(|run| run.id));
        etag::bytes_of(&show(&api, &frame, &job, files, &others))
    };
    answer::json_bytes(StatusCode::OK, blocking(show_one).await)
}

fn show<'a>(api: &Api, frame: &Frame, job: &'a JobView, files: JobFiles, others: &[Instance]) -> KuduJob<'a> {
    let id = &job.found.id;
    let elsewhere = match id.kind {
        JobKind::Continuous => api.handle.words_elsewhere(id, others),
        JobKind::Triggered => Vec::new(),
    };
    let log = api.handle.live_log(id, None).map(|live| live.name.current());
    frame.job(job, JobFiles { log, ..files }, &elsewhere)
}

async fn put(
    State(api): State<Api>,
    KindPath(kind): KindPath,
    Path(path): Path<JobPath>,
    frame: Frame,
    arm: Option<Extension<arm::Scope>>,
    request: Request,
) -> Response {
    let (Parts { headers, .. }, body) = request.into_parts();
    if arm.is_some() {
        return put_resource(api, kind, &path, frame, body).await;
    }
    let bad = |text: &str| answer::text(StatusCode::BAD_REQUEST, text);
    let Some(file_name) = upload::file_name(&headers) else { return bad("Missing Content-Disposition header.") };
    let name = match path.find_of(&api, kind) {
        Some(job) => job.name,
        None => match JobName::parse(&path.name) {
            Ok(name) => name,
            Err(error) => return bad(&error.to_string()),
        },
    };
    let uploaded = match uploads::receive(api.handle.layout(), body, UPLOAD_BYTES_MAX).await {
        Ok(uploaded) => uploaded,
        Err(error) => return answer::text(uploads::status(&error), error.to_string()),
    };
    let file = uploaded.path().to_owned();
    let upload = match upload::is_zip(&headers) {
        true => Upload::Zip(file),
        false => Upload::File { name: file_name, path: file },
    };
    let job = match api.handle.put_job(kind, name, upload).await {
        Ok(job) => job,
        Err(error) => return refuse_put(&error),
    };
    match api.handle.view().job(&job) {
        Some(job) => answer_job(api, frame, job).await,
        None => answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("job `{job}` went while it was read")),
    }
}

/// What the management API puts are a job's settings alone: `{"properties":{"settings":{…}}}`.
async fn put_resource(api: Api, kind: JobKind, path: &JobPath, frame: Frame, body: Body) -> Response {
    let Some(job) = path.find_of(&api, kind) else { return answer::empty(StatusCode::NOT_FOUND) };
    let Ok(bytes) = body::to_bytes(body, BODY_BYTES_MAX).await else {
        return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or did not arrive whole");
    };
    let sent = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let settings =
        sent.as_ref().and_then(|sent| sent.pointer("/properties/settings")).filter(|value| value.is_object());
    let Some(settings) = settings else {
        let text =
            "the body must be {\"properties\":{\"settings\":{…}}}; put a script or zip without x-ms-geo-location";
        return answer::message(StatusCode::BAD_REQUEST, text);
    };
    if let Err(error) = api.handle.put_settings(&job, &settings.to_string()).await {
        return refuse(&error);
    }
    match api.handle.view().job(&job) {
        Some(job) => answer_job(api, frame, job).await,
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

fn refuse_put(error: &CommandError) -> Response {
    let status = match error {
        CommandError::Invalid(_) | CommandError::Problem(..) => StatusCode::BAD_REQUEST,
        CommandError::NoJob(_)
        | CommandError::NoRun(..)
        | CommandError::Elsewhere(..)
        | CommandError::Refused(..)
        | CommandError::Barred(..) => StatusCode::CONFLICT,
        CommandError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        CommandError::Busy(_) | CommandError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer::text(status, error.to_string())
}

async fn delete(State(api): State<Api>, _: KindPath, Path(path): Path<JobPath>, Who(who): Who) -> Response {
    let Some(job) = path.find(&api) else { return answer::empty(StatusCode::OK) };
    match api.handle.delete_job(&job, who).await {
        Ok(()) | Err(CommandError::NoJob(_)) => answer::empty(StatusCode::OK),
        Err(_) if strict::is_on(&api) => answer::empty(StatusCode::OK),
        Err(error) => refuse(&error),
    }
}

async fn settings(State(api): State<Api>, _: KindPath, Path(path): Path<JobPath>) -> Response {
    match path.view(&api) {
        Some(job) => answer::json(StatusCode::OK, &job.found.raw_settings),
        None if strict::is_on(&api) => answer::json(StatusCode::OK, &serde_json::Map::new()),
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

async fn put_settings(State(api): State<Api>, _: KindPath, Path(path): Path<JobPath>, body: Bytes) -> Response {
    let Some(job) = path.find(&api) else { return answer::empty(StatusCode::NOT_FOUND) };
    if strict::is_on(&api) {
        return done(api.handle.overwrite_settings(&job, &body).await);
    }
    let Ok(text) = str::from_utf8(&body) else {
        return answer::message(StatusCode::BAD_REQUEST, "settings must be one JSON object in UTF-8");
    };
    match api.handle.put_settings(&job, text).await {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(error) => refuse(&error),
    }
}

async fn run(
    State(api): State<Api>,
    Path(path): Path<JobPath>,
    RawQuery(query): RawQuery,
    Who(who): Who,
    frame: Frame,
) -> Response {
    let Some(job) = strict::find(&api, &path, JobKind::Triggered) else { return answer::empty(StatusCode::NOT_FOUND) };
    let arguments = Params::parse(query.as_deref()).get("arguments").filter(|text| !text.is_empty()).map(str::to_owned);
    match api.handle.run(job.clone(), arguments, who).await {
        Ok(ticket) => {
            let mut response = answer::empty(StatusCode::ACCEPTED);
            answer::locate(&mut response, &frame.links.run(&job, ticket.run));
            response
        }
        Err(CommandError::Invalid(text)) => answer::text(StatusCode::BAD_REQUEST, text),
        Err(error) => match error.kudu_text() {
            Some(text) => answer::text(StatusCode::CONFLICT, text),
            None => refuse(&error),
        },
    }
}

async fn history(State(api): State<Api>, Path(path): Path<JobPath>, frame: Frame, headers: HeaderMap) -> Response {
    let Some(job) = strict::find(&api, &path, JobKind::Triggered) else { return answer::empty(StatusCode::NOT_FOUND) };
    if strict::has_no_history(&api, &job) {
        return answer::empty(StatusCode::NOT_FOUND);
    }
    let runs = match api.handle.history(&job, RunFilter::default()).await {
        Ok(runs) => runs,
        Err(error) => return refuse(&error),
    };
    let show = move || {
        let layout = api.handle.layout();
        runs.iter().map(|run| frame.run(run, files::of_run(layout, &run.job, run.id))).collect()
    };
    let history = KuduHistory { runs: blocking(show).await };
    etag::json_tagged_by(&headers, &history, &history.lasting())
}

async fn history_one(State(api): State<Api>, Path(path): Path<JobPath>, frame: Frame) -> Response {
    let found = strict::find(&api, &path, JobKind::Triggered).zip(RunId::parse(&path.run).ok());
    let Some((job, run)) = found else { return answer::empty(StatusCode::NOT_FOUND) };
    let Some(run) = api.handle.record(&job, run).await else { return answer::empty(StatusCode::NOT_FOUND) };
    let show = move || frame.run(&run, files::of_run(api.handle.layout(), &run.job, run.id));
    answer::json(StatusCode::OK, &blocking(show).await)
}

async fn start(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Response {
    match continuous(&api, &path) {
        Some(job) => done(api.handle.start(job, who).await),
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

async fn stop(State(api): State<Api>, Path(path): Path<JobPath>, Who(who): Who) -> Response {
    match continuous(&api, &path) {
        Some(job) => done(api.handle.stop(job, who).await),
        None => answer::empty(StatusCode::NOT_FOUND),
    }
}

fn continuous(api: &Api, path: &JobPath) -> Option<JobId> {
    strict::find(api, path, JobKind::Continuous)
}

fn done(result: Result<(), CommandError>) -> Response {
    match result {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(error) => refuse(&error),
    }
}

/// An error of any route but PUT of a job.
fn refuse(error: &CommandError) -> Response {
    let status = match error {
        CommandError::NoJob(_) | CommandError::NoRun(..) => return answer::empty(StatusCode::NOT_FOUND),
        CommandError::Elsewhere(..)
        | CommandError::Problem(..)
        | CommandError::Refused(..)
        | CommandError::Barred(..) => StatusCode::CONFLICT,
        CommandError::Invalid(_) => StatusCode::BAD_REQUEST,
        CommandError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        CommandError::Busy(_) | CommandError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer::message(status, &error.to_string())
}

//! Errors of our own routes: `application/problem+json` (RFC 9457), with a stable word for programs.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::wire::ProblemWire;
use crate::host::handle::CommandError;

/// An answer that says what went wrong.
#[derive(Debug)]
pub struct Problem(Box<ProblemWire>);

/// What a handler of our own routes answers.
pub type Answer = Result<Response, Problem>;

impl Problem {
    /// Makes a problem: a status, the word for programs, what happened and what to do.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self(Box::new(ProblemWire { kind: kind.to_owned(), title, status: status.as_u16(), detail: detail.into() }))
    }

    /// There is no such job.
    pub fn no_job(job: &str) -> Self {
        let detail = format!("there is no job `{job}`; GET /api/v1/jobs lists all");
        Self::new(StatusCode::NOT_FOUND, "no_such_job", detail)
    }

    /// There is no such run.
    pub fn no_run(job: &str, run: &str) -> Self {
        let detail = format!("job `{job}` has no run `{run}`; GET /api/v1/runs?job={job} lists those that are kept");
        Self::new(StatusCode::NOT_FOUND, "no_such_run", detail)
    }

    /// What was sent makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// The machine did not do it.
    pub fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NoJob(job) => Self::no_job(&job.to_string()),
            CommandError::NoRun(..) => Self::new(StatusCode::NOT_FOUND, "no_such_run", detail),
            CommandError::Elsewhere(..) => Self::new(StatusCode::CONFLICT, "runs_elsewhere", detail),
            CommandError::Problem(..) => Self::new(StatusCode::CONFLICT, "job_problem", detail),
            CommandError::Refused(..) => Self::new(StatusCode::CONFLICT, "refused", detail),
            CommandError::Barred(..) => Self::new(StatusCode::CONFLICT, "barred", detail),
            CommandError::Invalid(_) => Self::invalid(detail),
            CommandError::Failed(_) => Self::failed(detail),
            CommandError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "host_stopping", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("it was made of a status");
        let body = serde_json::to_vec(&*self.0).expect("a problem holds nothing that JSON cannot");
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

//! Errors of our own routes: `application/problem+json` (RFC 9457), with a stable word for programs.
//!
//! The words stand in one table, [`kinds::KINDS`], each with what to do. [`assure`] is the net below all routes of
//! `/api/v1`: whatever answers with an error there, a library below us included, leaves as a problem.

pub mod assure;
pub mod kinds;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::wire::ProblemWire;
use crate::host::handle::CommandError;

/// How answers with a problem are marked.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An answer that says what went wrong.
#[derive(Debug)]
pub struct Problem(Box<ProblemWire>);

/// What a handler of our own routes answers.
pub type Answer = Result<Response, Problem>;

impl Problem {
    /// Makes a problem: a status, the word for programs, what happened and what to do. The word has a row in
    /// [`kinds::KINDS`].
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let row = kinds::of(kind).map(|row| row.title);
        Self(Box::new(ProblemWire {
            kind: kind.to_owned(),
            title: row.or(status.canonical_reason()).unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            line: None,
            column: None,
        }))
    }

    /// There is no such job; `meant` is one that there is, with nearly the same name.
    pub fn no_job(job: &str, meant: Option<&str>) -> Self {
        let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        let detail = format!("there is no job `{job}`{hint}; GET /api/v1/jobs lists all");
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

    /// As many as the host takes at once are on their way.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    }

    /// Says where in the body it is, counted from 1.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        (self.0.line, self.0.column) = (u32::try_from(line).ok(), u32::try_from(column).ok());
        self
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NoJob(job) => Self::no_job(&job.to_string(), None),
            CommandError::NoRun(..) => Self::new(StatusCode::NOT_FOUND, "no_such_run", detail),
            CommandError::Elsewhere(..) => Self::new(StatusCode::CONFLICT, "runs_elsewhere", detail),
            CommandError::Problem(..) => Self::new(StatusCode::CONFLICT, "job_problem", detail),
            CommandError::Refused(..) => Self::new(StatusCode::CONFLICT, "refused", detail),
            CommandError::Barred(..) => Self::new(StatusCode::CONFLICT, "barred", detail),
            CommandError::Invalid(_) => Self::invalid(detail),
            CommandError::Failed(_) => Self::failed(detail),
            CommandError::Busy(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "job_busy", detail),
            CommandError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "host_stopping", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("it was made of a status");
        let body = serde_json::to_vec(&*self.0).expect("a problem holds nothing that JSON cannot");
        let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        // So that whoever knows what was asked can still say so in it.
        response.extensions_mut().insert(*self.0);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, JobKind, JobName};

    #[test]
    fn a_job_that_is_full_is_told_apart_from_a_host_that_stops() {
        let job = JobId { kind: JobKind::Continuous, name: JobName::parse("hung").expect("a name") };
        for (error, kind) in [(CommandError::Busy(job), "job_busy"), (CommandError::Stopping, "host_stopping")] {
            let detail = error.to_string();
            let Problem(wire) = error.into();
            assert_eq!((wire.status, &*wire.kind, &wire.detail), (503, kind, &detail));
        }
    }
}

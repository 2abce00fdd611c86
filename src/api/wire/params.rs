//! What may be asked in the path and the query of our own routes, as the OpenAPI document describes it. Handlers read the
//! same names with `api::query`, without regard to case.

use utoipa::IntoParams;

use crate::model::{id::JobKind, run::OccurrenceOutcome};

/// A job.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct JobParams {
    /// Its kind.
    pub kind: JobKind,
    /// Its name, without regard to case.
    pub name: String,
}

/// A run of a job.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RunParams {
    /// The job's kind.
    pub kind: JobKind,
    /// The job's name, without regard to case.
    pub name: String,
    /// The run's id: 18 digits.
    #[param(pattern = "^[0-9]{18}$")]
    pub run: String,
}

/// Which runs.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsParams {
    /// Only those that failed, timed out or were lost.
    pub failed: Option<bool>,
    /// Only those that began at or after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// At most so many; more than 1000 are never sent.
    #[param(minimum = 0)]
    pub limit: Option<u64>,
}

/// How long to wait.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitParams {
    /// Seconds for which the answer is held back while the run has not ended, at most 300.
    #[param(minimum = 0)]
    pub wait: Option<f64>,
}

/// Which coming due times.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NextParams {
    /// How many; more than 1000 are never sent.
    #[param(minimum = 0)]
    pub count: Option<u64>,
    /// Only those later than this moment; now, when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<String>,
}

/// Which due times that have passed.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OccurrencesParams {
    /// Only those due at or after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// Only those with this outcome.
    pub outcome: Option<OccurrenceOutcome>,
    /// At most so many; more than 1000 are never sent.
    #[param(minimum = 0)]
    pub limit: Option<u64>,
    /// Where the answer before ended: its `cursor`.
    pub cursor: Option<String>,
}

/// Which job.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfJobParams {
    /// Only this one, as `kind/name`.
    pub job: Option<String>,
}

/// Which kind of job.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KindParams {
    /// For which kind of job the settings are; triggered, when not given.
    pub kind: Option<JobKind>,
}

/// Which lines of a log.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogParams {
    /// Only those of this run.
    pub run: Option<String>,
    /// Only the last so many.
    #[param(minimum = 0)]
    pub lines: Option<u64>,
    /// Only those written at or after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// Only those at or after this offset of the log.
    #[param(minimum = 0)]
    pub offset: Option<u64>,
    /// Only those that the job wrote to standard error.
    pub stderr: Option<bool>,
}

/// Whether to go on.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FollowParams {
    /// Whether lines to come are sent too, until the run ends.
    pub follow: Option<bool>,
}

/// Where to go on.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResumeParams {
    /// The id of the event that was seen last, for those who cannot send the header `Last-Event-ID`.
    pub last_event_id: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsParams {
    /// Only those of this job, as `kind/name`; it need not be there yet.
    pub job: Option<String>,
    /// Only those of these kinds, with commas between them.
    pub kinds: Option<String>,
    /// The id of the event that was seen last, for those who cannot send the header `Last-Event-ID`.
    pub last_event_id: Option<String>,
}

/// What is looked for, and where.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// The text, or with `regex` the regular expression. It is looked for in whole lines, their beginning included.
    #[param(min_length = 1, max_length = 1000)]
    pub q: String,
    /// Whether `q` is a regular expression.
    pub regex: Option<bool>,
    /// Whether case does not matter.
    pub ignore_case: Option<bool>,
    /// Only lines of this run; of all runs that are kept, when not given.
    pub run: Option<String>,
    /// Only lines written at or after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// Only lines written before this moment, to the second.
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<String>,
    /// Only lines that the job wrote to standard error.
    pub stderr: Option<bool>,
    /// So many lines before and after each; 50 at most.
    #[param(minimum = 0)]
    pub context: Option<u64>,
    /// At most so many findings, 1000 when not given; more than 100000 are never sent.
    #[param(minimum = 0)]
    pub limit: Option<u64>,
    /// `newest` first, which is the default, or `oldest`.
    #[param(pattern = "^(newest|oldest)$")]
    pub order: Option<String>,
}

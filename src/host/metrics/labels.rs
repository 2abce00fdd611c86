//! The label sets of the numbers. A job is named by `job` and `kind`: one name may stand for a job of each kind.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::model::{
    id::{JobId, JobKind},
    run::{OccurrenceOutcome, Outcome, RunRecord},
    status::StateWord,
};

/// Every word by which a run's trigger is shown.
const TRIGGERS: [&str; 8] = ["schedule", "catch_up", "run_at", "api", "startup", "restart", "change", "retry"];

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabel {
    job: String,
    kind: &'static str,
}

/// A job in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    job: String,
    kind: &'static str,
    state: &'static str,
}

/// A job that was restarted after such an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RestartLabel {
    job: String,
    kind: &'static str,
    reason: &'static str,
}

/// A job's runs of one sort.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RunLabel {
    job: String,
    kind: &'static str,
    outcome: &'static str,
    trigger: &'static str,
}

/// A job's due times of one sort.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OccurrenceLabel {
    job: String,
    kind: &'static str,
    outcome: &'static str,
}

impl JobLabel {
    /// Names a job.
    pub fn of(job: &JobId) -> Self {
        Self { job: job.name.to_string(), kind: job.kind.as_str() }
    }
}

impl StateLabel {
    /// Names a job in a state.
    pub fn of(job: &JobId, state: StateWord) -> Self {
        Self { job: job.name.to_string(), kind: job.kind.as_str(), state: state.as_str() }
    }
}

impl RestartLabel {
    /// Names a job whose last life ended so; `None` when that was before this host started.
    pub fn of(job: &JobId, last_end: Option<Outcome>) -> Self {
        let reason = last_end.map_or("unknown", Outcome::as_str);
        Self { job: job.name.to_string(), kind: job.kind.as_str(), reason }
    }
}

impl RunLabel {
    /// Names the sort that a run is of.
    pub fn of(run: &RunRecord, outcome: Outcome) -> Self {
        Self::named(&run.job, outcome, run.trigger.word())
    }

    fn named(job: &JobId, outcome: Outcome, trigger: &'static str) -> Self {
        Self { job: job.name.to_string(), kind: job.kind.as_str(), outcome: outcome.as_str(), trigger }
    }
}

impl OccurrenceLabel {
    /// Names the sort that a due time is of.
    pub fn of(job: &JobId, outcome: OccurrenceOutcome) -> Self {
        Self { job: job.name.to_string(), kind: job.kind.as_str(), outcome: outcome.as_str() }
    }
}

/// Takes away every number of a job that has more than its name for a label.
pub fn forget(
    job: &JobId,
    restarts: &Family<RestartLabel, Counter>,
    runs: &Family<RunLabel, Counter>,
    occurrences: &Family<OccurrenceLabel, Counter>,
) {
    for outcome in Outcome::ALL {
        restarts.remove(&RestartLabel::of(job, Some(outcome)));
        for trigger in TRIGGERS {
            runs.remove(&RunLabel::named(job, outcome, trigger));
        }
    }
    restarts.remove(&RestartLabel::of(job, None));
    if job.kind == JobKind::Triggered {
        for outcome in OccurrenceOutcome::ALL {
            occurrences.remove(&OccurrenceLabel::of(job, outcome));
        }
    }
}

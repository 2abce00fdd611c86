//! From what happens on the host to what hooks are told: which event is whose news, and its text.

use std::time::Duration;

use tokio::time;
use tracing::warn;

use super::{
    Hooks,
    payload::{Links, text},
    told::{HasHooks, Told},
};
use crate::{
    host::machine::Machine,
    model::{
        event::{Event, News},
        hook::{CONTINUOUS_JOB_FAILED, Hook, JOB_PROBLEM, RUN_MISSED, TRIGGERED_JOB_FINISHED},
        id::{JobId, JobKind},
        job::Problem,
        run::{OccurrenceOutcome, Outcome, RunPhase, RunRecord},
    },
    store::layout::OUTPUT_LOG,
};

/// How long a run's actor may take to let go of it before its end is told all the same.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// An event for hooks: its name, and its text.
pub type ForHooks = (&'static str, String);

/// Returns what hooks are told of an event; nothing when none of them waits for it.
pub async fn news(
    machine: &Machine,
    hooks: &Hooks,
    told: &mut Told,
    all: &[Hook],
    base: &str,
    event: &Event,
) -> Option<ForHooks> {
    let awaited = |event: &str| all.iter().any(|hook| hook.awaits(event));
    let links = Links(base);
    let instance = machine.layout.instance();
    match &event.news {
        News::RunEnded(run) => match run.job.kind {
            // Kudu never tells of a run whose end nobody saw.
            JobKind::Triggered if is_lost(run) && machine.config.kudu_strict => None,
            JobKind::Triggered if awaited(TRIGGERED_JOB_FINISHED) => {
                released(machine, run).await;
                let has_output = machine.layout.run(&run.job, run.id).join(OUTPUT_LOG).exists();
                Some((TRIGGERED_JOB_FINISHED, text(&links.finished(run, has_output))))
            }
            JobKind::Continuous if has_failed(run) && awaited(CONTINUOUS_JOB_FAILED) => {
                Some((CONTINUOUS_JOB_FAILED, text(&links.failed(run))))
            }
            JobKind::Triggered | JobKind::Continuous => None,
        },
        News::Occurred { job, occurrence } => {
            let is_missed = occurrence.outcome == OccurrenceOutcome::Missed && awaited(RUN_MISSED);
            is_missed.then(|| (RUN_MISSED, text(&links.missed(job, occurrence, instance))))
        }
        News::StateChanged { job, .. } | News::Removed { job } | News::ProblemsChanged { job, .. } => {
            // As they are now: a job that was mended meanwhile has none.
            let problems = fatal(machine, job);
            let has_hooks = if awaited(JOB_PROBLEM) { HasHooks::Yes } else { HasHooks::No };
            let is_news = told.is_news(hooks, job, &problems, has_hooks).await;
            is_news.then(|| (JOB_PROBLEM, text(&links.broken(job, &problems, instance))))
        }
        News::RunBegan(_) | News::RunStarted(_) => None,
    }
}

fn fatal(machine: &Machine, job: &JobId) -> Vec<Problem> {
    let view = machine.view.job(job);
    let problems = view.iter().flat_map(|view| &view.found.problems);
    problems.filter(|problem| problem.fatal).cloned().collect()
}

fn is_lost(run: &RunRecord) -> bool {
    run.phase == RunPhase::Ended(Outcome::Lost)
}

fn has_failed(run: &RunRecord) -> bool {
    match run.phase {
        RunPhase::Initializing | RunPhase::Running => false,
        RunPhase::Ended(outcome) => match outcome {
            Outcome::Failed | Outcome::TimedOut | Outcome::Lost => true,
            Outcome::Succeeded | Outcome::Stopped => false,
        },
    }
}

/// Waits until the run's actor has let go of it and of its lock, so that a receiver may run the job again.
async fn released(machine: &Machine, run: &RunRecord) {
    let is_free = || machine.view.job(&run.job).is_none_or(|view| view.active.iter().all(|one| one.id != run.id));
    let mut changes = machine.view.changes_of(&run.job);
    let free = changes.wait_for(|_| is_free());
    if time::timeout(RELEASE_MAX, free).await.is_err() {
        warn!(job = %run.job, run = %run.id, "a run's end is told before its actor has let go of it");
    }
}

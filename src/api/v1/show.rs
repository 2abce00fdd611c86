//! Makes the shapes of `/api/v1` of what the view shows.

use std::time::Duration;

use crate::{
    api::wire::{ComingWire, CopyWire, JobWire, PauseWire, PhaseWire, RunWire},
    host::{
        handle::Coming,
        view::{CopyView, JobView, Paused},
    },
    model::{
        exit::Exit,
        id::JobId,
        run::{RunPhase, RunRecord},
        time::Wall,
        wish::Pause,
    },
};

/// Shows a job at the moment `now`.
pub fn job(view: &JobView, now: Wall) -> JobWire {
    let found = &view.found;
    let settings = view.job.as_ref().map(|job| &job.settings);
    let schedules = settings.map(|settings| settings.schedules.iter().map(|one| one.expression.clone()).collect());
    let mut problems = found.problems.clone();
    problems.sort_by_key(|problem| !problem.fatal);
    JobWire {
        kind: found.id.kind,
        name: found.id.name.to_string(),
        state: view.status.state,
        status: view.status.clone(),
        description: settings.and_then(|settings| settings.description.clone()),
        run_command: view.job.as_ref().map(|job| job.script.run_command.clone()),
        problems,
        copies: view.copies.iter().map(copy).collect(),
        active: view.active.iter().map(|one| run(one, now)).collect(),
        latest: view.latest.as_ref().map(|one| run(one, now)),
        next: view.next,
        paused: view.paused.as_deref().map(pause),
        schedules: schedules.unwrap_or_default(),
        restarts: view.restarts,
        settings: found.raw_settings.to_map(),
    }
}

/// Shows a run at the moment `now`.
pub fn run(record: &RunRecord, now: Wall) -> RunWire {
    let (phase, outcome) = match record.phase {
        RunPhase::Initializing => (PhaseWire::Starting, None),
        RunPhase::Running => (PhaseWire::Running, None),
        RunPhase::Ended(outcome) => (PhaseWire::Ended, Some(outcome)),
    };
    let signal = match record.exit {
        Some(Exit::Signal(number)) => Some(number),
        Some(Exit::Code(_)) | None => None,
    };
    RunWire {
        id: record.id.to_string(),
        job: record.job.to_string(),
        phase,
        outcome,
        reason: record.reason.clone(),
        exit_code: record.exit.map(Exit::shell_code),
        signal,
        trigger: record.trigger.clone(),
        trigger_text: record.trigger.to_string(),
        attempt: record.attempt,
        arguments: record.arguments.clone(),
        started: record.started,
        ended: record.ended,
        duration_ms: record.duration_ms.or_else(|| so_far(record, now)),
        instance: record.instance.to_string(),
        copy: record.copy,
        pid: record.pid,
        content: record.content.map(|hash| hash.to_string()),
    }
}

/// Shows a due time to come.
pub fn coming(job: &JobId, coming: Coming) -> ComingWire {
    coming_of(&job.to_string(), coming)
}

/// Shows a due time to come of what is called `job`.
pub fn coming_of(job: &str, coming: Coming) -> ComingWire {
    let Coming { due, local, expression, label, mark } = coming;
    ComingWire { job: job.to_owned(), due, local, expression, label, mark }
}

fn pause(paused: &Paused) -> PauseWire {
    let Pause { by, at, reason, .. } = paused.pause.clone();
    PauseWire { by, at, until: paused.until, reason, all: paused.all }
}

fn copy(copy: &CopyView) -> CopyWire {
    let run = copy.run.map(|run| run.to_string());
    CopyWire { copy: copy.copy, status: copy.status.clone(), pid: copy.pid, run }
}

/// How long a run takes, up to its end or up to now.
fn so_far(record: &RunRecord, now: Wall) -> Option<u64> {
    let until = match record.phase {
        RunPhase::Ended(_) => record.ended?,
        RunPhase::Initializing | RunPhase::Running => now,
    };
    let span = Duration::try_from(until.duration_since(record.started)).ok()?;
    u64::try_from(span.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::sample,
        model::{id::JobKind, run::Outcome, status::StateWord},
    };

    #[test]
    fn a_job_and_its_run_are_shown_without_what_they_have_not() {
        let now = sample::wall("2015-10-20T03:36:44Z");
        let mut view = sample::view(JobKind::Triggered, "QueueUpdates", StateWord::Running, "{}");
        let mut record = sample::run(RunPhase::Running, None);
        (record.duration_ms, record.exit) = (None, None);
        view.active = [record.into()].into();
        let text = serde_json::to_string(&job(&view, now)).expect("JSON");
        assert_eq!(
            text,
            concat!(
                r#"{"kind":"triggered","name":"QueueUpdates","state":"running","#,
                r#""status":{"state":"running","since":"2015-10-20T03:00:00Z"},"run_command":"run.cmd","problems":[],"#,
                r#""active":[{"id":"201510200336425903","job":"triggered/QueueUpdates","phase":"running","#,
                r#""trigger":{"by":"api","user_agent":"Mozilla/5.0 ..."},"trigger_text":"External - Mozilla/5.0 ...","#,
                r#""attempt":1,"started":"2015-10-20T03:36:42.5903978Z","duration_ms":1409,"#,
                r#""instance":"aabbccdd","copy":0}],"restarts":0,"settings":{}}"#
            )
        );
    }

    #[test]
    fn a_signal_shows_as_a_shell_shows_it() {
        let mut record = sample::run(RunPhase::Ended(Outcome::Failed), Some("2015-10-20T03:37:02.8328967Z"));
        record.exit = Some(Exit::Signal(9));
        let wire = run(&record, record.started);
        assert_eq!((wire.exit_code, wire.signal, wire.duration_ms), (Some(137), Some(9), Some(7)));
        record.duration_ms = None;
        assert_eq!(run(&record, record.started).duration_ms, Some(20_242));
    }
}

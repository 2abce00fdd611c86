//! The words and colours that several answers share: states, outcomes, runs.

use std::time::Duration;

use crate::{
    api::wire::{JobWire, PhaseWire, RunWire},
    cli::{
        look::{Look, Times, Width},
        table::{Cell, Table, Tone},
        when,
    },
    model::{
        run::{OccurrenceOutcome, Outcome, Trigger},
        status::StateWord,
        time::Wall,
    },
};

/// Returns a state as a cell.
pub fn state(state: StateWord) -> Cell {
    let tone = match state {
        StateWord::Running => Tone::Good,
        StateWord::Starting | StateWord::Stopping | StateWord::Backoff | StateWord::Stopped => Tone::Warn,
        StateWord::Problem => Tone::Bad,
        StateWord::Disabled | StateWord::Standby | StateWord::Done => Tone::Dim,
        StateWord::Initializing | StateWord::Idle => Tone::Plain,
    };
    Cell::new(state.as_str(), tone)
}

/// Returns where a run is, or what became of it, as a word and its tone.
pub fn run_state(run: &RunWire) -> (&'static str, Tone) {
    match (run.phase, run.outcome) {
        (PhaseWire::Starting, _) => ("starting", Tone::Plain),
        (PhaseWire::Running, _) => ("running", Tone::Good),
        (PhaseWire::Ended, Some(outcome)) => (spoken(outcome), outcome_tone(outcome)),
        (PhaseWire::Ended, None) => ("ended", Tone::Plain),
    }
}

/// Returns an outcome as a table shows it.
pub fn spoken(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::TimedOut => "timed out",
        Outcome::Succeeded | Outcome::Failed | Outcome::Stopped | Outcome::Lost => outcome.as_str(),
    }
}

/// Returns an outcome as a sentence about a run tells it.
pub fn told(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Stopped => "was stopped",
        Outcome::Lost => "was lost",
        Outcome::Succeeded | Outcome::Failed | Outcome::TimedOut => spoken(outcome),
    }
}

/// Returns what became of a due time as a cell.
pub fn occurrence(outcome: OccurrenceOutcome) -> Cell {
    match outcome {
        OccurrenceOutcome::Ran => Cell::new("ran", Tone::Good),
        OccurrenceOutcome::CaughtUp => Cell::new("caught up", Tone::Good),
        OccurrenceOutcome::Queued => Cell::new("queued", Tone::Plain),
        OccurrenceOutcome::Skipped => Cell::new("skipped", Tone::Warn),
        OccurrenceOutcome::Missed => Cell::new("missed", Tone::Bad),
        OccurrenceOutcome::Paused => Cell::new("paused", Tone::Dim),
    }
}

fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Succeeded => Tone::Good,
        Outcome::Failed | Outcome::TimedOut | Outcome::Lost => Tone::Bad,
        Outcome::Stopped => Tone::Warn,
    }
}

/// Returns a moment as a cell.
pub fn moment(moment: Option<Wall>, look: &Look) -> Cell {
    Cell::or_dash(moment.map(|moment| when::show(moment, look)))
}

/// Returns a moment as a cell, in the reader's zone and as its distance, where there is room for both.
pub fn full_moment(moment: Option<Wall>, look: &Look) -> Cell {
    Cell::or_dash(moment.map(|moment| match look.times {
        Times::Exact => when::show(moment, look),
        Times::Relative => {
            let local = moment.to_zoned(look.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
            format!("{local} ({})", when::relative(moment, look.now))
        }
    }))
}

/// Returns how long a run took, or takes up to now.
pub fn took(run: &RunWire, look: &Look) -> Option<Duration> {
    let so_far = || (run.phase == PhaseWire::Running).then(|| when::since(run.started, look.now));
    run.duration_ms.map(Duration::from_millis).or_else(so_far)
}

/// Returns why a run began, in few words.
pub fn trigger(run: &RunWire) -> String {
    match &run.trigger {
        Trigger::Schedule { expression, caught_up: false, .. } => format!("schedule {expression}"),
        Trigger::Schedule { expression, caught_up: true, .. } => format!("schedule {expression}, caught up"),
        Trigger::RunAt { .. } => "run_at".to_owned(),
        Trigger::Api { user_agent } => format!("request of {user_agent}"),
        Trigger::Startup => "start of the host".to_owned(),
        Trigger::Restart => "restart".to_owned(),
        Trigger::Change { what } => format!("change: {what}"),
        Trigger::Retry { of } => format!("retry of {of}"),
    }
}

/// Whether a table of runs says whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// They are all of one job.
    One,
    /// They are of many.
    Many,
}

/// Renders runs as a table.
pub fn runs(runs: &[RunWire], whose: Whose, look: &Look) -> String {
    let is_wide = look.width == Width::Wide;
    let mut titles = vec!["JOB", "RUN", "OUTCOME", "EXIT", "STARTED", "TOOK", "TRIGGER"];
    titles.extend(["ENDED", "ATTEMPT", "ARGUMENTS", "HOST", "PID"].iter().filter(|_| is_wide));
    titles.push("REASON");
    let skip = usize::from(whose == Whose::One);
    let mut table = Table::new(&titles[skip..]);
    for run in runs {
        let (word, tone) = run_state(run);
        let mut cells = vec![
            Cell::from(&run.job),
            Cell::from(&run.id),
            Cell::new(word, tone),
            Cell::or_dash(run.exit_code.map(|code| code.to_string())),
            moment(Some(run.started), look),
            Cell::or_dash(took(run, look).map(when::duration)),
            Cell::from(trigger(run)),
        ];
        if is_wide {
            cells.extend([
                moment(run.ended, look),
                Cell::or_dash((run.attempt > 1).then(|| run.attempt.to_string())),
                Cell::or_dash(run.arguments.as_ref()),
                Cell::from(&run.instance),
                Cell::or_dash(run.pid.map(|pid| pid.to_string())),
            ]);
        }
        cells.push(Cell::or_dash(run.reason.as_ref()));
        table.row(cells.split_off(skip));
    }
    table.render(look.color)
}

/// Returns what a person should know of a job in one line: what is wrong with it, else why it is as it is.
pub fn note(job: &JobWire) -> Cell {
    match (job.problems.first(), &job.status.reason) {
        (Some(problem), _) if problem.fatal => Cell::new(problem.to_string(), Tone::Bad),
        (_, Some(reason)) => Cell::from(reason),
        (Some(problem), None) => Cell::new(problem.to_string(), Tone::Warn),
        (None, None) => Cell::or_dash(None::<&str>),
    }
}

//! `webjobd status JOB`: one job: its state and why, its process, its last runs, what comes next.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::{
    api::wire::{ComingWire, JobWire, RunWire},
    cli::{
        client::{Client, RunQuery},
        complete,
        error::{Exit, Outcome},
        job::{self, JobRef},
        list,
        look::{Look, OutputArgs, Session},
        next,
        table::{Cell, Table, Tone, pairs},
        when,
        words::{self, Whose},
    },
    model::{id::JobKind, run::Occurrence, status::StateWord},
};

/// Runs that are shown.
const RUNS: usize = 5;
/// Coming due times that are shown.
const COMING: usize = 3;
/// Past due times that are shown.
const OCCURRENCES: usize = 3;

/// The arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: JobRef,
    #[command(flatten)]
    output: OutputArgs,
}

/// Everything that is shown of one job.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The job.
    #[serde(flatten)]
    pub job: JobWire,
    /// Its newest runs.
    pub runs: Vec<RunWire>,
    /// Its next due times.
    pub coming: Vec<ComingWire>,
    /// What became of its latest due times.
    pub occurrences: Vec<Occurrence>,
}

/// Shows one job.
///
/// # Errors
/// When there is no such job, or no host answers.
pub async fn status(args: StatusArgs, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    let query = RunQuery { job: Some(job::full_name(&job)), limit: Some(RUNS), ..RunQuery::default() };
    let runs = client.runs(&query).await?;
    let is_planned = job.kind == JobKind::Triggered && (!job.schedules.is_empty() || job.next.is_some());
    let (coming, occurrences) = if is_planned {
        (client.next(&job, COMING, None).await?, client.occurrences(&job, OCCURRENCES).await?.occurrences)
    } else {
        (Vec::new(), Vec::new())
    };
    let shown = Shown { job, runs, coming, occurrences };
    session.answer(args.output, &shown, |look| render(&shown, look))?;
    Ok(exit_code(&shown.job))
}

/// Returns 0, or 3 for a continuous job that does not run and is not about to.
fn exit_code(job: &JobWire) -> ExitCode {
    let runs = match job.state {
        StateWord::Initializing
        | StateWord::Starting
        | StateWord::Running
        | StateWord::Stopping
        | StateWord::Standby
        | StateWord::Idle => true,
        StateWord::Backoff | StateWord::Stopped | StateWord::Done | StateWord::Disabled | StateWord::Problem => false,
    };
    if runs || job.kind == JobKind::Triggered { super::FINE } else { Exit::NotRunning.into() }
}

/// Renders what is shown of one job.
pub fn render(shown: &Shown, look: &Look) -> String {
    let job = &shown.job;
    let mut text = format!("{} ({})\n", Tone::Strong.paint(&job.name, look.color), job.kind);
    text.push_str(&indented(&pairs(&facts(job, look), look.color)));
    for problem in &job.problems {
        let (word, tone) = if problem.fatal { ("Problem", Tone::Bad) } else { ("Warning", Tone::Warn) };
        let told = crate::cli::table::clean(&problem.to_string());
        text.push_str(&format!("  {}: {told}\n", tone.paint(word, look.color)));
    }
    if job.copies.len() > 1 {
        section(&mut text, "Copies", &copies(job, look), look);
    }
    if !shown.runs.is_empty() {
        section(&mut text, "Last runs", &words::runs(&shown.runs, Whose::One, look), look);
    }
    if shown.occurrences.iter().any(|occurrence| occurrence.run.is_none()) {
        section(&mut text, "Last due times", &occurrences(&shown.occurrences, look), look);
    }
    if !shown.coming.is_empty() {
        section(&mut text, "Next due times", &next::table(&shown.coming, Whose::One, look), look);
    }
    text
}

fn facts(job: &JobWire, look: &Look) -> Vec<(&'static str, Cell)> {
    let uptime = (job.kind == JobKind::Continuous && job.state == StateWord::Running)
        .then(|| when::duration(when::since(job.status.since, look.now)));
    vec![
        ("About", Cell::or_dash(job.description.as_ref())),
        ("State", words::state(job.state)),
        ("Since", words::full_moment(Some(job.status.since), look)),
        ("Why", Cell::or_dash(job.status.reason.as_ref())),
        ("Until", words::moment(job.status.until, look)),
        ("Uptime", Cell::or_dash(uptime)),
        ("Process", Cell::or_dash(list::pids(job))),
        ("Restarts", Cell::or_dash((job.restarts > 0).then(|| job.restarts.to_string()))),
        ("Command", Cell::or_dash(job.run_command.as_ref())),
        ("Schedule", Cell::from(job.schedules.join("; "))),
        ("Next", words::full_moment(job.next, look)),
    ]
}

fn copies(job: &JobWire, look: &Look) -> String {
    let mut table = Table::new(&["COPY", "STATE", "SINCE", "UNTIL", "PID", "RUN", "REASON"]);
    for copy in &job.copies {
        table.row(vec![
            Cell::from(copy.copy.to_string()),
            words::state(copy.status.state),
            words::moment(Some(copy.status.since), look),
            words::moment(copy.status.until, look),
            Cell::or_dash(copy.pid.map(|pid| pid.to_string())),
            Cell::or_dash(copy.run.as_ref()),
            Cell::or_dash(copy.status.reason.as_ref()),
        ]);
    }
    table.render(look.color)
}

fn occurrences(occurrences: &[Occurrence], look: &Look) -> String {
    let mut table = Table::new(&["DUE", "OUTCOME", "TIMES", "RUN", "REASON"]);
    for occurrence in occurrences {
        table.row(vec![
            words::moment(Some(occurrence.due), look),
            words::occurrence(occurrence.outcome),
            Cell::or_dash(occurrence.count.map(|count| count.to_string())),
            Cell::or_dash(occurrence.run.map(|run| run.to_string())),
            Cell::or_dash(occurrence.reason.as_ref()),
        ]);
    }
    table.render(look.color)
}

fn section(text: &mut String, title: &str, body: &str, look: &Look) {
    text.push_str(&format!("\n{}\n{}", Tone::Strong.paint(title, look.color), indented(body)));
}

fn indented(body: &str) -> String {
    body.lines().map(|line| format!("  {line}\n")).collect()
}

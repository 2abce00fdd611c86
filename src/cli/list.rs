//! `webjobd list`: every job, those with problems included.

use clap::Args;

use crate::{
    api::wire::{JobWire, RunWire},
    cli::{
        client::Client,
        error::Outcome,
        look::{Look, OutputArgs, Session, Width},
        table::{Cell, Table},
        when, words,
    },
};

/// The arguments of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Lists every job.
///
/// # Errors
/// When no host answers.
pub async fn list(args: ListArgs, session: &Session) -> Outcome {
    let jobs = Client::open(&session.place).await?.jobs().await?;
    session.answer(args.output, &jobs, |look| render(&jobs, look))?;
    Ok(super::FINE)
}

/// Renders the list.
pub fn render(jobs: &[JobWire], look: &Look) -> String {
    if jobs.is_empty() {
        return "No jobs yet: put a folder with a script into jobs/triggered or jobs/continuous.\n".to_owned();
    }
    let is_wide = look.width == Width::Wide;
    let mut titles = vec!["JOB", "KIND", "STATE", "SINCE", "LAST RUN", "NEXT"];
    titles.extend(["PID", "RESTARTS", "SCHEDULE", "COMMAND", "DESCRIPTION"].iter().filter(|_| is_wide));
    titles.push("NOTE");
    let mut table = Table::new(&titles);
    for job in jobs {
        let mut cells = vec![
            Cell::from(&job.name),
            Cell::from(job.kind.as_str()),
            words::state(job.state),
            words::moment(Some(job.status.since), look),
            last_run(job.latest.as_ref(), look),
            words::moment(job.next, look),
        ];
        if is_wide {
            cells.extend([
                Cell::or_dash(pids(job)),
                Cell::or_dash((job.restarts > 0).then(|| job.restarts.to_string())),
                Cell::from(job.schedules.join("; ")),
                Cell::or_dash(job.run_command.as_ref()),
                Cell::or_dash(job.description.as_ref()),
            ]);
        }
        cells.push(words::note(job));
        table.row(cells);
    }
    table.render(look.color)
}

/// Returns the processes of a job as one text.
pub fn pids(job: &JobWire) -> Option<String> {
    let copies = job.copies.iter().filter_map(|copy| copy.pid);
    let runs = job.active.iter().filter_map(|run| run.pid);
    let pids: std::collections::BTreeSet<u32> = copies.chain(runs).collect();
    let texts: Vec<String> = pids.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

fn last_run(run: Option<&RunWire>, look: &Look) -> Cell {
    let Some(run) = run else { return Cell::or_dash(None::<&str>) };
    let (word, tone) = words::run_state(run);
    Cell::new(format!("{word} {}", when::show(run.ended.unwrap_or(run.started), look)), tone)
}

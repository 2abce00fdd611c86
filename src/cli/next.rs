//! `webjobd next [JOB]`: coming due times, in the schedule's zone and in UTC, with a mark where the clocks change.

use clap::Args;

use crate::{
    api::wire::ComingWire,
    cli::{
        client::Client,
        complete,
        error::{CliError, Exit, Outcome},
        job::{self, JobRef},
        look::{Look, OutputArgs, Session},
        table::{Cell, Table, Tone},
        when::{self, Direction},
        words::Whose,
    },
    model::id::JobKind,
};

/// The arguments of `next`.
#[derive(Args, Debug)]
pub struct NextArgs {
    /// Name of the job, or kind/name; every job when not given
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: Option<JobRef>,
    /// How many due times
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = super::count)]
    count: usize,
    /// From when on, such as 2d, tomorrow or 2026-03-29
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Shows coming due times.
///
/// # Errors
/// When there is no such job, or no host answers.
pub async fn next(args: NextArgs, session: &Session) -> Outcome {
    let read = |text: &String| when::moment(text, session.now, &session.zone, Direction::Future);
    let from = args.from.as_ref().map(read).transpose().map_err(|why| CliError::new(Exit::Usage, why))?;
    let client = Client::open(&session.place).await?;
    let mut coming = Vec::new();
    match &args.job {
        Some(named) => {
            let job = job::find(&client, named).await?;
            coming = client.next(&job, args.count, from).await?;
        }
        None => {
            let jobs = client.jobs().await?;
            let is_planned = |kind, schedules: &[String]| kind == JobKind::Triggered && !schedules.is_empty();
            for job in jobs.iter().filter(|job| is_planned(job.kind, &job.schedules) || job.next.is_some()) {
                coming.extend(client.next(job, args.count, from).await?);
            }
            coming.sort_by(|a, b| (a.due, &a.job).cmp(&(b.due, &b.job)));
            coming.truncate(args.count);
        }
    }
    let whose = if args.job.is_some() { Whose::One } else { Whose::Many };
    session.answer(args.output, &coming, |look| render(&coming, whose, look))?;
    Ok(super::FINE)
}

fn render(coming: &[ComingWire], whose: Whose, look: &Look) -> String {
    match (coming.is_empty(), whose) {
        (true, Whose::One) => "Nothing is due: the job has no schedule to come.\n".to_owned(),
        (true, Whose::Many) => "Nothing is due: no job has a schedule to come.\n".to_owned(),
        (false, _) => table(coming, whose, look),
    }
}

/// Renders coming due times as a table.
pub fn table(coming: &[ComingWire], whose: Whose, look: &Look) -> String {
    let titles = ["JOB", "DUE", "LOCAL", "UTC", "SCHEDULE", "LABEL", "NOTE"];
    let skip = usize::from(whose == Whose::One);
    let mut table = Table::new(&titles[skip..]);
    for one in coming {
        let mut cells = vec![
            Cell::from(&one.job),
            Cell::from(when::relative(one.due, look.now)),
            Cell::from(&one.local),
            Cell::from(format!("{:.0}", one.due)),
            Cell::from(&one.expression),
            Cell::or_dash(one.label.as_ref()),
            one.mark.as_ref().map_or_else(|| Cell::or_dash(None::<&str>), |mark| Cell::new(mark, Tone::Warn)),
        ];
        table.row(cells.split_off(skip));
    }
    table.render(look.color)
}

//! `webjobd history [JOB]`: what ran, newest first.

use clap::Args;

use crate::{
    cli::{
        client::{Client, RunQuery},
        complete,
        error::{CliError, Exit, Outcome},
        job::{self, JobRef},
        look::{OutputArgs, Session},
        when::{self, Direction},
        words::{self, Whose},
    },
    model::history::RunStatus,
};

/// The arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// Name of the job, or kind/name; every job when not given
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: Option<JobRef>,
    /// Only runs that failed, timed out or were lost
    #[arg(long)]
    failed: bool,
    /// Only runs that stand like this: running, succeeded, failed, timed_out, stopped or lost; several by comma
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<RunStatus>,
    /// Only runs that began since then, such as 1h30m, 2d, today or 2026-02-28
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = super::count)]
    limit: usize,
    #[command(flatten)]
    output: OutputArgs,
}

/// Lists runs.
///
/// # Errors
/// When there is no such job, or no host answers.
pub async fn history(args: HistoryArgs, session: &Session) -> Outcome {
    let read = |text: &String| when::moment(text, session.now, &session.zone, Direction::Past);
    let since = args.since.as_ref().map(read).transpose().map_err(|why| CliError::new(Exit::Usage, why))?;
    let client = Client::open(&session.place).await?;
    let job = match &args.job {
        Some(named) => Some(job::full_name(&job::find(&client, named).await?)),
        None => None,
    };
    let whose = if job.is_some() { Whose::One } else { Whose::Many };
    let words: Vec<&str> = args.status.iter().map(|status| status.as_str()).collect();
    let status = (!words.is_empty()).then(|| words.join(","));
    let query = RunQuery { job, failed: args.failed, since, status, limit: Some(args.limit), cursor: None };
    let runs = client.runs(&query).await?;
    session.answer(args.output, &runs, |look| match runs.is_empty() {
        true => "No such runs.\n".to_owned(),
        false => words::runs(&runs, whose, look),
    })?;
    Ok(super::FINE)
}

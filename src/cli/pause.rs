//! `webjobd pause` and `resume`: schedules rest for a while; `enable` and `disable`: whether a job may run at all.

use clap::Args;

use crate::{
    api::wire::PauseRequest,
    cli::{
        client::{Client, Wish},
        complete,
        control::JobArgs,
        error::{CliError, Exit, Outcome},
        job::{self, JobRef},
        look::Session,
        when::{self, Direction},
    },
};

/// The arguments of `pause`.
#[derive(Args, Debug)]
pub struct PauseArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// Until then, such as 2h, tomorrow or 2026-02-28T14:30; until `webjobd resume` when not given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why; shown wherever the pause is
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Whose schedules.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct WhoseArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: Option<JobRef>,
    /// All jobs
    #[arg(long)]
    all: bool,
}

/// Lets schedules start no runs.
///
/// # Errors
/// When there is no such job, it has no schedules, or the host refuses.
pub async fn pause(args: PauseArgs, session: &Session) -> Outcome {
    let read = |text: &String| when::moment(text, session.now, &session.zone, Direction::Future);
    let until = args.until.as_ref().map(read).transpose().map_err(|why| CliError::new(Exit::Usage, why))?;
    let request = PauseRequest { until, reason: args.reason };
    let end = match until {
        Some(until) => format!("until {until:.0}"),
        None => format!(
            "until `webjobd resume {}`",
            args.whose.job.as_ref().map_or("--all".to_owned(), ToString::to_string)
        ),
    };
    let whose = ask(&args.whose, "pause", &request, session).await?;
    session.print(&format!("{whose} paused {end}; requests still run\n"))?;
    Ok(super::FINE)
}

/// Lets schedules start runs again.
///
/// # Errors
/// When there is no such job, it has no schedules, or the host refuses.
pub async fn resume(args: WhoseArgs, session: &Session) -> Outcome {
    let whose = ask(&args, "resume", &serde_json::json!({}), session).await?;
    session.print(&format!("{whose} no longer paused\n"))?;
    Ok(super::FINE)
}

async fn ask(
    whose: &WhoseArgs,
    verb: &str,
    body: &impl serde::Serialize,
    session: &Session,
) -> Result<String, CliError> {
    let client = Client::open(&session.place).await?;
    let Some(named) = &whose.job else {
        client.post(&[verb], body).await?;
        return Ok("all jobs are".to_owned());
    };
    let job = job::find(&client, named).await?;
    client.post(&["jobs", job.kind.as_str(), &job.name, verb], body).await?;
    Ok(format!("job \"{}\" is", job.name))
}

/// Lets a job run, whatever its settings say.
///
/// # Errors
/// When there is no such job, or the host refuses.
pub async fn enable(args: JobArgs, session: &Session) -> Outcome {
    switch(args, Wish::Enable, "is enabled", session).await
}

/// Lets a job not run, whatever its settings say.
///
/// # Errors
/// When there is no such job, or the host refuses.
pub async fn disable(args: JobArgs, session: &Session) -> Outcome {
    let told = format!("is disabled; it stays so until `webjobd enable {}`", args.job);
    switch(args, Wish::Disable, &told, session).await
}

async fn switch(args: JobArgs, wish: Wish, told: &str, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    client.wish(&job, wish).await?;
    session.print(&format!("job \"{}\" {told}\n", job.name))?;
    Ok(super::FINE)
}

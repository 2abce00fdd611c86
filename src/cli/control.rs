//! `webjobd start`, `stop`, `restart`: what a person wants of a continuous job; `stop --run` for one run of any.

use clap::Args;

use crate::{
    api::wire::{JobWire, PhaseWire},
    cli::{
        client::{Client, Wish},
        complete,
        error::{CliError, Exit, Outcome},
        job::{self, JobRef, RunRef},
        look::Session,
        when, words,
    },
    model::{id::JobKind, status::StateWord},
};

/// The arguments of `start` and `restart`.
#[derive(Args, Debug)]
pub struct JobArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub job: JobRef,
}

/// The arguments of `stop`.
#[derive(Args, Debug)]
pub struct StopArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: JobRef,
    /// End this run only; `last` is the newest
    #[arg(long, value_name = "RUN")]
    run: Option<RunRef>,
    /// Ask for it and end at once, instead of waiting until it has stopped
    #[arg(short, long)]
    detach: bool,
}

/// How long `stop` waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Until the host knows of the wish.
    Asked,
    /// Until nothing runs any more.
    Ended,
}

/// Lets a job run.
///
/// # Errors
/// When there is no such job, or the host refuses.
pub async fn start(args: JobArgs, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    client.wish(&job, Wish::Start).await?;
    let text = match (job.kind, job.state) {
        (JobKind::Continuous, StateWord::Running) => "is running",
        (JobKind::Continuous, _) => "is being started",
        (JobKind::Triggered, _) => "may run again; to run it now: webjobd run",
    };
    tell(session, &job, text)
}

/// Stops a job and lets it run again.
///
/// # Errors
/// When there is no such job, it is not a continuous one, or the host refuses.
pub async fn restart(args: JobArgs, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    if job.kind == JobKind::Triggered {
        let text = format!("job \"{}\" is triggered; to run it again: webjobd run {}", job.name, args.job);
        return Err(CliError::new(Exit::Usage, text));
    }
    client.wish(&job, Wish::Restart).await?;
    tell(session, &job, "is being restarted")
}

/// Lets a job not run, or ends one run.
///
/// # Errors
/// When there is no such job or run, the run has ended already, or the host refuses.
pub async fn stop(args: StopArgs, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    let until = if args.detach { Until::Asked } else { Until::Ended };
    match (args.run, job.kind) {
        (Some(run), _) => stop_run(&client, &job, run, until, session).await,
        (None, JobKind::Continuous) => stop_job(&client, &job, until, session).await,
        (None, JobKind::Triggered) => Err(which_run(&job, &args.job)),
    }
}

async fn stop_job(client: &Client, job: &JobWire, until: Until, session: &Session) -> Outcome {
    client.wish(job, Wish::Stop).await?;
    if until == Until::Asked {
        return tell(session, job, "is being stopped");
    }
    for run in job.copies.iter().filter_map(|copy| copy.run.as_deref()) {
        match client.ended(job, run).await {
            // Pruned meanwhile: it has ended all the more.
            Ok(_) | Err(CliError::Told(Exit::NotFound, _)) => {}
            Err(error) => return Err(error),
        }
    }
    tell(session, job, "is stopped; it stays so until `webjobd start`")
}

async fn stop_run(client: &Client, job: &JobWire, run: RunRef, until: Until, session: &Session) -> Outcome {
    let run = run.run(client, job).await?;
    if run.phase == PhaseWire::Ended {
        let ago = when::relative(run.ended.unwrap_or(run.started), session.now);
        let how = run.outcome.map_or("ended", words::told);
        let text = format!("run {} of job \"{}\" is not running: it {how} {ago}", run.id, job.name);
        return Err(CliError::new(Exit::NotRunning, text));
    }
    client.cancel(job, &run.id).await?;
    let how = match until {
        Until::Asked => "is being stopped",
        Until::Ended => client.ended(job, &run.id).await?.outcome.map_or("ended", words::told),
    };
    session.print(&format!("run {} of job \"{}\" {how}\n", run.id, job.name))?;
    Ok(super::FINE)
}

fn tell(session: &Session, job: &JobWire, what: &str) -> Outcome {
    session.print(&format!("job \"{}\" {what}\n", job.name))?;
    Ok(super::FINE)
}

/// Says how to stop a triggered job: one of its runs, if there is any.
fn which_run(job: &JobWire, named: &JobRef) -> CliError {
    let name = &job.name;
    match job.active.as_slice() {
        [] => CliError::new(Exit::NotRunning, format!("job \"{name}\" is triggered, and no run of it is on its way")),
        runs => {
            let ids: Vec<&str> = runs.iter().map(|run| &*run.id).collect();
            let text = format!(
                "job \"{name}\" is triggered; say which run to stop: webjobd stop {named} --run {}",
                ids.join(" or ")
            );
            CliError::new(Exit::Usage, text)
        }
    }
}

//! `webjobd run JOB [-- args]`: asks for a run; with `--wait` follows its output and ends as it ends.
//!
//! The run belongs to the host: it goes on when this command is interrupted, and the person is told how to stop it.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use crate::{
    api::wire::{JobWire, RunRequest, RunWire},
    cli::{
        client::{Client, LogQuery},
        complete,
        error::{CliError, Exit, Outcome as Verdict, say},
        job::{self, JobRef},
        logs,
        look::{Form, OutputArgs, Session},
        when, words,
    },
    model::{id::JobKind, run::Outcome},
};

/// Longest wait for the last lines of a run that has ended.
const LAST_LINES_MAX: Duration = Duration::from_secs(10);
/// Exit code of a command that control-C ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// The arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: JobRef,
    /// Follow the run's output, and end with its exit code
    #[arg(short, long)]
    wait: bool,
    /// Say the run's id and end at once (the default)
    #[arg(short, long, conflicts_with = "wait")]
    detach: bool,
    /// Arguments for the job, instead of those in its settings
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a triggered job.
///
/// # Errors
/// When there is no such job, it may not run now, or no host answers.
pub async fn run(args: RunArgs, session: &Session) -> Verdict {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    if job.kind == JobKind::Continuous {
        let text = format!("job \"{}\" is continuous; to let it run: webjobd start {}", job.name, args.job);
        return Err(CliError::new(Exit::Usage, text));
    }
    let request = RunRequest { args: (!args.args.is_empty()).then_some(args.args) };
    let run = client.run(&job, &request).await?;
    let name = job::short_name(&job, &args.job);
    if !args.wait {
        session.answer(args.output, &run, |_| format!("{}\n", run.id))?;
        if session.is_terminal() {
            say(&format!("run of job \"{}\" begins; follow it: webjobd logs {name} --run {} -f", job.name, run.id));
        }
        return Ok(super::FINE);
    }
    let is_json = args.output.form() == Form::Json;
    let watched = async {
        let log = if is_json { None } else { Some(follow(&client, &job, &run, session)) };
        ended(&client, &job, &run, log).await
    };
    let ended = tokio::select! {
        // Cancel-safe: an interrupted watch leaves nothing behind, the run belongs to the host.
        ended = watched => ended?,
        Ok(()) = tokio::signal::ctrl_c() => {
            if session.is_terminal() {
                // Off the line on which the terminal shows the key.
                say("");
            }
            say(&format!("run {} goes on; to stop it: webjobd stop {name} --run {}", run.id, run.id));
            return Ok(INTERRUPTED.into());
        }
    };
    session.answer(args.output, &ended, |_| String::new())?;
    if !is_json {
        say(&summary(&ended, &job.name));
    }
    Ok(exit_code(&ended))
}

async fn follow(client: &Client, job: &JobWire, run: &RunWire, session: &Session) -> Result<(), CliError> {
    let query = LogQuery { run: Some(run.id.clone()), follow: true, ..LogQuery::default() };
    logs::copy(client, job, &query, session).await
}

/// Waits until the run has ended and its output is written.
async fn ended(
    client: &Client,
    job: &JobWire,
    run: &RunWire,
    log: Option<impl Future<Output = Result<(), CliError>>>,
) -> Result<RunWire, CliError> {
    let log = async {
        match log {
            Some(log) => log.await,
            None => Ok(()),
        }
    };
    tokio::pin!(log);
    let (mut is_written, end) = (false, client.ended(job, &run.id));
    tokio::pin!(end);
    loop {
        tokio::select! {
            // Both arms are cancel-safe: the futures are polled again where they were. Output goes first.
            biased;
            written = &mut log, if !is_written => {
                written?;
                is_written = true;
            }
            run = &mut end => {
                let run = run?;
                if !is_written {
                    // A host that keeps the stream open must not keep a script waiting: the run is over.
                    tokio::time::timeout(LAST_LINES_MAX, log).await.unwrap_or(Ok(()))?;
                }
                return Ok(run);
            }
        }
    }
}

/// Returns the exit code of a command that waited for this run: the job's own, but never 0 for a run that did not succeed.
fn exit_code(run: &RunWire) -> ExitCode {
    let own = run.exit_code.map(|code| u8::try_from(code).unwrap_or(Exit::Failed as u8));
    let code = match (run.outcome, own) {
        (Some(Outcome::Succeeded), own) => own.unwrap_or(0),
        (Some(Outcome::Failed | Outcome::TimedOut | Outcome::Stopped | Outcome::Lost) | None, own) => {
            own.filter(|code| *code != 0).unwrap_or(Exit::Failed as u8)
        }
    };
    code.into()
}

fn summary(run: &RunWire, name: &str) -> String {
    let how = run.outcome.map_or("ended", words::told);
    let took = run.duration_ms.map(|ms| format!(" after {}", when::duration(Duration::from_millis(ms))));
    let why = match (&run.reason, run.exit_code) {
        (Some(reason), _) => format!(": {reason}"),
        (None, Some(code)) if code != 0 => format!(": exit code {code}"),
        (None, _) => String::new(),
    };
    format!("run {} of job \"{name}\" {how}{}{why}", run.id, took.unwrap_or_default())
}

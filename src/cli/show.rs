//! `webjobd show JOB RUN`: one run whole.

use clap::Args;

use crate::{
    api::wire::RunWire,
    cli::{
        client::Client,
        complete,
        error::Outcome,
        job::{self, JobRef, RunRef},
        look::{Look, OutputArgs, Session},
        table::{Cell, pairs},
        when, words,
    },
};

/// The arguments of `show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: JobRef,
    /// Id of the run, or `last`
    #[arg(value_name = "RUN")]
    run: RunRef,
    #[command(flatten)]
    output: OutputArgs,
}

/// Shows one run.
///
/// # Errors
/// When there is no such job or run, or no host answers.
pub async fn show(args: ShowArgs, session: &Session) -> Outcome {
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    let run = args.run.run(&client, &job).await?;
    let name = job::short_name(&job, &args.job);
    session.answer(args.output, &run, |look| render(&run, &name, look))?;
    Ok(super::FINE)
}

/// Renders one run; `name` is what the person calls its job.
pub fn render(run: &RunWire, name: &str, look: &Look) -> String {
    let (word, tone) = words::run_state(run);
    let log = format!("webjobd logs {name} --run {}", run.id);
    let facts = [
        ("Job", Cell::from(&run.job)),
        ("Run", Cell::from(&run.id)),
        ("Outcome", Cell::new(word, tone)),
        ("Reason", Cell::or_dash(run.reason.as_ref())),
        ("Exit code", Cell::or_dash(run.exit_code.map(|code| code.to_string()))),
        ("Signal", Cell::or_dash(run.signal.map(|signal| signal.to_string()))),
        ("Trigger", Cell::from(words::trigger(run))),
        ("Arguments", Cell::or_dash(run.arguments.as_ref())),
        ("Attempt", Cell::from(run.attempt.to_string())),
        ("Started", words::full_moment(Some(run.started), look)),
        ("Ended", words::full_moment(run.ended, look)),
        ("Took", Cell::or_dash(words::took(run, look).map(when::duration))),
        ("Host", Cell::from(&run.instance)),
        ("Copy", Cell::or_dash((run.copy > 0).then(|| run.copy.to_string()))),
        ("Process", Cell::or_dash(run.pid.map(|pid| pid.to_string()))),
        ("Content", Cell::or_dash(run.content.as_ref())),
        ("Output", Cell::from(log)),
    ];
    pairs(&facts, look.color)
}

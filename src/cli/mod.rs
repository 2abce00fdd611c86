//! The command line: one verb a file. Verbs talk HTTP to a running host, except `serve`, `check`, `credentials` and
//! `completions`.
//!
//! ```text
//!  arguments ──> place: which host ──> client ──> answer ──> a renderer (pure) ──> standard output
//!                                         └── error: a sentence on standard error, and an exit code
//! ```
//! Standard output has the answer and nothing else; everything said beside it goes to standard error. No verb reads a
//! clock: the moment at which the command began is passed in.

pub mod check;
pub mod client;
pub mod complete;
pub mod control;
pub mod credentials;
pub mod error;
pub mod grep;
pub mod history;
pub mod job;
pub mod list;
pub mod logs;
pub mod look;
pub mod next;
pub mod pause;
pub mod place;
pub mod run;
pub mod serve;
pub mod show;
pub mod status;
pub mod table;
pub mod when;
pub mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    cli::{
        error::{CliError, Exit, Outcome},
        look::Session,
        place::Place,
    },
    model::time::Wall,
};

/// The exit code of a command that did what was asked.
pub const FINE: ExitCode = ExitCode::SUCCESS;

/// The most that can be asked for at once.
const COUNT_MAX: usize = 10_000;

const EXAMPLES: &str = "\
Examples:
  webjobd serve --root /srv/jobs     run the host in the foreground
  webjobd list                       what is there, and what is wrong with it
  webjobd run report --wait          run a job now and see it through
  webjobd logs worker -f             follow a job's output

Exit codes:
  0 fine   1 failed   2 usage   3 not running   4 no such job or run
  5 conflict (already running, stopped)   6 not allowed   7 no host reachable
  `run --wait` passes on the job's own.";

/// The WebJobs host that anybody can run: drop a script in a folder and it runs.
#[derive(Debug, Parser)]
#[command(name = "webjobd", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the host in the foreground
    #[command(
        after_help = "Signals: TERM or INT stops gracefully, a second one kills; HUP reads folders and settings again."
    )]
    Serve(serve::ServeArgs),
    /// Check job folders and settings, without a host
    #[command(after_help = "Ends with 1 when a job cannot run.

Examples:
  webjobd check                      every job of the root
  webjobd check jobs/triggered/x     one job
  webjobd check --schema > settings.schema.json")]
    Check(check::CheckArgs),
    /// List every job with its state
    List(list::ListArgs),
    /// Show one job: its state and why, its last runs, what comes next
    #[command(after_help = "Ends with 3 when a continuous job is not running.")]
    Status(status::StatusArgs),
    /// Run a triggered job now
    #[command(after_help = "Examples:
  webjobd run report                 begin a run and print its id
  webjobd run report --wait          see it through; the exit code is the job's own
  webjobd run greet -- Ada Grace     pass arguments")]
    Run(run::RunArgs),
    /// Let a continuous job run, from now on
    Start(control::JobArgs),
    /// Stop a continuous job, or one run of a triggered one
    #[command(after_help = "Examples:
  webjobd stop worker                stop it; it stays stopped until `webjobd start worker`
  webjobd stop report --run last     end the newest run")]
    Stop(control::StopArgs),
    /// Stop a continuous job and start it again
    Restart(control::JobArgs),
    /// Let schedules start no runs for a while
    #[command(after_help = "Examples:
  webjobd pause report               until `webjobd resume report`
  webjobd pause report --until 2h --reason \"moving the database\"
  webjobd pause --all --until 2026-02-28T18:00")]
    Pause(pause::PauseArgs),
    /// Let schedules start runs again
    Resume(pause::WhoseArgs),
    /// Let a job run, whatever its settings say
    Enable(control::JobArgs),
    /// Let a job not run, whatever its settings say
    Disable(control::JobArgs),
    /// Show what a job printed
    #[command(after_help = "Examples:
  webjobd logs worker -f             follow
  webjobd logs worker --since 1h     the last hour
  webjobd logs worker --grep 'time.?out' -i --context 2
  webjobd logs report --run last     the newest run alone")]
    Logs(logs::LogsArgs),
    /// List runs, newest first
    #[command(after_help = "Example:
  webjobd history --failed --since 1d   what went wrong since yesterday")]
    History(history::HistoryArgs),
    /// Show one run whole
    Show(show::ShowArgs),
    /// Show when jobs are due
    #[command(after_help = "Example:
  webjobd next report --from 2026-03-28 --count 5   what a change of the clocks does")]
    Next(next::NextArgs),
    /// Print how to log in to the host
    #[command(after_help = "Example:
  curl -u \"$(webjobd credentials)\" http://127.0.0.1:8090/api/v1/jobs")]
    Credentials(credentials::CredentialsArgs),
    /// Print what a shell needs to complete commands and job names
    #[command(after_help = "Examples:
  echo 'source <(webjobd completions bash)' >> ~/.bashrc
  webjobd completions fish > ~/.config/fish/completions/webjobd.fish")]
    Completions(complete::CompletionsArgs),
}

/// Does what the arguments ask, tells what went wrong, and returns the exit code.
pub fn run(cli: Cli, now: Wall) -> ExitCode {
    let session = Session::new(cli.place, now);
    dispatch(cli.verb, &session).unwrap_or_else(|error| error.report())
}

fn dispatch(verb: Verb, session: &Session) -> Outcome {
    match verb {
        Verb::Serve(args) => serve::serve(&args, &session.place),
        Verb::Check(args) => check::check(&args, session),
        Verb::Credentials(args) => credentials::credentials(&args, session),
        Verb::Completions(args) => complete::completions(&args, session),
        Verb::List(args) => wait_for(list::list(args, session)),
        Verb::Status(args) => wait_for(status::status(args, session)),
        Verb::Run(args) => wait_for(run::run(args, session)),
        Verb::Start(args) => wait_for(control::start(args, session)),
        Verb::Stop(args) => wait_for(control::stop(args, session)),
        Verb::Restart(args) => wait_for(control::restart(args, session)),
        Verb::Pause(args) => wait_for(pause::pause(args, session)),
        Verb::Resume(args) => wait_for(pause::resume(args, session)),
        Verb::Enable(args) => wait_for(pause::enable(args, session)),
        Verb::Disable(args) => wait_for(pause::disable(args, session)),
        Verb::Logs(args) => wait_for(logs::logs(args, session)),
        Verb::History(args) => wait_for(history::history(args, session)),
        Verb::Show(args) => wait_for(show::show(args, session)),
        Verb::Next(args) => wait_for(next::next(args, session)),
    }
}

/// Drives a verb that talks to a host; one thread starts fastest.
fn wait_for(verb: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| CliError::new(Exit::Failed, format!("failed to start a runtime: {error}")))?;
    runtime.block_on(verb)
}

/// Reads a count from 1 to [`COUNT_MAX`].
fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
    count.ok_or_else(|| format!("a number from 1 to {COUNT_MAX} is expected"))
}

#[cfg(test)]
mod tests;

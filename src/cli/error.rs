//! What goes wrong on the command line: a sentence for people and an exit code for programs.
//!
//! The codes are a promise: scripts branch on them. They stand in one place, here, and in the help text.

use std::{fmt, io, process::ExitCode};

/// Why a command did not do what was asked, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It went wrong.
    Failed = 1,
    /// What was asked makes no sense.
    Usage = 2,
    /// The job or run is not running.
    NotRunning = 3,
    /// There is no such job or run.
    NotFound = 4,
    /// Something that is going on stands against it: already running, stopped.
    Conflict = 5,
    /// The host does not let this user do it.
    NotAllowed = 6,
    /// No host answers.
    NoHost = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub enum CliError {
    /// Something to tell, and the exit code that goes with it.
    Told(Exit, anyhow::Error),
    /// Standard output takes no more: its reader has seen enough, or its disk is full.
    Output(io::Error),
}

/// What a verb comes to: the exit code of a command that did what was asked.
pub type Outcome = Result<ExitCode, CliError>;

impl CliError {
    /// Makes an error of a sentence.
    pub fn new(exit: Exit, message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::Told(exit, anyhow::Error::msg(message))
    }

    /// Returns what went wrong, without the exit code.
    pub fn into_cause(self) -> anyhow::Error {
        match self {
            Self::Told(_, cause) => cause,
            Self::Output(error) => error.into(),
        }
    }

    /// Tells the person, and returns the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Told(exit, cause) => {
                say(&format!("webjobd: {cause:#}"));
                (*exit).into()
            }
            // A reader such as `head` that has seen enough is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Output(error) => {
                say(&format!("webjobd: failed to write to standard output: {error}"));
                Exit::Failed.into()
            }
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(cause: anyhow::Error) -> Self {
        Self::Told(Exit::Failed, cause)
    }
}

/// Writes a line to standard error. Where nobody can read it any more, nobody is told.
pub fn say(line: &str) {
    use io::Write;
    let clean = super::table::clean(line);
    // A closed standard error must not turn a told failure into a panic.
    drop(writeln!(io::stderr(), "{clean}"));
}

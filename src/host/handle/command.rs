//! What may be asked of a running host, and why it was not done.

use tokio::sync::oneshot;

use crate::{
    decide::admit::Refusal,
    model::{
        id::{Instance, JobId, RunId},
        stop::StopReason,
        wish::Wish,
    },
};

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such job.
    #[error("there is no job `{0}`")]
    NoJob(JobId),
    /// There is no such run on its way.
    #[error("job `{0}` has no run {1} on its way")]
    NoRun(JobId, RunId),
    /// The run is on its way on another host.
    #[error("run {1} of job `{0}` is on its way on the host `{2}`; ask that one to cancel it")]
    Elsewhere(JobId, RunId, Instance),
    /// The job has a defect that keeps it from running.
    #[error("job `{0}` cannot run: {1}")]
    Problem(JobId, String),
    /// Something that is going on stands against it.
    #[error("job `{0}` was not started: {1}")]
    Refused(JobId, Refusal),
    /// Something keeps the job from running.
    #[error("job `{0}` does not run: {1}")]
    Barred(JobId, StopReason),
    /// What was sent makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The machine did not do it.
    #[error("{0}")]
    Failed(String),
    /// The job is busy, and a thousand messages wait for it already.
    #[error("job `{0}` is busy, and too much waits for it already; ask again later")]
    Busy(JobId),
    /// The host is on its way down.
    #[error("the host is stopping")]
    Stopping,
}

/// A run as its asker learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its id.
    pub run: RunId,
    /// Whether it waits for its turn.
    pub queued: bool,
}

/// A request to the host, with the place for its answer.
#[derive(Debug)]
pub enum Command {
    /// Run a triggered job.
    Run {
        /// Which.
        job: JobId,
        /// Its arguments as one text.
        arguments: Option<String>,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<Ticket>,
    },
    /// Let a continuous job run, from now on. For a triggered job: let its schedule count again.
    Start {
        /// Which.
        job: JobId,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Let a job not run, from now on and over restarts of the host.
    Stop {
        /// Which.
        job: JobId,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Keep a wish for a job, or for all.
    Wish {
        /// Which; all when `None`.
        job: Option<JobId>,
        /// What is asked for.
        wish: Wish,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Stop a continuous job and start it again.
    Restart {
        /// Which.
        job: JobId,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// End one run.
    Cancel {
        /// Whose.
        job: JobId,
        /// Which.
        run: RunId,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Answer when nothing of a job whose folder was deleted is left; let none of its name begin until it is forgotten.
    LetGo {
        /// Which.
        job: JobId,
        /// The answer.
        reply: Reply<()>,
    },
    /// Forget what was asked of a job, which was deleted.
    Forget {
        /// Which.
        job: JobId,
        /// The answer.
        reply: Reply<()>,
    },
    /// Answer, to show that you are alive.
    Ping {
        /// The answer.
        reply: Reply<()>,
    },
    /// Let every job's actor take over what holds for all jobs now, and answer when all have.
    Heed {
        /// The answer.
        reply: Reply<()>,
    },
    /// Read a job's folder now, and answer when what was read has been told to its supervisor.
    Refresh {
        /// Which; every folder when `None`.
        job: Option<JobId>,
        /// The answer.
        reply: Reply<()>,
    },
}

impl CommandError {
    /// Returns Kudu's text for a run that was not started (spec/kudu-webjobs 8.5); `None` where Kudu has none.
    pub fn kudu_text(&self) -> Option<&'static str> {
        match self {
            Self::Refused(_, Refusal::AlreadyRunning | Refusal::Full(_) | Refusal::QueueFull) => {
                Some("Cannot start a new run since job is already running.")
            }
            Self::Refused(_, Refusal::Stopped(_)) | Self::Barred(..) | Self::Stopping => {
                Some("WebJobs are currently in \"stopped\" state.")
            }
            Self::Refused(_, Refusal::Failed(_))
            | Self::NoJob(_)
            | Self::NoRun(..)
            | Self::Elsewhere(..)
            | Self::Problem(..)
            | Self::Invalid(_)
            | Self::Failed(_)
            | Self::Busy(_) => None,
        }
    }
}

impl Command {
    /// Returns the job of which something is asked that it may refuse; a stop it may not.
    pub fn asks(&self) -> Option<&JobId> {
        match self {
            Self::Run { job, .. } | Self::Start { job, .. } | Self::Restart { job, .. } | Self::Cancel { job, .. } => {
                Some(job)
            }
            Self::Wish { job, .. } => job.as_ref(),
            Self::Stop { .. }
            | Self::LetGo { .. }
            | Self::Forget { .. }
            | Self::Ping { .. }
            | Self::Heed { .. }
            | Self::Refresh { .. } => None,
        }
    }

    /// Answers with an error.
    pub fn refuse(self, error: impl FnOnce() -> CommandError) {
        // Whoever no longer waits for an answer gets none.
        match self {
            Self::Run { reply, .. } => drop(reply.send(Err(error()))),
            Self::Start { reply, .. }
            | Self::Stop { reply, .. }
            | Self::Wish { reply, .. }
            | Self::Restart { reply, .. }
            | Self::Cancel { reply, .. }
            | Self::LetGo { reply, .. }
            | Self::Forget { reply, .. }
            | Self::Ping { reply }
            | Self::Heed { reply }
            | Self::Refresh { reply, .. } => drop(reply.send(Err(error()))),
        }
    }
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

//! A run: one process lifetime of a job, why it began, how it ended, and its record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{
    exit::Exit,
    id::{Instance, JobId, RunId},
    job::ContentHash,
    time::Wall,
};

/// Why a run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Trigger {
    /// An occurrence of a schedule.
    Schedule {
        /// When it was due.
        #[schema(value_type = String, format = DateTime)]
        due: Wall,
        /// The expression in normal form.
        expression: String,
        /// Whether it ran late because no host ran when it was due.
        caught_up: bool,
    },
    /// The moment of `run_at`.
    RunAt {
        /// That moment.
        #[schema(value_type = String, format = DateTime)]
        due: Wall,
        /// Whether it ran late because no host ran, or its job was not there, when it was due.
        #[serde(default)]
        caught_up: bool,
    },
    /// A person or a program, over the API.
    Api {
        /// Its `User-Agent`.
        user_agent: String,
    },
    /// The host started.
    Startup,
    /// A continuous job's next life after an end.
    Restart,
    /// Its content changed.
    Change {
        /// The file that changed, or what else did.
        what: String,
    },
    /// A failed run's next attempt.
    Retry {
        /// The first attempt.
        #[schema(value_type = String)]
        of: RunId,
    },
}

impl Trigger {
    /// Returns a short word for metrics and lists.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Schedule { caught_up: true, .. } | Self::RunAt { caught_up: true, .. } => "catch_up",
            Self::Schedule { .. } => "schedule",
            Self::RunAt { .. } => "run_at",
            Self::Api { .. } => "api",
            Self::Startup => "startup",
            Self::Restart => "restart",
            Self::Change { .. } => "change",
            Self::Retry { .. } => "retry",
        }
    }

    /// Returns whether it stands for a due time that passed.
    pub const fn is_caught_up(&self) -> bool {
        match self {
            Self::Schedule { caught_up, .. } | Self::RunAt { caught_up, .. } => *caught_up,
            Self::Api { .. } | Self::Startup | Self::Restart | Self::Change { .. } | Self::Retry { .. } => false,
        }
    }
}

/// Kudu's trigger text (spec/kudu-webjobs 4.3), in the same manner where Kudu has none.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule { expression, caught_up: false, .. } => write!(f, "Schedule - {expression}"),
            Self::Schedule { expression, due, caught_up: true } => {
                write!(f, "Schedule - {expression} (caught up, due {due})")
            }
            Self::RunAt { due, caught_up: false } => write!(f, "Schedule - run_at {due}"),
            Self::RunAt { due, caught_up: true } => write!(f, "Schedule - run_at {due} (caught up)"),
            Self::Api { user_agent } => write!(f, "External - {user_agent}"),
            Self::Startup => f.write_str("Startup"),
            Self::Restart => f.write_str("Restart"),
            Self::Change { what } => write!(f, "Change - {what}"),
            Self::Retry { of } => write!(f, "Retry - of run {of}"),
        }
    }
}

/// What we conclude of an ended run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ended with a code that counts as success.
    Succeeded,
    /// It ended otherwise, or could not be started.
    Failed,
    /// It ran, or was quiet, for too long and was stopped for it.
    TimedOut,
    /// Somebody or something stopped it.
    Stopped,
    /// Nobody saw its end: the host was gone.
    Lost,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Stopped, Self::Lost];

    /// Returns the word as the API shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }
}

/// Where a run is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Accepted; its working copy is being made.
    Initializing,
    /// Its process lives.
    Running,
    /// It has ended.
    Ended(Outcome),
}

/// The summary of a run, as its record keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Whose run it is.
    pub job: JobId,
    /// Which copy of a continuous job, from 0.
    pub copy: u32,
    /// Where it ran.
    pub instance: Instance,
    /// Why it began.
    pub trigger: Trigger,
    /// 1, or more for a retry.
    pub attempt: u32,
    /// Arguments as given: one text as Kudu knows it.
    pub arguments: Option<String>,
    /// Where it is on its way.
    pub phase: RunPhase,
    /// When it was accepted.
    pub started: Wall,
    /// When it ended.
    pub ended: Option<Wall>,
    /// How long it took on the monotonic clock, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What the system reported.
    pub exit: Option<Exit>,
    /// Why it ended, for people.
    pub reason: Option<String>,
    /// Hash of the content that ran.
    pub content: Option<ContentHash>,
    /// Its process group.
    pub pid: Option<u32>,
    /// Where its output lies, for a run that shares its job's log with others.
    pub log: Option<LogSpan>,
}

impl RunRecord {
    /// Returns the record of a run that was accepted just now, at the time that its id tells: its first attempt, of the first
    /// copy, of which no more is known.
    pub fn accepted(id: RunId, job: JobId, instance: Instance, trigger: Trigger) -> Self {
        Self {
            id,
            job,
            copy: 0,
            instance,
            trigger,
            attempt: 1,
            arguments: None,
            phase: RunPhase::Initializing,
            started: id.began(),
            ended: None,
            duration_ms: None,
            exit: None,
            reason: None,
            content: None,
            pid: None,
            log: None,
        }
    }

    /// Returns what was concluded of it; `None` while it is on its way.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            RunPhase::Ended(outcome) => Some(outcome),
            RunPhase::Initializing | RunPhase::Running => None,
        }
    }
}

/// A run's part of its job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpan {
    /// The log's file name, where it is another than the usual one: an instance's own on a shared folder.
    pub name: Option<String>,
    /// The logical offset of its first byte.
    pub start: u64,
    /// The logical offset after its last byte, once it has ended.
    pub end: Option<u64>,
}

/// What became of a due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Occurrence {
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    pub due: Wall,
    /// When this was concluded.
    #[schema(value_type = String, format = DateTime)]
    pub at: Wall,
    /// What became of it.
    pub outcome: OccurrenceOutcome,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run that served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// How many occurrences this line stands for, when more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The oldest of them, when it stands for more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first: Option<Wall>,
    /// The run whose earlier line this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub corrects: Option<RunId>,
}

/// What became of a due time, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OccurrenceOutcome {
    /// It ran.
    Ran,
    /// Its run waits for its turn; another line follows that corrects this one.
    Queued,
    /// It was not run, because a run was on its way, or its run was dropped while it waited for its turn.
    Skipped,
    /// It passed while no host ran, or the clock jumped over it.
    Missed,
    /// It ran late.
    CaughtUp,
    /// It passed while the job was paused, disabled or stopped.
    Paused,
}

impl OccurrenceOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [Self::Ran, Self::Queued, Self::Skipped, Self::Missed, Self::CaughtUp, Self::Paused];

    /// Returns the word as the API shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Queued => "queued",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::CaughtUp => "caught_up",
            Self::Paused => "paused",
        }
    }
}

/// One line of the journal of a triggered job's due times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// What became of a due time.
    Occurrence(Occurrence),
    /// Up to here every due time has its answer.
    Served {
        /// That moment.
        served: Wall,
    },
}

impl Line {
    /// Returns up to when every due time has its answer by this line; `None` for one that corrects another.
    pub fn served(&self) -> Option<Wall> {
        match self {
            Self::Occurrence(occurrence) => occurrence.corrects.is_none().then_some(occurrence.due),
            Self::Served { served } => Some(*served),
        }
    }
}

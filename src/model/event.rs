//! What happened on a host, in order: for those who follow it, for hooks, for counters.
//!
//! An event tells that something is so now. Whoever missed some reads the state again: nothing is decided by events alone.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::{
    id::JobId,
    job::Problem,
    run::{Occurrence, RunRecord},
    status::Status,
    time::Wall,
};

/// The number of an event. It grows over restarts of the host: the first of a life is the moment of its start in
/// microseconds since 1970, so that a number of an earlier life is known for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// Returns the number before the first event of a host that starts at `wall`.
    pub fn before_start(wall: Wall) -> Self {
        Self(u64::try_from(wall.as_microsecond()).unwrap_or(0))
    }

    /// Returns the next number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    /// When.
    pub at: Wall,
    /// What.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A job's state has another word or another reason.
    StateChanged {
        /// Whose.
        job: JobId,
        /// Its state now.
        status: Status,
    },
    /// A job's folder is gone, and nothing of it runs any more.
    Removed {
        /// Whose.
        job: JobId,
    },
    /// A job's problems are others than before; none when all are mended.
    ProblemsChanged {
        /// Whose.
        job: JobId,
        /// All it has now, the worst first.
        problems: Vec<Problem>,
    },
    /// A run was accepted.
    RunBegan(Arc<RunRecord>),
    /// A run's process lives.
    RunStarted(Arc<RunRecord>),
    /// A run has ended and its record is closed.
    RunEnded(Arc<RunRecord>),
    /// A due time has its outcome.
    Occurred {
        /// Whose.
        job: JobId,
        /// What became of it.
        occurrence: Box<Occurrence>,
    },
}

impl News {
    /// All words for kinds of events.
    pub const WORDS: [&'static str; 7] =
        ["state_changed", "removed", "problems_changed", "run_began", "run_started", "run_ended", "occurred"];

    /// Returns the word by which programs know the kind of event.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::StateChanged { .. } => "state_changed",
            Self::Removed { .. } => "removed",
            Self::ProblemsChanged { .. } => "problems_changed",
            Self::RunBegan(_) => "run_began",
            Self::RunStarted(_) => "run_started",
            Self::RunEnded(_) => "run_ended",
            Self::Occurred { .. } => "occurred",
        }
    }

    /// Returns whose news it is.
    pub fn job(&self) -> &JobId {
        match self {
            Self::StateChanged { job, .. }
            | Self::Removed { job }
            | Self::ProblemsChanged { job, .. }
            | Self::Occurred { job, .. } => job,
            Self::RunBegan(run) | Self::RunStarted(run) | Self::RunEnded(run) => &run.job,
        }
    }
}

//! A job's state as shown outside: one word, why, since when, and until when.

use serde::{Deserialize, Serialize};

use crate::model::time::Wall;

/// The word for where a job, or one copy of it, is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateWord {
    /// Its folder was read and nothing is known yet.
    Initializing,
    /// Its process is about to start.
    Starting,
    /// Its process lives.
    Running,
    /// It is being stopped.
    Stopping,
    /// It ended and is started again at a known moment.
    Backoff,
    /// Somebody stopped it.
    Stopped,
    /// Another host runs it.
    Standby,
    /// It ended and its restart policy asks for no more.
    Done,
    /// A triggered job with nothing to do now.
    Idle,
    /// A marker or a setting keeps it from running.
    Disabled,
    /// Its folder has a defect that keeps it from running.
    Problem,
}

impl StateWord {
    /// Returns the word as the API shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Stopped => "stopped",
            Self::Standby => "standby",
            Self::Done => "done",
            Self::Idle => "idle",
            Self::Disabled => "disabled",
            Self::Problem => "problem",
        }
    }

    /// Returns Kudu's word for a continuous job in this state (spec/kudu-webjobs 3.1).
    pub const fn kudu(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Backoff => "PendingRestart",
            Self::Standby => "InactiveInstance",
            Self::Stopped | Self::Done | Self::Idle | Self::Disabled | Self::Problem => "Stopped",
        }
    }
}

/// Where a job, or one copy of it, is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The word.
    pub state: StateWord,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Wall,
    /// Until when at the latest, when that is known: the end of a backoff, the kill of a stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Wall>,
}

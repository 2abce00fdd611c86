//! Why a run was stopped: every stop has a reason, kept in its record and said in its log.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::run::Outcome;

/// Who or what asked for a stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum StopReason {
    /// A person or a program, over the API.
    Request {
        /// Its `User-Agent` or name.
        who: String,
    },
    /// The job's content changed.
    Changed {
        /// The file that changed, or what else did.
        what: String,
    },
    /// The job's folder, or its script, is gone.
    Removed,
    /// The job became disabled.
    Disabled {
        /// By what: a marker, its settings, the host's settings.
        by: String,
    },
    /// The host stops.
    HostStopping,
    /// It ran for too long.
    TimedOut {
        /// The bound it passed.
        after: Duration,
    },
    /// It neither printed anything nor used the processor for too long.
    Idle {
        /// The bound it passed.
        after: Duration,
    },
    /// Another run takes its place.
    Replaced,
}

impl StopReason {
    /// Returns what a run is that was stopped for this.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::TimedOut { .. } | Self::Idle { .. } => Outcome::TimedOut,
            Self::Request { .. }
            | Self::Changed { .. }
            | Self::Removed
            | Self::Disabled { .. }
            | Self::HostStopping
            | Self::Replaced => Outcome::Stopped,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { who } => write!(f, "stopped on request of {who}"),
            Self::Changed { what } => write!(f, "stopped because {what}"),
            Self::Removed => f.write_str("stopped because the job was removed"),
            Self::Disabled { by } => write!(f, "stopped because the job is disabled by {by}"),
            Self::HostStopping => f.write_str("stopped because the host stops"),
            Self::TimedOut { after } => write!(f, "stopped because it ran longer than {} s", after.as_secs_f64()),
            Self::Idle { after } => write!(
                f,
                "stopped because it neither printed anything nor used the processor for {} s; `idle_timeout` in settings.job changes that",
                after.as_secs_f64()
            ),
            Self::Replaced => f.write_str("stopped because the next run takes its place"),
        }
    }
}

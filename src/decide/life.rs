//! The life of one run: from the working copy to the end of the last process it left behind.
//!
//! ```text
//! Preparing ──> Spawning ──> Running ──> Draining ──> Sweeping ──> Ended
//!     │             │           │            ^            ^           ^
//!     │             │           └> Stopping ─┤            │           │
//!     │             │                 └> Killing ─────────┘           │
//!     └─────────────┴──── could not be started, or stopped before ────┘
//! ```
//!
//! A run ends when its leader has exited *and* its output is closed, or its drain time is over; then whatever is left of
//! its processes is killed (`Sweeping`). Both kinds of jobs share this machine. It never spawns, signals or waits itself:
//! it answers events with actions, and whoever performs them reports back with events.

mod steps;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{
    exit::{Exit, StopSignal},
    run::Outcome,
    stop::StopReason,
    time::Mono,
};

/// Time from a leader's exit to the cut of its output, when somebody still holds it open (spec/kudu-webjobs, timing).
pub const DRAIN: Duration = Duration::from_secs(5);

/// What of a job's settings matters to one run.
#[derive(Clone, Debug, PartialEq)]
pub struct LifePolicy {
    /// From the first signal of a stop to the kill.
    pub grace: Duration,
    /// First signal of a stop.
    pub stop_signal: StopSignal,
    /// Longest run.
    pub timeout: Option<Duration>,
    /// Longest time without output and without use of the processor.
    pub idle_timeout: Option<Duration>,
    /// Exit codes that count as success.
    pub success_exit_codes: Vec<i32>,
}

/// Where a run is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its working copy is being made.
    Preparing,
    /// Its process is being started. A stop that comes now is kept until the process is there.
    Spawning {
        /// The stop to carry out then.
        stop: Option<StopReason>,
        /// Whether that stop leaves no grace.
        at_once: bool,
    },
    /// Its process lives.
    Running {
        /// The process.
        process: Process,
        /// When it will have run for too long.
        timeout_at: Option<Mono>,
        /// Who watches that it does something.
        idle: Option<IdleWatch>,
    },
    /// It has been told to end.
    Stopping {
        /// The process.
        process: Process,
        /// Why.
        why: StopReason,
        /// When patience ends.
        kill_at: Mono,
    },
    /// It has been killed and has not exited yet.
    Killing {
        /// The process.
        process: Process,
        /// Why it was told to end.
        why: StopReason,
    },
    /// Its leader has exited; others may still hold its output, or be on their way out.
    Draining {
        /// The process.
        process: Process,
        /// What the system reported.
        exit: Exit,
        /// Why it was told to end, if it was.
        why: Option<StopReason>,
        /// When patience ends.
        until: Mono,
        /// Whether members of its group, told to end, are still awaited.
        group: Awaited,
    },
    /// What it left behind is being ended.
    Sweeping {
        /// How it ended.
        end: End,
    },
    /// Over.
    Ended {
        /// How it ended.
        end: End,
    },
}

/// A leader process that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process group.
    pub pid: u32,
    /// When it was started.
    pub since: Mono,
    /// Whether both its output pipes are closed.
    pub output_closed: bool,
}

/// Whether somebody is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Still waited for.
    Yes,
    /// Gone, or never waited for.
    No,
}

/// Watches that a run does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleWatch {
    /// When to look next.
    pub look_at: Mono,
    /// Processor time at the last look.
    pub cpu: Option<Duration>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What we conclude.
    pub outcome: Outcome,
    /// What the system reported, when there was a process.
    pub exit: Option<Exit>,
    /// Why, for people; empty for a plain success.
    pub reason: String,
    /// Whether it was told to end.
    pub stop: Option<StopReason>,
    /// From the start of its process to the end of its output.
    pub lived: Duration,
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    /// Its working copy is there.
    Prepared,
    /// Its process is there.
    Spawned {
        /// Its process group.
        pid: u32,
    },
    /// It could not be started.
    StartFailed {
        /// Why, for people.
        why: String,
    },
    /// Its leader exited.
    Exited {
        /// What the system reported.
        exit: Exit,
    },
    /// Both output pipes are closed, or were cut.
    OutputClosed,
    /// Nobody of its group lives.
    GroupGone,
    /// The answer to `LifeAction::Measure`.
    Measured {
        /// When it last printed something.
        last_output: Option<Mono>,
        /// Processor time of all its processes; `None` where the system does not tell.
        cpu: Option<Duration>,
    },
    /// What it left behind is gone.
    Swept {
        /// How many processes had to be killed.
        survivors: usize,
    },
    /// It shall end.
    Stop(StopReason),
    /// It shall end without grace.
    Kill(StopReason),
    /// A deadline passed.
    Tick,
}

/// What to do for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeAction {
    /// Make its working copy.
    Prepare,
    /// Start its process.
    Spawn,
    /// Announce the stop: shutdown file, then this signal to everybody of the run.
    Terminate(StopSignal),
    /// Kill everybody of the run.
    Kill,
    /// Tell when nobody of its group lives any more.
    AwaitGroup,
    /// Stop waiting for its output: read what is there, then close.
    CutOutput,
    /// Tell when it last did something.
    Measure,
    /// End whatever it left behind, then reap the leader.
    Sweep,
}

/// The next state and what to do.
pub type LifeStep = (Life, Vec<LifeAction>);

impl Life {
    /// Begins a run.
    pub fn begin() -> LifeStep {
        (Self::Preparing, vec![LifeAction::Prepare])
    }

    /// Returns when `Tick` shall be sent.
    pub fn next_deadline(&self) -> Option<Mono> {
        match self {
            Self::Running { timeout_at, idle, .. } => {
                let look_at = idle.as_ref().map(|idle| idle.look_at);
                timeout_at.iter().copied().chain(look_at).min()
            }
            Self::Stopping { kill_at, .. } => Some(*kill_at),
            Self::Draining { until, .. } => Some(*until),
            Self::Preparing | Self::Spawning { .. } | Self::Killing { .. } => None,
            Self::Sweeping { .. } | Self::Ended { .. } => None,
        }
    }

    /// Returns the process, while there is one.
    pub fn process(&self) -> Option<Process> {
        match self {
            Self::Running { process, .. }
            | Self::Stopping { process, .. }
            | Self::Killing { process, .. }
            | Self::Draining { process, .. } => Some(*process),
            Self::Preparing | Self::Spawning { .. } | Self::Sweeping { .. } | Self::Ended { .. } => None,
        }
    }
}

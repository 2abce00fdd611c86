//! The supervisor of one continuous job's copy, as a total state machine.
//!
//! ```text
//!            Start                  lease          life ends
//!   Idle ───────────> Claiming ───────────> Up ──────────────> Backoff
//!    ^                 │  ^  ^              │                     │
//!    │         no lease│  │  └──────────────┼────── until ────────┘
//!    │                 v  │ retry           │
//!    └──── Stop ───── Standby               └── Stop, or the policy asks for no more ──> Idle
//! ```
//!
//! A job that is no singleton, or has its lease still, has it at once. Each life asks anew, because a job may become a
//! singleton between two of them. The machine never touches a process: it answers events with actions,
//! and its host performs them and reports back. What it waits for, and until when, is in its state for everybody to see.

mod steps;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    decide::{
        life::{End, Life, LifeAction, LifeEvent, LifePolicy},
        restart::Restart,
    },
    model::{run::Trigger, stop::StopReason, time::Mono},
};

/// Longest time from one try for a singleton's lease to the next (spec/kudu-webjobs, timing: 5 s). All jobs of a host try at
/// the same moments, multiples of this on its clock, so that the host wakes once for all of them.
pub const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// What of a job's settings matters to its supervisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// For one life.
    pub life: LifePolicy,
    /// Between lives.
    pub restart: Restart,
    /// Where in the spread of a delay this copy lies, in 0..1.
    pub luck: f64,
}

/// Where a copy is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing runs and nothing will, until asked.
    Idle {
        /// Why.
        why: IdleWhy,
    },
    /// Waits for the answer to `Action::Claim`.
    Claiming {
        /// Why the life to come begins.
        trigger: Trigger,
        /// Restarts in a row, the coming one included when it is one.
        in_a_row: u32,
    },
    /// Another host runs it.
    Standby {
        /// When to try again.
        retry_at: Mono,
        /// Why the life to come begins.
        trigger: Trigger,
    },
    /// A life is on its way.
    Up {
        /// That life.
        life: Life,
        /// What follows it.
        then: Then,
        /// Restarts in a row, none of them healthy.
        in_a_row: u32,
    },
    /// Waits to start again.
    Backoff {
        /// Until when.
        until: Mono,
        /// Restarts in a row, the coming one included.
        in_a_row: u32,
        /// How the last life ended, for people.
        why: String,
    },
}

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdleWhy {
    /// It was never asked for.
    New,
    /// It was stopped.
    Stopped(StopReason),
    /// Its restart policy asks for no more.
    Done(String),
}

/// What follows the life on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// What the restart policy says.
    Policy,
    /// Nothing.
    Idle(StopReason),
    /// The next life at once.
    Again(Trigger),
}

/// What happened to a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It shall run.
    Start(Trigger),
    /// It shall not run.
    Stop(StopReason),
    /// It shall not run, and end without grace.
    Kill(StopReason),
    /// Its content changed: what runs shall be replaced.
    Replace {
        /// What changed, for people.
        what: String,
    },
    /// It shall run anew.
    Restart {
        /// Who asked.
        who: String,
    },
    /// The answer to `Action::Claim`: it is ours.
    Claimed,
    /// The answer to `Action::Claim`: another host has it.
    Refused,
    /// Something happened to the life on its way.
    Life(LifeEvent),
    /// A deadline passed.
    Tick,
}

/// What to do for a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try for the lease and answer at once.
    Claim,
    /// Give the lease back.
    Release,
    /// Begin a life: give it an id and a record.
    Begin(Trigger),
    /// Do this for the life on its way.
    Life(LifeAction),
    /// Close the life's record.
    Finish(End),
    /// Tell the job's log that it waits this long.
    SayBackoff(Duration),
    /// Tell the job's log that it is left alone.
    SayDone(String),
}

/// The next state and what to do.
pub type Step = (State, Vec<Action>);

impl State {
    /// Begins with nothing running.
    pub const fn new() -> Self {
        Self::Idle { why: IdleWhy::New }
    }

    /// Returns when `Tick` shall be sent.
    pub fn next_deadline(&self) -> Option<Mono> {
        match self {
            Self::Idle { .. } | Self::Claiming { .. } => None,
            Self::Standby { retry_at, .. } => Some(*retry_at),
            Self::Up { life, .. } => life.next_deadline(),
            Self::Backoff { until, .. } => Some(*until),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

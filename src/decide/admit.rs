//! A trigger while something runs: start, queue, replace, or refuse with a reason. And what follows a failed run.

use std::{fmt, time::Duration};

use crate::{
    decide::life::End,
    model::{
        exit::Exit,
        run::{Outcome, RunPhase, RunRecord, Trigger},
        settings::{Overlap, Retries},
        time::Wall,
    },
};

/// Most runs of one job that wait in its queue; a further trigger is refused.
pub const QUEUED_MAX: usize = 100;

/// What is going on when a trigger comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Going {
    /// Runs on their way here.
    pub running: usize,
    /// Triggers that wait here.
    pub queued: usize,
    /// Whether another host runs the job.
    pub elsewhere: bool,
}

/// What becomes of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It starts now.
    Start,
    /// It waits for its turn.
    Queue,
    /// What runs is stopped, then it starts.
    Replace,
    /// It does not run.
    Refuse(Refusal),
}

/// Why a trigger does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A run is on its way.
    AlreadyRunning,
    /// As many runs as allowed are on their way.
    Full(u32),
    /// The queue is full.
    QueueFull,
    /// The job, or the whole host, starts nothing now.
    Stopped(String),
    /// The machine does not let it.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning => f.write_str("a run is on its way"),
            Self::Full(bound) => write!(f, "{bound} runs are on their way, as many as `max_concurrency` allows"),
            Self::QueueFull => write!(f, "{QUEUED_MAX} runs wait in the queue already"),
            Self::Stopped(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Returns the policy that counts for a trigger: one that stands for a due time which passed waits for its turn instead
/// of being skipped. To skip is for what is due while a run is on its way, and it was due before.
pub fn overlap(asked: Overlap, trigger: &Trigger) -> Overlap {
    match asked {
        Overlap::Skip if trigger.is_caught_up() => Overlap::Queue,
        Overlap::Skip | Overlap::Queue | Overlap::Allow | Overlap::Replace => asked,
    }
}

/// Decides what becomes of a trigger.
pub fn admit(overlap: Overlap, max_concurrency: u32, going: Going) -> Admission {
    let busy = going.running > 0 || going.elsewhere;
    match overlap {
        Overlap::Skip if busy => Admission::Refuse(Refusal::AlreadyRunning),
        Overlap::Queue if going.queued >= QUEUED_MAX => Admission::Refuse(Refusal::QueueFull),
        Overlap::Queue if busy || going.queued > 0 => Admission::Queue,
        Overlap::Allow if going.running >= max_concurrency as usize => {
            Admission::Refuse(Refusal::Full(max_concurrency))
        }
        Overlap::Replace if going.running > 0 => Admission::Replace,
        // A run on another host is out of reach: it cannot be replaced.
        Overlap::Replace if going.elsewhere => Admission::Refuse(Refusal::AlreadyRunning),
        Overlap::Skip | Overlap::Queue | Overlap::Allow | Overlap::Replace => Admission::Start,
    }
}

/// Returns after how long a run that ended so is tried again, if it is; `attempt` counts from 1.
pub fn retry_after(retries: Option<&Retries>, attempt: u32, end: &End) -> Option<Duration> {
    delay_after(retries, attempt, end.outcome, end.exit)
}

/// Returns how long from now a run that an earlier life of the host saw end is tried again, if it is: never when its time
/// passed longer ago than `window`.
pub fn retry_owed(retries: Option<&Retries>, newest: &RunRecord, window: Duration, now: Wall) -> Option<Duration> {
    let RunPhase::Ended(outcome) = newest.phase else { return None };
    let delay = delay_after(retries, newest.attempt, outcome, newest.exit)?;
    let passed = Duration::try_from(now.duration_since(newest.ended?)).unwrap_or_default();
    (passed <= delay.saturating_add(window)).then(|| delay.saturating_sub(passed))
}

fn delay_after(retries: Option<&Retries>, attempt: u32, outcome: Outcome, exit: Option<Exit>) -> Option<Duration> {
    let retries = retries?;
    let failed = match outcome {
        Outcome::Failed | Outcome::TimedOut => true,
        Outcome::Succeeded | Outcome::Stopped | Outcome::Lost => false,
    };
    let worth = match (&retries.on_exit_codes, exit) {
        (None, _) => true,
        (Some(codes), Some(exit)) => codes.contains(&exit.shell_code()),
        (Some(_), None) => false,
    };
    if !failed || !worth || attempt > retries.max {
        return None;
    }
    let factor = retries.backoff.max(1.0).powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
    let grown = retries.delay.as_secs_f64() * factor;
    let bound = retries.max_delay.max(retries.delay);
    Some(Duration::try_from_secs_f64(grown).map_or(bound, |delay| delay.min(bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_policies_answer_as_written() {
        let going = |running, queued, elsewhere| Going { running, queued, elsewhere };
        let idle = going(0, 0, false);
        let refused = Admission::Refuse(Refusal::AlreadyRunning);
        for (overlap, max, going, want) in [
            (Overlap::Skip, 1, idle, Admission::Start),
            (Overlap::Skip, 1, going(1, 0, false), refused.clone()),
            (Overlap::Skip, 1, going(0, 0, true), refused.clone()),
            (Overlap::Queue, 1, idle, Admission::Start),
            (Overlap::Queue, 1, going(1, 0, false), Admission::Queue),
            (Overlap::Queue, 1, going(0, 0, true), Admission::Queue),
            (Overlap::Queue, 1, going(0, 1, false), Admission::Queue),
            (Overlap::Queue, 1, going(1, QUEUED_MAX, false), Admission::Refuse(Refusal::QueueFull)),
            (Overlap::Allow, 2, going(1, 0, true), Admission::Start),
            (Overlap::Allow, 2, going(2, 0, false), Admission::Refuse(Refusal::Full(2))),
            (Overlap::Replace, 1, idle, Admission::Start),
            (Overlap::Replace, 1, going(1, 0, false), Admission::Replace),
            (Overlap::Replace, 1, going(0, 0, true), refused),
        ] {
            assert_eq!(admit(overlap, max, going), want, "{overlap:?} {going:?}");
        }
    }

    #[test]
    fn what_is_caught_up_waits_where_others_are_skipped() {
        let due = "2026-03-01T10:00:00Z".parse().expect("a time");
        for (asked, caught_up, want) in [
            (Overlap::Skip, true, Overlap::Queue),
            (Overlap::Skip, false, Overlap::Skip),
            (Overlap::Queue, true, Overlap::Queue),
            (Overlap::Allow, true, Overlap::Allow),
            (Overlap::Replace, true, Overlap::Replace),
        ] {
            for trigger in [
                Trigger::RunAt { due, caught_up },
                Trigger::Schedule { due, expression: "0 0 * * * *".to_owned(), caught_up },
            ] {
                assert_eq!(overlap(asked, &trigger), want, "{trigger}");
            }
        }
    }

    fn end(outcome: Outcome, code: i32) -> End {
        End { outcome, exit: Some(Exit::Code(code)), reason: String::new(), stop: None, lived: Duration::ZERO }
    }

    #[test]
    fn retries_grow_up_to_their_bound_and_number() {
        let retries = Retries {
            max: 3,
            delay: Duration::from_secs(10),
            backoff: 3.0,
            max_delay: Duration::from_secs(60),
            on_exit_codes: None,
        };
        let delays: Vec<Option<u64>> = (1..=4)
            .map(|attempt| retry_after(Some(&retries), attempt, &end(Outcome::Failed, 1)).map(|d| d.as_secs()))
            .collect();
        assert_eq!(delays, [Some(10), Some(30), Some(60), None]);
        for outcome in [Outcome::Succeeded, Outcome::Stopped, Outcome::Lost] {
            assert_eq!(retry_after(Some(&retries), 1, &end(outcome, 1)), None);
        }
        let picky = Retries { on_exit_codes: Some(vec![75]), ..retries };
        assert_eq!(retry_after(Some(&picky), 1, &end(Outcome::Failed, 1)), None);
        assert!(retry_after(Some(&picky), 1, &end(Outcome::Failed, 75)).is_some());
    }
}

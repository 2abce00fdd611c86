//! After a crash of the host: what the runs are whose end nobody saw.

use crate::model::{
    run::{Outcome, RunPhase, RunRecord},
    time::Wall,
};

/// What is known of a run that was on its way when its host was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces<'a> {
    /// Its processes that still lived and were ended now.
    pub ended_now: usize,
    /// The machine that it ran on, when its processes are out of reach there.
    pub elsewhere: Option<&'a str>,
    /// The last sign of life: when its log was last written.
    pub last_sign: Option<Wall>,
}

/// Closes the record of a lost run: it ended no earlier than it began and no later than now.
pub fn close(record: &RunRecord, traces: Traces<'_>, now: Wall) -> RunRecord {
    let ended = if traces.ended_now > 0 { now } else { traces.last_sign.unwrap_or(record.started) };
    let ended = ended.max(record.started).min(now.max(record.started));
    let reason = match (record.phase, traces.ended_now, traces.elsewhere) {
        (RunPhase::Initializing, 0, _) => "the host was gone before the run's process was there".to_owned(),
        (_, 0, Some(machine)) => format!(
            "the host was gone before the run ended; it ran on the machine `{machine}`: what may be left of it there \
             could not be ended from here"
        ),
        (_, 0, None) => "the host was gone before the run ended; none of its processes were left".to_owned(),
        (_, 1, _) => "the host was gone before the run ended; its process was ended".to_owned(),
        (_, n, _) => format!("the host was gone before the run ended; its {n} processes were ended"),
    };
    let duration = ended.duration_since(record.started);
    RunRecord {
        phase: RunPhase::Ended(Outcome::Lost),
        ended: Some(ended),
        duration_ms: u64::try_from(duration.as_millis()).ok(),
        reason: Some(reason),
        ..record.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        id::{Instance, JobId, JobKind, JobName, RunId},
        run::Trigger,
    };

    fn wall(text: &str) -> Wall {
        text.parse().expect("a time")
    }

    fn record(phase: RunPhase) -> RunRecord {
        let started = wall("2026-01-01T10:00:00Z");
        RunRecord {
            id: RunId::at(started, None),
            job: JobId { kind: JobKind::Triggered, name: JobName::parse("report").expect("a name") },
            copy: 0,
            instance: Instance::new("a"),
            trigger: Trigger::Startup,
            attempt: 1,
            arguments: None,
            phase,
            started,
            ended: None,
            duration_ms: None,
            exit: None,
            reason: None,
            content: None,
            pid: Some(7),
            log: None,
        }
    }

    #[test]
    fn a_lost_run_ends_at_its_last_sign_of_life() {
        let traces = Traces { ended_now: 0, elsewhere: None, last_sign: Some(wall("2026-01-01T10:05:00Z")) };
        let closed = close(&record(RunPhase::Running), traces, wall("2026-01-02T00:00:00Z"));
        assert_eq!(closed.phase, RunPhase::Ended(Outcome::Lost));
        assert_eq!(closed.ended, Some(wall("2026-01-01T10:05:00Z")));
        assert_eq!(closed.duration_ms, Some(300_000));
    }

    #[test]
    fn a_lost_run_whose_processes_still_lived_ends_now() {
        let traces = Traces { ended_now: 2, elsewhere: None, last_sign: Some(wall("2026-01-01T10:05:00Z")) };
        let closed = close(&record(RunPhase::Running), traces, wall("2026-01-01T11:00:00Z"));
        assert_eq!(closed.ended, Some(wall("2026-01-01T11:00:00Z")));
        assert!(closed.reason.is_some_and(|reason| reason.contains("2 processes were ended")));
    }

    #[test]
    fn what_may_be_left_on_another_machine_is_said() {
        let traces = Traces { ended_now: 0, elsewhere: Some("box-2"), last_sign: None };
        let closed = close(&record(RunPhase::Running), traces, wall("2026-01-01T11:00:00Z"));
        let reason = closed.reason.expect("a reason");
        assert!(reason.contains("on the machine `box-2`") && reason.contains("could not be ended"), "{reason}");
    }

    #[test]
    fn an_end_never_lies_before_the_start_even_when_the_clock_went_back() {
        let traces = Traces { ended_now: 1, elsewhere: None, last_sign: None };
        let closed = close(&record(RunPhase::Initializing), traces, wall("2025-12-31T00:00:00Z"));
        assert_eq!(closed.ended, Some(closed.started));
    }
}

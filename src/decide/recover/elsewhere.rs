//! What the record of another host's run says, when nobody there writes it any more.

use crate::model::{
    id::Instance,
    run::{Outcome, RunPhase, RunRecord},
};

/// Returns whether a record counts only while another host lives: that host is to write the run's end.
pub fn awaits_another(record: &RunRecord, own: &Instance) -> bool {
    match record.phase {
        RunPhase::Initializing | RunPhase::Running => record.instance != *own,
        RunPhase::Ended(_) => false,
    }
}

/// Returns a run as it is shown once its host is gone (spec/kudu-webjobs 4.4): it has ended, but nobody saw when.
pub fn lost(record: RunRecord) -> RunRecord {
    let reason = format!("host `{}`, which ran it, is gone; nobody saw its end", record.instance);
    RunRecord { phase: RunPhase::Ended(Outcome::Lost), reason: Some(reason), pid: None, ..record }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        id::{JobId, JobKind, JobName, RunId},
        run::Trigger,
    };

    fn record(instance: &str, phase: RunPhase) -> RunRecord {
        RunRecord {
            id: RunId::parse("202601010000000000").expect("18 digits"),
            job: JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") },
            copy: 0,
            instance: Instance::new(instance),
            trigger: Trigger::Startup,
            attempt: 1,
            arguments: None,
            phase,
            started: "2026-01-01T00:00:00Z".parse().expect("a moment"),
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
    fn only_an_open_run_of_another_host_waits_for_that_host() {
        let own = Instance::new("a");
        for (instance, phase, awaits) in [
            ("b", RunPhase::Running, true),
            ("b", RunPhase::Initializing, true),
            ("b", RunPhase::Ended(Outcome::Failed), false),
            ("a", RunPhase::Running, false),
            ("a", RunPhase::Ended(Outcome::Succeeded), false),
        ] {
            assert_eq!(awaits_another(&record(instance, phase), &own), awaits, "{instance} {phase:?}");
        }
    }

    #[test]
    fn a_lost_run_names_its_host_and_has_no_end() {
        let shown = lost(record("b", RunPhase::Running));
        assert_eq!((shown.phase, shown.ended, shown.pid), (RunPhase::Ended(Outcome::Lost), None, None));
        assert_eq!(shown.reason.as_deref(), Some("host `b`, which ran it, is gone; nobody saw its end"));
    }
}

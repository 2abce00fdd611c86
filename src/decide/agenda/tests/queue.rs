//! Due times whose runs wait, begin, are dropped, or die with their host.

use super::*;
use crate::model::{
    run::{Outcome, RunPhase, RunRecord},
    stop::StopReason,
};

/// A host that ran, and three due times whose runs wait.
fn three_that_wait() -> (Host, Journal, Vec<RunId>) {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:00:30");
    host.serve(&mut journal, "01T10:00:30");
    let mut runs = Vec::new();
    for now in ["01T10:01:00", "01T10:02:00", "01T10:03:00"] {
        let told = Told::from(&journal);
        runs.extend(host.serve_with(&mut journal, told, now, &Answer::Queued));
    }
    (host, journal, runs)
}

#[test]
fn a_due_time_whose_run_waits_has_its_outcome_when_its_turn_came_or_it_was_dropped() {
    let (mut host, mut journal, runs) = three_that_wait();
    assert_eq!(journal.outcomes(), ["01T10:01:00 Queued", "01T10:02:00 Queued", "01T10:03:00 Queued"]);
    let who = || "ann".to_owned();
    host.settle(&mut journal, runs[0], &Fate::Began, "01T10:03:10");
    host.settle(&mut journal, runs[1], &Fate::Dropped(StopReason::Request { who: who() }), "01T10:03:20");
    host.settle(&mut journal, runs[2], &Fate::Dropped(StopReason::Disabled { by: who() }), "01T10:03:20");
    assert_eq!(journal.outcomes(), ["01T10:01:00 Ran", "01T10:02:00 Skipped", "01T10:03:00 Paused"]);
    let told = journal::corrected(journal.0.clone());
    assert_eq!(told[1].reason.as_deref(), Some("stopped on request of ann, while it waited in the queue"));
    assert_eq!(journal.served(), Some(at("01T10:03:00")), "what is served stays so");
    host.serve(&mut journal, "01T10:04:00");
    assert_eq!(journal.outcomes().len(), 4);
}

#[test]
fn what_died_in_the_queue_is_owed_by_the_policy_after_a_stop_and_after_a_crash() {
    for is_stopped in [true, false] {
        for (catch_up, window, wanted) in [
            (CatchUp::None, 600, ["Missed", "Missed", "Missed", "Missed"]),
            (CatchUp::Once, 600, ["Missed", "Missed", "Missed", "CaughtUp"]),
            (CatchUp::All, 600, ["CaughtUp"; 4]),
            (CatchUp::All, 130, ["Missed", "CaughtUp", "CaughtUp", "CaughtUp"]),
        ] {
            let (mut first, mut journal, runs) = three_that_wait();
            for run in runs.iter().filter(|_| is_stopped) {
                first.settle(&mut journal, *run, &Fate::Dropped(StopReason::HostStopping), "01T10:03:30");
            }
            let stopped = if is_stopped { "Missed" } else { "Queued" };
            assert!(journal.outcomes().iter().all(|told| told.ends_with(stopped)), "{:?}", journal.outcomes());
            let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:04:05");
            let settings =
                Settings { catch_up, catch_up_window: Duration::from_secs(window), ..(*host.job.settings).clone() };
            host.job = Arc::new(Job { settings: settings.into(), ..(*host.job).clone() });
            let past = journal.past("01T10:04:05");
            host.serve_with(&mut journal, past, "01T10:04:05", &Answer::Started);
            let outcomes: Vec<String> =
                wanted.iter().zip(1..).map(|(outcome, minute)| format!("01T10:0{minute}:00 {outcome}")).collect();
            assert_eq!(journal.outcomes(), outcomes, "{catch_up:?} {window} {is_stopped}");
            // A third host finds nothing that is owed.
            assert_eq!(journal.past("01T10:04:10").owed, []);
        }
    }
}

#[test]
fn what_is_caught_up_through_the_queue_is_told_as_caught_up() {
    let mut journal = Journal(vec![Line::Served { served: at("01T10:00:00") }]);
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:01:30");
    let told = Told::from(&journal);
    let runs = host.serve_with(&mut journal, told, "01T10:01:30", &Answer::Queued);
    host.settle(&mut journal, runs[0], &Fate::Began, "01T10:01:40");
    assert_eq!(journal.outcomes(), ["01T10:01:00 CaughtUp"]);
}

#[test]
fn what_died_in_the_queue_of_a_schedule_that_is_gone_or_rests_says_so() {
    let (_, journal, _) = three_that_wait();
    let mut gone = Journal(journal.0.clone());
    let mut host = Host::start(&gone, &["0 0 0 1 1 *"], "01T10:03:30");
    let past = gone.past("01T10:03:30");
    host.serve_with(&mut gone, past, "01T10:03:30", &Answer::Started);
    let told = journal::corrected(gone.0.clone());
    let reason = "its run waited in the queue when the host ended; its schedule is no longer there";
    assert!(told.iter().all(|told| told.reason.as_deref() == Some(reason)), "{told:?}");
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:03:30");
    host.bar("01T10:03:30", Some("stopped"));
    let lines = host.agenda.give_up(&journal.past("01T10:03:30").owed, at("01T10:03:30"));
    let rests = Journal([journal.0, lines].concat());
    assert_eq!(rests.outcomes(), ["01T10:01:00 Paused", "01T10:02:00 Paused", "01T10:03:00 Paused"]);
}

#[test]
fn a_run_that_waits_on_another_host_or_had_begun_is_owed_nothing() {
    let (_, journal, runs) = three_that_wait();
    let record = |run: RunId| {
        let mut record = RunRecord {
            started: at("01T10:01:00"),
            ..RunRecord::accepted(run, job(&[]).id, Instance::new("b"), Trigger::Startup)
        };
        if run == runs[1] {
            (record.phase, record.pid) = (RunPhase::Ended(Outcome::Lost), Some(7));
        }
        (run != runs[2]).then_some(record)
    };
    let Remains { owed, lines } = remains(journal.0.clone(), record, &Instance::new("a"), at("01T10:04:00"));
    assert_eq!(owed, [Owed { due: at("01T10:03:00"), run: runs[2] }]);
    let now = Journal([journal.0, lines].concat());
    assert_eq!(now.outcomes(), ["01T10:01:00 Queued", "01T10:02:00 Ran", "01T10:03:00 Queued"]);
}

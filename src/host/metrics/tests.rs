//! What is counted is shown under the promised names, and goes with its job.

use std::sync::Arc;

use super::*;
use crate::model::{
    exit::Exit,
    id::{Instance, JobKind, JobName, RunId},
    job::Found,
    run::RunPhase,
    status::{StateWord, Status},
};

fn wall(second: i64) -> Wall {
    Wall::from_second(second).expect("a time")
}

fn job(kind: JobKind, name: &str) -> JobId {
    JobId { kind, name: JobName::parse(name).expect("a name") }
}

fn ended(job: &JobId, outcome: Outcome, trigger: Trigger, ms: u64) -> News {
    News::RunEnded(Arc::new(RunRecord {
        phase: RunPhase::Ended(outcome),
        started: wall(1_000),
        ended: Some(wall(1_100)),
        duration_ms: Some(ms),
        exit: Some(Exit::Code(0)),
        ..RunRecord::accepted(RunId::at(wall(1_000), None), job.clone(), Instance::new("a"), trigger)
    }))
}

fn began(job: &JobId) -> News {
    let News::RunEnded(run) = ended(job, Outcome::Succeeded, Trigger::Restart, 0) else { unreachable!("made above") };
    News::RunBegan(Arc::new(RunRecord {
        phase: RunPhase::Initializing,
        ended: None,
        duration_ms: None,
        ..(*run).clone()
    }))
}

fn view(id: &JobId, state: StateWord) -> Arc<JobView> {
    let found = Found {
        id: id.clone(),
        root: std::path::Path::new("/jobs").into(),
        dir: std::path::Path::new("").into(),
        job: None,
        problems: Vec::new(),
        raw_settings: crate::model::settings::WrittenSettings::default(),
    };
    Arc::new(JobView {
        found: Arc::new(found),
        job: None,
        status: Status { state, reason: None, since: wall(0), until: None },
        copies: Box::default(),
        active: Box::default(),
        latest: None,
        next: Some(wall(2_000)),
        restarts: 0,
        stopped_by: None,
        paused: None,
    })
}

/// The lines of a text that start with a name, sorted.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_happened_is_counted_under_the_names_that_are_promised() {
    let metrics = Metrics::new();
    let report = job(JobKind::Triggered, "report");
    let due = wall(990);
    let scheduled = || Trigger::Schedule { due, expression: "0 * * * * *".to_owned(), caught_up: false };
    metrics.note(&ended(&report, Outcome::Succeeded, scheduled(), 700));
    metrics.note(&ended(&report, Outcome::Failed, scheduled(), 40));
    let ran = OccurrenceOutcome::Ran;
    let occurrence = Occurrence {
        due,
        at: wall(992),
        outcome: ran,
        reason: None,
        run: None,
        count: None,
        first: None,
        corrects: None,
    };
    metrics.note(&News::Occurred { job: report.clone(), occurrence: Box::new(occurrence.clone()) });
    let missed = Occurrence { outcome: OccurrenceOutcome::Missed, count: Some(7), ..occurrence };
    metrics.note(&News::Occurred { job: report.clone(), occurrence: Box::new(missed) });
    metrics.log_bytes(&report).inc_by(120);
    metrics.run_swept(&report, 2, Duration::from_millis(1_500));
    let usage = |_: &JobView| Some(JobUsage { memory: 4_096, cpu: Duration::from_secs(1) });
    let text = metrics.text(&[view(&report, StateWord::Idle)], usage);
    let of_report = r#"{job="report",kind="triggered""#;
    for line in [
        format!("webjobd_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        format!(r#"webjobd_job_state{of_report},state="idle"}} 1"#),
        format!(r#"webjobd_run_total{of_report},outcome="succeeded",trigger="schedule"}} 1"#),
        format!(r#"webjobd_run_total{of_report},outcome="failed",trigger="schedule"}} 1"#),
        format!("webjobd_run_duration_seconds_count{of_report}}} 2"),
        "webjobd_runs_running 0".to_owned(),
        format!(r#"webjobd_occurrence_total{of_report},outcome="ran"}} 1"#),
        format!(r#"webjobd_occurrence_total{of_report},outcome="missed"}} 7"#),
        "webjobd_occurrence_delay_seconds_sum 2.0".to_owned(),
        format!("webjobd_next_occurrence_timestamp_seconds{of_report}}} 2000.0"),
        format!("webjobd_last_success_timestamp_seconds{of_report}}} 1100.0"),
        format!("webjobd_log_bytes_total{of_report}}} 120"),
        "webjobd_survivors_total 2".to_owned(),
        format!("webjobd_job_memory_bytes{of_report}}} 4096"),
        format!("webjobd_job_cpu_seconds_total{of_report}}} 2.5"),
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_restart_is_counted_by_how_the_last_life_ended() {
    let metrics = Metrics::new();
    let worker = job(JobKind::Continuous, "worker");
    metrics.note(&began(&worker));
    metrics.note(&ended(&worker, Outcome::Failed, Trigger::Restart, 10));
    metrics.note(&began(&worker));
    let text = metrics.text(&[], |_| None);
    let restarts =
        |reason| format!(r#"webjobd_job_restarts_total{{job="worker",kind="continuous",reason="{reason}"}} 1"#);
    assert_eq!(lines(&text, "webjobd_job_restarts_total"), [restarts("failed"), restarts("unknown")]);
}

#[test]
fn a_log_that_took_nothing_is_shown_as_empty_once_its_job_has_run() {
    let metrics = Metrics::new();
    let [new, ran, writes] = ["new", "ran", "writes"].map(|name| job(JobKind::Continuous, name));
    metrics.run_swept(&ran, 0, Duration::ZERO);
    let News::RunBegan(run) = began(&writes) else { unreachable!("made so") };
    let runs = JobView { active: [run].into(), ..(*view(&writes, StateWord::Running)).clone() };
    let jobs = [view(&new, StateWord::Initializing), view(&ran, StateWord::Stopped), Arc::new(runs)];
    let line = |name, bytes| format!(r#"webjobd_log_bytes_total{{job="{name}",kind="continuous"}} {bytes}"#);
    let text = metrics.text(&jobs, |_| None);
    assert_eq!(lines(&text, "webjobd_log_bytes_total"), [line("ran", 0), line("writes", 0)]);
    metrics.log_bytes(&writes).inc_by(7);
    let text = metrics.text(&jobs, |_| None);
    assert_eq!(lines(&text, "webjobd_log_bytes_total"), [line("ran", 0), line("writes", 7)]);
}

#[test]
fn a_counter_of_processor_time_never_goes_back() {
    let metrics = Metrics::new();
    let worker = job(JobKind::Continuous, "worker");
    let jobs = [view(&worker, StateWord::Running)];
    let cpu = |seconds| {
        let used = JobUsage { memory: 1, cpu: Duration::from_secs(seconds) };
        let text = metrics.text(&jobs, |_| Some(used));
        lines(&text, "webjobd_job_cpu_seconds_total")[0].rsplit(' ').next().map(str::to_owned)
    };
    assert_eq!(cpu(5).as_deref(), Some("5.0"));
    assert_eq!(cpu(2).as_deref(), Some("5.0"));
    assert_eq!(cpu(6).as_deref(), Some("6.0"));
}

#[test]
fn a_job_that_goes_takes_its_numbers_with_it() {
    let metrics = Metrics::new();
    let (gone, stays) = (job(JobKind::Triggered, "gone"), job(JobKind::Triggered, "stays"));
    for id in [&gone, &stays] {
        metrics.note(&ended(id, Outcome::TimedOut, Trigger::Startup, 10));
        let due = wall(1);
        let outcome = OccurrenceOutcome::Paused;
        let occurrence =
            Occurrence { due, at: due, outcome, reason: None, run: None, count: None, first: None, corrects: None };
        metrics.note(&News::Occurred { job: id.clone(), occurrence: Box::new(occurrence) });
        metrics.log_bytes(id).inc_by(1);
    }
    let usage = |_: &JobView| Some(JobUsage { memory: 1, cpu: Duration::from_secs(1) });
    assert!(metrics.text(&[view(&gone, StateWord::Idle), view(&stays, StateWord::Idle)], usage).contains("\"gone\""));
    metrics.note(&News::Removed { job: gone });
    let text = metrics.text(&[view(&stays, StateWord::Idle)], usage);
    assert!(!text.contains("\"gone\"") && text.contains("\"stays\""), "{text}");
}

#[test]
fn a_name_with_quotes_is_escaped() {
    let metrics = Metrics::new();
    let odd = job(JobKind::Continuous, "a\"b");
    let text = metrics.text(&[view(&odd, StateWord::Running)], |_| None);
    assert!(text.contains(r#"webjobd_job_state{job="a\"b",kind="continuous",state="running"} 1"#), "{text}");
}

//! The written examples of spec/kudu-webjobs 8.7, letter by letter.

use super::*;
use crate::{
    api::{
        links,
        sample::{run, view, wall},
    },
    model::{
        job::{Found, Problem},
        run::Outcome,
    },
};

fn frame() -> Frame {
    Frame { links: links::tests::example(), instance: Instance::new("aabbccdd"), now: wall("2015-10-20T03:38:00Z") }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

#[test]
fn a_continuous_job_is_shown_as_kudu_shows_it() {
    let job = view(JobKind::Continuous, "worker", StateWord::Running, "{}");
    assert_eq!(
        text(&frame().job(&job, JobFiles::default(), &[])),
        concat!(
            r#"{"status":"Running","detailed_status":"aabbcc - Running\r\n","#,
            r#""log_url":"https://site.scm.example/vfs/data/jobs/continuous/worker/job_log.txt","#,
            r#""name":"worker","run_command":"run.cmd","url":"https://site.scm.example/api/continuouswebjobs/worker","#,
            r#""extra_info_url":"https://site.scm.example/azurejobs/#/jobs/continuous/worker","#,
            r#""type":"continuous","error":null,"using_sdk":false,"settings":{}}"#
        )
    );
}

#[test]
fn a_triggered_job_is_shown_as_kudu_shows_it() {
    let job = view(JobKind::Triggered, "nightly", StateWord::Idle, r#"{"schedule": "0 0 1 * * *"}"#);
    assert_eq!(
        text(&frame().job(&job, JobFiles::default(), &[])),
        concat!(
            r#"{"latest_run":null,"history_url":"https://site.scm.example/api/triggeredwebjobs/nightly/history","#,
            r#""scheduler_logs_url":null,"name":"nightly","run_command":"run.cmd","#,
            r#""url":"https://site.scm.example/api/triggeredwebjobs/nightly","#,
            r#""extra_info_url":"https://site.scm.example/azurejobs/#/jobs/triggered/nightly","#,
            r#""type":"triggered","error":null,"using_sdk":false,"settings":{"schedule":"0 0 1 * * *"}}"#
        )
    );
}

#[test]
fn a_run_is_shown_as_kudu_shows_it() {
    let files = RunFiles { has_output: true, has_error: false };
    let ended = run(RunPhase::Ended(Outcome::Succeeded), Some("2015-10-20T03:37:02.8328967Z"));
    assert_eq!(
        text(&frame().run(&ended, files)),
        concat!(
            r#"{"id":"201510200336425903","name":"201510200336425903","status":"Success","#,
            r#""start_time":"2015-10-20T03:36:42.5903978Z","end_time":"2015-10-20T03:37:02.8328967Z","#,
            r#""duration":"00:00:20.2424989","output_url":"https://site.scm.example/vfs/data/jobs/triggered/"#,
            r#"QueueUpdates/201510200336425903/output_log.txt","error_url":null,"#,
            r#""url":"https://site.scm.example/api/triggeredwebjobs/QueueUpdates/history/201510200336425903","#,
            r#""job_name":"QueueUpdates","trigger":"External - Mozilla/5.0 ..."}"#
        )
    );
}

#[test]
fn a_run_on_its_way_has_no_end_and_takes_up_to_now() {
    let shown = text(&frame().run(&run(RunPhase::Running, None), RunFiles::default()));
    for part in [
        r#""status":"Running""#,
        r#""end_time":"0001-01-01T00:00:00""#,
        r#""duration":"00:01:17.4096022""#,
        r#""output_url":null"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // The wall clock went back meanwhile: then the monotonic one tells.
    let back = run(RunPhase::Ended(Outcome::Failed), Some("2015-10-20T03:00:00Z"));
    assert!(text(&frame().run(&back, RunFiles::default())).contains(r#""duration":"00:00:00.0070000""#));
}

#[test]
fn states_have_kudus_words() {
    for (state, status, detailed) in [
        (StateWord::Initializing, "Initializing", "aabbcc - Initializing"),
        (StateWord::Backoff, "PendingRestart", "aabbcc - PendingRestart\r\n"),
        (StateWord::Standby, "InactiveInstance", "aabbcc - InactiveInstance\r\n"),
        (StateWord::Problem, "Stopped", "aabbcc - Stopped\r\n"),
    ] {
        let view = view(JobKind::Continuous, "worker", state, "{}");
        let job = frame().job(&view, JobFiles::default(), &[]);
        let KuduJob::Continuous(job) = job else { panic!("it is kept running") };
        assert_eq!((job.status.as_str(), job.detailed_status.as_str()), (status, detailed));
    }
}

#[test]
fn other_hosts_have_lines_of_their_own_and_speak_for_one_that_stands_by() {
    let elsewhere =
        [(Instance::new("zone-2"), "Running".to_owned()), (Instance::new("0af"), "InactiveInstance".into())];
    let view = view(JobKind::Continuous, "w", StateWord::Standby, "{}");
    let job = frame().job(&view, JobFiles::default(), &elsewhere);
    let KuduJob::Continuous(job) = job else { panic!("it is kept running") };
    assert_eq!(job.status, "Running");
    assert_eq!(job.detailed_status, "0af - InactiveInstance\r\naabbcc - InactiveInstance\r\nzone-2 - Running\r\n");
}

#[test]
fn a_problem_is_shown_as_the_jobs_error() {
    let mut job = view(JobKind::Triggered, "broken", StateWord::Problem, "{}");
    let problem = |message: &str, fatal: bool| Problem {
        code: "x".to_owned(),
        message: message.to_owned(),
        file: fatal.then(|| "settings.job".to_owned()),
        line: Some(1),
        column: Some(2),
        fatal,
    };
    let found = Found {
        job: None,
        problems: vec![problem("no script", true), problem("odd", false)],
        ..Found::clone(&job.found)
    };
    (job.found, job.job) = (found.into(), None);
    let shown =
        text(&frame().job(&job, JobFiles { uses_sdk: true, has_scheduler_log: true, ..JobFiles::default() }, &[]));
    for part in [
        r#""run_command":null"#,
        r#""error":"settings.job:1:2: no script""#,
        r#""using_sdk":true"#,
        r#""scheduler_logs_url":"https://site.scm.example/vfs/data/jobs/triggered/broken/job_scheduler.log""#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

//! Jobs that rest: they have no actor until something is to be done, and nobody can tell but by memory and trace.

use jiff::Timestamp;

use crate::{
    ask::{moment, runs, text, until_runs},
    world::{Host, Root, eventually},
};

const SHORT: &str = "#!/bin/bash\necho short\n";
const YEARLY: &str = r#"{"schedule": "0 0 0 1 1 *"}"#;

/// Starts a host that tells of jobs that rest.
fn host(root: &Root) -> Host {
    root.host_with(&[], &[("RUST_LOG", "info,webjobd::host::reconciler=debug")])
}

/// Counts how often a job went to rest so far.
fn rests(host: &Host, job: &str) -> usize {
    let trace = host.trace();
    let name = format!("job={job}");
    let is_told = |line: &&str| line.contains("a job rests") && !line.contains("no more");
    trace.lines().filter(is_told).filter(|line| line.split_whitespace().any(|word| word == name)).count()
}

#[track_caller]
fn until_rests(host: &Host, job: &str, count: usize) {
    eventually(&format!("{job} rests"), || (rests(host, job) >= count).then_some(()));
}

#[test]
fn a_job_that_rested_runs_at_its_moment() {
    let root = Root::new();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let due = Timestamp::from_second(i64::try_from(now).expect("a time") + 25).expect("a time");
    root.job("triggered/once", &[("run.sh", SHORT), ("settings.job", &format!(r#"{{"run_at": "{due}"}}"#))]);
    let host = host(&root);
    until_rests(&host, "triggered/once", 1);
    assert_eq!(runs(&host, "triggered/once").len(), 0);
    assert_eq!(text(&host.job("triggered/once")["next"]).parse::<Timestamp>().expect("a time"), due);
    let run = until_runs(&host, "triggered/once", 1);
    assert!(moment(&run[0]["started"]) >= due.as_duration().as_secs_f64(), "{run:?}");
    // It rests again a while after its run, and runs again when asked.
    until_rests(&host, "triggered/once", 2);
    let run = host.run("once");
    host.until_ended("triggered/once", &run);
    let all = runs(&host, "triggered/once");
    assert_eq!(all.len(), 2);
    assert!(text(&all[0]["id"]) < run.as_str(), "{all:?}");
}

#[test]
fn of_many_jobs_that_run_at_the_start_each_runs_once() {
    let root = Root::new();
    // More than begin together.
    let jobs: Vec<String> = (0..100).map(|number| format!("triggered/first{number}")).collect();
    for job in &jobs {
        root.job(job, &[("run.sh", SHORT), ("settings.job", r#"{"run_on_start": true, "overlap": "queue"}"#)]);
    }
    let host = host(&root);
    // One is told of before it has its turn, perhaps.
    let asked = host.run("first99");
    host.until_ended("triggered/first99", &asked);
    for job in &jobs {
        until_rests(&host, job, 1);
        let count = if job == "triggered/first99" { 2 } else { 1 };
        assert_eq!(runs(&host, job).len(), count, "{job}");
    }
}

#[test]
fn a_job_that_rests_hears_of_everything() {
    let root = Root::new();
    for job in ["run", "changed", "changing", "paused", "stopped", "gone", "plain"] {
        let files = [("run.sh", SHORT), ("settings.job", YEARLY)];
        root.job(&format!("triggered/{job}"), if job == "plain" { &files[..1] } else { &files });
    }
    let host = host(&root);
    for job in ["run", "changed", "changing", "paused", "stopped", "gone", "plain"] {
        until_rests(&host, &format!("triggered/{job}"), 1);
    }
    for job in ["run", "plain"] {
        let run = host.run(job);
        host.until_ended(&format!("triggered/{job}"), &run);
    }

    root.write("jobs/triggered/changed/settings.job", r#"{"schedule": "* * * * * *"}"#);
    until_runs(&host, "triggered/changed", 2);

    let shown = |job: &str| host.job(&format!("triggered/{job}"));
    assert_eq!(host.post("/api/v1/jobs/triggered/paused/pause").status, 202);
    eventually("it is paused", || shown("paused").get("paused").is_some().then_some(()));
    assert_eq!(host.post("/api/v1/jobs/triggered/paused/resume").status, 202);
    eventually("it is not", || shown("paused").get("paused").is_none().then_some(()));

    assert_eq!(host.post("/api/v1/jobs/triggered/stopped/stop").status, 202);
    host.until_state("triggered/stopped", "stopped");
    assert_eq!(host.post("/api/triggeredwebjobs/stopped/run").status, 409);
    assert_eq!(host.post("/api/v1/jobs/triggered/stopped/start").status, 202);
    host.until_state("triggered/stopped", "idle");

    std::fs::rename(root.path("jobs/triggered/gone"), root.path("gone")).expect("it is moved away");
    eventually("it is gone", || (host.get("/api/v1/jobs/triggered/gone").status == 404).then_some(()));
    std::fs::rename(root.path("gone"), root.path("jobs/triggered/gone")).expect("it is moved back");
    eventually("it is there", || (host.get("/api/v1/jobs/triggered/gone").status == 200).then_some(()));
    let id = host.run("gone");
    host.until_ended("triggered/gone", &id);
    // Each request wakes it, and it rests again at once: no answer is lost in between.
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(host.post("/api/v1/jobs/triggered/changing/start").status, 202);
                }
            });
        }
    });
    assert!(rests(&host, "triggered/changing") > 10, "{}", host.trace());
    assert!(host.stop().success());
}

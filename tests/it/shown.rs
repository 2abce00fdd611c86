//! What is shown of runs and due times: of other hosts' too, and of the version that is in use.

use serde_json::Value;

use crate::{
    ask::{HOLD, let_go, until_problem},
    hosts::host,
    world::{Host, Root, eventually},
};

const DONE: &str = "#!/bin/sh\necho done\n";

/// Waits until every way to see a job's newest run shows this one.
#[track_caller]
fn until_latest(host: &Host, name: &str, run: &str) {
    eventually(&format!("{run} is the newest"), || {
        let kudu = host.get(&format!("/api/triggeredwebjobs/{name}")).json()["latest_run"]["id"].clone();
        let list = host.get("/api/triggeredwebjobs").json()[0]["latest_run"]["id"].clone();
        let own = host.job(&format!("triggered/{name}"))["latest"]["id"].clone();
        let owns = host.get("/api/v1/jobs").json()[0]["latest"]["id"].clone();
        [kudu, list, own, owns].iter().all(|id| id == run).then_some(())
    });
}

#[test]
fn a_run_on_one_host_is_the_last_run_on_all() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", DONE)]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let first = a.run("report");
    a.until_ended("triggered/report", &first);
    until_latest(&b, "report", &first);
    let tag = b.get("/api/triggeredwebjobs").header("etag").map(str::to_owned);
    let second = a.run("report");
    a.until_ended("triggered/report", &second);
    until_latest(&b, "report", &second);
    assert_ne!(b.get("/api/triggeredwebjobs").header("etag").map(str::to_owned), tag);
    assert!(a.stop().success());
    let third = b.run("report");
    b.until_ended("triggered/report", &third);
    let a = host(&root, "a");
    let fourth = b.run("report");
    b.until_ended("triggered/report", &fourth);
    assert!(b.stop().success());
    // The other one is gone; its last run is not.
    until_latest(&a, "report", &fourth);
}

#[test]
fn a_run_whose_host_is_gone_is_shown_as_lost() {
    let root = Root::new();
    root.job("triggered/hold", &[("run.sh", HOLD)]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let run = a.run("hold");
    let seen = |host: &Host| host.get(&format!("/api/v1/jobs/triggered/hold/runs/{run}")).json();
    eventually("it runs", || (seen(&b)["phase"] == "running").then_some(()));
    a.crash();
    let lost = eventually("it is lost", || Some(seen(&b)).filter(|run| run["phase"] == "ended"));
    assert_eq!(lost["outcome"], "lost");
    assert!(lost["reason"].as_str().is_some_and(|why| why.contains("`a`")), "{lost}");
    let status = |path: &str| host_status(&b.get(path).json());
    assert_eq!(status(&format!("/api/triggeredwebjobs/hold/history/{run}")), "Aborted");
    assert_eq!(host_status(&b.get("/api/triggeredwebjobs/hold").json()["latest_run"]), "Aborted");
    assert_eq!(host_status(&b.get("/api/triggeredwebjobs/hold/history").json()["runs"][0]), "Aborted");
    assert_eq!(b.runs("triggered/hold")[0]["outcome"], "lost");
    let_go(&root, "hold");
}

fn host_status(run: &Value) -> String {
    run["status"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn due_times_are_those_of_the_version_in_use() {
    let root = Root::new();
    let settings = r#"{"schedule": "0 30 2 * * *", "time_zone": "UTC", "description": "good"}"#;
    root.job("triggered/nightly", &[("run.sh", DONE), ("settings.job", settings)]);
    let host = root.host();
    let next = "/api/v1/jobs/triggered/nightly/next?count=1&from=2030-01-01T00:00:00Z";
    assert_eq!(host.get(next).json()[0]["due"], "2030-01-01T02:30:00Z");
    root.write("jobs/triggered/nightly/settings.job", r#"{"schedule": "0 30 99 * * *"}"#);
    until_problem(&host, "triggered/nightly", "bad_value");
    assert_eq!(host.get(next).json()[0]["due"], "2030-01-01T02:30:00Z");
    assert_eq!(host.get("/api/triggeredwebjobs/nightly").json()["run_command"], "run.sh");
    let job = host.job("triggered/nightly");
    assert_eq!(job["run_command"], "run.sh");
    assert_eq!(job["schedules"], serde_json::json!(["0 30 2 * * *"]));
    let said = root.cli(&["next", "nightly"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("0 30 2 * * *"), "{said:?}");
}

#[test]
fn the_tag_of_a_history_changes_with_its_runs_only() {
    let root = Root::new();
    root.job("triggered/hold", &[("run.sh", HOLD)]);
    let host = root.host();
    let path = "/api/triggeredwebjobs/hold/history";
    let tag = || host.get(path).header("etag").expect("a tag").to_owned();
    let none = tag();
    let run = host.run("hold");
    eventually("it runs", || (host_status(&host.get(path).json()["runs"][0]) == "Running").then_some(()));
    let running = tag();
    assert_ne!(running, none);
    let again = host.send("GET", path, &[("If-None-Match", &running)], b"");
    assert_eq!((again.status, again.header("etag")), (304, Some(&*running)));
    let_go(&root, "hold");
    host.until_ended("triggered/hold", &run);
    assert_eq!(host.send("GET", path, &[("If-None-Match", &running)], b"").status, 200);
}

#[test]
fn a_due_time_at_the_very_moment_asked_from_is_shown() {
    let root = Root::new();
    for (name, settings) in [
        ("nightly", r#"{"schedule": "0 30 2 * * *", "time_zone": "UTC"}"#),
        ("once", r#"{"run_at": "2030-01-01T02:30:00Z"}"#),
    ] {
        root.job(&format!("triggered/{name}"), &[("run.sh", DONE), ("settings.job", settings)]);
    }
    let host = root.host();
    for name in ["nightly", "once"] {
        let path = format!("/api/v1/jobs/triggered/{name}/next?count=1&from=2030-01-01T02:30:00Z");
        assert_eq!(host.get(&path).json()[0]["due"], "2030-01-01T02:30:00Z", "{name}");
    }
    let path = "/api/v1/jobs/triggered/nightly/next?count=1&from=2030-01-01T02:30:00.000000001Z";
    assert_eq!(host.get(path).json()[0]["due"], "2030-01-02T02:30:00Z");
}

#[test]
fn commands_name_the_job_and_the_verb_that_helps() {
    let root = Root::new();
    root.job("triggered/greet", &[("run.sh", DONE)]);
    root.job("triggered/off", &[("run.sh", DONE), ("settings.job", r#"{"enabled": false}"#)]);
    root.job("triggered/empty", &[("readme.txt", "no script\n")]);
    root.job("continuous/web", &[("run.sh", "#!/bin/sh\nexec sleep 1000\n")]);
    let _host = root.host();
    let said = |arguments: &[&str]| {
        let output = root.cli(arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert_eq!(said(&["start", "greet"]), "job \"greet\" may run again; to run it now: webjobd run greet\n");
    for (job, why) in [("off", "enabled"), ("empty", "script")] {
        let text = said(&["start", job]);
        assert!(!text.contains("may run again") && text.contains(why), "{text}");
    }
    assert_eq!(said(&["stop", "web"]), "job \"web\" is stopped; it stays so until `webjobd start web`\n");
    for arguments in [&["show", "greet", "202601010000000000"][..], &["logs", "greet", "--run", "202601010000000000"]] {
        let text = said(arguments);
        assert!(text.contains("webjobd history greet") && !text.contains("/api/"), "{text}");
    }
}

#[test]
fn a_long_list_has_every_job_once_and_in_order() {
    const JOBS: usize = 2_345;
    let root = Root::new();
    let name = |number: usize| format!("job{number:04}");
    (0..JOBS).for_each(|number| root.job(&format!("triggered/{}", name(number)), &[("run.sh", DONE)]));
    let host = root.host();
    let run = host.run(&name(1_234));
    host.until_ended(&format!("triggered/{}", name(1_234)), &run);
    for path in ["/api/triggeredwebjobs", "/api/webjobs"] {
        let listed = eventually("it was written", || {
            let listed = host.get(path).json();
            (listed[1_234]["latest_run"]["id"] == run.as_str()).then_some(listed)
        });
        let names =
            listed.as_array().expect("a list").iter().map(|job| job["name"].as_str().expect("a name").to_owned());
        assert!(names.eq((0..JOBS).map(name)), "{path}");
    }
    let listed = host.get("/api/v1/jobs").json();
    let names = listed.as_array().expect("a list").iter().map(|job| job["name"].as_str().expect("a name").to_owned());
    assert!(names.eq((0..JOBS).map(name)));
    assert_eq!(listed[1_234]["latest"]["id"], run.as_str());
}

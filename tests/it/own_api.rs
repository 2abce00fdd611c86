//! `/api/v1`: what Kudu never had, with problems as `application/problem+json`.

use std::thread;

use serde_json::Value;

use crate::{
    stream::follow,
    world::{Answer, Host, Root, eventually},
};

const BOTH: &str = "#!/bin/bash\necho out one\necho err two >&2\necho out three\n";

/// A job that says something, then waits for the file `go` in the root, then says more.
fn gated(root: &Root, job: &str) {
    let go = root.path("go");
    let text =
        format!("#!/bin/bash\necho begun\nuntil [ -e '{}' ]; do sleep 0.05; done\necho over\nexit 3\n", go.display());
    root.job(job, &[("run.sh", &text)]);
}

fn start(host: &Host, name: &str, body: &str) -> String {
    let answer = host.send("POST", &format!("/api/v1/jobs/triggered/{name}/runs"), &[], body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let place = format!("http://{}/api/v1/jobs/triggered/{name}/runs/{id}", host.address);
    assert_eq!(answer.header("location"), Some(&*place));
    id
}

#[track_caller]
fn problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    assert_eq!((&problem["type"], &problem["status"]), (&kind.into(), &status.into()), "{problem}");
    assert!(
        ["title", "detail"].iter().all(|key| problem[key].as_str().is_some_and(|text| !text.is_empty())),
        "{problem}"
    );
}

#[test]
fn what_goes_wrong_is_told_as_a_problem() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", BOTH)]);
    root.job("triggered/broken", &[("readme.txt", "no script")]);
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    let host = root.host();
    let report = "/api/v1/jobs/triggered/report";
    for (path, status, kind) in [
        ("/api/v1/jobs/triggered/nobody".to_owned(), 404, "no_such_job"),
        ("/api/v1/jobs/other/report".to_owned(), 404, "no_such_job"),
        ("/api/v1/runs?job=triggered/nobody".to_owned(), 404, "no_such_job"),
        (format!("{report}/runs/201510200336425903"), 404, "no_such_run"),
        (format!("{report}/runs/latest"), 404, "no_such_run"),
        (format!("{report}/log?run=201510200336425903"), 404, "no_such_run"),
        (format!("{report}/log?lines=many"), 400, "invalid"),
        (format!("{report}/log?since=yesterday"), 400, "invalid"),
        (format!("{report}/log?follow=perhaps"), 400, "invalid"),
        (format!("{report}/next?count=-1"), 400, "invalid"),
        (format!("{report}/next?from=soon"), 400, "invalid"),
        (format!("{report}/runs?failed=x"), 400, "invalid"),
    ] {
        problem(&host.get(&path), status, kind);
    }
    for (path, body, status, kind) in [
        (format!("{report}/runs"), "{\"args\":\"no list\"}", 400, "invalid"),
        (format!("{report}/runs"), "{\"arguments\":[]}", 400, "invalid"),
        (format!("{report}/runs"), "{", 400, "bad_json"),
        ("/api/v1/jobs/continuous/worker/runs".to_owned(), "", 400, "invalid"),
        ("/api/v1/jobs/triggered/broken/runs".to_owned(), "", 409, "job_problem"),
        ("/api/v1/jobs/triggered/nobody/runs".to_owned(), "", 404, "no_such_job"),
        (format!("{report}/runs/201510200336425903/cancel"), "", 404, "no_such_run"),
        ("/api/v1/jobs/continuous/nobody/restart".to_owned(), "", 404, "no_such_job"),
        ("/api/v1/refresh?job=report".to_owned(), "", 400, "invalid"),
    ] {
        problem(&host.send("POST", &path, &[], body.as_bytes()), status, kind);
    }
    let jobs = host.get("/api/v1/jobs").json();
    let names: Vec<&Value> = jobs.as_array().expect("a list").iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["worker", "broken", "report"]);
    assert_eq!((&jobs[1]["state"], &jobs[1]["problems"][0]["code"]), (&"problem".into(), &"no_script".into()));
}

#[test]
fn a_run_is_waited_for_and_cancelled() {
    let root = Root::new();
    gated(&root, "triggered/slow");
    let host = root.host();
    let first = start(&host, "slow", "");
    problem(&host.post("/api/v1/jobs/triggered/slow/runs"), 409, "refused");
    let path = format!("/api/v1/jobs/triggered/slow/runs/{first}");
    assert_ne!(host.get(&format!("{path}?wait=0.01")).json()["phase"], "ended");
    let ended = thread::scope(|scope| {
        let waits = scope.spawn(|| host.get(&format!("{path}?wait=60")).json());
        eventually("it runs", || (host.get(&path).json()["phase"] == "running").then_some(()));
        root.write("go", "");
        waits.join().expect("an answer")
    });
    assert_eq!(
        (&ended["phase"], &ended["outcome"], &ended["exit_code"]),
        (&"ended".into(), &"failed".into(), &3.into())
    );
    std::fs::remove_file(root.path("go")).expect("it goes");
    let second = start(&host, "slow", "{\"args\":[\"a b\",\"c\"]}");
    assert_eq!(host.post(&format!("/api/v1/jobs/triggered/slow/runs/{second}/cancel")).status, 202);
    let ended = host.until_ended("triggered/slow", &second);
    assert_eq!((&ended["outcome"], &ended["arguments"]), (&"stopped".into(), &"\"a b\" c".into()));
    problem(&host.post(&format!("/api/v1/jobs/triggered/slow/runs/{second}/cancel")), 404, "no_such_run");
    let runs = host.get("/api/v1/runs?job=triggered/slow").json();
    assert_eq!((&runs["runs"][0]["id"], &runs["runs"][1]["id"]), (&second.into(), &first.clone().into()));
    let failed = host.get("/api/v1/runs?failed=true&limit=5").json();
    assert_eq!((failed["runs"].as_array().map(Vec::len), &failed["runs"][0]["id"]), (Some(1), &first.into()));
}

#[test]
fn a_restart_begins_another_life() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho alive\nsleep 1000\n")]);
    let host = root.host();
    let first = host.until_state("continuous/worker", "running")["copies"][0]["run"].clone();
    let answer = host.post("/api/v1/jobs/continuous/worker/restart");
    assert_eq!((answer.status, &answer.json()["name"]), (202, &"worker".into()));
    let second = eventually("another life", || {
        let job = host.job("continuous/worker");
        let run = job["copies"][0]["run"].clone();
        (job["state"] == "running" && run != first).then_some(run)
    });
    let ended = host.until_ended("continuous/worker", first.as_str().expect("an id"));
    assert_eq!(ended["outcome"], "stopped");
    assert!(second.as_str().expect("an id") > first.as_str().expect("an id"));
}

#[test]
fn due_times_are_told_and_folders_are_read_on_request() {
    let root = Root::new();
    let host = root.host();
    root.job(
        "triggered/nightly",
        &[("run.sh", BOTH), ("settings.job", r#"{"schedule":"0 30 2 * * *","time_zone":"Europe/Berlin"}"#)],
    );
    let answer = host.post("/api/v1/refresh?job=triggered/nightly");
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let coming = host.get("/api/v1/jobs/triggered/nightly/next?count=2&from=2026-03-28T00:00:00Z").json();
    let due: Vec<&Value> = coming.as_array().expect("a list").iter().map(|one| &one["due"]).collect();
    // On the 29th the clocks go from 2 to 3: the time that is not there comes at the first that is.
    assert_eq!(due, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"]);
    assert!(coming[1]["mark"].as_str().is_some_and(|mark| mark.contains("does not exist")), "{coming}");
    let occurrences = host.get("/api/v1/jobs/triggered/nightly/occurrences").json();
    assert_eq!(occurrences["occurrences"], Value::Array(Vec::new()));
    assert_eq!(host.post("/api/v1/refresh").status, 204);
}

#[test]
fn a_log_is_read_by_run_by_line_and_by_stream() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", BOTH)]);
    let host = root.host();
    assert_eq!(host.get("/api/v1/jobs/triggered/report/log").text(), "", "there is none yet");
    let first = host.run("report");
    host.until_ended("triggered/report", &first);
    let log = |query: &str| host.get(&format!("/api/v1/jobs/triggered/report/log?{query}")).text();
    let whole = log("");
    assert_eq!(whole, root.read(&format!("data/jobs/triggered/report/{first}/output_log.txt")));
    assert_eq!(log(&format!("run={first}")), whole);
    assert_eq!(log("lines=2").lines().count(), 2);
    assert!(whole.ends_with(&log("lines=2")));
    assert_eq!(log("lines=0"), "");
    let errors = log("stderr=true");
    assert!(errors.lines().count() == 1 && errors.ends_with(": ERR ] err two\n"), "{errors}");
    assert_eq!((log("since=2000-01-01T00:00:00Z"), log("since=2200-01-01T00:00:00Z")), (whole, String::new()));
}

#[test]
fn a_followed_run_comes_line_by_line_and_closes_at_its_end() {
    let root = Root::new();
    gated(&root, "triggered/slow");
    let host = root.host();
    let run = start(&host, "slow", "");
    let log = follow(&root, &host, &format!("/api/v1/jobs/triggered/slow/log?run={run}&follow=true"));
    log.until(": INFO] begun\n");
    assert!(!log.text().contains("over"));
    root.write("go", "");
    let all = log.all();
    assert!(all.contains(": INFO] over\n") && all.contains("Status changed to Failed"), "{all}");
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.contains("text/plain; charset=utf-8"), "{all}");
}

#[test]
fn a_followed_job_is_followed_over_restarts() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho \"life $WEBJOBS_RUN_ID\"\nsleep 1000\n")]);
    let host = root.host();
    let log = follow(&root, &host, "/api/v1/jobs/continuous/worker/log?follow=true");
    for _ in 0..3 {
        let run =
            host.until_state("continuous/worker", "running")["copies"][0]["run"].as_str().expect("an id").to_owned();
        log.until(&format!("life {run}\n"));
        host.post("/api/v1/jobs/continuous/worker/restart");
        eventually("it is another", || (host.job("continuous/worker")["copies"][0]["run"] != run).then_some(()));
    }
    // A host that stops ends the stream.
    assert!(host.stop().success());
    log.all();
}

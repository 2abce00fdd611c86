//! Pauses of schedules, and jobs that are switched off and on.

use serde_json::Value;

use crate::world::{Host, Root, eventually};

const EVERY_SECOND: &str = r#"{"schedule": "* * * * * *", "time_zone": "UTC"}"#;
const SAYS: &str = "#!/bin/bash\necho out\n";
const JOB: &str = "/api/v1/jobs/triggered/often";
const JSON: &[(&str, &str)] = &[("Content-Type", "application/json"), ("User-Agent", "ann")];

fn root() -> Root {
    let root = Root::new();
    root.job("triggered/often", &[("run.sh", SAYS), ("settings.job", EVERY_SECOND)]);
    root
}

fn occurrences(host: &Host, query: &str) -> Vec<Value> {
    host.get(&format!("{JOB}/occurrences?{query}")).json()["occurrences"].as_array().cloned().expect("a list")
}

#[track_caller]
fn ask(host: &Host, path: &str, body: &str, status: u16) -> crate::world::Answer {
    let answer = host.send("POST", path, JSON, body.as_bytes());
    assert_eq!(answer.status, status, "{path} {}", answer.text());
    answer
}

/// Returns the moment `seconds` from now by the host's clock.
fn ahead(seconds: i64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let moment = jiff::Timestamp::from_second(i64::try_from(now.as_secs()).expect("a time") + seconds);
    moment.expect("a time").to_string()
}

#[test]
fn a_paused_schedule_starts_nothing_and_what_was_due_is_told_as_paused() {
    let root = root();
    let host = root.host();
    eventually("it ran", || (!occurrences(&host, "outcome=ran").is_empty()).then_some(()));
    let paused = ask(&host, &format!("{JOB}/pause"), r#"{"reason": "moving house"}"#, 202).json();
    assert_eq!((&paused["paused"]["by"], &paused["paused"]["all"]), (&"ann".into(), &false.into()), "{paused}");
    assert_eq!((&paused["next"], &paused["paused"]["until"]), (&Value::Null, &Value::Null));
    let idle = eventually("it rests", || Some(host.job("triggered/often")).filter(|job| job["state"] == "idle"));
    assert_eq!(idle["status"]["reason"], "paused by ann: moving house");
    let coming = host.get("/api/v1/next?count=2").json();
    assert_eq!(coming[0]["mark"], "paused by ann: moving house; it is not run");
    let begun = paused["paused"]["at"].as_str().expect("a moment");
    eventually("something was due", || (ahead(-2).as_str() > begun).then_some(()));
    let n_before = host.runs("triggered/often").len();
    // Requests still run; over a restart of the host, too.
    assert!(host.stop().success());
    let host = root.host();
    let idle = eventually("it rests", || Some(host.job("triggered/often")).filter(|job| job["state"] == "idle"));
    assert_eq!(idle["status"]["reason"], "paused by ann: moving house");
    let run = host.run("often");
    host.until_ended("triggered/often", &run);
    let runs = host.runs("triggered/often");
    assert_eq!((runs.len(), &runs[0]["trigger"]["by"]), (n_before + 1, &"api".into()));
    let resumed = ask(&host, &format!("{JOB}/resume"), "", 202).json();
    assert_eq!(resumed["paused"], Value::Null);
    let told = eventually("it is told", || occurrences(&host, "outcome=paused").first().cloned());
    assert_eq!(told["reason"], "paused by ann: moving house");
    eventually("it runs again", || (host.runs("triggered/often")[0]["trigger"]["by"] == "schedule").then_some(()));
}

#[test]
fn a_pause_of_all_ends_by_itself_and_its_end_is_shown() {
    let root = root();
    let host = root.host();
    let far = ahead(3600);
    ask(&host, "/api/v1/pause", &format!(r#"{{"until": "{far}"}}"#), 204);
    let job = host.job("triggered/often");
    assert_eq!((&job["paused"]["until"], &job["paused"]["all"]), (&far.clone().into(), &true.into()), "{job}");
    assert!(job["next"].as_str().is_some_and(|next| next >= far.as_str()), "{job}");
    let begun = job["paused"]["at"].as_str().expect("a moment");
    eventually("something was due", || (ahead(-2).as_str() > begun).then_some(()));
    // Another pause takes its place. One whose end has passed before it is heard is refused, and asked for anew.
    let until = eventually("a short pause is heard in time", || {
        let until = ahead(3);
        let body = format!(r#"{{"until": "{until}"}}"#);
        (host.send("POST", "/api/v1/pause", JSON, body.as_bytes()).status == 204).then_some(until)
    });
    let told = eventually("it is told", || occurrences(&host, "outcome=paused").first().cloned());
    assert_eq!(told["reason"], format!("all jobs are paused by ann until {until}"));
    assert!(told["due"].as_str().is_some_and(|due| due < until.as_str()), "{told}");
    eventually("it runs again", || {
        let ran = occurrences(&host, "outcome=ran");
        ran.iter().any(|one| one["due"].as_str() >= Some(until.as_str())).then_some(())
    });
    assert_eq!(host.job("triggered/often")["paused"], Value::Null);
}

#[test]
fn a_pause_of_a_job_that_is_not_due_for_long_ends_when_it_should() {
    let root = Root::new();
    let name = "triggered/seldom";
    root.job(name, &[("run.sh", "#!/bin/sh\n"), ("settings.job", r#"{"schedule": "0 0 0 1 1 *"}"#)]);
    let host = root.host();
    eventually("a short pause is heard in time", || {
        let body = format!(r#"{{"until": "{}"}}"#, ahead(2));
        let asked = host.send("POST", &format!("/api/v1/jobs/{name}/pause"), JSON, body.as_bytes());
        (asked.status == 202).then_some(())
    });
    eventually("it has ended", || host.job(name)["paused"].is_null().then_some(()));
}

#[test]
fn a_pause_is_seen_by_other_hosts_and_makes_sense_or_is_refused() {
    let root = root();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    let (one, two) = (root.host_with(&["--instance", "one"], &[]), root.host_with(&["--instance", "two"], &[]));
    ask(&one, &format!("{JOB}/pause"), "", 202);
    eventually("the other knows", || two.job("triggered/often")["paused"]["by"].is_string().then_some(()));
    ask(&two, "/api/v1/resume", "", 204);
    eventually("the other knows", || one.job("triggered/often")["paused"].is_null().then_some(()));
    for (path, body, kind) in [
        (format!("{JOB}/pause"), r#"{"until": "2020-01-01T00:00:00Z"}"#, "invalid"),
        (format!("{JOB}/pause"), r#"{"until": "soon"}"#, "invalid"),
        (format!("{JOB}/pause"), r#"{"for": 5}"#, "invalid"),
        ("/api/v1/jobs/continuous/worker/pause".to_owned(), "", "invalid"),
    ] {
        let answer = ask(&one, &path, body, 400);
        assert_eq!(answer.json()["type"], kind, "{}", answer.text());
    }
}

#[test]
fn a_job_is_switched_off_and_on_whatever_its_settings_say() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    root.job("triggered/off", &[("run.sh", SAYS), ("settings.job", r#"{"enabled": false}"#)]);
    let host = root.host();
    host.until_state("continuous/worker", "running");
    ask(&host, "/api/v1/jobs/continuous/worker/disable", "", 202);
    let job = host.until_state("continuous/worker", "disabled");
    assert!(job["status"]["reason"].as_str().is_some_and(|reason| reason.contains("disabled by ann")), "{job}");
    assert!(host.stop().success());
    let host = root.host();
    host.until_state("continuous/worker", "disabled");
    assert!(root.cli(&["enable", "worker"]).status.success());
    host.until_state("continuous/worker", "running");
    host.until_state("triggered/off", "disabled");
    assert!(root.cli(&["enable", "off"]).status.success());
    let run = host.run("off");
    assert_eq!(host.until_ended("triggered/off", &run)["outcome"], "succeeded");
}

#[test]
fn the_command_line_pauses_and_resumes() {
    let root = root();
    let host = root.host();
    let said = root.cli(&["pause", "often", "--until", "2h", "--reason", "tea"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let paused = host.job("triggered/often");
    assert_eq!(paused["paused"]["reason"], "tea");
    assert!(paused["paused"]["until"].is_string());
    assert!(root.cli(&["resume", "often"]).status.success());
    assert!(root.cli(&["pause", "--all"]).status.success());
    assert_eq!(host.job("triggered/often")["paused"]["all"], true);
    assert!(root.cli(&["resume", "--all"]).status.success());
    assert_eq!(host.job("triggered/often")["paused"], Value::Null);
    for usage in [&["pause"][..], &["pause", "often", "--all"], &["pause", "often", "--until", "never"]] {
        assert_eq!(root.cli(usage).status.code(), Some(2), "{usage:?}");
    }
}

//! What tests of triggered jobs, schedules and folders ask of a host, and how they write settings and arguments.

use std::fmt::Write;

use serde_json::Value;

use crate::world::{Answer, Host, Root, eventually};

/// Ends a script that waits until the test lets it go: it ends when the file appears.
pub const HOLD: &str = "#!/bin/bash\necho held\nuntil [ -e \"$WEBJOBS_DATA_PATH/go\" ]; do sleep 0.05; done\n";

/// Writes a text as a part of a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a text takes texts");
        }
    }
    encoded
}

/// Asks for a run.
pub fn ask(host: &Host, name: &str, arguments: &str) -> Answer {
    host.post(&format!("/api/triggeredwebjobs/{}/run?arguments={}", encode(name), encode(arguments)))
}

/// Asks for a run with arguments, waits for its end, and returns it.
#[track_caller]
pub fn run_with(host: &Host, name: &str, arguments: &str) -> Value {
    let answer = ask(host, name, arguments);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let location = answer.header("location").expect("where the run is");
    let run = location.rsplit('/').next().expect("an id").to_owned();
    host.until_ended(&format!("triggered/{}", encode(name)), &run)
}

/// Lets runs of `HOLD` go.
pub fn let_go(root: &Root, name: &str) {
    root.write(&format!("data/jobs/triggered/{name}/go"), "");
}

/// Lists the runs of a job, the oldest first.
pub fn runs(host: &Host, job: &str) -> Vec<Value> {
    let mut all = host.get(&format!("/api/v1/jobs/{job}/runs?limit=1000")).json()["runs"].as_array().cloned();
    let all = all.as_mut().expect("runs");
    all.reverse();
    all.clone()
}

/// Waits until so many runs have ended, and lists all, the oldest first.
#[track_caller]
pub fn until_runs(host: &Host, job: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} runs of {job}"), || {
        let all = runs(host, job);
        (all.iter().filter(|run| run["phase"] == "ended").count() >= count).then_some(all)
    })
}

/// Lists what became of due times, the oldest first.
pub fn occurrences(host: &Host, job: &str) -> Vec<Value> {
    let told = host.get(&format!("/api/v1/jobs/{job}/occurrences?limit=1000")).json();
    told["occurrences"].as_array().expect("occurrences").iter().rev().cloned().collect()
}

/// Returns the seconds since 1970 of an RFC 3339 text, with their parts.
#[track_caller]
pub fn moment(value: &Value) -> f64 {
    let text = value.as_str().expect("a moment");
    text.parse::<jiff::Timestamp>().expect("a moment").as_duration().as_secs_f64()
}

/// Returns a text of a run's member.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

/// Waits until a job has a problem of this code, and returns it.
#[track_caller]
pub fn until_problem(host: &Host, job: &str, code: &str) -> Value {
    eventually(&format!("problem {code} of {job}"), || {
        let shown = host.job(job);
        shown["problems"].as_array()?.iter().find(|problem| problem["code"] == code).cloned()
    })
}

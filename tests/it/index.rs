//! History over all jobs and hosts: complete after a crash, without its index, and from the other host.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{
    ask::{HOLD, let_go},
    hosts::{host, until_recorded},
    world::{Answer, Host, Root, eventually, exists},
};

/// Ends with the code that it is asked for.
const EXITS: &str = "#!/bin/bash\nexit \"${1:-0}\"\n";

fn ran(host: &Host, job: &str, code: u32) -> String {
    let body = format!("{{\"args\":[\"{code}\"]}}");
    let answer = host.send("POST", &format!("/api/v1/jobs/triggered/{job}/runs"), &[], body.as_bytes());
    let run = answer.json()["id"].as_str().expect("an id").to_owned();
    host.until_ended(&format!("triggered/{job}"), &run);
    run
}

/// The ids on a page, with their jobs and how they ended.
fn told(answer: &Answer) -> Vec<String> {
    let page = answer.json();
    let word = |run: &Value| run["outcome"].as_str().unwrap_or("running").to_owned();
    let runs = page["runs"].as_array().unwrap_or_else(|| panic!("{page}"));
    runs.iter().map(|run| format!("{} {} {}", text(&run["id"]), text(&run["job"]), word(run))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn history(host: &Host) -> Vec<String> {
    told(&host.get("/api/v1/runs?limit=1000"))
}

/// Follows the cursors to the end, with `limit` runs a page.
fn paged(host: &Host, query: &str, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = host.get(&format!("/api/v1/runs?{query}&limit={limit}&cursor={cursor}"));
        let page = told(&answer);
        assert!(page.len() <= limit);
        all.extend(page);
        match answer.json()["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return all,
        }
    }
}

/// The moment that a run's id stands for.
fn began(run: &str) -> String {
    let part = |from: usize, to: usize| &run[from..to];
    let date = [part(0, 4), part(4, 6), part(6, 8)].join("-");
    let time = [part(8, 10), part(10, 12), part(12, 14)].join(":");
    format!("{date}T{time}.{}Z", part(14, 18))
}

fn index_of(root: &Root, instance: &str) -> PathBuf {
    root.path(&format!("data/webjobd/hosts/{instance}/index.db"))
}

#[test]
fn history_is_the_same_after_a_crash_and_without_its_index() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", EXITS)]);
    root.job("triggered/b", &[("run.sh", EXITS)]);
    root.job("triggered/hold", &[("run.sh", HOLD)]);
    let first = host(&root, "a");
    for code in [0, 3, 0] {
        ran(&first, "a", code);
        ran(&first, "b", code);
    }
    let held = first.run("hold");
    first.until_state("triggered/hold", "running");
    let mut expected = history(&first);
    assert_eq!((expected.len(), expected[0].as_str()), (7, format!("{held} triggered/hold running").as_str()));
    first.crash();
    expected[0] = format!("{held} triggered/hold lost");
    let second = host(&root, "a");
    assert_eq!(history(&second), expected);
    assert!(second.stop().success());
    assert!(exists(&index_of(&root, "a")));
    fs::remove_file(index_of(&root, "a")).expect("it was there");
    let third = host(&root, "a");
    // While it is built, and afterwards.
    assert_eq!(history(&third), expected);
    eventually("it is built", || exists(&index_of(&root, "a")).then_some(()));
    assert_eq!(history(&third), expected);
    fs::write(index_of(&root, "a"), "spoilt").expect("it is overwritten");
    third.crash();
    assert_eq!(history(&host(&root, "a")), expected);
}

#[test]
fn a_host_that_cannot_keep_an_index_runs_without() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", EXITS)]);
    fs::create_dir_all(index_of(&root, "a").join("in the way")).expect("a folder");
    let host = host(&root, "a");
    let runs = [ran(&host, "a", 0), ran(&host, "a", 1), ran(&host, "a", 0)];
    let newest = runs.iter().rev().zip(["succeeded", "failed", "succeeded"]);
    let expected: Vec<String> = newest.map(|(run, word)| format!("{run} triggered/a {word}")).collect();
    assert_eq!(paged(&host, "", 2), expected);
    assert_eq!(paged(&host, "status=succeeded", 1), [expected[0].clone(), expected[2].clone()]);
}

#[test]
fn hosts_on_one_root_tell_each_others_runs() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", EXITS)]);
    root.job("triggered/hold", &[("run.sh", HOLD)]);
    let (one, two) = (host(&root, "a"), host(&root, "b"));
    let first = ran(&one, "a", 0);
    // Its lock is free a moment after it has ended.
    let second = eventually("the other may run it", || {
        let answer = two.post("/api/triggeredwebjobs/a/run");
        let location = answer.header("location").filter(|_| answer.status == 202)?.to_owned();
        location.rsplit('/').next().map(str::to_owned)
    });
    two.until_ended("triggered/a", &second);
    let held = two.run("hold");
    until_recorded(&root, "hold", &held);
    let mut expected = vec![
        format!("{held} triggered/hold running"),
        format!("{second} triggered/a succeeded"),
        format!("{first} triggered/a succeeded"),
    ];
    assert_eq!((history(&one), history(&two)), (expected.clone(), expected.clone()));
    assert_eq!(told(&one.get("/api/v1/runs?status=running")), [expected[0].clone()]);
    let_go(&root, "hold");
    let ended = two.until_ended("triggered/hold", &held);
    expected[0] = format!("{held} triggered/hold {}", text(&ended["outcome"]));
    assert_eq!((history(&one), history(&two)), (expected.clone(), expected.clone()));
    // A job that is deleted on one host is gone from the other's history.
    assert_eq!(one.send("DELETE", "/api/triggeredwebjobs/a", &[], b"").status, 200);
    expected.truncate(1);
    assert_eq!((history(&one), history(&two)), (expected.clone(), expected));
}

#[test]
fn runs_are_filtered_and_paged_and_wrong_values_say_what_is_right() {
    let root = Root::new();
    for job in ["a", "b"] {
        root.job(&format!("triggered/{job}"), &[("run.sh", EXITS), ("settings.job", r#"{"history": {"runs": 4}}"#)]);
    }
    let once = r#"{"restart": {"policy": "never"}}"#;
    root.job("continuous/once", &[("run.sh", EXITS), ("settings.job", once)]);
    let host = host(&root, "a");
    host.until_state("continuous/once", "done");
    for code in [0, 1, 0, 1, 0, 1] {
        ran(&host, "a", code);
        ran(&host, "b", code);
    }
    // What is no longer kept is no longer told.
    let all = eventually("old runs are pruned", || Some(history(&host)).filter(|all| all.len() == 9));
    for limit in [1, 2, 3, 9, 10] {
        assert_eq!(paged(&host, "", limit), all);
    }
    let having = |word: &str| all.iter().filter(|run| run.contains(word)).cloned().collect::<Vec<_>>();
    assert_eq!(paged(&host, "status=failed", 3), having(" failed"));
    assert_eq!(paged(&host, "failed=true", 2), having(" failed"));
    assert_eq!(paged(&host, "status=stopped,succeeded", 2), having(" succeeded"));
    assert_eq!(paged(&host, "kind=continuous", 2), having("continuous/"));
    assert_eq!(paged(&host, "job=triggered/B", 3), having("triggered/b"));
    assert_eq!(paged(&host, "kind=continuous&job=triggered/b", 3), Vec::<String>::new());
    assert_eq!(told(&host.get("/api/v1/jobs/triggered/a/runs?status=failed")).len(), 2);
    let moment = began(&all[2]);
    assert_eq!(paged(&host, &format!("since={moment}"), 2), all[..3]);
    assert_eq!(paged(&host, &format!("until={moment}"), 2), all[3..]);
    let odd = host.get("/api/v1/runs?limit=0").json();
    assert_eq!(odd, serde_json::json!({ "runs": [] }), "none are asked for");
    for (query, allowed) in [
        ("kind=webjob", "continuous or triggered"),
        ("status=Success", "running, succeeded, failed, timed_out, stopped, lost"),
        ("until=tomorrow", "a moment such as"),
        ("cursor=1", "`next_cursor`"),
        ("limit=-1", "a number"),
    ] {
        let answer = host.get(&format!("/api/v1/runs?{query}"));
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
        let problem = answer.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"invalid".into(), &400.into()));
        assert!(text(&problem["detail"]).contains(allowed), "{problem}");
    }
}

#[test]
fn a_cursor_holds_while_new_runs_come() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", EXITS)]);
    let host = host(&root, "a");
    for _ in 0..4 {
        ran(&host, "a", 0);
    }
    let before = history(&host);
    let first = host.get("/api/v1/runs?limit=2");
    let cursor = text(&first.json()["next_cursor"]);
    ran(&host, "a", 0);
    let second = host.get(&format!("/api/v1/runs?limit=2&cursor={cursor}"));
    assert_eq!([told(&first), told(&second)].concat(), before);
    assert_eq!(second.json()["next_cursor"], Value::Null, "there is no more");
}

#[test]
fn the_command_line_asks_by_status_and_turns_the_pages() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", EXITS)]);
    let host = host(&root, "a");
    let failed: BTreeSet<String> = (0..3).map(|_| ran(&host, "a", 1)).collect();
    ran(&host, "a", 0);
    let output = root.cli(&["history", "a", "--status", "failed,lost", "--limit", "9000", "--json"]);
    let runs: Vec<Value> = serde_json::from_slice(&output.stdout).expect("runs");
    assert_eq!(runs.iter().map(|run| text(&run["id"])).collect::<BTreeSet<_>>(), failed);
    let output = root.cli(&["history", "--status", "broken"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("running, succeeded, failed, timed_out, stopped or lost"), "{said}");
}

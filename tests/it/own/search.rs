//! Text search in logs, over runs, parts and packed parts.

use serde_json::Value;

use crate::world::{Host, Root, eventually};

fn found(host: &Host, job: &str, query: &str) -> (Vec<Value>, Value) {
    let answer = host.get(&format!("/api/v1/jobs/{job}/log/search?{query}"));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/x-ndjson")),
        "{}",
        answer.text()
    );
    let text = answer.text();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let end = lines.pop().expect("an end");
    assert_eq!(end["end"], true, "{end}");
    (lines, end)
}

fn texts(found: &[Value]) -> Vec<&str> {
    found.iter().map(|line| line["text"].as_str().expect("a text")).collect()
}

#[test]
fn a_text_is_found_in_all_parts_of_a_log_the_newest_first() {
    let root = Root::new();
    let script = "#!/bin/bash\nfor n in {1..200}; do echo \"line $n of the log, which is long enough to be rolled\"; done\n\
                  echo 'a Needle'\necho after\nsleep 1000\n";
    root.job(
        "continuous/worker",
        &[("run.sh", script), ("settings.job", r#"{"log": {"max_size": 4096, "keep": 50}}"#)],
    );
    root.job("continuous/errors", &[("run.sh", "#!/bin/bash\necho the log >&2\necho the log\nsleep 1000\n")]);
    let host = root.host();
    eventually("errors are printed", || (root.job_log("errors").matches("] the log").count() == 2).then_some(()));
    let (lines, _) = found(&host, "continuous/errors", "q=the+log&stderr=true");
    assert_eq!((texts(&lines), &lines[0]["source"]), (vec!["the log"], &"stderr".into()));
    eventually("all is printed", || root.job_log("worker").contains(": INFO] after").then_some(()));
    eventually("some is packed", || {
        let files = std::fs::read_dir(root.path("data/jobs/continuous/worker")).ok()?;
        files.flatten().any(|file| file.file_name().to_string_lossy().ends_with(".gz")).then_some(())
    });
    let (lines, end) = found(&host, "continuous/worker", "q=of+the+log");
    assert_eq!((lines.len(), &end["found"], &end["is_cut"]), (200, &200.into(), &false.into()));
    let expected: Vec<String> =
        (1..=200).map(|n| format!("line {n} of the log, which is long enough to be rolled")).collect();
    assert!(texts(&lines).into_iter().rev().eq(expected.iter()), "{:?}", texts(&lines));
    let (lines, _) = found(&host, "continuous/worker", "q=of+the+log&order=oldest&limit=3");
    assert_eq!(texts(&lines), expected[..3].iter().collect::<Vec<_>>());
    let (lines, _) = found(&host, "continuous/worker", "q=needle&ignore_case=true&context=1");
    assert_eq!(texts(&lines), ["a Needle"]);
    assert_eq!(
        (&lines[0]["source"], &lines[0]["before"][0]["text"]),
        (&"stdout".into(), &expected[199].clone().into())
    );
    assert_eq!(lines[0]["after"][0]["text"], "after");
    assert!(lines[0]["time"].is_string() && lines[0]["offset"].is_u64());
    let (lines, _) = found(&host, "continuous/worker", "q=line+(7|8)+of&regex=true&order=oldest");
    assert_eq!(texts(&lines), expected[6..8].iter().collect::<Vec<_>>());
    assert_eq!(found(&host, "continuous/worker", "q=the+log&stderr=true").0, Vec::<Value>::new());
    assert_eq!(found(&host, "continuous/worker", "q=the+log&until=2001-01-01T00:00:00Z").0, Vec::<Value>::new());
    assert_eq!(found(&host, "continuous/worker", "q=the+log&since=2001-01-01T00:00:00Z").0.len(), 200);
    for (query, kind) in [
        ("q=(&regex=true", "bad_pattern"),
        ("q=a{1000}{1000}{1000}&regex=true", "bad_pattern"),
        ("q=", "invalid"),
        ("", "invalid"),
        ("q=x&order=any", "invalid"),
        ("q=x&run=1", "no_such_run"),
    ] {
        let answer = host
            .get(&format!("/api/v1/jobs/continuous/worker/log/search?{query}").replace('{', "%7B").replace('}', "%7D"));
        let query = format!("{query}: {}", answer.text());
        assert_eq!(answer.json()["type"], kind, "{query}");
    }
    let said = root.cli(&["logs", "worker", "--grep", "NEEDLE|line 200", "-i", "--context", "1"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let ends: Vec<&str> = said.lines().filter_map(|line| line.split("] ").nth(1)).collect();
    assert_eq!(ends, [&*expected[198], &*expected[199], "a Needle", "after"]);
    assert_eq!(root.cli(&["logs", "worker", "--grep", "nowhere"]).status.code(), Some(1));
}

#[test]
fn all_kept_runs_of_a_triggered_job_are_searched() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho \"said by $WEBJOBS_RUN_ID\"\n")]);
    let host = root.host();
    let runs: Vec<String> = (0..3)
        .map(|_| {
            let run = host.run("report");
            host.until_ended("triggered/report", &run);
            run
        })
        .collect();
    let (lines, _) = found(&host, "triggered/report", "q=said+by");
    let of: Vec<&str> = lines.iter().map(|line| line["run"].as_str().expect("a run")).collect();
    assert_eq!(of, [&*runs[2], &*runs[1], &*runs[0]]);
    let (lines, _) = found(&host, "triggered/report", &format!("q=said+by&run={}", runs[1]));
    assert_eq!(texts(&lines), [format!("said by {}", runs[1])]);
    assert_eq!(found(&host, "triggered/report", "q=said+by&order=oldest&limit=1").0[0]["run"], runs[0].as_str());
}

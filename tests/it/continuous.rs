//! Continuous jobs over their lives: restarts, stops, changes of their folders, copies.

use std::{fs, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::world::{Host, Root, eventually};

const SLEEPER: &str = "#!/bin/bash\necho up\nexec sleep 1000\n";

/// Waits until a job has `count` runs that ended, and returns them, oldest first.
#[track_caller]
fn ended(host: &Host, job: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} lives of {job} end"), || {
        let mut runs = host.runs(job);
        runs.retain(|run| run["phase"] == "ended");
        runs.reverse();
        (runs.len() >= count).then_some(runs)
    })
}

#[track_caller]
fn life(host: &Host, job: &str) -> String {
    let job = host.until_state(&format!("continuous/{job}"), "running");
    job["active"][0]["id"].as_str().expect("a life").to_owned()
}

#[track_caller]
fn other_life(host: &Host, job: &str, before: &str) -> String {
    eventually(&format!("another life of {job}"), || {
        let job = host.job(&format!("continuous/{job}"));
        let id = job["active"][0]["id"].as_str().filter(|id| *id != before && job["state"] == "running");
        id.map(ToOwned::to_owned)
    })
}

fn time(value: &Value) -> Timestamp {
    value.as_str().expect("a time").parse().expect("a time")
}

/// Returns the delays that a job's log tells of, in seconds.
fn delays(root: &Root, job: &str) -> Vec<f64> {
    let log = root.job_log(job);
    let told = log.lines().filter_map(|line| line.split_once("waiting for ")?.1.split(' ').next()?.parse().ok());
    told.collect()
}

#[test]
fn whatever_ends_is_started_again_after_a_growing_delay() {
    let root = Root::new();
    let settings = r#"{"restart": {"delay": 0.2}}"#;
    for (job, script) in [("crash", "exit 3"), ("clean", "exit 0"), ("shot", "kill -9 $$")] {
        let script = format!("#!/bin/bash\necho here\n{script}\n");
        root.job(&format!("continuous/{job}"), &[("run.sh", &script), ("settings.job", settings)]);
    }
    let host = root.host();
    for job in ["crash", "clean", "shot"] {
        let grown = eventually("four delays", || Some(delays(&root, job)).filter(|told| told.len() >= 4));
        assert!(grown.windows(2).all(|two| two[1] > two[0]), "{job}: {grown:?}");
        assert!((0.1..=0.3).contains(&grown[0]), "{job}: {grown:?}");
    }
    for (job, outcome, code) in [("crash", "failed", 3), ("clean", "succeeded", 0), ("shot", "failed", 137)] {
        for run in ended(&host, &format!("continuous/{job}"), 4) {
            assert_eq!((run["outcome"].as_str(), run["exit_code"].as_i64()), (Some(outcome), Some(code)), "{run}");
            assert!(time(&run["started"]) <= time(&run["ended"]), "{run}");
            assert_eq!(run["content"].as_str().map(str::len), Some(32), "{run}");
            assert_eq!(run["reason"].is_string(), outcome == "failed", "{run}");
            assert_eq!(run["signal"].as_i64(), (job == "shot").then_some(9), "{run}");
        }
        assert!(root.job_log(job).matches(": INFO] here").count() >= 4);
    }
}

#[test]
fn a_job_that_waits_to_start_again_says_why_and_until_when() {
    let root = Root::new();
    root.job(
        "continuous/late",
        &[("run.sh", "#!/bin/bash\nexit 7\n"), ("settings.job", r#"{"restart": {"delay": 50}}"#)],
    );
    let host = root.host();
    let status = host.until_state("continuous/late", "backoff")["status"].clone();
    assert!(status["reason"].as_str().expect("a reason").contains("exit code 7"), "{status}");
    let wait = time(&status["until"]).duration_since(time(&status["since"])).as_secs();
    assert!((40..=56).contains(&wait), "{status}");
    assert_eq!(host.post("/api/v1/jobs/continuous/late/start").status / 100, 2);
    // Asked for, it does not wait.
    assert_eq!(ended(&host, "continuous/late", 2).len(), 2);
}

#[test]
fn policies_say_which_ends_are_final() {
    let root = Root::new();
    let job = |name: &str, exit: i32, restart: &str| {
        let settings = format!(r#"{{"restart": {restart}}}"#);
        root.job(&format!("continuous/{name}"), &[("run.sh", &format!("exit {exit}\n")), ("settings.job", &settings)]);
    };
    job("never", 1, r#"{"policy": "never"}"#);
    job("once", 0, r#"{"policy": "on_failure", "delay": 0}"#);
    job("again", 4, r#"{"policy": "on_failure", "delay": 0.1, "max_delay": 0.1}"#);
    job("bounded", 5, r#"{"delay": 0, "give_up_after": 3}"#);
    job("healthy", 6, r#"{"delay": 0.1, "healthy_after": 0, "give_up_after": 1}"#);
    let host = root.host();
    for (name, lives) in [("never", 1), ("once", 1), ("bounded", 4)] {
        let done = host.until_state(&format!("continuous/{name}"), "done");
        assert!(done["status"]["reason"].is_string(), "{done}");
        assert!(done["status"].get("until").is_none(), "{done}");
        assert_eq!(host.runs(&format!("continuous/{name}")).len(), lives, "{name}");
    }
    assert!(root.job_log("bounded").contains("restarted 3 times in a row"));
    ended(&host, "continuous/again", 4);
    ended(&host, "continuous/healthy", 4);
    assert!(delays(&root, "healthy").iter().all(|delay| *delay <= 0.2));
    // Other content is another chance.
    root.write("jobs/continuous/never/run.sh", "echo another chance\nexec sleep 1000\n");
    host.until_state("continuous/never", "running");
}

#[test]
fn a_stopped_job_stays_stopped_over_redeploys_and_restarts_until_it_is_started() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", SLEEPER)]);
    let host = root.host();
    life(&host, "a");
    assert_eq!(host.post("/api/continuouswebjobs/a/stop").status, 200);
    let stopped = host.until_state("continuous/a", "stopped");
    assert!(stopped["status"]["reason"].as_str().expect("a reason").contains("stopped on request"), "{stopped}");
    root.write("jobs/continuous/a/run.sh", "#!/bin/bash\necho new\nexec sleep 1000\n");
    host.refresh("continuous/a");
    host.until_state("continuous/a", "stopped");
    assert!(host.stop().success());
    let host = root.host();
    host.until_state("continuous/a", "stopped");
    assert_eq!(host.runs("continuous/a").len(), 1);
    assert_eq!(host.post("/api/continuouswebjobs/a/start").status, 200);
    life(&host, "a");
    assert!(host.stop().success());
    let host = root.host();
    life(&host, "a");
}

#[test]
fn a_marker_and_a_setting_disable_a_job_and_start_takes_the_marker_away() {
    let root = Root::new();
    root.job("continuous/marked", &[("run.sh", SLEEPER), ("disable.job", "")]);
    root.job("continuous/off", &[("run.sh", SLEEPER), ("settings.job", r#"{"enabled": false}"#)]);
    let host = root.host();
    for (job, what) in [("marked", "disable.job"), ("off", "enabled")] {
        let job = host.until_state(&format!("continuous/{job}"), "disabled");
        assert!(job["status"]["reason"].as_str().expect("a reason").contains(what), "{job}");
    }
    assert_eq!(host.post("/api/continuouswebjobs/marked/start").status, 200);
    life(&host, "marked");
    // It is back before the folder is at rest, and is read.
    root.write("jobs/continuous/marked/disable.job", "");
    host.until_state("continuous/marked", "disabled");
    assert_eq!(host.post("/api/continuouswebjobs/marked/start").status, 200);
    life(&host, "marked");
    assert!(!root.path("jobs/continuous/marked/disable.job").exists());
    root.write("jobs/continuous/off/settings.job", r#"{"enabled": true}"#);
    life(&host, "off");
    root.write("jobs/continuous/off/settings.job", r#"{"enabled": false}"#);
    host.until_state("continuous/off", "disabled");
    root.write("jobs/continuous/marked/disable.job", "");
    host.until_state("continuous/marked", "disabled");
}

#[test]
fn only_other_content_restarts_a_job_and_only_that_one() {
    let root = Root::new();
    for job in ["a", "b"] {
        root.job(&format!("continuous/{job}"), &[("run.sh", SLEEPER), ("lib/part.txt", "1")]);
    }
    let host = root.host();
    let (a, b) = (life(&host, "a"), life(&host, "b"));
    // The same bytes again, another time of change, a signal to read again: nothing of that is other content.
    root.write("jobs/continuous/a/run.sh", SLEEPER);
    fs::File::open(root.path("jobs/continuous/a/lib/part.txt"))
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)))
        .expect("its time is set");
    root.write(
        "jobs/continuous/a/settings.job",
        r#"{"description": "says hello", "stopping_wait_time": 3, "mine": 1}"#,
    );
    host.signal("HUP");
    eventually("its description", || (host.job("continuous/a")["description"] == "says hello").then_some(()));
    host.refresh("continuous/a");
    assert_eq!((life(&host, "a"), life(&host, "b")), (a.clone(), b.clone()));
    root.write("jobs/continuous/a/lib/part.txt", "2");
    let second = other_life(&host, "a", &a);
    assert!(root.job_log("a").contains("refreshing WebJob: `lib/part.txt` changed"), "{}", root.job_log("a"));
    root.write("jobs/continuous/a/settings.job", r#"{"env": {"X": "1"}}"#);
    other_life(&host, "a", &second);
    assert_eq!(life(&host, "b"), b);
    let runs = host.runs("continuous/a");
    assert!(runs[2]["reason"].as_str().expect("a reason").contains("`lib/part.txt` changed"), "{}", runs[2]);
    assert_eq!(runs[2]["outcome"], "stopped");
    assert_ne!(runs[2]["content"], runs[1]["content"]);
}

#[test]
fn a_broken_upload_leaves_the_good_version_running() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", SLEEPER), ("settings.job", "{}")]);
    let host = root.host();
    let first = life(&host, "a");
    root.write("jobs/continuous/a/settings.job", r#"{"env": {"X": "#);
    let has_problem = || {
        let job = host.job("continuous/a");
        job["problems"].as_array().is_some_and(|problems| !problems.is_empty()).then_some(job)
    };
    let job = eventually("its problem", has_problem);
    assert_eq!((&job["state"], &job["active"][0]["id"]), (&"running".into(), &first.as_str().into()));
    root.write("jobs/continuous/a/settings.job", "{}");
    eventually("no problem", || has_problem().is_none().then_some(()));
    fs::remove_file(root.path("jobs/continuous/a/run.sh")).expect("it goes");
    eventually("its problem", has_problem);
    assert_eq!(life(&host, "a"), first);
    root.write("jobs/continuous/a/run.sh", SLEEPER);
    eventually("no problem", || has_problem().is_none().then_some(()));
    host.refresh("continuous/a");
    assert_eq!(life(&host, "a"), first);
}

#[test]
fn a_job_that_writes_into_its_own_folder_runs_on() {
    let root = Root::new();
    let script = "#!/bin/bash\nfor i in $(seq 200); do echo $i >> out.log; echo $i > part$((i % 7)).txt; sleep 0.01; done\n\
                  touch done.tmp\nexec sleep 1000\n";
    root.job("continuous/a", &[("run.sh", script), ("settings.job", r#"{"is_in_place": true}"#)]);
    let host = root.host();
    let first = life(&host, "a");
    eventually("it has written", || root.path("jobs/continuous/a/done.tmp").exists().then_some(()));
    host.refresh("continuous/a");
    assert_eq!(life(&host, "a"), first);
    assert_eq!(host.job("continuous/a")["restarts"], 0);
}

#[test]
fn a_life_is_closed_though_the_next_one_cannot_even_be_started() {
    let root = Root::new();
    let settings = r#"{"is_in_place": true, "env_file": "vars", "restart": {"delay": 50}}"#;
    let files = [("run.sh", "#!/bin/bash\nrm vars\nexec sleep 1000\n"), ("vars", "A=1\n"), ("settings.job", settings)];
    root.job("continuous/a", &files);
    let host = root.host();
    life(&host, "a");
    let first = host.runs("continuous/a")[0]["id"].as_str().expect("an id").to_owned();
    eventually("its variables are gone", || (!root.path("jobs/continuous/a/vars").exists()).then_some(()));
    let restarted = host.post("/api/v1/jobs/continuous/a/restart");
    assert!(restarted.status < 300, "{}", restarted.text());
    let second = eventually("the next life", || {
        let newest = host.runs("continuous/a")[0]["id"].as_str()?.to_owned();
        (newest != first).then_some(newest)
    });
    assert_eq!(host.until_ended("continuous/a", &first)["outcome"], "stopped");
    assert_eq!(host.until_ended("continuous/a", &second)["outcome"], "failed");
}

#[test]
fn a_folder_that_goes_takes_its_job_along_and_may_come_back_at_once() {
    let root = Root::new();
    let slow = "#!/bin/bash\ntrap 'while [ ! -e $WEBJOBS_DATA_PATH/go ]; do sleep 0.02; done; echo gone; exit 0' TERM\n\
                echo up\nwhile :; do sleep 0.05; done\n";
    root.job("continuous/a", &[("run.sh", slow), ("settings.job", r#"{"stopping_wait_time": 60}"#)]);
    root.job("continuous/b", &[("run.sh", SLEEPER)]);
    let host = root.host();
    life(&host, "b");
    let first = life(&host, "a");
    eventually("its trap is set", || root.job_log("a").contains(": INFO] up").then_some(()));
    fs::remove_dir_all(root.path("jobs/continuous/b")).expect("it goes");
    eventually("b is gone", || (host.get("/api/v1/jobs/continuous/b").status == 404).then_some(()));
    fs::rename(root.path("jobs/continuous/a"), root.path("away")).expect("it goes");
    host.until_state("continuous/a", "stopping");
    // While the old life takes its time, the folder is back.
    root.job("continuous/a", &[("run.sh", "#!/bin/bash\necho second\nexec sleep 1000\n")]);
    host.refresh("continuous/a");
    root.write("data/jobs/continuous/a/go", "");
    other_life(&host, "a", &first);
    eventually("the new version", || root.job_log("a").contains(": INFO] second").then_some(()));
    let runs = ended(&host, "continuous/a", 1);
    assert_eq!(runs[0]["id"], first.as_str());
    assert!(runs[0]["reason"].as_str().expect("a reason").contains("removed"), "{}", runs[0]);
}

#[test]
fn a_folder_that_comes_back_and_goes_again_while_its_job_still_ends_begins_nothing() {
    let root = Root::new();
    let slow = "#!/bin/bash\ntrap 'while [ ! -e $WEBJOBS_DATA_PATH/go ]; do sleep 0.02; done; exit 0' TERM\n\
                echo up\nwhile :; do sleep 0.05; done\n";
    root.job("continuous/a", &[("run.sh", slow), ("settings.job", r#"{"stopping_wait_time": 60}"#)]);
    root.job("continuous/b", &[("run.sh", SLEEPER)]);
    let host = root.host();
    life(&host, "a");
    eventually("its trap is set", || root.job_log("a").contains(": INFO] up").then_some(()));
    fs::rename(root.path("jobs/continuous/a"), root.path("away")).expect("it goes");
    host.until_state("continuous/a", "stopping");
    root.job("continuous/a", &[("run.sh", "#!/bin/bash\necho second\nexec sleep 1000\n")]);
    host.refresh("continuous/a");
    fs::remove_dir_all(root.path("jobs/continuous/a")).expect("it goes again");
    host.refresh("continuous/a");
    root.write("data/jobs/continuous/a/go", "");
    let gone = |job: &str| {
        eventually(job, || (host.get(&format!("/api/v1/jobs/continuous/{job}")).status == 404).then_some(()));
    };
    gone("a");
    // What the host hears later is done: the end of the old life was heard, too.
    fs::remove_dir_all(root.path("jobs/continuous/b")).expect("it goes");
    gone("b");
    assert_eq!(host.get("/api/v1/jobs/continuous/a").status, 404);
    let log = root.job_log("a");
    assert_eq!(log.matches("Status changed to Starting").count(), 1, "{log}");
}

#[test]
fn copies_come_and_go_with_the_setting() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", SLEEPER)]);
    let host = root.host();
    let first = life(&host, "a");
    root.write("jobs/continuous/a/settings.job", r#"{"instances": 2}"#);
    let running = |count: usize| {
        let job = host.job("continuous/a");
        let copies = job["copies"].as_array().cloned().unwrap_or_default();
        (copies.len() == count && copies.iter().all(|copy| copy["state"] == "running")).then_some(copies)
    };
    let two = eventually("two copies", || running(2));
    assert_eq!(two[0]["run"], first.as_str());
    assert_ne!(two[0]["pid"], two[1]["pid"]);
    root.write("jobs/continuous/a/settings.job", r#"{"instances": 1}"#);
    let one = eventually("one copy", || running(1));
    assert_eq!(one[0]["run"], first.as_str());
    let runs = ended(&host, "continuous/a", 1);
    assert_eq!(runs[0]["copy"], 1);
    assert!(runs[0]["reason"].as_str().expect("a reason").contains("instances"), "{}", runs[0]);
}

#[test]
fn records_beyond_the_history_go_when_the_host_starts() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", "#!/bin/sh\nsleep 1000\n"), ("settings.job", r#"{"history": {"runs": 3}}"#)]);
    for n in 0..9 {
        let status = r#"{"Status":"Aborted","StartTime":"2016-05-19T01:50:32Z","EndTime":"2016-05-19T01:50:33Z"}"#;
        root.write(&format!("data/jobs/continuous/a/runs/20160519015032000{n}/status"), status);
    }
    let host = root.host();
    host.until_state("continuous/a", "running");
    // The life that begins meanwhile may be among the three that are kept.
    eventually("the oldest go", || {
        let runs = host.runs("continuous/a");
        let kept: Vec<&str> =
            runs.iter().filter(|run| run["phase"] == "ended").filter_map(|run| run["id"].as_str()).collect();
        let newest = ["201605190150320008", "201605190150320007", "201605190150320006"];
        (kept == newest || kept == newest[..2]).then_some(())
    });
}

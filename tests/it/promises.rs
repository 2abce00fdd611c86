//! Promises that are easily broken unseen: under many requests at once, at a crash, at a change of settings.

use std::{fs, thread};

use crate::world::{Root, eventually};

const UP: &str = "#!/bin/bash\necho up\nexec sleep 1000\n";

#[test]
fn many_who_want_the_folders_read_at_once_are_all_answered() {
    let root = Root::new();
    root.job("triggered/one", &[("run.sh", "#!/bin/bash\necho done\n")]);
    let host = root.host();
    thread::scope(|scope| {
        let askers: Vec<_> = (0..150).map(|_| scope.spawn(|| host.post("/api/v1/refresh").status)).collect();
        for asker in askers {
            assert_eq!(asker.join().expect("no panic"), 204);
        }
    });
    let run = host.run("one");
    assert_eq!(host.until_ended("triggered/one", &run)["outcome"], "succeeded");
    assert!(host.stop().success());
}

#[test]
fn every_run_that_was_accepted_has_a_record_after_a_crash() {
    let root = Root::new();
    root.job(
        "triggered/quick",
        &[("run.sh", "#!/bin/bash\nsleep 1000\n"), ("settings.job", r#"{"overlap": "allow", "max_concurrency": 50}"#)],
    );
    let host = root.host();
    let runs: Vec<String> = (0..20).map(|_| host.run("quick")).collect();
    host.crash();
    let host = root.host();
    for run in runs {
        let lost = host.get(&format!("/api/v1/jobs/triggered/quick/runs/{run}"));
        assert_eq!(lost.status, 200, "{run}");
        assert_eq!(lost.json()["outcome"], "lost", "{run}");
        assert!(lost.json()["trigger_text"].as_str().is_some_and(|text| text.starts_with("External - ")));
    }
}

#[test]
fn a_grace_that_is_changed_counts_for_what_runs_already() {
    let root = Root::new();
    let deaf = "#!/bin/bash\ntrap 'touch \"$WEBJOBS_DATA_PATH/told\"' TERM\necho up\nwhile :; do sleep 0.1; done\n";
    root.job("continuous/job", &[("run.sh", deaf), ("settings.job", r#"{"stopping_wait_time": 0}"#)]);
    let host = root.host();
    eventually("it is up", || root.job_log("job").contains(": INFO] up").then_some(()));
    let life = host.until_state("continuous/job", "running")["active"][0]["id"].clone();
    root.write("jobs/continuous/job/settings.job", r#"{"stopping_wait_time": 3600}"#);
    host.refresh("continuous/job");
    assert_eq!(host.until_state("continuous/job", "running")["active"][0]["id"], life, "it runs on");
    assert_eq!(host.post("/api/v1/jobs/continuous/job/stop").status, 202);
    let stopping = host.until_state("continuous/job", "stopping");
    let until: jiff::Timestamp = stopping["status"]["until"].as_str().expect("a deadline").parse().expect("a time");
    let since: jiff::Timestamp = stopping["status"]["since"].as_str().expect("a start").parse().expect("a time");
    assert!(until.duration_since(since).as_secs() > 3000, "{stopping}");
}

#[test]
fn a_life_that_is_replaced_has_the_grace_that_it_began_with() {
    let root = Root::new();
    let slow = "#!/bin/bash\ntrap 'while [ ! -e $WEBJOBS_DATA_PATH/go ]; do sleep 0.02; done; exit 9' TERM\n\
                echo up\nwhile :; do sleep 0.05; done\n";
    root.job("continuous/job", &[("run.sh", slow), ("settings.job", r#"{"stopping_wait_time": 3600}"#)]);
    let host = root.host();
    eventually("its trap is set", || root.job_log("job").contains(": INFO] up").then_some(()));
    // Another environment replaces it, and another grace comes with that.
    root.write("jobs/continuous/job/settings.job", r#"{"stopping_wait_time": 0, "env": {"NEW": "1"}}"#);
    host.refresh("continuous/job");
    let stopping = host.until_state("continuous/job", "stopping");
    let until: jiff::Timestamp = stopping["status"]["until"].as_str().expect("a deadline").parse().expect("a time");
    let since: jiff::Timestamp = stopping["status"]["since"].as_str().expect("a start").parse().expect("a time");
    assert!(until.duration_since(since).as_secs() > 3000, "{stopping}");
    root.write("data/jobs/continuous/job/go", "");
    let ended =
        eventually("it ends by itself", || host.runs("continuous/job").into_iter().find(|run| run["phase"] == "ended"));
    assert_eq!(ended["exit_code"], 9);
    // The next one has its own, which is none.
    eventually("its trap is set", || (root.job_log("job").matches(": INFO] up").count() == 2).then_some(()));
    fs::remove_file(root.path("data/jobs/continuous/job/go")).expect("it was written");
    assert_eq!(host.post("/api/v1/jobs/continuous/job/stop").status, 202);
    let killed = eventually("it is killed at once", || {
        host.runs("continuous/job").into_iter().find(|run| run["phase"] == "ended" && run["id"] != ended["id"])
    });
    assert_ne!(killed["exit_code"], 9, "{killed}");
}

#[test]
fn a_broken_setting_or_a_crash_takes_no_log_away() {
    let root = Root::new();
    let printer =
        "#!/bin/bash\nfor n in $(seq 2000); do echo \"line $n of many that fill the log\"; done\nsleep 1000\n";
    let settings = r#"{"log": {"max_size": 4096, "keep": 1000}, "restart": {"delay": 0.1}}"#;
    root.job("continuous/job", &[("run.sh", printer), ("settings.job", settings)]);
    let host = root.host();
    eventually("all is printed", || root.job_log("job").contains("line 2000 ").then_some(()));
    let parts = || {
        let entries = fs::read_dir(root.path("data/jobs/continuous/job")).expect("its folder").flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("job_log.0")).count()
    };
    let before = parts();
    assert!(before > 15, "{before}");
    host.crash();
    root.write("jobs/continuous/job/settings.job", r#"{"log": "#);
    let host = root.host();
    assert_eq!(host.until_state("continuous/job", "problem")["problems"][0]["file"], "settings.job");
    assert!(parts() >= before, "{} of {before}", parts());
}

#[test]
fn a_job_that_is_deleted_while_stopped_starts_afresh_under_its_name() {
    let root = Root::new();
    root.job("continuous/job", &[("run.sh", UP)]);
    let host = root.host();
    host.until_state("continuous/job", "running");
    assert_eq!(host.post("/api/continuouswebjobs/job/stop").status, 200);
    assert_eq!(host.send("DELETE", "/api/continuouswebjobs/job", &[], b"").status, 200);
    assert!(!root.path("data/jobs/continuous/job").exists());
    root.job("continuous/job", &[("run.sh", UP)]);
    host.until_state("continuous/job", "running");
}

#[test]
fn a_host_under_another_name_mends_what_the_dead_one_left() {
    let root = Root::new();
    root.job("triggered/job", &[("run.sh", "#!/bin/bash\necho up\nsleep 1000\n")]);
    let host = root.host_with(&["--instance", "first"], &[]);
    let run = host.run("job");
    let log = format!("data/jobs/triggered/job/{run}/output_log.txt");
    eventually("it is up", || root.read(&log).contains(": INFO] up").then_some(()));
    host.crash();
    let host = root.host_with(&["--instance", "second"], &[]);
    let lost = host.get(&format!("/api/v1/jobs/triggered/job/runs/{run}")).json();
    assert_eq!((&lost["outcome"], &lost["instance"]), (&"lost".into(), &"first".into()));
    assert_eq!(crate::world::processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_run_waits_until_what_a_dead_host_left_is_mended_also_when_its_copy_is_there() {
    const LOST: &str = "202001010000000000";
    let root = Root::new();
    let script = format!("#!/bin/bash\necho seen: $(cat \"$WEBJOBS_DATA_PATH/{LOST}/status\" 2>/dev/null)\n");
    root.job("triggered/job", &[("run.sh", &script)]);
    let host = root.host_with(&["--instance", "living"], &[]);
    host.until_ended("triggered/job", &host.run("job"));
    // One that came and died since the last look at the hosts.
    root.write("data/webjobd/hosts/dead/lock", "");
    root.write("data/webjobd/hosts/dead/open_runs", &format!("+ {LOST} triggered/job\t{{\"by\":\"startup\"}}\n"));
    let mending = std::fs::File::create(root.path("data/webjobd/hosts/dead/mending.lock")).expect("a lock");
    mending.lock().expect("somebody else mends");
    let run = host.run("job");
    let of_run = |name: &str| root.path(&format!("data/jobs/triggered/job/{run}/{name}"));
    assert!(of_run("output_log.txt").exists(), "whoever is told of it finds its log");
    // A run that waits is recorded all the same.
    eventually("its record", || of_run("status").exists().then_some(()));
    assert_eq!(host.get(&format!("/api/v1/jobs/triggered/job/runs/{run}")).json()["phase"], "starting");
    drop(mending);
    host.until_ended("triggered/job", &run);
    let log = root.read(&format!("data/jobs/triggered/job/{run}/output_log.txt"));
    assert!(log.lines().any(|line| line.contains("seen: ") && line.contains("\"Outcome\":\"lost\"")), "{log}");
}

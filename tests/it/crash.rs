//! The host dies: what the next one finds, ends, and tells.

use std::fs;

use crate::{
    ask::moment,
    hosts::until_recorded,
    world::{Root, eventually, is_alive, pid_in, processes_of, webjobd},
};

/// Ignores TERM, and has children in sessions of their own that do too; one of them has no environment.
const DEAF: &str = "#!/bin/bash\ntrap '' TERM\nsetsid sleep 1001 &\necho $! > \"$WEBJOBS_DATA_PATH/child\"\n\
                    env -i setsid sleep 1002 > /dev/null 2>&1 &\nsleep 1000 &\necho up\nwait\n";

#[test]
fn after_a_crash_leftovers_are_ended_records_closed_and_nothing_is_blocked() {
    let root = Root::new();
    root.job("continuous/kept", &[("run.sh", DEAF)]);
    root.job("triggered/asked", &[("run.sh", DEAF)]);
    let host = root.host();
    let run = host.run("asked");
    let log = format!("data/jobs/triggered/asked/{run}/output_log.txt");
    eventually("both are up", || {
        (root.job_log("kept").contains(": INFO] up") && root.read(&log).contains(": INFO] up")).then_some(())
    });
    let life = host.job("continuous/kept")["active"][0]["id"].as_str().expect("a life").to_owned();
    let children = [pid_in(&root, "data/jobs/continuous/kept/child"), pid_in(&root, "data/jobs/triggered/asked/child")];
    let before = processes_of(&root);
    assert!(children.iter().all(|pid| before.contains(pid)));
    root.write("crashed", "");
    let crashed = fs::metadata(root.path("crashed")).and_then(|file| file.modified()).expect("a time");
    let crashed = crashed.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    host.crash();
    let host = root.host();
    assert!(!before.iter().any(|pid| is_alive(*pid)), "{before:?}");
    for (job, run) in [("continuous/kept", &life), ("triggered/asked", &run)] {
        let lost = host.get(&format!("/api/v1/jobs/{job}/runs/{run}")).json();
        assert_eq!((&lost["phase"], &lost["outcome"]), (&"ended".into(), &"lost".into()), "{lost}");
        let reason = lost["reason"].as_str().expect("a reason");
        assert!(reason.contains("host was gone") && reason.ends_with("its 4 processes were ended"), "{lost}");
        assert!(lost["ended"].is_string(), "{lost}");
    }
    let history = host.get("/api/triggeredwebjobs/asked/history").json();
    assert_eq!(history["runs"][0]["status"], "Aborted", "{history}");
    assert!(root.read(&log).contains("WebJob run was lost"));
    let now = moment(&host.get("/api/v1/jobs/triggered/asked/runs").json()["runs"][0]["ended"]);
    assert!(now >= crashed, "what still lived ended now, not when it last printed");
    // The job that is kept running does so again, and the one on request may be asked again.
    host.until_state("continuous/kept", "running");
    let next = host.run("asked");
    assert_ne!(next, run);
    host.until_state("triggered/asked", "running");
}

#[test]
fn a_crash_in_the_middle_of_a_stop_leaves_the_job_stopped() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", DEAF), ("settings.job", r#"{"stopping_wait_time": 3000}"#)]);
    let host = root.host();
    eventually("it is up", || root.job_log("a").contains(": INFO] up").then_some(()));
    assert_eq!(host.post("/api/continuouswebjobs/a/stop").status, 200);
    host.until_state("continuous/a", "stopping");
    host.crash();
    let host = root.host();
    assert_eq!(processes_of(&root), Vec::<u32>::new());
    host.until_state("continuous/a", "stopped");
    assert_eq!(host.runs("continuous/a")[0]["outcome"], "lost");
    assert_eq!(host.post("/api/continuouswebjobs/a/start").status, 200);
    host.until_state("continuous/a", "running");
}

#[test]
fn the_arguments_of_a_first_run_are_on_record_when_it_is_accepted() {
    let root = Root::new();
    root.job("triggered/long", &[("run.sh", DEAF)]);
    let host = root.host();
    let answer = host.post("/api/triggeredwebjobs/long/run?arguments=with+these");
    let location = answer.header("location").expect("where the run is").to_owned();
    let run = location.rsplit('/').next().expect("an id");
    let record = root.read(&format!("data/jobs/triggered/long/{run}/status"));
    assert!(record.contains("with these"), "the journal does not say them: {record}");
    host.crash();
    let host = root.host();
    let lost = &host.runs("triggered/long")[0];
    assert_eq!((&lost["outcome"], &lost["arguments"]), (&"lost".into(), &"with these".into()));
}

#[test]
fn a_spoilt_record_hides_no_other_and_the_journal_may_be_missing() {
    let root = Root::new();
    root.job("triggered/quick", &[("run.sh", "#!/bin/bash\necho \"$1\"\n")]);
    root.job("triggered/long", &[("run.sh", DEAF)]);
    let host = root.host();
    let runs: Vec<String> = (0..3)
        .map(|_| {
            let run = host.run("quick");
            host.until_ended("triggered/quick", &run);
            run
        })
        .collect();
    let lost = host.run("long");
    host.until_state("triggered/long", "running");
    until_recorded(&root, "long", &lost);
    host.crash();
    let spoilt = root.path(&format!("data/jobs/triggered/quick/{}/status", runs[1]));
    let text = fs::read(&spoilt).expect("its record");
    fs::write(&spoilt, &text[..text.len() / 2]).expect("it is cut");
    let instance = fs::read_dir(root.path("data/webjobd/hosts")).expect("hosts").flatten().next().expect("one").path();
    fs::remove_file(instance.join("open_runs")).expect("the journal was there");
    let host = root.host();
    let ids: Vec<_> = host.runs("triggered/quick").iter().map(|run| run["id"].clone()).collect();
    assert_eq!(ids, [runs[2].as_str(), runs[0].as_str()]);
    assert_eq!(host.runs("triggered/long")[0]["id"], lost.as_str());
    assert_eq!(host.runs("triggered/long")[0]["outcome"], "lost");
    assert_eq!(processes_of(&root), Vec::<u32>::new());
    let run = host.run("quick");
    assert_eq!(host.until_ended("triggered/quick", &run)["outcome"], "succeeded");
}

#[test]
fn a_run_takes_no_id_that_is_on_disk_though_the_clock_is_behind() {
    let root = Root::new();
    root.job("triggered/quick", &[("run.sh", "#!/bin/bash\necho \"$1\"\n")]);
    let host = root.host();
    let run = host.run("quick");
    host.until_ended("triggered/quick", &run);
    assert!(host.stop().success());
    // A year on which the clock was wrong left a run, and another one whose record is spoilt.
    let below = |run: &str| format!("data/jobs/triggered/quick/{run}/status");
    let record = root.read(&below(&run));
    let ahead = format!("2999{}", &run[4..]);
    let number: u64 = ahead.parse().expect("digits");
    let [spoilt, free] = [1, 2].map(|more| (number + more).to_string());
    root.write(&below(&ahead), &record.replace(&run, &ahead));
    root.write(&below(&spoilt), "spoilt");
    fs::remove_dir_all(root.path("data/webjobd/hosts")).expect("with the index, which would not know them");
    let host = root.host();
    assert_eq!(host.runs("triggered/quick")[0]["id"], ahead.as_str());
    assert_eq!(host.run("quick"), free);
    host.until_ended("triggered/quick", &free);
    assert_eq!(root.read(&below(&spoilt)), "spoilt");
}

#[test]
fn a_second_host_of_the_same_name_refuses_and_names_the_first() {
    let root = Root::new();
    let host = root.host();
    let mut command = webjobd();
    command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(root.path(""));
    let second = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(5), "{said}");
    assert!(said.contains(&format!("process {}", host.pid())), "{said}");
    assert!(said.contains("--instance"), "{said}");
    host.crash();
    // A lock of the dead holds nobody up.
    assert!(root.host().stop().success());
}

//! The first things that anybody does.

use crate::world::{Root, eventually, processes_of};

#[test]
fn a_dropped_folder_runs_and_a_stopped_host_leaves_nobody() {
    let root = Root::new();
    let host = root.host();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho at work\nwhile :; do sleep 1; done\n")]);
    eventually("its first line", || root.job_log("worker").contains(": INFO] at work").then_some(()));
    host.until_state("continuous/worker", "running");
    assert!(!processes_of(&root).is_empty());
    assert!(host.stop().success());
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_run_on_request_ends_with_its_record_and_its_output() {
    let root = Root::new();
    root.job("triggered/greet", &[("run.sh", "#!/bin/bash\necho \"hello $1\"\nexit 3\n")]);
    let host = root.host();
    let answer = host.post("/api/triggeredwebjobs/greet/run?arguments=ada");
    assert_eq!(answer.status, 202);
    let run = answer.header("location").and_then(|url| url.rsplit('/').next()).expect("an id").to_owned();
    let ended = host.until_ended("triggered/greet", &run);
    assert_eq!((&ended["outcome"], &ended["exit_code"]), (&"failed".into(), &3.into()));
    assert!(root.read(&format!("data/jobs/triggered/greet/{run}/output_log.txt")).contains(": INFO] hello ada"));
}

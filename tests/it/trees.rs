//! Process trees: whoever belongs to a run is told, has its grace, and is gone in the end.

use std::fs;

use webjobd::os::process::Cgroups;

use crate::world::{Host, Root, eventually, is_alive, pid_in, processes_of};

/// Starts a daemon in each way that leaves the group; the pids are in files of the data folder.
const DAEMONS: &str = r#"#!/bin/bash
cd "$WEBJOBS_DATA_PATH"
setsid sleep 1001 & echo $! > session
(setsid bash -c 'echo $$ > double; exec sleep 1002' > /dev/null 2>&1 &)
env -i setsid sleep 1003 > /dev/null 2>&1 & echo $! > bare
python3 -c '
import os, sys
if os.fork(): sys.exit()
os.setsid()
if os.fork(): os._exit(0)
open("twice.tmp", "w").write(str(os.getpid()))
os.rename("twice.tmp", "twice")
os.execvpe("sleep", ["sleep", "1004"], {"PATH": os.environ["PATH"]})
'
touch all
"#;

const DAEMON_PIDS: [&str; 4] = ["session", "double", "bare", "twice"];

#[test]
fn a_run_that_lives_on_has_a_cgroup_where_one_can_be_had() {
    let root = Root::new();
    root.job("continuous/a", &[("run.sh", "#!/bin/sh\nexec sleep 1000\n")]);
    let can = Cgroups::open(&format!("it-{}", std::process::id())).inspect(Cgroups::remove);
    let host = root.host();
    host.until_state("continuous/a", "running");
    let pid = processes_of(&root)[0];
    let place = || fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its place");
    match can {
        Ok(_) => eventually("its cgroup", || place().contains("/webjobd.").then_some(())),
        Err(error) => eprintln!("no cgroup can be had here ({error})"),
    }
    assert!(host.stop().success());
}

fn started(root: &Root, kind: &str) -> Vec<u32> {
    let data = format!("data/jobs/{kind}/tree");
    eventually("all daemons", || root.path(&format!("{data}/all")).exists().then_some(()));
    DAEMON_PIDS.iter().map(|name| pid_in(root, &format!("{data}/{name}"))).collect()
}

fn stop(host: &Host, job: &str) {
    let answer = host.post(&format!("/api/continuouswebjobs/{job}/stop"));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Returns the reason and exit code of a job's newest life that ended.
#[track_caller]
fn last_end(host: &Host, job: &str) -> (String, i64) {
    eventually("an end", || {
        let runs = host.runs(&format!("continuous/{job}"));
        let ended = runs.iter().find(|run| run["phase"] == "ended")?;
        Some((ended["reason"].as_str().unwrap_or_default().to_owned(), ended["exit_code"].as_i64().unwrap_or(-1)))
    })
}

#[test]
fn daemons_that_left_the_group_end_with_the_stop() {
    let root = Root::new();
    let script = format!("{DAEMONS}exec sleep 1000\n");
    root.job("continuous/tree", &[("run.sh", &script), ("settings.job", r#"{"stopping_wait_time": 1}"#)]);
    let host = root.host();
    let pids = started(&root, "continuous");
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    stop(&host, "tree");
    host.until_state("continuous/tree", "stopped");
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn daemons_of_a_run_end_with_the_run() {
    let root = Root::new();
    root.job("triggered/tree", &[("run.sh", DAEMONS)]);
    let host = root.host();
    let run = host.run("tree");
    let ended = host.until_ended("triggered/tree", &run);
    assert_eq!(ended["outcome"], "succeeded", "{ended}");
    let pids = started(&root, "triggered");
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    assert!(root.read(&format!("data/jobs/triggered/tree/{run}/output_log.txt")).contains("left behind were killed"));
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_stop_is_told_by_file_and_by_signal_and_its_grace_is_honoured() {
    let root = Root::new();
    let graceful = "#!/bin/bash\ntrap 'echo \"file: $(test -s \"$WEBJOBS_SHUTDOWN_FILE\" && echo yes)\"; exit 9' TERM\n\
                    test -d \"$(dirname \"$WEBJOBS_SHUTDOWN_FILE\")\" && echo ready\nwhile :; do sleep 0.05; done\n";
    root.job("continuous/graceful", &[("run.sh", graceful), ("settings.job", r#"{"stopping_wait_time": 60}"#)]);
    let by_int = "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: (print('by INT'), sys.exit(4)))\n\
                  print('ready', flush=True)\nwhile True: time.sleep(1)\n";
    let settings = r#"{"stop_signal": "SIGINT", "stopping_wait_time": 60}"#;
    root.job("continuous/by-int", &[("run.py", by_int), ("settings.job", settings)]);
    let deaf = "#!/bin/bash\ntrap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n";
    root.job("continuous/deaf", &[("run.sh", deaf), ("settings.job", r#"{"stopping_wait_time": 1}"#)]);
    let host = root.host();
    for job in ["graceful", "by-int", "deaf"] {
        eventually(job, || root.job_log(job).contains(": INFO] ready").then_some(()));
        stop(&host, job);
    }
    assert_eq!(last_end(&host, "graceful").1, 9);
    assert!(root.job_log("graceful").contains("file: yes"));
    let log = root.job_log("graceful");
    assert!(log.find("changed to Stopping") < log.find("file: yes"), "{log}");
    assert_eq!(last_end(&host, "by-int").1, 4);
    assert!(root.job_log("by-int").contains("by INT"));
    let (reason, code) = last_end(&host, "deaf");
    assert_eq!(code, 137);
    assert!(reason.contains("stopped on request"), "{reason}");
    assert!(root.job_log("deaf").contains("WebJob process is killed"));
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_pipe_in_the_place_of_the_file_that_announces_a_stop_holds_nobody_up() {
    let root = Root::new();
    let script = "#!/bin/sh\nmkfifo \"$WEBJOBS_SHUTDOWN_FILE\" && echo ready\nexec sleep 1000\n";
    // More than the host has threads.
    let jobs = ["a", "b", "c", "d"];
    jobs.iter().for_each(|job| root.job(&format!("continuous/{job}"), &[("run.sh", script)]));
    let host = root.host();
    for job in jobs {
        eventually(job, || root.job_log(job).contains(": INFO] ready").then_some(()));
        stop(&host, job);
    }
    for job in jobs {
        assert!(last_end(&host, job).0.contains("stopped on request"));
        assert!(root.job_log(job).contains("Failed to write the shutdown file"));
    }
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_child_has_the_grace_too_when_the_leader_goes_first() {
    let root = Root::new();
    // The leader goes at once; the child has something to finish, and holds no output.
    let script = "#!/bin/bash\ncd \"$WEBJOBS_DATA_PATH\"\n\
        bash -c 'trap \"sleep 0.5; echo finished > finished; exit\" TERM; touch ready; while :; do sleep 0.05; done' \
        > /dev/null 2>&1 &\nexec sleep 1000\n";
    root.job("continuous/pair", &[("run.sh", script), ("settings.job", r#"{"stopping_wait_time": 60}"#)]);
    let host = root.host();
    eventually("the child", || root.path("data/jobs/continuous/pair/ready").exists().then_some(()));
    stop(&host, "pair");
    host.until_state("continuous/pair", "stopped");
    assert_eq!(root.read("data/jobs/continuous/pair/finished"), "finished\n");
}

#[test]
fn output_is_not_life_and_silence_is_not_death() {
    let root = Root::new();
    let closes = "#!/bin/bash\nexec > /dev/null 2>&1\ntouch \"$WEBJOBS_DATA_PATH/closed\"\nexec sleep 1000\n";
    root.job("continuous/closes", &[("run.sh", closes)]);
    // A child outside the group holds the output of a leader that has gone.
    let holds = "#!/bin/bash\necho before\nsetsid sleep 1000 &\necho $! > \"$WEBJOBS_DATA_PATH/holder\"\nexit 2\n";
    root.job("triggered/holds", &[("run.sh", holds)]);
    root.job("continuous/endless", &[("run.sh", "#!/bin/bash\nexec yes on and on and on and on and on\n")]);
    let host = root.host();
    let run = host.run("holds");
    eventually("it is silent", || root.path("data/jobs/continuous/closes/closed").exists().then_some(()));
    // What the process did may be seen before the host has heard that it was started.
    host.until_state("continuous/closes", "running");
    eventually("it prints", || root.job_log("endless").contains("on and on").then_some(()));
    stop(&host, "endless");
    host.until_state("continuous/endless", "stopped");
    let ended = host.until_ended("triggered/holds", &run);
    assert_eq!(ended["exit_code"], 2, "{ended}");
    assert!(!is_alive(pid_in(&root, "data/jobs/triggered/holds/holder")));
    assert!(root.read(&format!("data/jobs/triggered/holds/{run}/output_log.txt")).contains(": INFO] before"));
    let closes = host.job("continuous/closes");
    assert_eq!((&closes["state"], &closes["restarts"]), (&"running".into(), &0.into()), "{closes}");
}

#[test]
fn a_host_that_stops_tells_all_jobs_before_it_waits_for_any() {
    let root = Root::new();
    // Each of them ends only when all three have been told.
    let script = "#!/bin/bash\nlist=\"$WEBJOBS_DATA_PATH/../told\"\n\
        trap 'echo told >> \"$list\"; until [ $(wc -l < \"$list\") -ge 3 ]; do sleep 0.02; done; echo all; exit 0' TERM\n\
        echo ready\nwhile :; do sleep 0.05; done\n";
    for job in ["a", "b", "c"] {
        let settings = r#"{"stopping_wait_time": 60}"#;
        root.job(&format!("continuous/{job}"), &[("run.sh", script), ("settings.job", settings)]);
    }
    let host = root.host();
    for job in ["a", "b", "c"] {
        eventually("ready", || root.job_log(job).contains(": INFO] ready").then_some(()));
    }
    assert!(host.stop().success());
    for job in ["a", "b", "c"] {
        assert!(root.job_log(job).contains(": INFO] all"), "{}", root.job_log(job));
        assert!(root.job_log(job).contains("because the host stops"), "{}", root.job_log(job));
    }
    assert!(
        !root
            .path("data/webjobd/hosts")
            .read_dir()
            .expect("it is there")
            .flatten()
            .any(|host| { host.path().join("host.json").exists() })
    );
}

#[test]
fn a_second_signal_kills_at_once_also_what_was_removed_before() {
    let root = Root::new();
    let deaf = "#!/bin/bash\ntrap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n";
    for job in ["stays", "goes"] {
        let settings = r#"{"stopping_wait_time": 3000}"#;
        root.job(&format!("continuous/{job}"), &[("run.sh", deaf), ("settings.job", settings)]);
    }
    let mut host = root.host();
    for job in ["stays", "goes"] {
        eventually("ready", || root.job_log(job).contains(": INFO] ready").then_some(()));
    }
    fs::remove_dir_all(root.path("jobs/continuous/goes")).expect("it goes");
    host.until_state("continuous/goes", "stopping");
    host.signal("TERM");
    eventually("it is told", || root.job_log("stays").contains("website shutting down").then_some(()));
    host.signal("TERM");
    assert!(host.ended().success());
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn an_orphan_that_ends_is_reaped_while_its_run_lives_on() {
    let root = Root::new();
    let script = "#!/bin/bash\ncd \"$WEBJOBS_DATA_PATH\"\n\
        (setsid bash -c 'echo $$ > orphan; until [ -e go ]; do sleep 0.02; done' > /dev/null 2>&1 &)\n\
        grep SigBlk /proc/self/status\nexec sleep 1000\n";
    root.job("continuous/parent", &[("run.sh", script)]);
    let host = root.host();
    let orphan = pid_in(&root, "data/jobs/continuous/parent/orphan");
    // The host holds back what tells it of ends; no thread of it is woken by each, and its jobs hold back nothing.
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("the host's status");
    let held = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("what it holds back");
    assert_eq!(u64::from_str_radix(held.trim(), 16), Ok(1 << 16), "SIGCHLD");
    eventually("what the job holds back", || {
        root.job_log("parent").contains("SigBlk:\t0000000000000000").then_some(())
    });
    let parent = || {
        fs::read_to_string(format!("/proc/{orphan}/stat")).ok()?.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
    };
    eventually("the host to be its parent", || (parent() == Some(host.pid())).then_some(()));
    fs::write(root.path("data/jobs/continuous/parent/go"), "").expect("it is written");
    eventually("it to be reaped", || (!root.path(&format!("/proc/{orphan}")).exists()).then_some(()));
    assert_eq!(host.job("continuous/parent")["state"], "running");
}

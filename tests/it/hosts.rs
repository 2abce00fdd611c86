//! Several hosts on one root.

use serde_json::Value;

use crate::{
    ask::{HOLD, ask, let_go, moment, occurrences, until_runs},
    world::{Host, Root, eventually, is_alive, pid_in, processes_of},
};

const FOREVER: &str = "#!/bin/bash\necho \"$$ at work\"\nwhile :; do sleep 1; done\n";

/// Starts a host of a name of its own on a root that others share.
pub fn host(root: &Root, name: &str) -> Host {
    let temp = root.path(&format!("tmp-{name}"));
    root.host_with(&["--instance", name, "--temp", temp.to_str().expect("a path")], &[])
}

fn detailed(host: &Host, job: &str) -> Value {
    host.get(&format!("/api/continuouswebjobs/{job}")).json()
}

#[track_caller]
fn until_detailed(host: &Host, job: &str, expected: &str) {
    eventually(&format!("{job} is {expected:?}"), || {
        (detailed(host, job)["detailed_status"] == expected).then_some(())
    });
}

#[test]
fn a_second_host_of_the_same_name_does_not_start() {
    let root = Root::new();
    let first = host(&root, "a");
    let second = root.cli(&["serve", "--instance", "a", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another host named `a`") && said.contains(&first.pid().to_string()), "{said}");
}

#[test]
fn a_continuous_job_runs_on_every_host_and_each_shows_all() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", FOREVER)]);
    let a = host(&root, "a");
    a.until_state("continuous/worker", "running");
    until_detailed(&a, "worker", "a - Running\r\n");
    let b = host(&root, "b");
    for one in [&a, &b] {
        one.until_state("continuous/worker", "running");
        until_detailed(one, "worker", "a - Running\r\nb - Running\r\n");
    }
    let log = |host: &Host| host.get("/api/v1/jobs/continuous/worker/log").text();
    eventually("each host's own log", || {
        let both = [log(&a), log(&b)];
        let own = both[0].contains(" > a: INFO]") && both[1].contains(" > b: INFO]");
        let others = both[0].contains(" > b:") || both[1].contains(" > a:");
        (own && !others).then_some(())
    });
    let url = detailed(&b, "worker")["log_url"].as_str().expect("a link").to_owned();
    assert!(url.ends_with("/vfs/data/jobs/continuous/worker/job_log_b.txt"), "{url}");
    assert!(b.stop().success());
    assert_eq!(root.read("data/jobs/continuous/worker/status_b"), r#"{"Status":"Stopped"}"#);
    until_detailed(&a, "worker", "a - Running\r\n");
    assert!(a.stop().success());
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_stop_on_one_host_is_a_stop_on_all_and_stays_one() {
    let root = Root::new();
    for job in ["worker", "other"] {
        root.job(&format!("continuous/{job}"), &[("run.sh", FOREVER)]);
    }
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let until = |job: &str, state: &str| {
        for host in [&a, &b] {
            host.until_state(&format!("continuous/{job}"), state);
        }
    };
    until("worker", "running");
    assert_eq!(a.post("/api/continuouswebjobs/worker/stop").status, 200);
    until("worker", "stopped");
    // Both wish at once: neither is lost.
    assert_eq!(b.post("/api/continuouswebjobs/other/stop").status, 200);
    until("other", "stopped");
    until("worker", "stopped");
    assert_eq!(b.post("/api/continuouswebjobs/worker/start").status, 200);
    until("worker", "running");
    until("other", "stopped");
    assert!(b.stop().success());
    let b = host(&root, "b");
    assert_eq!(b.until_state("continuous/other", "stopped")["state"], "stopped");
    b.until_state("continuous/worker", "running");
}

#[test]
fn a_singleton_runs_on_one_host_and_moves_when_that_stops_or_dies() {
    let root = Root::new();
    root.job("continuous/single", &[("run.sh", FOREVER), ("settings.job", r#"{"is_singleton": true}"#)]);
    let a = host(&root, "a");
    a.until_state("continuous/single", "running");
    let b = host(&root, "b");
    b.until_state("continuous/single", "standby");
    for one in [&a, &b] {
        until_detailed(one, "single", "a - Running\r\nb - InactiveInstance\r\n");
        assert_eq!(detailed(one, "single")["status"], "Running");
    }
    assert!(a.stop().success());
    b.until_state("continuous/single", "running");
    let a = host(&root, "a");
    a.until_state("continuous/single", "standby");
    b.crash();
    a.until_state("continuous/single", "running");
    until_detailed(&a, "single", "a - Running\r\n");
    // It ends what its earlier life left behind, and stands by.
    let b = host(&root, "b");
    b.until_state("continuous/single", "standby");
    eventually("one process", || (leaders(&root) == 1).then_some(()));
}

/// How many living processes of jobs are bash: the scripts themselves, without what they started.
fn leaders(root: &Root) -> usize {
    let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    processes_of(root).iter().filter(|pid| name(pid).trim() == "run.sh").count()
}

/// Waits until the record of a triggered job's run says on disk that it runs: there all but its own host look for it.
#[track_caller]
pub fn until_recorded(root: &Root, job: &str, run: &str) {
    let record = root.path(&format!("data/jobs/triggered/{job}/{run}/status"));
    let says = || std::fs::read_to_string(&record).unwrap_or_default();
    eventually("the run is recorded", || says().contains("\"Status\":\"Running\"").then_some(()));
}

#[test]
fn a_run_on_one_host_keeps_the_other_from_running_it() {
    let root = Root::new();
    root.job("triggered/hold", &[("run.sh", HOLD)]);
    root.job("triggered/line", &[("run.sh", HOLD), ("settings.job", r#"{"overlap": "queue"}"#)]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let run = a.run("hold");
    until_recorded(&root, "hold", &run);
    let cancelled = b.post(&format!("/api/v1/jobs/triggered/hold/runs/{run}/cancel"));
    assert_eq!(cancelled.status, 409, "{}", cancelled.text());
    assert!(cancelled.text().contains("is on its way on the host `a`"), "{}", cancelled.text());
    let refused = ask(&b, "hold", "");
    assert_eq!(refused.status, 409);
    assert_eq!(refused.text(), "Cannot start a new run since job is already running.");
    // The run of the one is shown by the other.
    eventually("it runs", || {
        (b.get(&format!("/api/v1/jobs/triggered/hold/runs/{run}")).json()["phase"] == "running").then_some(())
    });
    let first = a.run("line");
    let second = b.run("line");
    for name in ["hold", "line"] {
        let_go(&root, name);
    }
    a.until_ended("triggered/hold", &run);
    a.until_ended("triggered/line", &first);
    let second = b.until_ended("triggered/line", &second);
    assert_eq!((&second["outcome"], &second["instance"]), (&"succeeded".into(), &"b".into()));
    assert!(
        moment(&a.get(&format!("/api/v1/jobs/triggered/line/runs/{first}")).json()["ended"])
            <= moment(&second["ended"])
    );
    let again = eventually("its lock is free", || Some(ask(&b, "hold", "")).filter(|answer| answer.status == 202));
    assert_eq!(again.status, 202);
}

#[test]
fn a_due_time_is_served_once_whichever_host_is_first() {
    let root = Root::new();
    let script = "#!/bin/bash\necho run >> \"$WEBJOBS_DATA_PATH/runs\"\n";
    let settings = r#"{"schedule": "* * * * * *", "overlap": "queue"}"#;
    root.job("triggered/often", &[("run.sh", script), ("settings.job", settings)]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    until_runs(&a, "triggered/often", 4);
    b.stop();
    a.stop();
    let a = host(&root, "a");
    let told = occurrences(&a, "triggered/often");
    let dues: Vec<f64> = told.iter().filter(|one| one["outcome"] == "ran").map(|one| moment(&one["due"])).collect();
    assert!(dues.len() >= 4, "{told:?}");
    assert!(dues.windows(2).all(|two| two[0] < two[1]), "no due time twice: {told:?}");
}

/// Ignores TERM, and has children in sessions of their own; one of them has thrown its environment away.
const DEAF: &str = "#!/bin/bash\ntrap '' TERM\ncd \"$WEBJOBS_DATA_PATH\"\nsetsid sleep 1001 &\n\
                    env -i setsid sleep 1002 > /dev/null 2>&1 &\necho $! > bare\necho up\nsleep 1000\n";

#[test]
fn what_a_dead_host_left_is_ended_before_another_takes_over() {
    let root = Root::new();
    root.job("continuous/single", &[("run.sh", DEAF), ("settings.job", r#"{"is_singleton": true}"#)]);
    root.job("triggered/once", &[("run.sh", DEAF)]);
    let a = host(&root, "a");
    a.until_state("continuous/single", "running");
    let b = host(&root, "b");
    b.until_state("continuous/single", "standby");
    let run = a.run("once");
    let life = a.job("continuous/single")["active"][0]["id"].as_str().expect("a life").to_owned();
    let bare = ["continuous/single", "triggered/once"].map(|job| pid_in(&root, &format!("data/jobs/{job}/bare")));
    let mut before = processes_of(&root);
    before.extend(bare);
    a.crash();
    let asked = eventually("its lock is free", || Some(ask(&b, "once", "")).filter(|answer| answer.status == 202));
    let next = asked.header("location").expect("where it is").rsplit('/').next().expect("an id").to_owned();
    eventually("the next run", || {
        (b.get(&format!("/api/v1/jobs/triggered/once/runs/{next}")).json()["phase"] == "running").then_some(())
    });
    b.until_state("continuous/single", "running");
    assert!(!before.iter().any(|pid| is_alive(*pid)), "{before:?}");
    for (job, run) in [("continuous/single", &life), ("triggered/once", &run)] {
        let lost = b.until_ended(job, run);
        assert_eq!((&lost["outcome"], &lost["instance"]), (&"lost".into(), &"a".into()), "{lost}");
        assert!(lost["reason"].as_str().expect("a reason").contains("processes were ended"), "{lost}");
    }
    // The dead one comes back as if nothing had been.
    let a = host(&root, "a");
    a.until_state("continuous/single", "standby");
    drop((a, b));
    assert_eq!(processes_of(&root), Vec::<u32>::new());
}

#[test]
fn a_living_host_notices_that_another_died() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", DEAF)]);
    let b = host(&root, "b");
    let a = host(&root, "a");
    a.until_state("continuous/worker", "running");
    // It looks who is there whenever it reads all folders.
    b.signal("HUP");
    let life = a.job("continuous/worker")["active"][0].clone();
    let pid = u32::try_from(life["pid"].as_u64().expect("its process")).expect("a pid");
    a.crash();
    let run = life["id"].as_str().expect("an id");
    let lost = b.until_ended("continuous/worker", run);
    assert_eq!(lost["outcome"], "lost", "{lost}");
    // It is shown as lost as soon as its host is gone, and then its processes are ended.
    eventually("its process is ended", || (!is_alive(pid)).then_some(()));
    b.until_state("continuous/worker", "running");
}

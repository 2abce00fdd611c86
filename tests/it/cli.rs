//! The command line against a real host: what each verb prints and with which code it ends.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::{
    stream::Running,
    world::{Root, eventually, webjobd},
};

/// What a command came to.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    told: String,
}

/// Runs a verb on a root.
fn cli(root: &Root, line: &[&str]) -> Ended {
    let mut command = webjobd();
    command.arg("--root").arg(root.path("")).args(line).stdin(Stdio::null());
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), told: text(&output.stderr) }
}

#[track_caller]
fn check(root: &Root, line: &[&str], code: i32, says: &str) -> Ended {
    let ended = cli(root, line);
    assert_eq!(ended.code, code, "{line:?}: {ended:?}");
    assert!(ended.out.contains(says) || ended.told.contains(says), "{line:?} does not say {says:?}: {ended:?}");
    ended
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// A job that waits for the file `go` in the root.
fn gated(root: &Root, job: &str, end: &str) {
    let go = root.path("go");
    let text = format!("#!/bin/bash\necho begun\nuntil [ -e '{}' ]; do sleep 0.05; done\n{end}\n", go.display());
    root.job(job, &[("run.sh", &text)]);
}

fn jobs() -> Root {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho \"life $WEBJOBS_RUN_ID\"\nsleep 1000\n")]);
    root.job("triggered/greet", &[("run.sh", "#!/bin/bash\nprintf '[%s]\\n' \"$@\"\necho oops >&2\nexit ${1:-0}\n")]);
    root.job("continuous/both", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    root.job("triggered/both", &[("run.sh", "#!/bin/bash\n")]);
    root.job("triggered/broken", &[("readme.txt", "no script")]);
    root.job(
        "triggered/nightly",
        &[("run.sh", "#!/bin/bash\n"), ("settings.job", r#"{"schedule":"0 30 2 * * *","time_zone":"UTC"}"#)],
    );
    root
}

#[test]
fn every_verb_shows_what_the_host_knows() {
    let root = jobs();
    let host = root.host();
    host.until_state("continuous/worker", "running");
    let list = check(&root, &["list"], 0, "JOB");
    for line in ["worker   continuous  running", "nightly  triggered   idle", "broken   triggered   problem"] {
        assert!(list.out.contains(line), "{line}: {}", list.out);
    }
    let list = json(&check(&root, &["list", "--json"], 0, ""));
    assert_eq!(list[5]["name"], json(&check(&root, &["list", "-o", "json"], 0, ""))[5]["name"]);
    assert_eq!(list.as_array().map(Vec::len), Some(6));
    check(&root, &["list", "-o", "wide"], 0, "COMMAND");
    check(&root, &["status", "worker"], 0, "State    running");
    let status = json(&check(&root, &["status", "nightly", "--json"], 0, ""));
    assert_eq!((&status["state"], status["coming"].as_array().map(Vec::len)), (&"idle".into(), Some(3)));
    check(&root, &["next", "nightly", "--count", "2"], 0, "0 30 2 * * *");
    let next = json(&check(&root, &["next", "nightly", "--from", "2026-03-28", "--count", "1", "--json"], 0, ""));
    assert_eq!(next[0]["expression"], "0 30 2 * * *");
    let run = check(&root, &["run", "greet", "--wait", "--json", "--", "3"], 3, "");
    let run = json(&run);
    assert_eq!((&run["outcome"], &run["exit_code"], &run["arguments"]), (&"failed".into(), &3.into(), &"3".into()));
    let id = run["id"].as_str().expect("an id");
    check(&root, &["history"], 0, id);
    assert_eq!(json(&check(&root, &["history", "greet", "--failed", "--json"], 0, ""))[0]["id"], id);
    assert_eq!(json(&check(&root, &["show", "greet", "last", "--json"], 0, ""))["id"], id);
    check(&root, &["show", "greet", id], 0, "Exit code  3");
    let credentials = check(&root, &["credentials"], 0, ":");
    assert_eq!(credentials.out, root.read("data/webjobd/credentials"));
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let root = jobs();
    gated(&root, "triggered/slow", "");
    let host = root.host();
    host.until_state("continuous/worker", "running");
    for (line, code, says) in [
        (&["status", "wroker"][..], 4, "worker"),
        (&["show", "greet", "201510200336425903"], 4, "201510200336425903"),
        (&["show", "greet", "last"], 4, "has not run yet"),
        (&["status", "both"], 2, "continuous/both or triggered/both"),
        (&["status", "triggered/both"], 0, "both"),
        (&["run", "worker"], 2, "webjobd start worker"),
        (&["run", "broken"], 5, "broken"),
        (&["restart", "greet"], 2, "webjobd run greet"),
        (&["logs", "greet", "--since", "soon"], 2, "soon"),
        (&["nonsense"], 2, "nonsense"),
        (&["run", "slow"], 0, ""),
        (&["run", "slow"], 5, "slow"),
        (&["stop", "slow", "--run", "last"], 0, "stopped"),
        (&["stop", "slow", "--run", "last"], 3, "is not running"),
        (&["stop", "worker"], 0, "is stopped; it stays so"),
        (&["status", "worker"], 3, "stopped"),
        (&["restart", "worker"], 5, "worker"),
        // Being started, or running: it may be there before the answer is.
        (&["start", "worker"], 0, "job \"worker\" is "),
    ] {
        check(&root, line, code, says);
    }
    host.until_state("continuous/worker", "running");
    check(&root, &["restart", "worker"], 0, "is being restarted");
    let url = format!("http://{}", host.address);
    let elsewhere = Root::new();
    let mut wrong = webjobd();
    wrong.args(["list", "--url", &url]).env("WEBJOBD_CREDENTIALS", "webjobd:wrong").current_dir(elsewhere.path(""));
    assert_eq!(wrong.output().expect("it runs").status.code(), Some(6));
    check(&elsewhere, &["list"], 7, "no host runs here");
    // One that crashed leaves its file; nothing answers there any more.
    host.crash();
    check(&root, &["list"], 7, "it has probably crashed");
}

#[test]
fn a_run_is_followed_and_ends_the_command_with_its_code() {
    let root = jobs();
    gated(&root, "triggered/slow", "echo done; exit 42");
    let _host = root.host();
    let ended = check(&root, &["run", "greet", "--wait", "--", "0", "two words"], 0, "[two words]");
    assert!(ended.out.contains(": ERR ] oops") && ended.out.contains("Status changed to Success"), "{ended:?}");
    assert!(ended.told.contains("of job \"greet\" succeeded"), "{ended:?}");
    let mut waits = Running::start(&root, &["run", "slow", "--wait"]);
    waits.out.until(": INFO] begun\n");
    root.write("go", "");
    assert_eq!(waits.ended().code(), Some(42));
    assert!(waits.out.all().contains(": INFO] done\n"));
    fs::remove_file(root.path("go")).expect("it goes");
    // Interrupted, it leaves the run alone and says how to stop it.
    let mut waits = Running::start(&root, &["run", "slow", "--wait"]);
    waits.out.until(": INFO] begun\n");
    waits.signal("INT");
    assert_eq!(waits.ended().code(), Some(130));
    let told = waits.errors.all();
    assert!(told.contains("goes on; to stop it: webjobd stop slow --run "), "{told}");
    check(&root, &["stop", "slow"], 2, "say which run to stop");
    check(&root, &["stop", "slow", "--run", "last"], 0, "stopped");
}

#[test]
fn logs_are_shown_in_part_and_followed_over_restarts() {
    let root = jobs();
    let host = root.host();
    check(&root, &["run", "greet", "--wait"], 0, "");
    let all = check(&root, &["logs", "greet"], 0, "oops").out;
    assert_eq!(
        check(&root, &["logs", "greet", "-n", "1"], 0, "").out,
        all.lines().last().expect("a line").to_owned() + "\n"
    );
    assert_eq!(check(&root, &["logs", "greet", "--since", "1h"], 0, "").out, all);
    let errors = check(&root, &["logs", "greet", "--stderr"], 0, "").out;
    assert!(errors.lines().count() == 1 && errors.ends_with(": ERR ] oops\n"), "{errors}");
    assert_eq!(check(&root, &["logs", "greet", "--run", "last"], 0, "").out, all);
    let first = host.until_state("continuous/worker", "running")["copies"][0]["run"].clone();
    let first = format!("life {}\n", first.as_str().expect("an id"));
    eventually("its line", || root.job_log("worker").contains(&first).then_some(()));
    let follows = Running::start(&root, &["logs", "worker", "-f", "-n", "1"]);
    // Only who has begun to read hears of all that comes.
    follows.out.until(&first);
    for _ in 0..2 {
        let before = host.until_state("continuous/worker", "running")["copies"][0]["run"].clone();
        check(&root, &["restart", "worker"], 0, "");
        let after = eventually("another life", || {
            let run = host.job("continuous/worker")["copies"][0]["run"].clone();
            run.as_str().filter(|id| before != **id).map(str::to_owned)
        });
        follows.out.until(&format!("life {after}\n"));
    }
}

#[test]
fn check_tells_every_problem_in_one_go() {
    let root = jobs();
    fs::remove_dir_all(root.path("jobs/triggered/broken")).expect("it goes");
    check(&root, &["check"], 0, "no problems");
    root.job("triggered/broken", &[("readme.txt", "")]);
    root.job(
        "triggered/late",
        &[("run.sh", "#!/bin/sh\n"), ("settings.job", "{\n  \"schedule\": \"0 99 * * * *\"\n}\n")],
    );
    root.job("continuous/odd", &[("run.sh", "#!/bin/sh\n"), ("settings.job", r#"{"colour": 1}"#)]);
    let ended = check(&root, &["check"], 1, "2 problems");
    for place in ["jobs/triggered/broken", "jobs/triggered/late/settings.job:2:", "jobs/continuous/odd/settings.job:1:"]
    {
        assert!(ended.out.contains(place), "{place}: {}", ended.out);
    }
    assert_eq!(json(&check(&root, &["check", "--json"], 1, ""))["problems"].as_array().map(Vec::len), Some(3));
    check(&root, &["check", root.path("jobs/triggered/late").to_str().expect("text")], 1, "settings.job:2:");
    check(&root, &["check", root.path("nothing").to_str().expect("text")], 2, "nothing");
    let schema = json(&check(&root, &["check", "--schema"], 0, "$schema"));
    let schema = jsonschema::validator_for(&schema).expect("a valid schema");
    assert!(schema.is_valid(&serde_json::json!({"schedule": "0 30 2 * * *", "is_singleton": true})));
    assert!(!schema.is_valid(&serde_json::json!({"is_singleton": "yes"})));
}

#[test]
fn a_folder_that_was_just_made_can_be_run_at_once() {
    let root = Root::new();
    let _host = root.host();
    // As in README's first minutes.
    root.write("jobs/triggered/hello/run.sh", "echo \"hello from $WEBJOBS_NAME\"\n");
    check(&root, &["run", "hello", "--wait"], 0, ": INFO] hello from hello");
}

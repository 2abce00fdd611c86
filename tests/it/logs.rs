//! What jobs see and what they print, and what that costs.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::world::{Host, Root, eventually};

fn lines<'a>(log: &'a str, level: &str) -> Vec<&'a str> {
    let mark = format!(": {level}] ");
    log.split('\n').filter_map(|line| Some(line.split_once(&mark)?.1)).collect()
}

/// Runs a triggered job to its end, and returns its log.
fn run(root: &Root, host: &Host, job: &str) -> String {
    let run = host.run(job);
    host.until_ended(&format!("triggered/{job}"), &run);
    root.read(&format!("data/jobs/triggered/{job}/{run}/output_log.txt"))
}

fn status_field(path: &Path, field: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn a_job_sees_its_environment_an_empty_input_and_its_copy() {
    let root = Root::new();
    let script = "#!/bin/bash\nenv -0 > \"$WEBJOBS_DATA_PATH/env\"\npwd > \"$WEBJOBS_DATA_PATH/pwd\"\ncat\n\
                  stat -c '%a %Y' data.bin\ntouch \"$WEBJOBS_DATA_PATH/done\"\nexec sleep 1000\n";
    let settings =
        r#"{"env": {"MINE": "from settings", "WEBJOBS_NAME": "not mine"}, "env_file": "vars", "args": ["x y"]}"#;
    let files =
        [("run.sh", script), ("settings.job", settings), ("vars", "FILE=from file\nMINE=file\n"), ("data.bin", "1")];
    for (name, text) in files {
        root.write(&format!("stage/{name}"), text);
    }
    let data = root.path("stage/data.bin");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o640)).expect("its mode is set");
    fs::File::open(&data)
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)))
        .expect("its time is set");
    fs::rename(root.path("stage"), root.path("jobs/continuous/a")).expect("it is moved in");
    let host = root.host_with(&["--instance", "one"], &[("FROM_HOST", "yes")]);
    let own = "data/jobs/continuous/a";
    eventually("it is through", || root.path(&format!("{own}/done")).exists().then_some(()));
    let text = root.read(&format!("{own}/env"));
    let env: BTreeMap<_, _> = text.split('\0').filter_map(|entry| entry.split_once('=')).collect();
    let life = host.job("continuous/a")["active"][0]["id"].as_str().expect("a life").to_owned();
    let pwd = root.read(&format!("{own}/pwd"));
    let data = root.path(own).display().to_string();
    for (name, value) in [
        ("FROM_HOST", "yes"),
        ("MINE", "from settings"),
        ("FILE", "from file"),
        ("WEBJOBS_NAME", "a"),
        ("WEBJOBS_TYPE", "continuous"),
        ("WEBJOBS_RUN_ID", life.as_str()),
        ("WEBJOBS_PATH", pwd.trim_end()),
        ("WEBJOBS_DATA_PATH", data.as_str()),
        ("WEBSITE_ALWAYS_ON_JOB_RUNNING_a", "true"),
    ] {
        assert_eq!(env.get(name).copied(), Some(value), "{name}");
    }
    assert!(env["WEBJOBS_COMMAND_ARGUMENTS"].contains("x y"));
    assert!(env["WEBJOBS_PORT"].parse::<u16>().is_ok());
    assert!(Path::new(env["WEBJOBS_SHUTDOWN_FILE"]).parent().is_some_and(Path::exists));
    assert_ne!(Path::new(pwd.trim_end()), root.path("jobs/continuous/a"));
    eventually("mode and time of its file", || root.job_log("a").contains("] 640 1000000000").then_some(()));
    assert!(host.stop().success());
    assert!(!Path::new(pwd.trim_end()).exists(), "its copy is still there");
}

#[test]
fn a_script_that_is_edited_does_not_change_the_run_on_its_way() {
    let root = Root::new();
    let script = |word: &str| {
        format!(
            "#!/bin/bash\ntouch \"$WEBJOBS_DATA_PATH/up\"\nuntil [ -e \"$WEBJOBS_DATA_PATH/go\" ]; do sleep 0.02; done\necho {word}\n"
        )
    };
    root.job("triggered/a", &[("run.sh", &script("old"))]);
    let host = root.host();
    let run = host.run("a");
    eventually("it is up", || root.path("data/jobs/triggered/a/up").exists().then_some(()));
    // In place: the same file, other bytes.
    fs::write(root.path("jobs/triggered/a/run.sh"), script("new")).expect("it is written");
    host.refresh("triggered/a");
    root.write("data/jobs/triggered/a/go", "");
    host.until_ended("triggered/a", &run);
    let log = root.read(&format!("data/jobs/triggered/a/{run}/output_log.txt"));
    assert_eq!(lines(&log, "INFO"), ["old"]);
    assert_eq!(lines(&self::run(&root, &host, "a"), "INFO"), ["new"]);
}

#[test]
fn a_program_that_runs_can_be_replaced() {
    let root = Root::new();
    fs::create_dir_all(root.path("jobs/continuous/a")).expect("a folder");
    root.write("jobs/continuous/a/settings.job", r#"{"args": ["1000"]}"#);
    fs::copy("/bin/sleep", root.path("jobs/continuous/a/run")).expect("a program");
    let host = root.host();
    host.until_state("continuous/a", "running");
    fs::copy("/bin/echo", root.path("jobs/continuous/a/run")).expect("no text file busy");
    eventually("the other program", || root.job_log("a").contains(": INFO] 1000").then_some(()));
}

#[test]
fn every_kind_of_line_is_kept() {
    let root = Root::new();
    let script = r"import os, sys
out = lambda b: os.write(1, b)
out(b'one\r\ntwo\n\nbad \xff\xfe bytes\n')
out(b'x' * 150000 + b'\n')
for i in range(500): out(b'n%d\n' % i)
os.write(2, b'to err\n')
out(b'no newline')
";
    root.job("triggered/a", &[("run.py", script)]);
    let host = root.host();
    let log = run(&root, &host, "a");
    let info = lines(&log, "INFO");
    assert_eq!(info[..3], ["one", "two", ""]);
    assert!(info[3].starts_with("bad ") && info[3].ends_with(" bytes"), "{}", info[3]);
    let long = &info[4..7];
    assert!(long[0].ends_with(" [line continues]") && long[1].ends_with(" [line continues]"));
    assert_eq!(long.concat().replace(" [line continues]", "").len(), 150_000);
    let numbers: Vec<String> = (0..500).map(|i| format!("n{i}")).collect();
    assert_eq!(info[7..507], numbers.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(info[507..], ["no newline"]);
    assert_eq!(lines(&log, "ERR "), ["to err"]);
    assert!(!log.contains('\r'));
}

#[test]
fn a_flood_is_rolled_kept_whole_and_costs_little_memory() {
    let root = Root::new();
    // 600,000 lines of some 100 bytes each.
    let script = "#!/bin/bash\nseq -f '%.0f 0123456789012345678901234567890123456789012345678901234567890123456789012345' \
                  1000001 1600000\n";
    let settings = r#"{"log": {"max_size": "4MiB", "keep": 100}}"#;
    root.job("triggered/a", &[("run.sh", script), ("settings.job", settings)]);
    let host = root.host();
    let run = host.run("a");
    host.until_ended("triggered/a", &run);
    let peak = status_field(Path::new(&format!("/proc/{}/status", host.pid())), "VmHWM:");
    assert!(peak < 100 * 1024, "{peak} KiB");
    let parts = fs::read_dir(root.path(&format!("data/jobs/triggered/a/{run}"))).expect("its folder");
    assert!(parts.flatten().filter(|part| part.file_name().to_string_lossy().starts_with("output_log")).count() > 5);
    let output = root.cli(&["logs", "a", "--run", &run]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let numbers = lines(&text, "INFO").into_iter().map(|line| line.split(' ').next().unwrap_or_default());
    assert!(numbers.eq((1_000_001..=1_600_000).map(|n: u32| n.to_string())), "lines are missing or out of order");
}

#[test]
fn rolled_parts_are_compressed_and_still_read() {
    let root = Root::new();
    let script = "#!/bin/bash\nfor i in $(seq 1000001 1030000); do echo \"$i\"; done\nexec sleep 1000\n";
    let settings = r#"{"log": {"max_size": "64KiB", "keep": 1000}}"#;
    root.job("continuous/a", &[("run.sh", script), ("settings.job", settings)]);
    let host = root.host();
    eventually("its last line", || root.job_log("a").contains("] 1030000\n").then_some(()));
    eventually("a compressed part", || {
        let mut parts = fs::read_dir(root.path("data/jobs/continuous/a")).ok()?.flatten();
        parts.any(|part| part.file_name().to_string_lossy().ends_with(".gz")).then_some(())
    });
    let output = root.cli(&["logs", "a", "--since", "1h"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let expected: Vec<String> = (1_000_001..=1_030_000).map(|n: u32| n.to_string()).collect();
    assert_eq!(lines(&text, "INFO").len(), expected.len());
    assert!(lines(&text, "INFO").iter().zip(&expected).all(|(line, number)| line == number));
    drop(host);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures a time")]
fn an_idle_host_with_many_sleeping_jobs_sleeps_too() {
    let root = Root::new();
    for n in 0..100 {
        root.job(&format!("continuous/j{n}"), &[("run.sh", "#!/bin/bash\nexec sleep 1000\n")]);
    }
    let host = root.host();
    eventually("all run", || {
        let jobs = host.get("/api/v1/jobs").json();
        let jobs = jobs["jobs"].as_array().or(jobs.as_array()).cloned().unwrap_or_default();
        (jobs.len() == 100 && jobs.iter().all(|job| job["state"] == "running")).then_some(())
    });
    let wakes = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", host.pid())).expect("threads").flatten();
        tasks.map(|task| status_field(&task.path().join("status"), "voluntary_ctxt_switches:")).sum()
    };
    // What follows the start (copies tidied, the watch of the folders) takes a while: the best of several windows counts.
    let (mut begun, mut before) = (Instant::now(), wakes());
    let fewest = eventually("a quiet window of 5 s", || {
        if begun.elapsed() < Duration::from_secs(5) {
            return None;
        }
        let woken = wakes().saturating_sub(before);
        (begun, before) = (Instant::now(), wakes());
        Some(woken).filter(|woken| *woken <= 5)
    });
    assert!(fewest <= 5);
}

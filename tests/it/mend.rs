//! Folders as people leave them: written by the job itself, half copied, in another encoding, with links that lead away.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    time::Instant,
};

use serde_json::Value;

use crate::{
    ask::{text, until_problem},
    world::{Root, eventually},
};

const FOREVER: &str = "#!/bin/bash\necho up\nexec sleep 1000\n";

#[test]
fn a_job_that_rewrites_a_file_of_its_own_folder_does_not_restart_itself_for_ever() {
    let root = Root::new();
    let script = "#!/bin/bash\nn=0\nwhile :; do n=$((n + 1)); echo \"{\\\"n\\\": \\\"$RANDOM $n\\\"}\" > state.json; sleep 0.7; done\n";
    let settings = r#"{"is_in_place": true, "stopping_wait_time": 1}"#;
    root.job("continuous/own", &[("run.sh", script), ("state.json", "{}"), ("settings.job", settings)]);
    let host = root.host();
    let problem = until_problem(&host, "continuous/own", "own_writes");
    assert_eq!(problem["fatal"], false);
    assert!(text(&problem["message"]).starts_with("`state.json` is rewritten while the job runs"), "{problem}");
    let life = || host.job("continuous/own")["active"][0]["id"].clone();
    let told = "`state.json` keeps changing while the WebJob runs; it no longer restarts it";
    assert_eq!(root.job_log("own").matches(told).count(), 1, "{}", root.job_log("own"));
    host.until_state("continuous/own", "running");
    let first = life();
    let count = || root.read("jobs/continuous/own/state.json");
    for _ in 0..3 {
        let before = count();
        eventually("it writes again", || (count() != before).then_some(()));
        host.refresh("continuous/own");
    }
    assert_eq!(life(), first, "{}", root.job_log("own"));
    // Two restarts for its own doing, and no more.
    assert_eq!(root.job_log("own").matches("refreshing WebJob: `state.json` changed").count(), 2);
    root.write("jobs/continuous/own/run.sh", FOREVER);
    eventually("a person's edit restarts it", || root.job_log("own").contains(": INFO] up").then_some(()));
}

#[test]
fn settings_that_are_not_utf_8_are_refused_with_their_place() {
    let root = Root::new();
    root.job("triggered/latin", &[("run.sh", FOREVER)]);
    root.job("triggered/wide", &[("run.sh", FOREVER)]);
    fs::write(root.path("jobs/triggered/latin/settings.job"), b"{\n  \"description\": \"caf\xe9\"}")
        .expect("it is written");
    fs::write(root.path("jobs/triggered/wide/settings.job"), b"\xff\xfe{\0}\0").expect("it is written");
    let host = root.host();
    let latin = until_problem(&host, "triggered/latin", "not_utf8");
    assert_eq!((&latin["line"], &latin["column"], &latin["fatal"]), (&2.into(), &22.into(), &true.into()), "{latin}");
    assert_eq!(latin["message"], "the file is not UTF-8 from here on; save it as UTF-8");
    let wide = until_problem(&host, "triggered/wide", "not_utf8");
    assert_eq!(wide["message"], "the file is UTF-16, not UTF-8; save it as UTF-8");
    assert_eq!(host.job("triggered/wide")["state"], "problem");
    for path in ["jobs/triggered/latin", "jobs/triggered/latin/settings.job"] {
        let told = root.cli(&["check", root.path(path).to_str().expect("a path")]);
        let told = (told.status.code(), String::from_utf8_lossy(&told.stdout).into_owned());
        assert!(told.0 == Some(1) && told.1.contains("settings.job:2:22: the file is not UTF-8"), "{told:?}");
    }
}

#[test]
fn a_script_that_is_a_link_out_of_the_folder_says_that_first() {
    let root = Root::new();
    root.write("elsewhere/x.sh", FOREVER);
    for (name, target) in [("out", root.path("elsewhere/x.sh")), ("dangling", "nothing.sh".into())] {
        root.job(&format!("triggered/{name}"), &[("x.txt", "")]);
        symlink(target, root.path(&format!("jobs/triggered/{name}/run.sh"))).expect("a link");
    }
    let host = root.host();
    let begin = "No runnable script file was found in the job's folder: `run.sh` is a link that leads";
    for (name, why) in [("out", "out of the job's folder"), ("dangling", "nowhere")] {
        let problem = until_problem(&host, &format!("triggered/{name}"), "no_script");
        assert_eq!(problem["message"], format!("{begin} {why} and is not followed; put the file itself here"));
        assert_eq!(problem["file"], "run.sh");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that copies as slowly as a person")]
fn a_folder_that_is_copied_file_by_file_does_not_begin_without_its_settings() {
    let root = Root::new();
    let host = root.host();
    let said = "#!/bin/bash\necho \"has ${OWN:-nothing}\"\nexec sleep 1000\n";
    // A host that has just begun to watch reads all folders once more, and takes what was quiet for a moment.
    root.job("continuous/first", &[("run.sh", said)]);
    host.until_state("continuous/first", "running");
    // However slow the machine is, some copy is as quick as a person.
    for name in ["a", "b", "c", "d", "e"] {
        // Before the first write: the host cannot have noticed anything sooner.
        let begin = Instant::now();
        root.write(&format!("jobs/continuous/{name}/run.sh"), said);
        eventually("half a second", || (begin.elapsed().as_millis() >= 450).then_some(()));
        root.write(&format!("jobs/continuous/{name}/settings.job"), r#"{"env": {"OWN": "everything"}}"#);
        let was_quick = begin.elapsed().as_millis() < 550;
        eventually("it has its settings", || root.job_log(name).contains("has everything").then_some(()));
        if was_quick {
            assert!(!root.job_log(name).contains("has nothing"), "{}", root.job_log(name));
            let lives: Vec<Value> = host.runs(&format!("continuous/{name}"));
            return assert_eq!(lives.len(), 1, "{lives:?}");
        }
    }
}

#[test]
fn what_lies_in_the_place_of_a_job_and_cannot_be_one_is_listed() {
    let root = Root::new();
    root.job("triggered/good", &[("run.sh", FOREVER)]);
    let jobs = root.path("jobs/triggered");
    for name in [&b"a\\b"[..], b"new\nline", b"caf\xe9", b".hidden"] {
        fs::create_dir(jobs.join(OsStr::from_bytes(name))).expect("a folder");
    }
    symlink("nowhere", jobs.join("dangling")).expect("a link");
    let host = root.host();
    let listed = || -> Vec<(String, Value)> {
        let told = host.get("/api/v1/jobs").json();
        let jobs = told["jobs"].as_array().or(told.as_array()).cloned().unwrap_or_default();
        jobs.into_iter().map(|job| (text(&job["name"]).to_owned(), job["state"].clone())).collect()
    };
    let names = ["a%5Cb", "caf%E9", "dangling", "good", "new%0Aline"];
    assert_eq!(listed().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(listed().iter().filter(|(_, state)| state == "problem").count(), 4);
    for (name, code) in [("a%255Cb", "unusable_name"), ("caf%25E9", "unusable_name"), ("dangling", "link_to_nothing")] {
        assert_eq!(until_problem(&host, &format!("triggered/{name}"), code)["fatal"], true);
    }
    // One that is mended is a job.
    fs::create_dir(jobs.join("nowhere")).expect("a folder");
    root.write("jobs/triggered/nowhere/run.sh", FOREVER);
    host.refresh("triggered/dangling");
    eventually("it leads somewhere", || (host.job("triggered/dangling")["state"] != "problem").then_some(()));
    let told = root.cli(&["check"]);
    let out = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(1), "{out}");
    assert!(out.contains("is not UTF-8; rename it") && out.contains("6 jobs: 6 triggered, 3 cannot run"), "{out}");
}

#[test]
fn a_clean_stop_leaves_nothing_in_the_temporary_folder() {
    let root = Root::new();
    for job in ["continuous/a", "continuous/b"] {
        root.job(job, &[("run.sh", FOREVER)]);
    }
    root.job("triggered/c", &[("run.sh", "#!/bin/bash\n")]);
    let host = root.host();
    host.until_state("continuous/a", "running");
    host.until_state("continuous/b", "running");
    let run = host.run("c");
    host.until_ended("triggered/c", &run);
    assert!(host.stop().success());
    let mut left = Vec::new();
    let mut folders = vec![root.path("tmp")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            left.push(entry.path());
            folders.extend(entry.path().is_dir().then(|| entry.path()));
        }
    }
    // But for the folder that all hosts of a user share.
    assert!(left.len() <= 1, "{left:?}");
    let host = root.host();
    host.until_state("continuous/a", "running");
}

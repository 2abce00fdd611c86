//! What a PUT, a DELETE and new settings do when they meet each other, or what was there before.

use std::{
    fs,
    io::{Cursor, Write},
    sync::mpsc,
    thread,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::world::{Answer, Host, PATIENCE, Root, eventually};

const ZIP: (&str, &str) = ("Content-Type", "application/zip");
const NAMED: (&str, &str) = ("Content-Disposition", "attachment; filename=job.zip");
const FINE: &[u8] = b"#!/bin/sh\n";

/// A script that hears no TERM until the test lets it go.
const DEAF: &str = "#!/bin/bash\ntrap '' TERM\necho $$ > \"$WEBJOBS_DATA_PATH/pid\"\n\
                    until [ -e \"$GO\" ]; do sleep 0.05; done\n";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("an entry");
        writer.write_all(content).expect("its content");
    }
    writer.finish().expect("a zip").into_inner()
}

fn script(word: &str) -> String {
    format!("#!/bin/bash\necho \"this is {word}\"\nwhile :; do sleep 1; done\n")
}

fn put_zip(host: &Host, job: &str, body: &[u8]) -> Answer {
    let (kind, name) = job.split_once('/').expect("kind/name");
    host.send("PUT", &format!("/api/{kind}webjobs/{name}"), &[ZIP, NAMED], body)
}

/// The hidden folders beside jobs.
fn hidden(root: &Root) -> Vec<String> {
    let folders = ["jobs/continuous", "jobs/triggered", "data/jobs/continuous", "data/jobs/triggered"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(root.path(folder)).expect("a folder").flatten());
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

/// A job that hears no TERM, and the host it runs on.
fn deaf(root: &Root) -> Host {
    let go = root.path("go");
    let settings = serde_json::json!({"stopping_wait_time": 600, "env": {"GO": go}}).to_string();
    root.job("continuous/web", &[("run.sh", DEAF), ("settings.job", &settings)]);
    let host = root.host();
    eventually("it runs", || (!root.read("data/jobs/continuous/web/pid").is_empty()).then_some(()));
    host
}

#[test]
fn a_put_waits_for_the_delete_that_is_on_its_way() {
    let root = Root::new();
    let host = deaf(&root);
    let (told, answers) = mpsc::channel();
    thread::scope(|scope| {
        let (host, root) = (&host, &root);
        let tell = told.clone();
        scope.spawn(move || tell.send(("DELETE", host.send("DELETE", "/api/continuouswebjobs/web", &[], b"").status)));
        eventually("it is being deleted", || (!root.path("jobs/continuous/web").exists()).then_some(()));
        let body = zip(&[("run.sh", script("two").as_bytes())]);
        scope.spawn(move || told.send(("PUT", put_zip(host, "continuous/web", &body).status)));
        root.write("go", "");
        for _ in 0..2 {
            let (what, status) = answers.recv_timeout(PATIENCE).expect("both answer");
            assert_eq!(status, 200, "{what}");
        }
    });
    eventually("the new one", || root.job_log("web").contains("this is two").then_some(()));
    host.until_state("continuous/web", "running");
    assert!(root.path("jobs/continuous/web/run.sh").exists());
    assert_eq!(hidden(&root), Vec::<String>::new());
}

#[test]
fn a_folder_that_comes_back_during_a_delete_is_a_new_job_with_its_own_data() {
    let root = Root::new();
    let host = deaf(&root);
    let (told, answers) = mpsc::channel();
    thread::scope(|scope| {
        let host = &host;
        scope.spawn(move || told.send(host.send("DELETE", "/api/continuouswebjobs/web", &[], b"").status));
        host.until_state("continuous/web", "stopping");
        root.job("continuous/web", &[("run.sh", &script("two"))]);
        host.refresh("continuous/web");
        root.write("go", "");
        assert_eq!(answers.recv_timeout(PATIENCE).expect("it answers"), 200);
    });
    eventually("the new one", || root.job_log("web").contains("this is two").then_some(()));
    assert!(!root.path("data/jobs/continuous/web/pid").exists(), "the old data is gone");
    assert_eq!(host.until_state("continuous/web", "running")["state"], "running");
}

#[test]
fn puts_of_one_job_at_once_are_one_after_the_other() {
    let root = Root::new();
    let host = root.host();
    let statuses: Vec<_> = thread::scope(|scope| {
        let put = |n: usize| {
            // Without regard to case: it is one job.
            let name = if n.is_multiple_of(2) { "triggered/same" } else { "triggered/SAME" };
            let body = zip(&[("run.sh", FINE), ("number", n.to_string().as_bytes())]);
            let answer = put_zip(&host, name, &body);
            (answer.status, answer.text())
        };
        let all: Vec<_> = (0..12).map(|n| scope.spawn(move || put(n))).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert!(statuses.iter().all(|(status, _)| *status == 200), "{statuses:?}");
    assert_eq!(host.get("/api/triggeredwebjobs").json().as_array().map(Vec::len), Some(1));
    assert_eq!(hidden(&root), Vec::<String>::new());
}

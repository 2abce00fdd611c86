//! Jobs put in place and taken away over HTTP: as a whole or not at all, whatever is sent.

use std::{
    fs,
    io::{Cursor, Write},
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    ask::until_problem,
    world::{Answer, Host, Root, eventually, is_alive, pid_in, processes_of},
};

const ZIP: (&str, &str) = ("Content-Type", "application/zip");
const NAMED: (&str, &str) = ("Content-Disposition", "attachment; filename=job.zip");
const NO_SCRIPT: &str = "No runnable script file was found.";

/// Makes a zip of names and contents; a name that ends with `/` is a folder.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("an entry");
        writer.write_all(content).expect("its content");
    }
    writer.finish().expect("a zip").into_inner()
}

fn script(word: &str) -> Vec<u8> {
    format!("#!/bin/bash\necho \"this is {word}\"\nwhile :; do sleep 1; done\n").into_bytes()
}

fn put_zip(host: &Host, job: &str, body: &[u8]) -> Answer {
    let (kind, name) = job.split_once('/').expect("kind/name");
    host.send("PUT", &format!("/api/{kind}webjobs/{name}"), &[ZIP, NAMED], body)
}

#[track_caller]
fn refused(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(says), "{} instead of {says}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

/// The hidden folders in which uploads are laid out, and the uploads themselves.
fn leftovers(root: &Root) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["jobs/continuous", "jobs/triggered"] {
        let entries = fs::read_dir(root.path(folder)).expect("a folder").flatten();
        found.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    for host in fs::read_dir(root.path("data/webjobd/hosts")).expect("hosts").flatten() {
        let uploads = fs::read_dir(host.path().join("uploads")).expect("uploads").flatten();
        found.extend(uploads.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    found.retain(|name| name.starts_with('.') || name.bytes().all(|byte| byte.is_ascii_digit()));
    found
}

#[test]
fn a_zip_becomes_a_continuous_job_that_runs() {
    let root = Root::new();
    let host = root.host();
    let answer = put_zip(&host, "continuous/web", &zip(&[("run.sh", &script("one")), ("lib/a/b.txt", b"x")]));
    assert_eq!((answer.status, &answer.json()["name"]), (200, &"web".into()), "{}", answer.text());
    let status = answer.json()["status"].as_str().expect("a status").to_owned();
    assert!(["Initializing", "Starting", "Running"].contains(&&*status), "{status}");
    // Never shown as stopped on its way up.
    eventually("it runs", || {
        let status = host.get("/api/continuouswebjobs/web").json()["status"].clone();
        assert_ne!(status, "Stopped");
        (status == "Running").then_some(())
    });
    eventually("its line", || root.job_log("web").contains("this is one").then_some(()));
    assert_eq!(root.read("jobs/continuous/web/lib/a/b.txt"), "x");
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

#[test]
fn a_continuous_job_that_ends_at_once_is_never_shown_as_stopped() {
    let root = Root::new();
    let host = root.host();
    let named = ("Content-Disposition", "attachment; filename=run.sh");
    let answer = host.send("PUT", "/api/continuouswebjobs/brief", &[named], b"#!/bin/bash\nexit 1\n");
    assert_ne!(answer.json()["status"], "Stopped");
    eventually("it waits to be started again", || {
        let job = host.get("/api/continuouswebjobs/brief").json();
        assert_ne!(job["status"], "Stopped");
        let restarts = host.job("continuous/brief")["restarts"].as_u64().expect("a number");
        (job["status"] == "PendingRestart" && restarts > 0).then_some(())
    });
}

#[test]
fn a_script_alone_becomes_a_job_under_its_own_name() {
    let root = Root::new();
    let host = root.host();
    for (job, disposition) in [
        ("plain", "attachment; filename=run.sh"),
        ("quoted", "attachment; filename=\"run.sh\""),
        ("pathed", "attachment; filename=\"..\\..\\x/run.sh\""),
    ] {
        let path = format!("/api/triggeredwebjobs/{job}");
        let answer = host.send("PUT", &path, &[("Content-Disposition", disposition)], b"#!/bin/sh\necho hello\n");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let shape = answer.json();
        assert_eq!(
            (&shape["run_command"], &shape["type"], shape["latest_run"].is_null()),
            (&"run.sh".into(), &"triggered".into(), true)
        );
        assert_eq!(host.get(&path).json(), shape);
        let run = host.run(job);
        assert_eq!(host.until_ended(&format!("triggered/{job}"), &run)["outcome"], "succeeded");
    }
}

#[test]
fn what_makes_no_job_is_refused_with_kudus_texts() {
    let root = Root::new();
    let host = root.host();
    let good = zip(&[("run.sh", b"#!/bin/sh\n")]);
    let path = "/api/triggeredwebjobs/new";
    let put = |headers: &[(&str, &str)], body: &[u8]| host.send("PUT", path, headers, body);
    for headers in [
        &[ZIP][..],
        &[],
        &[ZIP, ("Content-Disposition", "attachment")],
        &[ZIP, ("Content-Disposition", "attachment; filename=")],
    ] {
        let answer = put(headers, &good);
        refused(&answer, 400, "");
        assert_eq!(answer.text(), "Missing Content-Disposition header.");
    }
    // A zip that is sent as something else is one file, and no script.
    for kind in ["application/octet-stream", "text/plain"] {
        assert_eq!(put(&[("Content-Type", kind), NAMED], &good).text(), NO_SCRIPT, "{kind}");
    }
    assert_eq!(put(&[NAMED], &good).text(), NO_SCRIPT);
    refused(&put(&[ZIP, NAMED], &zip(&[("readme.txt", b"hello")])), 400, NO_SCRIPT);
    refused(&put(&[ZIP, NAMED], &zip(&[])), 400, NO_SCRIPT);
    refused(&put(&[ZIP, NAMED], b"this is no zip"), 400, "not a zip");
    refused(&put(&[ZIP, NAMED], b""), 400, "not a zip");
    refused(&put(&[ZIP, NAMED], &good[..good.len() / 2]), 400, "not a zip");
    for name in ["%2e%2e", "a%2fb", "a%5cb", "a%00b", ".hidden"] {
        let answer = host.send("PUT", &format!("/api/triggeredwebjobs/{name}"), &[ZIP, NAMED], &good);
        assert!([400, 404].contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    assert_eq!(host.get(path).status, 404);
    assert_eq!(host.get("/api/webjobs").text(), "[]");
    assert_eq!(leftovers(&root), Vec::<String>::new());
    assert!(!root.path("data/jobs/triggered/new").exists());
    // The media type counts, not how it is written.
    assert_eq!(put(&[("Content-Type", "APPLICATION/Zip; charset=x"), NAMED], &good).status, 200);
}

#[test]
fn no_entry_of_a_zip_leaves_its_folder() {
    let root = Root::new();
    let host = root.host();
    for (entry, says) in [
        ("../../../escaped.txt", "../../../escaped.txt"),
        ("a/../../escaped.txt", "a/../../escaped.txt"),
        ("..\\escaped.txt", "escaped.txt"),
        ("/tmp/webjobd-escaped.txt", "absolute"),
        ("C:\\escaped.txt", "drive"),
        ("a\nb", "control characters"),
    ] {
        let answer = put_zip(&host, "triggered/slip", &zip(&[("run.sh", b"#!/bin/sh\n"), (entry, b"x")]));
        refused(&answer, 400, says);
        assert!(answer.text().contains("entry `"), "{entry}: {}", answer.text());
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("run.sh", SimpleFileOptions::default()).expect("an entry");
    writer.add_symlink("secrets", "../../../data/webjobd", SimpleFileOptions::default()).expect("a link");
    refused(&put_zip(&host, "triggered/slip", &writer.finish().expect("a zip").into_inner()), 400, "entry `secrets`");
    assert!(!root.path("escaped.txt").exists() && !root.path("jobs/escaped.txt").exists());
    assert!(!fs::exists("/tmp/webjobd-escaped.txt").expect("it can be asked"));
    assert_eq!((host.get("/api/webjobs").text().as_str(), leftovers(&root)), ("[]", Vec::new()));
}

#[test]
fn a_zip_that_grows_without_bounds_is_refused() {
    let root = Root::new();
    let host = root.host();
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("run.sh", options).expect("an entry");
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..24 {
        writer.write_all(&zeros).expect("its content");
    }
    let bomb = writer.finish().expect("a zip").into_inner();
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    refused(&put_zip(&host, "triggered/bomb", &bomb), 400, "larger than");
    assert_eq!((host.get("/api/webjobs").text().as_str(), leftovers(&root)), ("[]", Vec::new()));
}

#[test]
fn a_put_replaces_the_whole_folder_and_what_runs() {
    let root = Root::new();
    let host = root.host();
    assert_eq!(put_zip(&host, "continuous/web", &zip(&[("run.sh", &script("one")), ("old.txt", b"x")])).status, 200);
    eventually("the first", || root.job_log("web").contains("this is one").then_some(()));
    root.write("data/jobs/continuous/web/checkpoint", "7");
    assert_eq!(put_zip(&host, "continuous/WEB", &zip(&[("run.sh", &script("two"))])).json()["name"], "web");
    eventually("the second", || root.job_log("web").contains("this is two").then_some(()));
    assert!(!root.path("jobs/continuous/web/old.txt").exists());
    assert!(root.job_log("web").contains("this is one"), "its log goes on");
    assert_eq!(root.read("data/jobs/continuous/web/checkpoint"), "7", "its data stays");
    eventually("one process is left", || (processes_of(&root).len() <= 2).then_some(()));
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

#[test]
fn a_broken_put_leaves_the_running_job_alone() {
    let root = Root::new();
    let script = "#!/bin/bash\necho $$ > \"$WEBJOBS_DATA_PATH/pid\"\nwhile :; do sleep 1; done\n";
    root.job("continuous/web", &[("run.sh", script)]);
    let host = root.host();
    let pid = pid_in(&root, "data/jobs/continuous/web/pid");
    let run = host.until_state("continuous/web", "running")["copies"][0]["run"].clone();
    refused(&put_zip(&host, "continuous/web", b"PK\x03\x04 broken"), 400, "not a zip");
    refused(&put_zip(&host, "continuous/web", &zip(&[("notes.txt", b"no script")])), 400, NO_SCRIPT);
    refused(&put_zip(&host, "continuous/web", &zip(&[("run.sh", b"x"), ("../x", b"")])), 400, "../x");
    let job = host.job("continuous/web");
    assert_eq!((&job["state"], &job["copies"][0]["run"]), (&"running".into(), &run));
    assert!(is_alive(pid));
    assert_eq!(root.read("jobs/continuous/web/run.sh"), script);
}

#[test]
fn a_deleted_job_stops_and_its_data_goes() {
    let root = Root::new();
    let script = "#!/bin/bash\necho $$ > ../pid-of-web\necho $$ > \"$WEBJOBS_DATA_PATH/pid\"\nsleep 1000 &\nwait\n";
    root.job("continuous/web", &[("run.sh", script)]);
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho done\n")]);
    let host = root.host();
    let pid = pid_in(&root, "data/jobs/continuous/web/pid");
    let run = host.run("report");
    host.until_ended("triggered/report", &run);
    for path in ["/api/continuouswebjobs/web", "/api/triggeredwebjobs/report"] {
        for _ in 0..2 {
            let answer = host.send("DELETE", path, &[], b"");
            assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{path}");
            assert_eq!(host.get(path).status, 404);
        }
    }
    assert!(!is_alive(pid));
    assert_eq!(processes_of(&root), Vec::<u32>::new());
    for gone in
        ["jobs/continuous/web", "data/jobs/continuous/web", "jobs/triggered/report", "data/jobs/triggered/report"]
    {
        assert!(!root.path(gone).exists(), "{gone}");
    }
    assert_eq!((host.get("/api/webjobs").text().as_str(), leftovers(&root)), ("[]", Vec::new()));
    // A job of the same name begins anew.
    assert_eq!(put_zip(&host, "triggered/report", &zip(&[("run.sh", b"#!/bin/sh\n")])).status, 200);
    assert_eq!(host.get("/api/triggeredwebjobs/report/history").text(), r#"{"runs":[]}"#);
}

#[test]
fn a_stopped_job_stays_stopped_over_a_put() {
    let root = Root::new();
    let host = root.host();
    assert_eq!(put_zip(&host, "continuous/web", &zip(&[("run.sh", &script("one"))])).status, 200);
    assert_eq!(host.post("/api/continuouswebjobs/web/stop").status, 200);
    host.until_state("continuous/web", "stopped");
    let answer = put_zip(&host, "continuous/web", &zip(&[("run.sh", &script("two"))]));
    assert_eq!(answer.json()["status"], "Stopped");
    assert_eq!(host.post("/api/continuouswebjobs/web/start").status, 200);
    eventually("the new one", || root.job_log("web").contains("this is two").then_some(()));
}

#[test]
fn settings_go_to_the_script_although_those_that_are_there_are_bad() {
    let root = Root::new();
    let script = "#!/bin/sh\necho fine\n";
    root.job("triggered/deep", &[("in/run.sh", script), ("in/settings.job", r#"{"timeout": "long"}"#)]);
    let host = root.host();
    until_problem(&host, "triggered/deep", "wrong_type");
    let answer = host.send("PUT", "/api/triggeredwebjobs/deep/settings", &[], br#"{"timeout": 50}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = host.job("triggered/deep");
    assert_eq!((&job["run_command"], &job["state"]), (&"in/run.sh".into(), &"idle".into()), "{job}");
    assert!(!root.path("jobs/triggered/deep/settings.job").exists());
    let run = host.run("deep");
    assert_eq!(host.until_ended("triggered/deep", &run)["outcome"], "succeeded");
}

#[test]
fn what_a_crash_left_of_a_deploy_is_put_in_order_at_the_next_start() {
    let root = Root::new();
    let script = String::from_utf8(script("one")).expect("text");
    // The host was killed between the two steps, and while another job was laid out.
    root.job("continuous/.web.old-4194305-0", &[("run.sh", &script)]);
    root.job("continuous/.web.new-4194305-1", &[("run.sh", "")]);
    root.job("triggered/.other.new-4194305-2", &[("lib", "")]);
    let host = root.host();
    eventually("its line", || root.job_log("web").contains("this is one").then_some(()));
    assert_eq!(put_zip(&host, "continuous/web", &zip(&[("run.sh", b"#!/bin/sh\nsleep 1000\n")])).status, 200);
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

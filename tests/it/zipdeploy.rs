//! A site's zip deployed over HTTP: its jobs take their places together, the others stay, and a crash leaves none in halves.

use std::{
    fs,
    io::{Cursor, Write},
};

use serde_json::Value;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::world::{Answer, Host, Root, eventually};

const ZIP: (&str, &str) = ("Content-Type", "application/zip");
const MEMBERS: [&str; 19] = [
    "id",
    "status",
    "status_text",
    "author_email",
    "author",
    "deployer",
    "message",
    "progress",
    "received_time",
    "start_time",
    "end_time",
    "last_success_end_time",
    "complete",
    "active",
    "is_temp",
    "is_readonly",
    "url",
    "log_url",
    "site_name",
];

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("an entry");
        writer.write_all(content.as_bytes()).expect("its content");
    }
    writer.finish().expect("a zip").into_inner()
}

fn deploy(host: &Host, query: &str, files: &[(&str, &str)]) -> Answer {
    host.send("POST", &format!("/api/zipdeploy{query}"), &[ZIP], &zip(files))
}

fn latest(host: &Host) -> Value {
    host.get("/api/deployments/latest").json()
}

/// Waits until the newest deployment has ended.
#[track_caller]
fn until_complete(host: &Host) -> Value {
    eventually("the deployment ends", || Some(latest(host)).filter(|deployment| deployment["complete"] == true))
}

fn names(host: &Host) -> Vec<String> {
    let list = host.get("/api/webjobs").json();
    list.as_array().expect("a list").iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

/// What deployments leave beside the folders of jobs.
fn leftovers(root: &Root) -> Vec<String> {
    let folders = ["jobs", "jobs/continuous", "jobs/triggered"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(root.path(folder)).expect("a folder").flatten());
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn the_jobs_of_a_site_take_their_places_and_the_others_stay() {
    let root = Root::new();
    root.job("triggered/old", &[("run.sh", "echo old\n"), ("gone.txt", "x")]);
    root.job("triggered/apart", &[("run.sh", "echo apart\n")]);
    let host = root.host();
    let query = "?author=Ada&authorEmail=ada%40example.com&deployer=CI&message=first%20one";
    let files = [
        ("App_Data/jobs/triggered/Old/run.sh", "echo new\n"),
        ("app_data/jobs/continuous/web/run.sh", "echo begun\nsleep 1000\n"),
        ("index.html", "<html>"),
    ];
    let answer = deploy(&host, query, &files);
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(names(&host), ["apart", "old", "web"]);
    assert_eq!(root.read("jobs/triggered/old/run.sh"), "echo new\n");
    assert!(!root.path("jobs/triggered/old/gone.txt").exists() && !root.path("jobs/index.html").exists());
    eventually("it runs", || root.job_log("web").contains(": INFO] begun").then_some(()));
    let shown = latest(&host);
    let members: Vec<&str> = shown.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, MEMBERS);
    let base = format!("http://{}/api/deployments/{}", host.address, shown["id"].as_str().expect("an id"));
    for (member, value) in [
        ("status", Value::from(4)),
        ("status_text", "".into()),
        ("author", "Ada".into()),
        ("author_email", "ada@example.com".into()),
        ("deployer", "CI".into()),
        ("message", "first one".into()),
        ("complete", true.into()),
        ("active", true.into()),
        ("is_temp", false.into()),
        ("url", base.clone().into()),
        ("log_url", format!("{base}/log").into()),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    assert_eq!(shown["last_success_end_time"], shown["end_time"]);
    let log = host.get(&format!("/deployments/{}/log", shown["id"].as_str().expect("an id"))).json();
    let says = |text: &str| log.as_array().expect("a list").iter().any(|line| line["message"] == text);
    assert!(says("job `triggered/old` replaced") && says("job `continuous/web` is new"), "{log}");
    assert_eq!((&log[0]["id"], &log[0]["type"], &log[0]["details_url"]), (&"0".into(), &0.into(), &Value::Null));
    assert_eq!(host.get("/api/deployments/latest/log/0").text(), "[]");
    assert_eq!(host.get("/api/deployments/latest/log/99").status, 404);
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

#[test]
fn a_site_with_one_bad_job_changes_nothing() {
    let root = Root::new();
    root.job("triggered/old", &[("run.sh", "echo old\n")]);
    let host = root.host();
    for (files, says) in [
        (&[("jobs/triggered/old/run.sh", "echo new\n"), ("jobs/triggered/bad/notes.txt", "x")][..], "`triggered/bad`"),
        (&[("jobs/triggered/old/run.sh", "echo new\n"), ("../evil", "x")], "`../evil`"),
        (&[("index.html", "x")], "no job"),
    ] {
        let answer = deploy(&host, "", files);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.json()["Message"].as_str().is_some_and(|text| text.contains(says)), "{}", answer.text());
        let shown = latest(&host);
        assert_eq!((&shown["status"], &shown["complete"], &shown["active"]), (&3.into(), &true.into(), &false.into()));
        assert!(shown["status_text"].as_str().is_some_and(|text| text.contains(says)), "{shown}");
        assert_eq!(shown["last_success_end_time"], Value::Null);
    }
    let broken = host.send("PUT", "/zipdeploy", &[ZIP], b"PK\x03\x04 broken");
    assert!(broken.status == 400 && broken.text().contains("not a zip"), "{}", broken.text());
    let fetch = host.send("POST", "/api/zipdeploy", &[("Content-Type", "application/json")], b"{\"packageUri\":\"x\"}");
    assert!(fetch.status == 400 && fetch.text().contains("fetches no packages"), "{}", fetch.text());
    assert_eq!(names(&host), ["old"]);
    assert_eq!(root.read("jobs/triggered/old/run.sh"), "echo old\n");
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

#[test]
fn a_deployment_may_be_waited_for_elsewhere() {
    let root = Root::new();
    let host = root.host();
    let answer = deploy(&host, "?isAsync=true&deployer=me%20too", &[("jobs/triggered/a/run.sh", "echo a\n")]);
    assert_eq!((answer.status, answer.text().as_str(), answer.header("retry-after").is_some()), (202, "", true));
    let location = format!("http://{}/api/deployments/latest?deployer=me%20too", host.address);
    assert_eq!(answer.header("location"), Some(&*location));
    let shown = until_complete(&host);
    assert_eq!(
        (&shown["status"], &shown["id"]),
        (&4.into(), &answer.header("scm-deployment-id").expect("an id").into())
    );
    assert_eq!(names(&host), ["a"]);
    let one = deploy_one(&host, "?type=zip", "echo b\n");
    assert_eq!(one.status, 200, "{}", one.text());
    for query in ["?type=static", "?type=war", "", "?type="] {
        let refused = deploy_one(&host, query, "echo c\n");
        assert_eq!((refused.status, refused.header("content-type")), (400, Some("text/plain; charset=utf-8")));
    }
    assert_eq!(root.read("jobs/triggered/a/run.sh"), "echo b\n");
}

/// OneDeploy.
fn deploy_one(host: &Host, query: &str, script: &str) -> Answer {
    host.send("POST", &format!("/api/publish{query}"), &[ZIP], &zip(&[("jobs/triggered/a/run.sh", script)]))
}

#[test]
fn deployments_are_listed_repeated_and_forgotten() {
    let root = Root::new();
    let host = root.host();
    for word in ["one", "two"] {
        let text = format!("echo {word}\n");
        assert_eq!(deploy(&host, "", &[("jobs/triggered/a/run.sh", &text)]).status, 200);
    }
    let list = host.get("/api/deployments").json();
    let ids: Vec<&str> =
        list.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect();
    let [two, one] = ids[..] else { panic!("{list}") };
    assert_eq!((&list[0]["active"], &list[1]["active"]), (&true.into(), &false.into()));
    let active = host.send("DELETE", &format!("/api/deployments/{two}"), &[], b"");
    assert!(active.status == 409 && active.text().contains("active"), "{}", active.text());
    assert_eq!(host.send("PUT", &format!("/api/deployments/{one}"), &[], b"").status, 200);
    assert_eq!(root.read("jobs/triggered/a/run.sh"), "echo one\n");
    assert_eq!(host.get(&format!("/api/deployments/{one}")).json()["active"], true);
    fs::remove_file(root.path(&format!("data/webjobd/deployments/{two}/package.zip"))).expect("it is kept");
    let gone = host.send("PUT", &format!("/api/deployments/{two}"), &[], b"");
    assert!(gone.status == 409 && gone.text().contains("not kept any more"), "{}", gone.text());
    assert_eq!(host.send("DELETE", &format!("/api/deployments/{two}"), &[], b"").status, 204);
    for id in [two, "x", "..%2f..", "%2e%2e"] {
        for method in ["GET", "PUT", "DELETE"] {
            assert_eq!(host.send(method, &format!("/api/deployments/{id}"), &[], b"").status, 404, "{method} {id}");
        }
    }
}

#[test]
fn one_deployment_runs_at_a_time() {
    let root = Root::new();
    let host = root.host();
    fs::create_dir_all(root.path("data/webjobd/deployments")).expect("a folder");
    let lock = fs::File::create(root.path("data/webjobd/deployments/lock")).expect("a file");
    fs2::FileExt::lock_exclusive(&lock).expect("another host deploys");
    let busy = deploy(&host, "", &[("jobs/triggered/a/run.sh", "echo a\n")]);
    assert!(busy.status == 409 && busy.text().contains("a deployment is running"), "{}", busy.text());
    drop(lock);
    assert_eq!(deploy(&host, "", &[("jobs/triggered/a/run.sh", "echo a\n")]).status, 200);
}

#[test]
fn a_crash_leaves_each_job_old_or_new_and_says_that_the_deployment_failed() {
    let root = Root::new();
    let noise = "x".repeat(1000);
    let site = |word: &str| {
        let mut files = Vec::new();
        for job in 0..20 {
            files.push((format!("jobs/triggered/j{job}/run.sh"), format!("echo {word}\n")));
            files.extend((0..20).map(|n| (format!("jobs/triggered/j{job}/f{n}"), format!("{word} {noise}"))));
        }
        files
    };
    let host = root.host();
    for (word, query) in [("old", ""), ("new", "?isAsync=true")] {
        let files = site(word);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert!([200, 202].contains(&deploy(&host, query, &files).status));
    }
    host.crash();
    let host = root.host();
    let shown = latest(&host);
    assert_eq!(shown["complete"], true, "{shown}");
    assert!(shown["status"] == 4 || shown["status_text"].as_str().is_some_and(|text| text.contains("the host ended")));
    for job in 0..20 {
        let word = root.read(&format!("jobs/triggered/j{job}/run.sh")).replace("echo ", "");
        assert!(["old\n", "new\n"].contains(&word.as_str()), "j{job}: {word}");
        for n in 0..20 {
            assert!(root.read(&format!("jobs/triggered/j{job}/f{n}")).starts_with(word.trim()), "j{job}/f{n}");
        }
    }
    assert_eq!(leftovers(&root), Vec::<String>::new());
    assert_eq!(names(&host).len(), 20);
}

#[test]
fn what_a_crash_left_is_put_right_at_the_next_start() {
    let root = Root::new();
    root.job("triggered/.a.old-4194305-0-gone", &[("run.sh", "echo a\n")]);
    root.write("jobs/.deployment-0006000000000000000000000000002a/jobs/triggered/b/run.sh", "echo b\n");
    root.write(
        "data/webjobd/deployments/0006000000000000000000000000002a/deployment.json",
        r#"{"id":"0006000000000000000000000000002a","stage":"deploying","text":"","about":{"author":"","author_email":"",
            "deployer":"","message":""},"received":"2026-01-01T00:00:00Z","started":"2026-01-01T00:00:00Z","ended":null,
            "succeeded":null,"jobs":[]}"#,
    );
    let host = root.host();
    let shown = latest(&host);
    assert_eq!((&shown["status"], &shown["complete"]), (&3.into(), &true.into()));
    assert!(shown["status_text"].as_str().is_some_and(|text| text.contains("the host ended")), "{shown}");
    assert_eq!((names(&host), leftovers(&root)), (vec!["a".to_owned()], Vec::new()));
}

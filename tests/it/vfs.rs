//! Files of jobs and their data changed over HTTP, as Kudu's `vfs` does it, and what of a host nobody changes.

use std::{fs, os::unix::fs::symlink};

use crate::world::{Answer, Host, Root, eventually};

const STALE: &str = r#"{"Message":"ETag does not represent the latest state of the resource."}"#;
const IS_FOLDER: &str = r#"{"Message":"The resource represents a directory which can not be updated."}"#;
const NOT_EMPTY: &str = r#"{"Message":"Cannot delete directory. It is either not empty or access is not allowed."}"#;
const ANY: (&str, &str) = ("If-Match", "*");

fn put(host: &Host, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    host.send("PUT", path, headers, body.as_bytes())
}

fn delete(host: &Host, path: &str, headers: &[(&str, &str)]) -> Answer {
    host.send("DELETE", path, headers, b"")
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("a tag").to_owned()
}

#[test]
fn a_file_is_written_by_who_knows_its_version() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho first\n")]);
    let host = root.host();
    let path = "/api/vfs/site/wwwroot/App_Data/jobs/triggered/report/lib/deep/data.json";
    let made = put(&host, path, &[], "one");
    assert_eq!((made.status, made.text().as_str()), (201, ""));
    assert_eq!(root.read("jobs/triggered/report/lib/deep/data.json"), "one");
    let first = tag(&host.get(path));
    assert_eq!(tag(&made), first);
    for headers in [&[][..], &[("If-Match", "\"0000000000000000\"")]] {
        let refused = put(&host, path, headers, "two");
        assert_eq!((refused.status, refused.text().as_str(), tag(&refused)), (412, STALE, first.clone()));
    }
    let over = put(&host, path, &[("If-Match", &first)], "two");
    assert_eq!((over.status, over.text().as_str()), (204, ""));
    assert_ne!(tag(&over), first, "however fast it came");
    assert_eq!(put(&host, path, &[("If-Match", &first)], "three").status, 412, "that version is gone");
    assert_eq!(put(&host, path, &[ANY], "three").status, 204);
    assert_eq!(host.get(path).text(), "three");
    // Kudu's older spelling; a mode stays.
    assert_eq!(put(&host, "/vfs/jobs/triggered/report/run.sh", &[ANY], "#!/bin/sh\necho second\n").status, 204);
    let run = root.path("jobs/triggered/report/run.sh");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(run).expect("it").permissions()) & 0o777, 0o755);
    let refused = delete(&host, path, &[]);
    assert_eq!((refused.status, refused.text().as_str()), (412, STALE));
    let gone = delete(&host, path, &[("If-Match", &tag(&host.get(path)))]);
    assert_eq!((gone.status, gone.text().as_str()), (200, ""));
    for method in ["GET", "DELETE"] {
        let missing = host.send(method, path, &[ANY], b"");
        let place = root.path("jobs/triggered/report/lib/deep/data.json").display().to_string();
        assert_eq!((missing.status, missing.text()), (404, format!("{{\"Message\":\"'{place}' not found.\"}}")));
    }
}

#[test]
fn folders_are_made_and_removed() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\n")]);
    let host = root.host();
    let folder = "/api/vfs/jobs/triggered/report/a/b/";
    assert_eq!(put(&host, folder, &[], "").status, 201);
    assert!(root.path("jobs/triggered/report/a/b").is_dir());
    for taken in [folder, folder.trim_end_matches('/'), "/api/vfs/jobs/", "/api/vfs/site/wwwroot/", "/api/vfs/"] {
        let refused = put(&host, taken, &[ANY], "");
        assert_eq!((refused.status, refused.text().as_str()), (409, IS_FOLDER), "{taken}");
    }
    let below = put(&host, "/api/vfs/jobs/triggered/report/run.sh/x", &[], "x");
    let place = root.path("jobs/triggered/report/run.sh/x").display().to_string();
    let text = below.text();
    let begins = format!("{{\"Message\":\"Could not write to local resource '{place}' due to error '");
    assert!(below.status == 409 && text.starts_with(&begins) && text.ends_with("'.\"}"), "{text}");
    assert_eq!(put(&host, &format!("{folder}file"), &[], "x").status, 201);
    for full in [folder, folder.trim_end_matches('/'), &format!("{folder}?recursive=false")] {
        let refused = delete(&host, full, &[]);
        assert_eq!((refused.status, refused.text().as_str()), (409, NOT_EMPTY), "{full}");
    }
    assert_eq!(delete(&host, &format!("{folder}?recursive=true"), &[]).status, 200);
    assert_eq!(delete(&host, "/api/vfs/jobs/triggered/report/a", &[]).status, 200);
    assert_eq!(delete(&host, "/api/vfs/jobs/triggered/report/a", &[]).status, 404);
    let names: Vec<_> = fs::read_dir(root.path("jobs/triggered/report")).expect("it").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_written_file_is_noticed_like_any_change() {
    let root = Root::new();
    let host = root.host();
    let script = "#!/bin/bash\necho \"this is $(cat word)\"\nwhile :; do sleep 1; done\n";
    assert_eq!(put(&host, "/api/vfs/jobs/continuous/web/word", &[], "one").status, 201);
    assert_eq!(put(&host, "/api/vfs/jobs/continuous/web/run.sh", &[], script).status, 201);
    eventually("the first", || root.job_log("web").contains("this is one").then_some(()));
    assert_eq!(put(&host, "/api/vfs/jobs/continuous/web/word", &[ANY], "two").status, 204);
    eventually("the second", || root.job_log("web").contains("this is two").then_some(()));
    assert_eq!(put(&host, "/api/vfs/data/jobs/continuous/web/state.json", &[], "{}").status, 201);
    assert_eq!(delete(&host, "/api/vfs/jobs/continuous/web/?recursive=true", &[]).status, 200);
    eventually("it is gone", || (host.get("/api/continuouswebjobs/web").status == 404).then_some(()));
}

#[test]
fn what_is_the_hosts_is_not_changed_and_nothing_is_written_outside() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho done\n")]);
    root.write("outside/secret.txt", "secret");
    let inside = root.path("jobs/triggered/report");
    symlink(root.path("outside"), inside.join("out")).expect("a link");
    symlink(root.path("outside/secret.txt"), inside.join("file")).expect("a link");
    symlink(root.path("data/webjobd"), root.path("jobs/triggered/own")).expect("a link");
    rustix::fs::mkfifoat(rustix::fs::CWD, inside.join("pipe"), rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
    let host = root.host();
    let run = host.run("report");
    host.until_ended("triggered/report", &run);
    let before = root.read("data/webjobd/credentials");
    for path in [
        "data/webjobd/credentials",
        "data/webjobd/x",
        "Data/webjobd/hosts/x",
        "data/x",
        "data/jobs/x",
        "data/jobs/triggered/report",
        "data/jobs/triggered/report/occurrences.jsonl",
        &format!("data/jobs/triggered/report/{run}/status"),
        &format!("data/jobs/triggered/report/{run}/new"),
        "data/LogFiles/x.txt",
        "LogFiles/Application/x.txt",
        "site/wwwroot/index.html",
        "etc/x",
        "jobs/triggered/report/out/new.txt",
        "jobs/triggered/report/out/secret.txt",
        "jobs/triggered/report/pipe",
        "jobs/triggered/own/credentials",
        "jobs/triggered/own/x",
    ] {
        for method in ["PUT", "DELETE"] {
            let answer = host.send(method, &format!("/api/vfs/{path}"), &[ANY], b"evil");
            assert!([403, 404].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
            assert!(answer.text().starts_with("{\"Message\":\""), "{}", answer.text());
        }
    }
    for path in ["jobs/", "jobs/triggered", "data/", "data/jobs/triggered/report/", "LogFiles/", "site/", ""] {
        let answer = delete(&host, &format!("/api/vfs/{path}?recursive=true"), &[ANY]);
        assert!([403, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    for path in [
        "jobs/..%2foutside/new.txt",
        "jobs/%2e%2e/outside/new.txt",
        "jobs/%252e%252e/../../outside/new.txt",
        "jobs/..\\outside\\new.txt",
        "jobs/..%5coutside%5cnew.txt",
        "jobs/a%00b",
        "jobs/triggered/report/../../../outside/new.txt",
        "/tmp/webjobd-new.txt",
        "%2ftmp%2fwebjobd-new.txt",
    ] {
        let answer = put(&host, &format!("/api/vfs/{path}"), &[ANY], "evil");
        assert!([403, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    // A link that leads out is replaced by what was sent, and never followed.
    assert_eq!(put(&host, "/api/vfs/jobs/triggered/report/file", &[], "mine").status, 201);
    assert_eq!(root.read("jobs/triggered/report/file"), "mine");
    let outside: Vec<_> = fs::read_dir(root.path("outside")).expect("a folder").flatten().collect();
    assert_eq!((outside.len(), root.read("outside/secret.txt").as_str()), (1, "secret"));
    assert_eq!(root.read("data/webjobd/credentials"), before);
    assert!(!fs::exists("/tmp/webjobd-new.txt").expect("it can be asked"));
}

#[test]
fn a_body_that_is_cut_or_in_parts_changes_nothing() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\n"), ("data", "whole")]);
    let host = root.host();
    let path = "/api/vfs/jobs/triggered/report/data";
    let part = put(&host, path, &[ANY, ("Content-Range", "bytes 0-3/10")], "part");
    assert_eq!(part.status, 400, "{}", part.text());
    let cut = host.send("PUT", path, &[ANY, ("Transfer-Encoding", "chunked")], b"4\r\npart\r\nz\r\n");
    assert!(![201, 204].contains(&cut.status), "{}", cut.status);
    assert_eq!(root.read("jobs/triggered/report/data"), "whole");
    let names: Vec<_> = fs::read_dir(root.path("jobs/triggered/report")).expect("it").flatten().collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

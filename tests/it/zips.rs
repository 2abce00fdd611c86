//! Folders as zips over HTTP: packed as they are, laid out over what is there, whole or not at all.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
};

use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::world::{Answer, Host, Root, eventually};

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(0o750)).expect("an entry");
        writer.write_all(content).expect("its content");
    }
    writer.finish().expect("a zip").into_inner()
}

/// Reads the names, modes and contents in a zip.
fn entries(answer: &Answer) -> BTreeMap<String, (u32, String)> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")), "{}", answer.text());
    let mut archive = ZipArchive::new(Cursor::new(answer.body.clone())).expect("a zip");
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("its content");
        found.insert(entry.name().expect("a name").into_owned(), (entry.unix_mode().unwrap_or(0), text));
    }
    found
}

fn put(host: &Host, path: &str, body: &[u8]) -> Answer {
    host.send("PUT", path, &[("Content-Type", "application/zip")], body)
}

#[test]
fn a_folder_is_sent_as_a_zip() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\n"), ("lib/größe.txt", "data")]);
    root.write("outside.txt", "secret");
    symlink(root.path("outside.txt"), root.path("jobs/triggered/report/out")).expect("a link");
    symlink("lib/größe.txt", root.path("jobs/triggered/report/in")).expect("a link");
    symlink("..", root.path("jobs/triggered/report/loop")).expect("a link");
    let host = root.host();
    let answer = host.get("/api/zip/site/wwwroot/App_Data/jobs/triggered/report/");
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"report.zip\""));
    let found = entries(&answer);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["in", "lib/", "lib/größe.txt", "run.sh"]);
    assert_eq!(found["run.sh"], (0o100_755, "#!/bin/sh\n".to_owned()));
    assert_eq!(found["in"], (0o120_777, "lib/größe.txt".to_owned()));
    let named = host.get("/zip/jobs/triggered/report?fileName=my%20jobs.zip");
    assert_eq!(named.header("content-disposition"), Some("attachment; filename=\"my jobs.zip\""));
    let site = entries(&host.get("/api/zip/site/wwwroot/"));
    assert_eq!(site["App_Data/jobs/triggered/report/lib/größe.txt"].1, "data");
    let all = entries(&host.get("/api/zip/"));
    assert!(all.contains_key("jobs/triggered/report/run.sh") && all.contains_key("data/jobs/"));
    assert!(!all.keys().any(|name| name.contains("webjobd") || name.starts_with("site")), "{:?}", all.keys());
    for missing in ["jobs/triggered/report/run.sh", "jobs/nothing/", "data/webjobd/", "jobs/../data/"] {
        let answer = host.get(&format!("/api/zip/{missing}"));
        assert_eq!(answer.status, 404, "{missing}");
        assert!(answer.text().ends_with("' not found.\"}"), "{}", answer.text());
    }
}

#[test]
fn a_zip_is_laid_out_over_what_is_there() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho old\n"), ("kept.txt", "kept")]);
    let host = root.host();
    let body = zip(&[("run.sh", b"#!/bin/sh\necho new\n"), ("lib/deep/a.txt", b"a")]);
    let answer = put(&host, "/api/zip/jobs/triggered/report/", &body);
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(root.read("jobs/triggered/report/run.sh"), "#!/bin/sh\necho new\n");
    assert_eq!(root.read("jobs/triggered/report/kept.txt"), "kept");
    assert_eq!(root.read("jobs/triggered/report/lib/deep/a.txt"), "a");
    let metadata = fs::metadata(root.path("jobs/triggered/report/run.sh")).expect("a file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o754);
    let before = metadata.modified().expect("a time");
    assert!(before < std::time::UNIX_EPOCH + std::time::Duration::from_secs(400_000_000), "the entry's time: 1980");
    let site = zip(&[("App_Data/jobs/continuous/web/run.sh", b"echo begun\nsleep 1000\n")]);
    assert_eq!(put(&host, "/zip/site/wwwroot/", &site).status, 200);
    eventually("it runs", || root.job_log("web").contains(": INFO] begun").then_some(()));
    // What was sent comes back.
    let found = entries(&host.get("/api/zip/jobs/continuous/"));
    assert_eq!(found["web/run.sh"].1, "echo begun\nsleep 1000\n");
}

#[test]
fn a_zip_that_cannot_go_in_whole_changes_nothing() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\n"), ("lib/a.txt", "a")]);
    root.write("outside/kept", "kept");
    symlink(root.path("outside"), root.path("jobs/triggered/report/out")).expect("a link");
    let host = root.host();
    let job = "/api/zip/jobs/triggered/report/";
    for (path, files, status, says) in [
        (job, &[("new.txt", "x"), ("../evil", "x")][..], 400, "`../evil`"),
        (job, &[("new.txt", "x"), ("C:\\evil", "x")], 400, "`C:"),
        (job, &[("new.txt", "x"), ("lib", "x")], 409, "`lib`"),
        (job, &[("new.txt", "x"), ("run.sh/x", "x")], 409, "`run.sh`"),
        (job, &[("new.txt", "x"), ("out/evil", "x")], 409, "`out`"),
        ("/api/zip/", &[("jobs/triggered/report/new.txt", "x"), ("data/webjobd/credentials", "x")], 403, "data"),
        (
            "/api/zip/site/wwwroot/",
            &[("App_Data/jobs/triggered/report/new.txt", "x"), ("index.html", "x")],
            403,
            "index",
        ),
        ("/api/zip/data/jobs/triggered/", &[("report/new.txt", "x"), ("report/occurrences.jsonl", "x")], 403, "occurr"),
    ] {
        let body: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let answer = put(&host, path, &zip(&body));
        assert_eq!(answer.status, status, "{path} {files:?}: {}", answer.text());
        assert!(answer.json()["Message"].as_str().is_some_and(|text| text.contains(says)), "{}", answer.text());
    }
    let broken = put(&host, job, b"PK\x03\x04 broken");
    assert_eq!(broken.status, 400);
    assert!(broken.json()["Message"].as_str().is_some_and(|text| text.contains("not a zip")), "{}", broken.text());
    let body = br#"{"packageUri": "http://127.0.0.1:1/site.zip"}"#;
    let fetch = host.send("PUT", job, &[("Content-Type", "application/json")], body);
    assert_eq!(fetch.status, 400);
    assert!(fetch.text().contains("fetches no packages"), "{}", fetch.text());
    assert_eq!(root.read("jobs/triggered/report/lib/a.txt"), "a");
    assert!(
        !root.path("jobs/triggered/report/new.txt").exists()
            && !root.path("data/jobs/triggered/report/new.txt").exists()
    );
    assert_eq!(fs::read_dir(root.path("outside")).expect("a folder").count(), 1);
    for host in fs::read_dir(root.path("data/webjobd/hosts")).expect("hosts").flatten() {
        assert_eq!(fs::read_dir(host.path().join("uploads")).expect("uploads").count(), 0);
    }
}

#[test]
fn a_large_folder_is_packed_while_it_is_sent() {
    let root = Root::new();
    root.job("triggered/big", &[("run.sh", "#!/bin/sh\n")]);
    let noise: Vec<u8> = (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(root.path("jobs/triggered/big/noise"), &noise).expect("it is written");
    let host = root.host();
    let answer = host.get("/api/zip/jobs/triggered/big/");
    let mut archive = ZipArchive::new(Cursor::new(answer.body)).expect("a zip");
    let mut found = Vec::new();
    archive.by_name("noise").expect("an entry").read_to_end(&mut found).expect("its content");
    assert!(found == noise);
}

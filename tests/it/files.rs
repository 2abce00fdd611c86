//! The files of jobs over HTTP, as Kudu's `vfs` shows them, and that there is no way out of them.

use std::os::unix::fs::symlink;

use crate::world::{Answer, Host, Root, request};

const TEXT: &str = "0123456789";

fn pair() -> (Root, Host) {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\n"), ("lib/data.json", TEXT), ("a b#%.txt", "odd")]);
    root.write("outside.txt", "secret");
    symlink(root.path("outside.txt"), root.path("jobs/triggered/report/link.txt")).expect("a link");
    symlink(root.path("data/webjobd"), root.path("jobs/triggered/report/own")).expect("a link");
    let host = root.host();
    (root, host)
}

const FILE: &str = "/api/vfs/jobs/triggered/report/lib/data.json";

fn ranged(host: &Host, headers: &[(&str, &str)]) -> (u16, String, Option<String>) {
    let answer = host.send("GET", FILE, headers, b"");
    (answer.status, answer.text(), answer.header("content-range").map(str::to_owned))
}

#[test]
fn a_file_is_read_whole_in_part_or_not_again() {
    let (_root, host) = pair();
    let whole = host.get(FILE);
    assert_eq!((whole.status, whole.text().as_str()), (200, TEXT));
    assert_eq!(whole.header("content-type"), Some("application/json"));
    let tag = whole.header("etag").expect("a tag").to_owned();
    assert!(tag.len() == 18 && tag.trim_matches('"').bytes().all(|byte| byte.is_ascii_hexdigit()), "{tag}");
    let changed = whole.header("last-modified").expect("a date").to_owned();
    assert!(changed.ends_with(" GMT"), "{changed}");
    for path in [
        "/vfs/jobs/triggered/report/lib/data.json",
        "/api/vfs/site/jobs/triggered/report/lib/data.json",
        "/api/vfs/site/wwwroot/App_Data/jobs/triggered/report/lib/data.json",
        "/API/VFS/jobs//triggered/report/lib/data.json",
    ] {
        assert_eq!(host.get(path).text(), TEXT, "{path}");
    }
    let head = host.send("HEAD", FILE, &[], b"");
    assert_eq!((head.status, head.text().as_str(), head.header("content-length")), (200, "", Some("10")));
    let again = host.send("GET", FILE, &[("If-None-Match", &tag)], b"");
    assert_eq!((again.status, again.text().as_str(), again.header("etag")), (304, "", Some(&*tag)));
    let part = |text: &str, range: &str| (206, text.to_owned(), Some(range.to_owned()));
    assert_eq!(ranged(&host, &[("Range", "bytes=0-3")]), part("0123", "bytes 0-3/10"));
    assert_eq!(ranged(&host, &[("Range", "bytes=7-")]), part("789", "bytes 7-9/10"));
    assert_eq!(ranged(&host, &[("Range", "bytes=-2")]), part("89", "bytes 8-9/10"));
    assert_eq!(ranged(&host, &[("Range", "bytes=8-99")]), part("89", "bytes 8-9/10"));
    assert_eq!(ranged(&host, &[("Range", "bytes=0-3"), ("If-Range", &tag)]), part("0123", "bytes 0-3/10"));
    assert_eq!(ranged(&host, &[("Range", "bytes=0-3"), ("If-Range", "\"old\"")]), (200, TEXT.to_owned(), None));
    assert_eq!(ranged(&host, &[("Range", "bytes=10-")]), (416, String::new(), Some("bytes */10".to_owned())));
}

#[test]
fn a_folder_is_listed_with_kudus_members() {
    let (root, host) = pair();
    let base = format!("http://{}", host.address);
    let answer = host.get("/api/vfs/jobs/triggered/report/");
    let list = answer.json();
    let find = |name: &str| list.as_array().expect("a list").iter().find(|entry| entry["name"] == name);
    let (file, folder) = (find("run.sh").expect("a file"), find("lib").expect("a folder"));
    let text = answer.text();
    let places: Vec<_> =
        ["name", "size", "mtime", "crtime", "mime", "href", "path"].map(|key| text.find(&format!("\"{key}\":"))).into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert_eq!(
        (&file["size"], &file["href"]),
        (&10.into(), &format!("{base}/api/vfs/jobs/triggered/report/run.sh").into())
    );
    assert_eq!(file["path"], root.path("jobs/triggered/report/run.sh").to_str().expect("text"));
    assert_eq!((&folder["size"], &folder["mime"]), (&0.into(), &"inode/directory".into()));
    assert_eq!(folder["href"], format!("{base}/api/vfs/jobs/triggered/report/lib/"));
    let odd = find("a b#%.txt").expect("a file with an odd name");
    let href = odd["href"].as_str().expect("a link").strip_prefix(&base).expect("here").to_owned();
    assert_eq!(host.get(&href).text(), "odd", "{href}");
    let top = host.get("/api/vfs/").json();
    let names: Vec<&str> = top.as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["LogFiles", "data", "jobs", "site"]);
}

#[test]
fn a_folder_has_a_slash_at_its_end_and_a_file_has_none() {
    let (root, host) = pair();
    let base = format!("http://{}", host.address);
    for (path, to) in [
        ("/api/vfs/jobs/triggered/report", "/api/vfs/jobs/triggered/report/"),
        ("/vfs/jobs", "/vfs/jobs/"),
        ("/api/vfs/site", "/api/vfs/site/"),
        ("/api/vfs/Site/wwwroot/app_data?x=%20y&z", "/api/vfs/Site/wwwroot/app_data/?x=%20y&z"),
        ("/api/vfs/jobs/triggered/report/run.sh//?x=1", "/api/vfs/jobs/triggered/report/run.sh?x=1"),
        ("/api/vfs/jobs/triggered/report/run.sh/", "/api/vfs/jobs/triggered/report/run.sh"),
    ] {
        let answer = host.get(path);
        assert_eq!((answer.status, answer.header("location")), (307, Some(&*format!("{base}{to}"))), "{path}");
        assert_eq!(host.get(to).status, 200);
    }
    let missing = host.get("/api/vfs/data/nothing.txt");
    let message = format!("{{\"Message\":\"'{}' not found.\"}}", root.path("data/nothing.txt").display());
    assert_eq!((missing.status, missing.text()), (404, message));
}

#[test]
fn there_is_no_way_out_in_any_spelling() {
    let (root, host) = pair();
    let secret = root.read("data/webjobd/credentials").trim().to_owned();
    let mut tried = 0;
    for start in [
        "/vfs/",
        "/api/vfs/",
        "/api/vfs/data/",
        "/api/vfs/jobs/triggered/report/",
        "/vfs/site/jobs/",
        "/api/vfs/data/jobs/",
    ] {
        for up in [
            "..",
            "%2e%2e",
            "%2E.",
            ".%2e",
            "..%2f",
            "..%5c",
            "..\\",
            "%252e%252e",
            "..;",
            "...",
            "%c0%ae%c0%ae",
            "%00..",
            ".%00.",
        ] {
            for times in 1..4 {
                let steps = format!("{up}/").repeat(times);
                for end in ["outside.txt", "data/webjobd/credentials", "webjobd/credentials", "etc/passwd"] {
                    let path = format!("{start}{steps}{end}");
                    // One in seven is enough to try every start with every spelling.
                    tried += 1;
                    if tried % 7 == 0 {
                        shows_nothing(&host.get(&path), &secret, &path);
                    }
                }
            }
        }
    }
    for path in [
        "/api/vfs/data/webjobd/credentials",
        "/api/vfs/data/webjobd/",
        "/api/vfs/data/webjobd",
        "/api/vfs/Data/WebJobd/Credentials",
        "/api/vfs/data/webjobd%2fcredentials",
        "/api/vfs/data/./webjobd/credentials",
        "/api/vfs/data//webjobd//credentials",
        "/api/vfs/data/jobs/../webjobd/credentials",
        "/api/vfs/data/%77ebjobd/credentials",
        "/vfs/data/webjobd/credentials",
        "/api/vfs//etc/passwd",
        "/api/vfs/%2fetc%2fpasswd",
        "/api/vfs/outside.txt",
        "/api/vfs/jobs/triggered/report/link.txt",
        "/api/vfs/jobs/triggered/report/own/credentials",
        "/api/vfs/jobs/triggered/report/own/",
        "/api/vfs/jobs/triggered/report/lib/data.json/../../link.txt",
        "/api/vfs/file:///etc/passwd",
    ] {
        shows_nothing(&host.get(path), &secret, path);
        let ranged = host.send("GET", path, &[("Range", "bytes=0-")], b"");
        shows_nothing(&ranged, &secret, path);
    }
    let data = host.get("/api/vfs/data/").json();
    assert!(data.as_array().expect("a list").iter().all(|entry| entry["name"] != "webjobd"), "{data}");
    let unasked = request(&host.address, "GET", FILE, &[], b"");
    assert_eq!(unasked.status, 401);
}

#[track_caller]
fn shows_nothing(answer: &Answer, secret: &str, path: &str) {
    let text = answer.text();
    assert!([400, 404].contains(&answer.status), "{path}: {} {text}", answer.status);
    assert!(!text.contains(secret) && text != "secret" && !text.contains("root:"), "{path}: {text}");
}

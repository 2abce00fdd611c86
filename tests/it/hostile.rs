//! Clients that mean no good, or do badly: others are served all the same.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use crate::{
    stream::Coming,
    world::{Host, Root},
};

fn host() -> (Root, Host) {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho ran\n")]);
    let host = root.host();
    (root, host)
}

#[track_caller]
fn serves(host: &Host) {
    assert_eq!(host.get("/api/triggeredwebjobs/report").json()["name"], "report");
}

fn connect(host: &Host) -> TcpStream {
    TcpStream::connect(&host.address).expect("a connection")
}

#[test]
fn idle_and_slow_connections_keep_nobody_waiting() {
    let (_root, host) = host();
    let idle: Vec<TcpStream> = (0..300).map(|_| connect(&host)).collect();
    let mut slow = connect(&host);
    slow.write_all(b"GET /api/webjobs HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("it is sent");
    serves(&host);
    slow.write_all(b"a").expect("it is sent");
    let run = host.run("report");
    assert_eq!(host.until_ended("triggered/report", &run)["outcome"], "succeeded");
    drop((idle, slow));
    assert!(host.stop().success());
}

#[test]
fn an_idle_connection_does_not_keep_the_host_from_stopping() {
    let (_root, host) = host();
    let idle = connect(&host);
    serves(&host);
    assert!(host.stop().success());
    drop(idle);
}

#[test]
fn garbage_is_refused_and_forgotten() {
    let (_root, host) = host();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x00\xff\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/webjobs HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(&host);
        // It may be closed before everything was sent.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = Coming::of(stream).all();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        serves(&host);
    }
}

#[test]
fn a_head_without_bounds_is_refused() {
    let (_root, host) = host();
    let huge = "x".repeat(2 * 1024 * 1024);
    for head in [
        format!("GET /api/webjobs HTTP/1.1\r\nHost: x\r\nX-Huge: {huge}\r\n\r\n"),
        format!("GET /{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: y\r\n".repeat(100_000)),
    ] {
        let mut stream = connect(&host);
        let _ = stream.write_all(head.as_bytes());
        let mut answer = Vec::new();
        // A connection that is reset has refused it too.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        serves(&host);
    }
}

#[test]
fn a_body_over_its_bound_is_refused_and_changes_nothing() {
    let (root, host) = host();
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let answer = host.send("PUT", "/api/triggeredwebjobs/report/settings", &[], large.as_bytes());
    // Its answer may be lost when it closes while we still send.
    assert!([413, 0].contains(&answer.status), "{}", answer.status);
    let answer = host.send("POST", "/api/v1/jobs/triggered/report/runs", &[], large.as_bytes());
    assert!([413, 0].contains(&answer.status), "{}", answer.status);
    assert!(!root.path("jobs/triggered/report/settings.job").exists());
    assert_eq!(host.get("/api/triggeredwebjobs/report/history").text(), r#"{"runs":[]}"#);
}

#[test]
fn an_upload_that_breaks_off_makes_no_job() {
    let (root, host) = host();
    let pair = root.read("data/webjobd/credentials");
    let secret = pair.trim().split_once(':').expect("user:secret").1;
    let mut stream = connect(&host);
    let head = format!(
        "PUT /api/triggeredwebjobs/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 1000\r\n\
         Content-Disposition: attachment; filename=run.sh\r\n\r\n#!/bin/sh\n"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.shutdown(std::net::Shutdown::Write).expect("it breaks off");
    let answer = Coming::of(stream).all();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(host.get("/api/triggeredwebjobs/cut").status, 404);
    assert!(!root.path("jobs/triggered/cut").exists());
}

#[test]
fn a_run_lock_that_cannot_be_made_is_told_as_what_it_is() {
    let root = Root::new();
    root.job("triggered/a", &[("run.sh", "#!/bin/sh\n")]);
    fs::create_dir_all(root.path("data/jobs/triggered/a/triggeredJob.lock")).expect("a folder in its place");
    let host = root.host();
    let answer = host.post("/api/triggeredwebjobs/a/run");
    assert_eq!(answer.status, 500, "{}", answer.text());
    let text = answer.text();
    assert!(text.contains("triggeredJob.lock") && text.contains("directory"), "{text}");
    assert!(!text.contains("stopped"), "{text}");
}

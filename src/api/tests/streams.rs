//! Answers that have no end of their own, and the listener that ends them.

use std::{fs::OpenOptions, io::Write};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

const FIRST: &str = "[08/31/2016 20:41:20 > 0991c1: INFO] first\n";
const SECOND: &str = "[08/31/2016 20:41:21 > 0991c1: ERR ] second\n";

fn append(site: &Site, text: &str) {
    let path = site.root.path().join("data/jobs/continuous/worker/job_log.txt");
    let mut file = OpenOptions::new().append(true).open(path).expect("the log is there");
    file.write_all(text.as_bytes()).expect("it is written");
}

#[tokio::test]
async fn lines_of_a_log_are_sent_as_asked() {
    let site = Site::new();
    append(&site, "\n");
    append(&site, FIRST);
    append(&site, SECOND);
    let path = "/api/v1/jobs/continuous/worker/log";
    for (query, body, offset) in [
        ("", format!("0123456789\n{FIRST}{SECOND}"), "0"),
        ("?lines=1", SECOND.to_owned(), "54"),
        ("?offset=11", format!("{FIRST}{SECOND}"), "11"),
        ("?stderr=true", SECOND.to_owned(), "0"),
        ("?since=2016-08-31T20:41:21Z", SECOND.to_owned(), "54"),
    ] {
        let got = site.get(&format!("{path}{query}")).await;
        assert_eq!((got.status.as_u16(), &got.body, got.header("x-log-offset")), (200, &body, offset), "{query}");
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    }
    assert_eq!(site.get(&format!("{path}?lines=x")).await.status, 400);
    assert_eq!(site.get("/api/v1/jobs/continuous/none/log").await.status, 404);
    assert_eq!(site.get(&format!("{path}?run=7")).await.json()["type"], "no_such_run");
}

#[tokio::test]
async fn a_followed_log_goes_on_until_the_host_stops() {
    let site = Site::new();
    let request = Request::builder()
        .uri("/api/v1/jobs/continuous/worker/log?follow=true&lines=0")
        .header("authorization", "Bearer secret")
        .body(Body::empty())
        .expect("a request");
    append(&site, "\n");
    let mut body = service(site.api.clone()).oneshot(request).await.expect("it always answers").into_body();
    for line in [FIRST, SECOND] {
        append(&site, line);
        let frame = timeout(DEADLINE, body.frame()).await.expect("in time").expect("more").expect("no error");
        assert_eq!(frame.into_data().expect("lines"), line.as_bytes());
    }
    site.stop.send_replace(true);
    assert!(timeout(DEADLINE, body.frame()).await.expect("in time").is_none());
}

#[tokio::test]
async fn a_stop_ends_streams_and_the_listener() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, site.api.handle.clone(), site.api.door.clone(), async move {
        let _ = stopped.await;
    }));
    let mut client = TcpStream::connect(address).await.expect("it listens");
    let request =
        "GET /api/v1/jobs/continuous/worker/log?follow=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n";
    client.write_all(request.as_bytes()).await.expect("it is sent");
    append(&site, "\n");
    let mut got = String::new();
    while !got.contains("0123456789\n") {
        let mut piece = [0; 1024];
        let n = timeout(DEADLINE, client.read(&mut piece)).await.expect("in time").expect("no error");
        assert_ne!(n, 0, "{got}");
        got.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    stop.send(()).expect("somebody listens");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic").expect("no error");
    let mut rest = Vec::new();
    timeout(DEADLINE, client.read_to_end(&mut rest)).await.expect("in time").expect("a proper end");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the last piece of a chunked body");
    assert!(TcpStream::connect(address).await.is_err());
}

//! The description of the API, and how it says what went wrong.

use std::io::{Read, Write};

use crate::world::{Answer, Root};

#[track_caller]
fn problem(answer: &Answer, status: u16, kind: &str) -> String {
    let said = answer.json();
    assert_eq!((answer.status, &said["type"]), (status, &kind.into()), "{said}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(said["status"], status);
    said["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn the_document_and_its_page_are_served() {
    let root = Root::new();
    let host = root.host();
    let document = host.get("/api/v1/openapi.json");
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json; charset=utf-8")));
    let document = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/jobs/{kind}/{name}/pause"]["post"].is_object());
    let page = host.get("/api/v1/docs");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<code>/api/v1/jobs/{kind}/{name}/pause</code>"));
}

#[test]
fn everything_that_is_refused_is_a_problem_that_says_where_and_what_to_do() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho out\n")]);
    let host = root.host();
    let runs = "/api/v1/jobs/triggered/report/runs";

    let near = host.get("/api/v1/jobs/triggered/reprot");
    assert!(problem(&near, 404, "no_such_job").contains("did you mean `triggered/report`?"));
    assert_eq!(near.json()["instance"], "/api/v1/jobs/triggered/reprot");
    let other = problem(&host.get("/api/v1/jobs/continuous/report"), 404, "no_such_job");
    assert!(other.contains("did you mean `triggered/report`?"), "{other}");

    let method = host.send("DELETE", "/api/v1/jobs", &[], b"");
    problem(&method, 405, "wrong_method");
    assert_eq!(method.header("allow"), Some("GET,HEAD"));
    problem(&host.get("/api/v1/nothing/here"), 404, "no_such_route");
    problem(&host.get("/api/v1/jobs/triggered/%ff"), 400, "invalid");

    let json = [("Content-Type", "application/json")];
    let broken = host.send("POST", runs, &json, b"{\n  \"args\": [\"x\",]}");
    problem(&broken, 400, "bad_json");
    assert_eq!((&broken.json()["line"], &broken.json()["column"]), (&2.into(), &16.into()), "{}", broken.text());
    problem(&host.send("POST", runs, &json, b"{\"args\": 1}"), 400, "invalid");
    let text = problem(&host.send("POST", runs, &[("Content-Type", "text/plain")], b"{}"), 415, "wrong_content_type");
    assert!(text.contains("Content-Type: application/json"), "{text}");
    problem(&host.send("POST", runs, &json, &vec![b' '; 5 * 1024 * 1024]), 413, "too_large");
    problem(&host.post("/api/v1/settings/validate?kind=other"), 400, "invalid");
}

#[test]
fn a_login_that_fails_is_a_problem_too() {
    let root = Root::new();
    let host = root.host();
    let mut stream = std::net::TcpStream::connect(&host.address).expect("a connection");
    stream.write_all(b"GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 401 ") && text.contains("\"type\":\"unauthorized\""), "{text}");
    assert!(text.contains("\"instance\":\"/api/v1/jobs\""), "{text}");
}

#[test]
fn settings_are_checked_and_nothing_is_written() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho out\n")]);
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    let host = root.host();
    let ours = "/api/v1/jobs/triggered/report/settings/validate";
    let good = host.send("POST", ours, &[], br#"{"schedule": "0 30 2 * * *", "time_zone": "UTC"}"#).json();
    assert_eq!((&good["usable"], &good["problems"]), (&true.into(), &serde_json::json!([])));
    let next = good["next"].as_array().expect("a list");
    assert_eq!(next.len(), 5);
    assert!(next.iter().all(|one| one["due"].as_str().is_some_and(|due| due.ends_with("T02:30:00Z"))), "{next:?}");
    let bad = host.send("POST", ours, &[], b"{\n  \"schedule\": \"0 61 2 * * *\"\n}").json();
    assert_eq!((&bad["usable"], &bad["next"]), (&false.into(), &serde_json::json!([])), "{bad}");
    assert_eq!((&bad["problems"][0]["line"], &bad["problems"][0]["fatal"]), (&2.into(), &true.into()), "{bad}");
    assert!(bad["problems"][0]["column"].is_u64(), "{bad}");
    let other =
        host.send("POST", "/api/v1/settings/validate?kind=continuous", &[], b"{\"schedule\": \"@daily\"}").json();
    assert!(!other["problems"].as_array().expect("a list").is_empty(), "{other}");
    problem(&host.post("/api/v1/jobs/triggered/nobody/settings/validate"), 404, "no_such_job");
    assert_eq!(root.read("jobs/triggered/report/settings.job"), "");
}

//! Requests to the whole service, with a host that answers from a script.

mod health;
mod log_sessions;
mod streams;

use std::{collections::BTreeMap, fs};

use axum::{
    body::Body,
    http::{HeaderMap, Method, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::{
    sample::{run, view},
    *,
};
use crate::{
    host::{
        handle::{Command, CommandError, Ticket},
        view::View,
    },
    model::{
        config::{Config, DoorConfig, EngineSettings},
        event::EventId,
        id::{Instance, JobKind},
        log::TimestampFormat,
        run::{Outcome, RunPhase},
        status::StateWord,
        time::Wall,
    },
    store::{credentials::Credentials, layout::Layout},
};

/// A root with two jobs, and what a client of it got.
struct Site {
    root: tempfile::TempDir,
    api: Api,
    stop: watch::Sender<bool>,
}

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Site {
    fn new() -> Self {
        let site = Self::unready();
        site.api.handle.view().publish_ready();
        site
    }

    /// A host that has not read its folders yet.
    fn unready() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        let config = Config {
            root: root.path().to_owned(),
            jobs: at("jobs"),
            data: at("data"),
            temp: at("temp"),
            listen: ([127, 0, 0, 1], 8090).into(),
            instance: Instance::new("aabbccdd"),
            public_url: None,
            timestamps: TimestampFormat::Kudu,
            interpreters: BTreeMap::new(),
            insecure_http: false,
            door: DoorConfig { allowed_hosts: vec!["site".to_owned(), "x".to_owned()], ..DoorConfig::default() },
            kudu_strict: false,
            kudu: EngineSettings::default(),
            env: BTreeMap::new(),
        };
        for folder in ["jobs/triggered/Nightly", "data/jobs/continuous/worker", "data/webjobd"] {
            fs::create_dir_all(at(folder)).expect("a folder");
        }
        fs::write(at("data/webjobd/credentials"), "webjobd:secret\n").expect("it is written");
        fs::write(at("data/jobs/continuous/worker/job_log.txt"), "0123456789").expect("it is written");
        let jobs = View::new(EventId(0));
        let now = Wall::UNIX_EPOCH;
        jobs.publish(view(JobKind::Continuous, "worker", StateWord::Running, "{}"), now);
        let mut nightly = view(JobKind::Triggered, "Nightly", StateWord::Idle, r#"{"schedule":"0 0 1 * * *"}"#);
        nightly.latest = Some(run(RunPhase::Ended(Outcome::Succeeded), None).into());
        jobs.publish(nightly, now);
        let layout = Layout::new(config.data.clone(), config.instance.clone());
        let (commands, inbox) = mpsc::channel(8);
        tokio::spawn(answer_commands(inbox));
        let handle = HostHandle::for_tests(commands, jobs.into(), config.into(), layout);
        let credentials = Credentials::parse("webjobd:secret").expect("credentials");
        let door = Door::new(handle.clone(), credentials);
        let (stop, stopping) = watch::channel(false);
        Self { api: Api::new(handle, door, stopping), root, stop }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("host", "site:80");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", "Bearer secret");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = service(self.api.clone()).oneshot(request).await.expect("it always answers");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Got { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Got {
        self.send(Method::POST, path, &[("user-agent", "test/1")], body).await
    }
}

/// Accepts everything, but refuses runs with the argument `busy`, and shows what it got as a run's id.
async fn answer_commands(mut inbox: mpsc::Receiver<Command>) {
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Run { job, arguments, who, reply } => {
                assert_eq!(who, "test/1");
                let answer = match arguments.as_deref() {
                    Some("busy") => Err(CommandError::Problem(job, "it is busy".to_owned())),
                    Some(r#"a "b c" +"#) | None => Ok(run(RunPhase::Running, None).id),
                    Some(other) => Err(CommandError::Invalid(other.to_owned())),
                };
                let _ = reply.send(answer.map(|run| Ticket { run, queued: false }));
            }
            Command::Start { reply, .. }
            | Command::Stop { reply, .. }
            | Command::Wish { reply, .. }
            | Command::Restart { reply, .. }
            | Command::Cancel { reply, .. }
            | Command::LetGo { reply, .. }
            | Command::Forget { reply, .. }
            | Command::Ping { reply }
            | Command::Heed { reply }
            | Command::Refresh { reply, .. } => drop(reply.send(Ok(()))),
        }
    }
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }
}

#[tokio::test]
async fn nobody_is_served_without_credentials() {
    let site = Site::new();
    for path in ["/api/webjobs", "/api/v1/jobs", "/vfs/data/", "/nowhere", "/"] {
        for login in ["Bearer wrong", "Basic d2Vqb2JkOnNlY3JldA==", ""] {
            let got = site.send(Method::GET, path, &[("authorization", login)], "").await;
            assert_eq!(got.status, 401, "{path} {login}");
            assert_eq!(got.header("www-authenticate"), "Basic realm=\"webjobd\"");
            assert!(!got.header("x-ms-request-id").is_empty() && got.json().is_object());
        }
        // A right one clears what the wrong ones cost.
        site.get("/jobs").await;
    }
    let got = site.send(Method::GET, "/jobs", &[("authorization", "Basic d2Viam9iZDpzZWNyZXQ=")], "").await;
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn what_is_no_route_is_answered_as_kudu_does() {
    let site = Site::new();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/api/Nothing/x"),
        (Method::DELETE, "/api/webjobs"),
        (Method::GET, "/api/webjobs/worker"),
        (Method::GET, "/api/jobs/nightly"),
        (Method::GET, "/api/jobs/nightly/x"),
        (Method::PATCH, "/api/TriggeredWebjobs/Nightly"),
        (Method::GET, "/api/triggeredwebjobs/Nightly/run"),
        (Method::POST, "/api/triggeredwebjobs/Nightly/start"),
        (Method::GET, "/api/continuouswebjobs/worker/history"),
    ] {
        let got = site.send(method, path, &[("x-ms-request-id", "mine")], "").await;
        assert_eq!(got.status, 404, "{path}");
        assert_eq!(got.json(), format!("No route registered for '{path}'"));
        assert_eq!((got.header("x-ms-request-id"), got.header("x-content-type-options")), ("mine", "nosniff"));
        assert_eq!(got.header("content-type"), "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn lists_have_every_job_and_a_tag() {
    let site = Site::new();
    let got = site.get("/API/webjobs/").await;
    let names = |json: Value| -> Vec<String> {
        let jobs = json.as_array().cloned().unwrap_or_default();
        jobs.iter().map(|job| format!("{} {}", job["type"], job["name"])).collect()
    };
    assert_eq!(names(got.json()), [r#""triggered" "Nightly""#, r#""continuous" "worker""#]);
    assert!(got.body.contains("\"log_url\":\"http://site:80/vfs/data/jobs/continuous/worker/job_log.txt\""));
    let tag = got.header("etag").to_owned();
    let again = site.send(Method::GET, "/jobs", &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status.as_u16(), again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    assert_eq!(names(site.get("/api/continuousjobs").await.json()), [r#""continuous" "worker""#]);
}

#[tokio::test]
async fn one_job_is_found_in_any_case_and_a_missing_one_is_an_empty_404() {
    let site = Site::new();
    assert_eq!(site.get("/api/triggeredwebjobs/NIGHTLY").await.json()["name"], "Nightly");
    assert_eq!(site.get("/api/triggeredwebjobs/%4eightly").await.json()["name"], "Nightly");
    assert_eq!(site.get("/api/triggeredwebjobs/Nightly/settings").await.body, r#"{"schedule":"0 0 1 * * *"}"#);
    for path in
        ["/api/triggeredwebjobs/worker", "/jobs/continuous/x", "/jobs/continuous/x/settings", "/jobs/continuous/a%2Fb"]
    {
        let got = site.get(path).await;
        assert_eq!((got.status.as_u16(), got.body.as_str()), (404, ""), "{path}");
    }
    assert_eq!(site.send(Method::DELETE, "/jobs/continuous/x", &[], "").await.status, 200);
    for body in ["[1]", "null", "{", ""] {
        let got = site.send(Method::PUT, "/jobs/continuous/worker/settings", &[], body).await;
        assert_eq!(got.status, 400, "{body}");
        assert!(
            got.json()["Message"].as_str().is_some_and(|text| text.starts_with("settings must be")),
            "{}",
            got.body
        );
    }
}

#[tokio::test]
async fn a_run_is_accepted_with_its_place() {
    let site = Site::new();
    let got = site.post("/api/triggeredwebjobs/nightly/run?arguments=a+%22b%20c%22+%2B", "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (202, ""));
    assert_eq!(got.header("location"), "http://site:80/api/triggeredwebjobs/Nightly/history/201510200336425903");
    assert_eq!(site.post("/api/triggeredwebjobs/nightly/run", "ignored").await.status, 202);
    assert_eq!(site.post("/api/triggeredwebjobs/nightly/run?arguments=busy", "").await.status, 409);
    assert_eq!(site.post("/api/triggeredwebjobs/worker/run", "").await.status, 404);
    for verb in ["start", "stop"] {
        let got = site.post(&format!("/api/continuouswebjobs/Worker/{verb}"), "").await;
        assert_eq!((got.status.as_u16(), got.body.as_str()), (200, ""));
    }
}

#[tokio::test]
async fn an_upload_says_its_file_name() {
    let site = Site::new();
    let got = site.send(Method::PUT, "/api/triggeredwebjobs/new", &[("content-type", "application/zip")], "x").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (400, "Missing Content-Disposition header."));
    let named = [("content-disposition", "attachment; filename=run.sh")];
    let got = site.send(Method::PUT, "/api/triggeredwebjobs/a%2Fb", &named, "x").await;
    assert!(got.status == 400 && got.body.contains("`a/b` is not a job name"), "{}", got.body);
}

#[tokio::test]
async fn files_are_served_whole_and_in_part() {
    let site = Site::new();
    let log = "/vfs/data/jobs/continuous/worker/job_log.txt";
    let got = site.get(log).await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "0123456789"));
    assert_eq!((got.header("content-type"), got.header("content-length")), ("text/plain", "10"));
    let (tag, changed) = (got.header("etag").to_owned(), got.header("last-modified").to_owned());
    assert!(tag.len() == 18 && changed.ends_with(" GMT"), "{tag} {changed}");
    for (sent, status, body, range) in [
        (&[("range", "bytes=2-4")][..], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=-2")], 206, "89", "bytes 8-9/10"),
        (&[("range", "bytes=10-")], 416, "", "bytes */10"),
        (&[("range", "bytes=2-4"), ("if-range", &tag)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", &changed)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", "\"old\"")], 200, "0123456789", ""),
        (&[("if-none-match", &tag)], 304, "", ""),
    ] {
        let got = site.send(Method::GET, log, sent, "").await;
        assert_eq!(
            (got.status.as_u16(), got.body.as_str(), got.header("content-range")),
            (status, body, range),
            "{sent:?}"
        );
        assert_eq!(got.header("etag"), tag);
    }
    let got = site.send(Method::HEAD, log, &[], "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str(), got.header("content-length")), (200, "", "10"));
}

#[tokio::test]
async fn folders_are_listed_and_slashes_are_put_right() {
    let site = Site::new();
    for (path, location) in [
        ("/vfs/data", "http://site:80/vfs/data/"),
        (
            "/api/vfs/data/jobs/continuous/worker/job_log.txt/",
            "http://site:80/api/vfs/data/jobs/continuous/worker/job_log.txt",
        ),
    ] {
        let got = site.get(path).await;
        assert_eq!((got.status.as_u16(), got.header("location")), (307, location));
    }
    let got = site.get("/api/vfs/site/jobs/triggered/").await.json();
    let members: Vec<&str> = got[0].as_object().expect("an entry").keys().map(String::as_str).collect();
    assert_eq!(members, ["name", "size", "mtime", "crtime", "mime", "href", "path"]);
    assert_eq!(got[0]["name"], "Nightly");
    assert_eq!((&got[0]["mime"], &got[0]["size"]), (&Value::from("inode/directory"), &Value::from(0)));
    assert_eq!(got[0]["href"], "http://site:80/api/vfs/site/jobs/triggered/Nightly/");
    assert!(site.root.path().join("jobs/triggered").starts_with(site.root.path()));
    for path in
        ["/vfs/data/webjobd/credentials", "/vfs/data/%2e%2e/data/webjobd/credentials", "/vfs/data/x", "/vfs/etc/passwd"]
    {
        let got = site.get(path).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(got.json()["Message"].as_str().is_some_and(|text| text.ends_with("not found.")), "{}", got.body);
    }
}

#[tokio::test]
async fn our_own_routes_show_jobs_and_say_what_is_wrong() {
    let site = Site::new();
    let got = site.get("/api/v1/jobs").await.json();
    let names: Vec<String> = got.as_array().expect("a list").iter().map(|job| job["name"].to_string()).collect();
    assert_eq!(names, [r#""worker""#, r#""Nightly""#]);
    assert_eq!(site.get("/api/v1/jobs/triggered/nightly").await.json()["latest"]["outcome"], "succeeded");
    for (method, path, body, status, kind) in [
        (Method::GET, "/api/v1/jobs/triggered/x", "", 404, "no_such_job"),
        (Method::GET, "/api/v1/jobs/nightly/x", "", 404, "no_such_job"),
        (Method::GET, "/api/v1/jobs/triggered/nightly/runs/x", "", 404, "no_such_run"),
        (Method::POST, "/api/v1/jobs/triggered/nightly/runs", "{\"args\":[\"busy\"]}", 409, "job_problem"),
        (Method::POST, "/api/v1/jobs/triggered/nightly/runs", "{\"args\":[\"c d\"]}", 400, "invalid"),
        (Method::POST, "/api/v1/jobs/triggered/nightly/runs", "{\"arg\":[]}", 400, "invalid"),
        (Method::POST, "/api/v1/jobs/triggered/nightly/runs", "[", 400, "bad_json"),
        (Method::POST, "/api/v1/jobs/continuous/worker/runs", "", 400, "invalid"),
        (Method::GET, "/api/v1/Nothing/x", "", 404, "no_such_route"),
        (Method::GET, "/api/v1", "", 404, "no_such_route"),
        (Method::DELETE, "/api/v1/jobs", "", 405, "wrong_method"),
        (Method::GET, "/api/v1/jobs/triggered/%ff", "", 400, "invalid"),
        (Method::GET, "/api/v1/runs?job=x", "", 404, "no_such_job"),
        (Method::GET, "/api/v1/runs?since=yesterday", "", 400, "invalid"),
        (Method::POST, "/api/v1/refresh?job=x", "", 400, "invalid"),
    ] {
        let got = site.send(method, path, &[("user-agent", "test/1")], body).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (status, "application/problem+json"), "{path}");
        assert_eq!((&got.json()["type"], &got.json()["status"]), (&Value::from(kind), &Value::from(status)), "{path}");
    }
    assert_eq!(site.post("/api/v1/refresh", "").await.status, 204);
    for verb in ["start", "stop", "restart"] {
        let got = site.post(&format!("/api/v1/jobs/continuous/worker/{verb}"), "").await;
        assert_eq!((got.status.as_u16(), &got.json()["name"]), (202, &Value::from("worker")));
    }
}

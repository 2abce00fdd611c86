//! Kudu's routes for jobs and runs, told by Kudu's own rules: bodies, texts, headers and codes.
//!
//! A program that was written against Azure must not notice that it speaks to another host.

use serde_json::{Value, json};

use crate::world::{Answer, Host, Root, eventually, request};

const LOOP: &str = "#!/bin/bash\nwhile :; do sleep 1; done\n";
/// Prints its arguments, each in brackets, and what the host says of them.
const ARGUMENTS: &str =
    "#!/bin/bash\nprintf '[%s]' \"$@\"; printf '\\n'\nprintf 'text=%s\\n' \"$WEBJOBS_COMMAND_ARGUMENTS\"\n";

/// A root with one job of each kind, and its host of a known name.
fn pair() -> (Root, Host) {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", LOOP)]);
    root.job("triggered/nightly", &[("run.sh", ARGUMENTS)]);
    let host = root.host_with(&["--instance", "aabbccddeeff"], &[]);
    host.until_state("continuous/worker", "running");
    (root, host)
}

/// A job that runs until the file `go` appears in the root.
fn gated(root: &Root, name: &str) {
    let go = root.path("go");
    let script = format!("#!/bin/bash\necho begun\nuntil [ -e '{}' ]; do sleep 0.05; done\n", go.display());
    root.job(&format!("triggered/{name}"), &[("run.sh", &script)]);
}

fn names(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    list.as_array().expect("a list").iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

#[track_caller]
fn empty(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.text().as_str()), (status, ""));
}

#[test]
fn a_job_is_shown_with_kudus_members_in_kudus_order() {
    let (root, host) = pair();
    let base = format!("http://{}", host.address);
    let answer = host.get("/api/continuouswebjobs/worker");
    let expected = concat!(
        r#"{"status":"Running","detailed_status":"aabbcc - Running\r\n","#,
        r#""log_url":"BASE/vfs/data/jobs/continuous/worker/job_log.txt","name":"worker","run_command":"run.sh","#,
        r#""url":"BASE/api/continuouswebjobs/worker","extra_info_url":"BASE/azurejobs/#/jobs/continuous/worker","#,
        r#""type":"continuous","error":null,"using_sdk":false,"settings":{}}"#
    );
    assert_eq!(answer.text(), expected.replace("BASE", &base));
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let expected = concat!(
        r#"{"latest_run":null,"history_url":"BASE/api/triggeredwebjobs/nightly/history","scheduler_logs_url":null,"#,
        r#""name":"nightly","run_command":"run.sh","url":"BASE/api/triggeredwebjobs/nightly","#,
        r#""extra_info_url":"BASE/azurejobs/#/jobs/triggered/nightly","type":"triggered","error":null,"#,
        r#""using_sdk":false,"settings":{}}"#
    );
    assert_eq!(host.get("/api/triggeredwebjobs/nightly").text(), expected.replace("BASE", &base));
    // The log that the job points to is there to be read.
    let log = host.get("/vfs/data/jobs/continuous/worker/job_log.txt");
    assert_eq!((log.status, log.text()), (200, root.job_log("worker")));
    // Links follow the name by which the client knows the host.
    let named = host.send("GET", "/api/triggeredwebjobs/nightly", &[("Host", "scm.example:81")], b"");
    assert_eq!(named.json()["url"], "http://scm.example:81/api/triggeredwebjobs/nightly");
}

#[test]
fn every_spelling_of_a_route_answers_alike() {
    let (_root, host) = pair();
    for list in ["/api/webjobs", "/api/jobs", "/jobs", "/API/WebJobs/"] {
        assert_eq!(names(&host.get(list)), ["nightly", "worker"], "{list}");
    }
    for (kind, name) in [("triggered", "nightly"), ("continuous", "worker")] {
        for list in [
            format!("/api/{kind}webjobs"),
            format!("/api/{kind}jobs"),
            format!("/jobs/{kind}"),
            format!("/api/jobs/{kind}"),
        ] {
            assert_eq!(names(&host.get(&list)), [name], "{list}");
            let one = host.get(&format!("{list}/{name}"));
            assert_eq!((one.status, &one.json()["type"]), (200, &kind.into()), "{list}");
            assert_eq!(host.get(&format!("{list}/{}", name.to_uppercase())).json()["name"], name, "{list}");
            assert_eq!(host.get(&format!("{list}/{name}/settings")).text(), "{}", "{list}");
            if kind == "triggered" {
                assert_eq!(host.get(&format!("{list}/{name}/history")).text(), r#"{"runs":[]}"#, "{list}");
            } else {
                empty(&host.post(&format!("{list}/{name}/start")), 200);
            }
        }
    }
    for run in ["/api/triggeredwebjobs", "/api/triggeredjobs", "/jobs/triggered", "/api/jobs/triggered"] {
        let answer = host.post(&format!("{run}/nightly/run"));
        assert_eq!(answer.status, 202, "{run}: {}", answer.text());
        let location = answer.header("location").expect("where").to_owned();
        let id = location.rsplit('/').next().expect("an id");
        host.until_ended("triggered/nightly", id);
        for history in [format!("{run}/nightly/history/{id}"), format!("{run}/Nightly/History/{id}/")] {
            assert_eq!(host.get(&history).json()["id"], id, "{history}");
        }
    }
}

#[test]
fn a_list_that_the_client_has_is_not_sent_again() {
    let (_root, host) = pair();
    for list in
        ["/api/webjobs", "/api/triggeredwebjobs", "/api/continuouswebjobs", "/api/triggeredwebjobs/nightly/history"]
    {
        let first = host.get(list);
        let tag = first.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
        let again = host.send("GET", list, &[("If-None-Match", &tag)], b"");
        empty(&again, 304);
        assert_eq!(again.header("etag"), Some(&*tag), "{list}");
        assert_eq!(host.send("GET", list, &[("If-None-Match", "\"other\"")], b"").status, 200, "{list}");
    }
    let (history, list) = ("/api/triggeredwebjobs/nightly/history", "/api/triggeredwebjobs");
    let tags = [history, list].map(|path| host.get(path).header("etag").expect("a tag").to_owned());
    let run = host.run("nightly");
    host.until_ended("triggered/nightly", &run);
    for (path, tag) in [history, list].into_iter().zip(tags) {
        assert_eq!(host.send("GET", path, &[("If-None-Match", &tag)], b"").status, 200, "{path} is another now");
    }
}

#[test]
fn what_is_not_there_is_404_without_a_body() {
    let (_root, host) = pair();
    for (method, path) in [
        ("GET", "/api/triggeredwebjobs/nobody"),
        ("GET", "/api/continuouswebjobs/nobody"),
        ("GET", "/api/continuouswebjobs/nightly"),
        ("GET", "/api/triggeredwebjobs/worker"),
        ("GET", "/api/triggeredwebjobs/%2e%2e"),
        ("POST", "/api/triggeredwebjobs/nobody/run"),
        ("POST", "/api/triggeredwebjobs/worker/run"),
        ("GET", "/api/triggeredwebjobs/nobody/history"),
        ("GET", "/api/triggeredwebjobs/nightly/history/201510200336425903"),
        ("GET", "/api/triggeredwebjobs/nightly/history/..%2f..%2fstatus"),
        ("GET", "/api/triggeredwebjobs/nightly/history/last"),
        ("GET", "/api/triggeredwebjobs/nobody/settings"),
        ("PUT", "/api/continuouswebjobs/nobody/settings"),
        ("POST", "/api/continuouswebjobs/nobody/start"),
        ("POST", "/api/continuouswebjobs/nobody/stop"),
        ("POST", "/api/continuouswebjobs/nightly/stop"),
    ] {
        let body: &[u8] = if method == "PUT" { b"{}" } else { b"" };
        let answer = host.send(method, path, &[], body);
        assert_eq!((answer.status, answer.text().as_str()), (404, ""), "{method} {path}");
    }
}

#[test]
fn an_unknown_route_or_method_is_kudus_404() {
    let (_root, host) = pair();
    for (method, path) in [
        ("GET", "/api/nothing"),
        ("GET", "/"),
        ("GET", "/api/webjobs/nightly"),
        ("POST", "/api/webjobs"),
        ("POST", "/api/triggeredwebjobs/nightly"),
        ("PATCH", "/api/triggeredwebjobs/nightly"),
        ("GET", "/api/triggeredwebjobs/nightly/run"),
        ("POST", "/api/triggeredwebjobs/nightly/start"),
        ("POST", "/api/continuouswebjobs/worker/run"),
        ("GET", "/api/continuouswebjobs/worker/history"),
        ("DELETE", "/api/continuouswebjobs"),
        ("GET", "/api/nightlywebjobs"),
    ] {
        let answer = host.send(method, path, &[], b"");
        let text = format!("\"No route registered for '{path}'\"");
        assert_eq!((answer.status, answer.text()), (404, text), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{method} {path}");
    }
}

#[test]
fn a_run_is_accepted_with_the_place_of_its_record() {
    let (root, host) = pair();
    for (query, line, text) in [
        ("", "[]", None),
        ("?arguments=", "[]", None),
        ("?arguments=one+two%20three", "[one][two][three]", Some("one two three")),
        ("?arguments=%22a%20b%22+c%2Bd+%25", "[a b][c+d][%]", Some("\"a b\" c+d %")),
        ("?Arguments=%C3%BC", "[ü]", Some("ü")),
    ] {
        let path = format!("/api/triggeredwebjobs/nightly/run{query}");
        let answer = host.send("POST", &path, &[("User-Agent", "tests/1 (it)")], b"");
        empty(&answer, 202);
        let location = answer.header("location").expect("where").to_owned();
        let place = location.strip_prefix(&format!("http://{}", host.address)).expect("an absolute address");
        let id = place.strip_prefix("/api/triggeredwebjobs/nightly/history/").expect("its history");
        assert!(id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
        let log = format!("data/jobs/triggered/nightly/{id}/output_log.txt");
        assert!(root.path(&log).exists(), "whoever is told of it finds its log");
        host.until_ended("triggered/nightly", id);
        let run = host.get(place).json();
        let log = root.read(&log);
        assert!(log.contains(&format!(": INFO] {line}\n")), "{query}: {log}");
        assert!(text.is_none_or(|text| log.contains(&format!(": INFO] text={text}\n"))), "{query}: {log}");
        assert_eq!(run["trigger"], "External - tests/1 (it)");
        assert_eq!(host.get("/api/triggeredwebjobs/nightly").json()["latest_run"], run);
    }
}

#[test]
fn a_run_is_shown_with_kudus_members_in_kudus_order() {
    let (_root, host) = pair();
    let id = host.run("nightly");
    host.until_ended("triggered/nightly", &id);
    let text = host.get(&format!("/api/triggeredwebjobs/nightly/history/{id}")).text();
    let run: Value = serde_json::from_str(&text).expect("JSON");
    let places: Vec<usize> = [
        "id",
        "name",
        "status",
        "start_time",
        "end_time",
        "duration",
        "output_url",
        "error_url",
        "url",
        "job_name",
        "trigger",
    ]
    .iter()
    .map(|key| text.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {text}")))
    .collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(run.as_object().expect("an object").len(), 11);
    assert_eq!(
        (&run["id"], &run["name"], &run["job_name"]),
        (&id.clone().into(), &id.clone().into(), &"nightly".into())
    );
    assert_eq!((&run["status"], &run["error_url"]), (&"Success".into(), &Value::Null));
    for date in ["start_time", "end_time"] {
        let date = run[date].as_str().expect("a date");
        assert!(date.ends_with('Z') && date.as_bytes()[10] == b'T' && !date.contains('+'), "{date}");
    }
    assert!(run["duration"].as_str().expect("a duration").starts_with("00:00:"), "{text}");
    let output = run["output_url"].as_str().expect("where its output is");
    let base = format!("http://{}", host.address);
    assert_eq!(output, format!("{base}/vfs/data/jobs/triggered/nightly/{id}/output_log.txt"));
    let output = host.get(output.strip_prefix(&base).expect("here"));
    assert!(output.text().contains("Status changed to Success"), "{}", output.text());
    let history = host.get("/api/triggeredwebjobs/nightly/history");
    assert_eq!(history.json(), json!({ "runs": [run] }));
}

#[test]
fn a_run_that_may_not_begin_is_409_with_kudus_text() {
    let root = Root::new();
    gated(&root, "slow");
    let host = root.host();
    let id = host.run("slow");
    let answer = host.post("/api/triggeredwebjobs/slow/run");
    assert_eq!((answer.status, &*answer.text()), (409, "Cannot start a new run since job is already running."));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let during = eventually("it runs", || {
        let run = host.get(&format!("/api/triggeredwebjobs/slow/history/{id}")).json();
        Some(run).filter(|run| run["status"] == "Running")
    });
    assert_eq!(during["end_time"], "0001-01-01T00:00:00");
    root.write("go", "");
    host.until_ended("triggered/slow", &id);
    assert!(host.stop().success());
    let host = root.host_with(&[], &[("WEBJOBS_STOPPED", "1")]);
    let answer = host.post("/api/triggeredwebjobs/slow/run");
    assert_eq!((answer.status, &*answer.text()), (409, "WebJobs are currently in \"stopped\" state."));
}

#[test]
fn settings_are_read_as_stored_and_written_as_a_whole() {
    let (root, host) = pair();
    let path = "/api/triggeredwebjobs/nightly/settings";
    let settings = br#"{"schedule":"0 30 2 * * *","mine":{"a":[1,null]}}"#;
    empty(&host.send("PUT", path, &[("Content-Type", "application/json")], settings), 200);
    assert_eq!(host.get(path).json(), serde_json::from_slice::<Value>(settings).expect("JSON"));
    assert_eq!(host.get("/api/triggeredwebjobs/nightly").json()["settings"]["schedule"], "0 30 2 * * *");
    assert!(!host.get("/api/v1/jobs/triggered/nightly/next").json().as_array().expect("a list").is_empty());
    for (bad, says) in [
        (r#"{"schedule":"0 99 2 * * *"}"#, "settings.job:1:13"),
        (r#"{"stopping_wait_time":"long"}"#, "settings.job:1:23"),
        ("[1]", "one JSON object"),
        ("null", "one JSON object"),
        ("", "one JSON object"),
        (r#"{"schedule":"#, "line 1"),
    ] {
        let answer = host.send("PUT", path, &[], bad.as_bytes());
        assert_eq!(answer.status, 400, "{bad}");
        let text = answer.json()["Message"].as_str().expect("a message").to_owned();
        assert!(text.contains(says), "{bad}: {text}");
    }
    assert!(root.read("jobs/triggered/nightly/settings.job").contains("0 30 2 * * *"), "the old ones are still there");
    let path = "/api/continuouswebjobs/worker/settings";
    empty(&host.send("PUT", path, &[], br#"{"is_singleton":true}"#), 200);
    assert_eq!(host.get(path).json(), json!({"is_singleton": true}));
}

#[test]
fn a_continuous_job_is_stopped_and_started() {
    let (_root, host) = pair();
    let status = || host.get("/api/continuouswebjobs/worker").json()["status"].clone();
    empty(&host.post("/api/continuouswebjobs/worker/stop"), 200);
    eventually("it is stopped", || (status() == "Stopped").then_some(()));
    // Once more changes nothing.
    empty(&host.post("/api/continuouswebjobs/worker/stop"), 200);
    assert_eq!(status(), "Stopped");
    empty(&host.post("/api/continuouswebjobs/worker/start"), 200);
    assert_ne!(status(), "Stopped");
    eventually("it runs again", || (status() == "Running").then_some(()));
    let shown = host.get("/api/continuouswebjobs/worker").json();
    assert_eq!(shown["detailed_status"], "aabbcc - Running\r\n");
}

#[test]
fn every_answer_carries_the_id_of_its_request() {
    let (_root, host) = pair();
    for path in ["/api/webjobs", "/api/triggeredwebjobs/nobody", "/nothing", "/api/v1/jobs", "/vfs/"] {
        let id = |headers: &[(&str, &str)]| {
            host.send("GET", path, headers, b"").header("x-ms-request-id").map(str::to_owned)
        };
        assert_eq!(id(&[("x-ms-request-id", "mine")]).as_deref(), Some("mine"), "{path}");
        assert_eq!(id(&[("x-ms-request-id", "mine"), ("x-arr-log-id", "arr")]).as_deref(), Some("arr"), "{path}");
        let (first, second) = (id(&[]).expect("an id"), id(&[]).expect("an id"));
        assert!(first != second && first.len() == 36, "{path}: {first}");
    }
    let refused = request(&host.address, "GET", "/api/webjobs", &[("x-ms-request-id", "mine")], b"");
    assert_eq!((refused.status, refused.header("x-ms-request-id")), (401, Some("mine")));
}

//! Hooks over the real API, with real receivers (spec/kudu-webjobs 8.9).

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    ask::text,
    receiver::{Receiver, Reply},
    world::{Answer, Host, Root, eventually, request},
};

const SAY: &str = "#!/bin/bash\necho said\n";

fn subscribe(host: &Host, hook: &Value) -> Answer {
    host.send("POST", "/api/hooks", &[("Content-Type", "application/json")], hook.to_string().as_bytes())
}

/// Subscribes, and returns the hook's number.
#[track_caller]
pub fn hooked(host: &Host, url: &str, event: &str) -> String {
    let answer = subscribe(host, &json!({"url": url, "event": event}));
    assert_eq!(answer.status, 201, "{}", answer.text());
    text(&answer.json()["id"]).to_owned()
}

#[track_caller]
fn publish(host: &Host, event: &str, payload: &str) {
    let answer = host.send("POST", &format!("/api/hooks/publish/{event}"), &[], payload.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{event}");
}

fn deliveries(host: &Host, hook: &str) -> Vec<Value> {
    let answer = host.get(&format!("/api/v1/hooks/{hook}/deliveries")).json();
    answer["deliveries"].as_array().cloned().unwrap_or_default()
}

#[track_caller]
fn until_outcome(host: &Host, hook: &str, outcome: &str) -> Vec<Value> {
    eventually(&format!("a delivery is {outcome}"), || {
        let all = deliveries(host, hook);
        all.iter().any(|one| one["outcome"] == outcome).then_some(all)
    })
}

#[test]
fn hooks_are_subscribed_listed_and_deleted_as_in_kudu() {
    let root = Root::new();
    let host = root.host();
    assert_eq!((host.get("/api/hooks").status, host.get("/hooks").text()), (200, "[]".to_owned()));
    let url = "https://ann:s3cret@hooks.example/a?b=c";
    let first = subscribe(&host, &json!({"url": url, "event": "PostDeployment", "insecure_ssl": false}));
    assert_eq!(first.status, 201);
    let id = text(&first.json()["id"]).to_owned();
    assert!(id.len() == 18 && id.starts_with("63") || id.starts_with("64"), "ticks of this century: {id}");
    let expected = format!(
        "{{\"id\":\"{id}\",\"event\":\"PostDeployment\",\"url\":\"https://ann:***@hooks.example/a?b=c\",\
         \"insecure_ssl\":false,\"last_status\":null,\"last_reason\":null,\"last_datetime\":null,\"last_context\":null}}"
    );
    assert_eq!(first.text(), expected);
    // The same address, in any case: with this event it is the same hook, with another a conflict.
    let again = subscribe(&host, &json!({"url": url.to_uppercase(), "event": "postdeployment"}));
    assert_eq!((again.status, again.text()), (201, expected.clone()));
    let other = subscribe(&host, &json!({"url": url, "event": "TriggeredJobFinished"}));
    assert_eq!((other.status, other.text().as_str()), (409, ""));
    let second = hooked(&host, "http://other.example/", "MyEvent");
    assert!(second > id);
    assert_eq!(host.get("/Hooks/").json().as_array().map(Vec::len), Some(2));
    for path in [format!("/api/hooks/{id}"), format!("/hooks/{id}/")] {
        assert_eq!(host.get(&path).text(), expected);
    }
    for missing in ["/api/hooks/1", "/api/hooks/x", "/api/hooks/publish"] {
        let answer = host.get(missing);
        assert_eq!((answer.status, answer.text().as_str()), (404, ""), "{missing}");
    }
    assert_eq!(host.get("/api/v1/hooks/1/deliveries").json()["type"], "no_such_hook");
    for body in ["", "null", "{", r#"{"url":"https://x.example"}"#] {
        assert_eq!(host.send("POST", "/api/hooks", &[], body.as_bytes()).status, 400, "{body}");
    }
    let bad = subscribe(&host, &json!({"url": "hooks.example", "event": "E"}));
    let says = r#"{"Message":"The hooks address received - 'hooks.example' is invalid."}"#;
    assert_eq!((bad.status, bad.text().as_str()), (400, says));
    for _ in 0..2 {
        let gone = host.send("DELETE", &format!("/api/hooks/{id}"), &[], b"");
        assert_eq!((gone.status, gone.text().as_str()), (200, ""));
    }
    assert_eq!(host.get(&format!("/api/hooks/{id}")).status, 404);
    assert!(host.stop().success());
    assert_eq!(root.host().get(&format!("/api/hooks/{second}")).json()["event"], "MyEvent");
}

#[test]
fn a_finished_run_is_told_with_kudus_payload_once_the_job_may_run_again() {
    let root = Root::new();
    root.job("triggered/daas(ping pong)", &[("run.sh", SAY)]);
    let host = root.host();
    let receiver = Receiver::start();
    let login = root.read("data/webjobd/credentials");
    let login = format!("Bearer {}", login.trim().split_once(':').expect("user:secret").1);
    let (address, path) = (host.address.clone(), "/api/triggeredwebjobs/daas(ping%20pong)");
    let (sent, answers) = std::sync::mpsc::channel();
    let again = format!("{path}/run");
    let mut is_first = true;
    receiver.answer(move |_| {
        if std::mem::take(&mut is_first) {
            let answer = request(&address, "POST", &again, &[("Authorization", &login)], b"");
            sent.send(answer.status).expect("the test listens");
        }
        Reply::Status("202 Accepted")
    });
    let id = hooked(&host, &receiver.url("ann:s3c%3Aret@", "/told?by=hook"), "triggeredjobfinished");
    let answer = host.send("POST", &format!("{path}/run"), &[("User-Agent", "tests/1")], b"");
    let run = answer.header("location").and_then(|place| place.rsplit('/').next()).expect("an id").to_owned();
    let got = receiver.until(1)[0].clone();
    assert_eq!(answers.recv_timeout(crate::world::PATIENCE), Ok(202), "the receiver may run the job again");
    assert_eq!(got.line(), "POST /told?by=hook HTTP/1.1");
    assert_eq!(got.header("content-type"), Some("application/json; charset=utf-8"));
    // ann:s3c:ret
    assert_eq!(got.header("authorization"), Some("Basic YW5uOnMzYzpyZXQ="));
    assert_eq!(got.header("x-webjobd-event"), Some("TriggeredJobFinished"));
    assert_eq!(got.header("x-webjobd-signature"), None);
    let mut shown = host.get(&format!("{path}/history/{run}")).json();
    let members = shown.as_object_mut().expect("a run");
    members.retain(|_, value| !value.is_null());
    assert_eq!(members.len(), 10, "{members:?}");
    assert_eq!(got.body, serde_json::to_string_pretty(&shown).expect("JSON"), "indented, in Kudu's order");
    assert_eq!((&shown["status"], &shown["trigger"]), (&json!("Success"), &json!("External - tests/1")));
    receiver.until(2);
    let hook = eventually("the hook tells of it", || {
        let hook = host.get(&format!("/api/hooks/{id}")).json();
        Some(hook).filter(|hook| !hook["last_status"].is_null())
    });
    assert_eq!((&hook["last_status"], &hook["last_reason"]), (&json!("Accepted"), &json!("Accepted")));
    assert!(text(&hook["last_datetime"]).ends_with('Z') && text(&hook["last_context"]).contains("job_name"));
}

#[test]
fn links_are_there_before_anybody_asked() {
    let root = Root::new();
    let receiver = Receiver::start();
    let settings = r#"{"schedule": "* * * * * *"}"#;
    root.job("triggered/often", &[("run.sh", SAY), ("settings.job", settings)]);
    let hooks = json!({"hooks": [{"id": 1, "event": "TriggeredJobFinished", "url": receiver.url("", "/")}]});
    root.write("data/webjobd/hooks.json", &hooks.to_string());
    let host = root.host();
    let told = receiver.until(1)[0].json();
    let base = format!("http://{}/api/triggeredwebjobs/often/history/{}", host.address, text(&told["id"]));
    assert_eq!((&told["url"], &told["trigger"]), (&json!(base), &json!("Schedule - * * * * * *")));
    assert!(host.stop().success());
    let host = root.host_with(&["--public-url", "https://jobs.example.com/"], &[]);
    let url = eventually("the next is told", || {
        let got = receiver.got();
        let urls = got.iter().map(|got| text(&got.json()["url"]).to_owned());
        urls.into_iter().find(|url| url.starts_with("https://jobs.example.com/api/triggeredwebjobs/often/history/"))
    });
    drop((url, host));
}

#[test]
fn a_receiver_that_fails_is_told_again_and_all_is_recorded() {
    let root = Root::new();
    let host = root.host();
    let receiver = Receiver::start();
    let mut replies =
        [Reply::HangUp, Reply::Status("503 Service Unavailable\r\nRetry-After: 1"), Reply::Status("204 No Content")]
            .into_iter();
    receiver.answer(move |_| replies.next().unwrap_or(Reply::Status("200 OK")));
    let id = hooked(&host, &receiver.url("ann:s3cret@", "/"), "MyEvent");
    publish(&host, "myevent", r#"{"b":[1,{"a":null}],"a":"ü"}"#);
    let got = receiver.until(3);
    let number = got[0].header("x-webjobd-delivery");
    for got in &got {
        assert_eq!(got.body, "{\n  \"b\": [\n    1,\n    {\n      \"a\": null\n    }\n  ],\n  \"a\": \"ü\"\n}");
        assert_eq!(got.header("x-webjobd-delivery"), number);
    }
    let all = until_outcome(&host, &id, "delivered");
    let shown: Vec<_> =
        all.iter().map(|one| (one["attempt"].clone(), one["outcome"].clone(), one["status"].clone())).collect();
    let expected = [
        (json!(3), json!("delivered"), json!(204)),
        (json!(2), json!("retried"), json!(503)),
        (json!(1), json!("retried"), Value::Null),
    ];
    assert_eq!(shown, expected);
    assert!(text(&all[2]["next"]) > text(&all[2]["at"]) && all[0]["duration_ms"].is_u64(), "{all:?}");
    assert!(!text(&all[2]["error"]).contains("s3cret"), "{all:?}");
    let hook = host.get(&format!("/api/hooks/{id}")).json();
    assert_eq!((&hook["last_status"], &hook["last_reason"]), (&json!("NoContent"), &json!("No Content")));
    let trace = host.get("/api/logs/recent?top=1000").text();
    assert!(trace.contains("told a hook") && !trace.contains("s3cret") && !trace.contains("127.0.0.1:1"), "{trace}");
}

#[test]
fn what_is_refused_or_sent_elsewhere_is_not_tried_again() {
    let root = Root::new();
    let host = root.host();
    let (elsewhere, receiver) = (Receiver::start(), Receiver::start());
    let redirect: &'static str = format!("302 Found\r\nLocation: {}", elsewhere.url("", "/")).leak();
    receiver.answer(move |got| match got.line().contains("moved") {
        true => Reply::Status(redirect),
        false => Reply::Status("401 Unauthorized"),
    });
    for (path, status, name) in [("/moved", 302, "Found"), ("/refused", 401, "Unauthorized")] {
        let id = hooked(&host, &receiver.url("", path), path);
        publish(&host, &path.replace('/', "%2F"), "1");
        let all = until_outcome(&host, &id, "given_up");
        assert_eq!((all.len(), &all[0]["status"]), (1, &json!(status)));
        assert_eq!(host.get(&format!("/api/hooks/{id}")).json()["last_status"], name);
    }
    assert!(elsewhere.got().is_empty());
}

#[test]
fn a_receiver_that_wants_no_more_is_unsubscribed() {
    let root = Root::new();
    let host = root.host();
    let (receiver, witness) = (Receiver::start(), Receiver::start());
    receiver.answer(|_| Reply::Status("410 Gone"));
    let id = hooked(&host, &receiver.url("", "/"), "E");
    hooked(&host, &witness.url("", "/"), "E");
    publish(&host, "E", "1");
    eventually("the hook is gone", || (host.get(&format!("/api/hooks/{id}")).status == 404).then_some(()));
    publish(&host, "E", "2");
    witness.until(2);
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(host.get("/api/hooks").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_delivery_is_signed_with_the_secret_which_is_never_shown() {
    let root = Root::new();
    // This machine is reached without a proxy.
    let host = root.host_with(&[], &[("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")]);
    let receiver = Receiver::start();
    let asked = json!({"url": receiver.url("", "/"), "event": "E", "secret": "s3cret"});
    let answer = subscribe(&host, &asked);
    assert_eq!(answer.status, 201);
    assert!(!answer.text().contains("s3cret"));
    publish(&host, "E", r#"{"a":1}"#);
    let got = receiver.until(1)[0].clone();
    let timestamp = got.header("x-webjobd-timestamp").expect("when");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").expect("a key");
    mac.update(format!("{timestamp}.{}", got.body).as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(got.header("x-webjobd-signature"), Some(&*format!("sha256={hex}")));
    assert!(!host.get("/api/hooks").text().contains("s3cret"));
    let mode = std::fs::metadata(root.path("data/webjobd/hooks.json")).expect("the file").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
}

#[test]
fn certificates_are_checked_unless_a_hook_says_otherwise() {
    let root = Root::new();
    let host = root.host();
    let receiver = Receiver::start_tls();
    let url = |path: &str| format!("https://localhost:{}{path}", receiver.port());
    let strict = hooked(&host, &url("/strict"), "E");
    let lax = subscribe(&host, &json!({"url": url("/lax"), "event": "E", "insecure_ssl": true}));
    assert_eq!(lax.json()["insecure_ssl"], true);
    publish(&host, "E", "1");
    assert_eq!(receiver.until(1)[0].line(), "POST /lax HTTP/1.1");
    let all = until_outcome(&host, &strict, "retried");
    assert!(text(&all[0]["error"]).to_lowercase().contains("certificate"), "{all:?}");
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(host.get(&format!("/api/hooks/{strict}")).json()["last_status"], "Failure");
}

#[test]
fn what_waits_is_delivered_after_a_crash_and_after_a_stop() {
    let root = Root::new();
    let receiver = Receiver::start();
    receiver.answer(|_| Reply::HangUp);
    let host = root.host();
    let id = hooked(&host, &receiver.url("", "/"), "E");
    publish(&host, "E", r#""first""#);
    until_outcome(&host, &id, "retried");
    publish(&host, "E", r#""second""#);
    host.crash();
    let before = receiver.got();
    let number = before[0].header("x-webjobd-delivery").expect("a number").to_owned();
    // A receiver that never answers holds up no stop.
    receiver.answer(|_| Reply::Never);
    let host = root.host();
    receiver.until(before.len() + 1);
    assert!(host.stop().success());
    receiver.answer(|_| Reply::Status("200 OK"));
    let served = receiver.got().len();
    let _host = root.host();
    let got = eventually("both are delivered", || {
        let got = receiver.got()[served..].to_vec();
        let has = |body: &str| got.iter().any(|got| got.body == body);
        (has("\"first\"") && has("\"second\"")).then_some(got)
    });
    let first = got.iter().find(|got| got.body == "\"first\"").expect("it came");
    assert_eq!(first.header("x-webjobd-delivery"), Some(&*number), "a receiver knows it again");
}

#[test]
fn a_slow_receiver_holds_up_nobody_else() {
    let root = Root::new();
    let host = root.host();
    let (slow, quick) = (Receiver::start(), Receiver::start());
    slow.answer(|_| Reply::Never);
    hooked(&host, &slow.url("", "/"), "E");
    hooked(&host, &quick.url("", "/"), "e");
    for n in 0..20 {
        publish(&host, "E", &n.to_string());
    }
    quick.until(20);
    assert_eq!(host.get("/api/hooks").status, 200);
}

#[test]
fn a_deleted_hook_is_told_nothing_more() {
    let root = Root::new();
    let host = root.host();
    let (receiver, witness) = (Receiver::start(), Receiver::start());
    receiver.answer(|_| Reply::Status("500 Internal Server Error"));
    let id = hooked(&host, &receiver.url("", "/"), "E");
    publish(&host, "E", "1");
    until_outcome(&host, &id, "retried");
    assert_eq!(host.send("DELETE", &format!("/api/hooks/{id}"), &[], b"").status, 200);
    // An attempt that was on its way may still arrive.
    eventually("nothing waits any more", || (waiting(&root) == 0).then_some(()));
    let count = receiver.got().len();
    hooked(&host, &witness.url("", "/"), "E");
    publish(&host, "E", "2");
    witness.until(1);
    assert_eq!(receiver.got().len(), count);
}

/// Counts the deliveries that wait on any host.
fn waiting(root: &Root) -> usize {
    let hosts = std::fs::read_dir(root.path("data/webjobd/hosts")).expect("a folder").flatten();
    let texts = hosts.map(|host| std::fs::read_to_string(host.path().join("hooks_waiting")).unwrap_or_default());
    let count = |text: &str, word: &str| text.lines().filter(|line| line.contains(word)).count();
    texts.map(|text| count(&text, "{\"made\"") - count(&text, "{\"ended\"")).sum()
}

//! Kudu's app settings over the real API (spec/kudu-webjobs 7.1, 8.14), and what else a site tells of itself.

use serde_json::{Value, json};

use crate::{
    ask::{HOLD, let_go, text},
    world::{Answer, Host, Root, eventually},
};

const SAY: &str = "#!/bin/bash\necho \"mine=[$MyKey] branch=[$deployment_branch] app=[$FromApp]\"\n";

fn write(host: &Host, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json")];
    host.send("POST", "/api/settings", &headers, body.to_string().as_bytes())
}

#[track_caller]
fn written(host: &Host, body: &Value) {
    let answer = write(host, body);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{body}");
}

fn output(root: &Root, host: &Host, name: &str) -> String {
    let run = host.run(name);
    host.until_ended(&format!("triggered/{name}"), &run);
    root.read(&format!("data/jobs/triggered/{name}/{run}/output_log.txt"))
}

#[test]
fn settings_are_merged_written_and_deleted() {
    let root = Root::new();
    let host = root.host_with(&[], &[("APPSETTING_FromApp", "azure"), ("APPSETTING_SCM_TRACE_LEVEL", "4")]);
    let expected = json!({
        "deployment_branch": "master", "SCM_TRACE_LEVEL": "4", "SCM_COMMAND_IDLE_TIMEOUT": "60",
        "SCM_LOGSTREAM_TIMEOUT": "7200", "SCM_BUILD_ARGS": "", "FromApp": "azure",
    });
    let answer = host.get("/api/settings");
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert!(answer.text().starts_with(r#"{"deployment_branch":"master","SCM_TRACE_LEVEL":"4","#), "{}", answer.text());
    written(&host, &json!({"MyKey": "1", "fromapp": "here"}));
    written(&host, &json!({"key": "Other", "value": "x \"y\""}));
    for (path, value) in [
        ("/api/settings/MyKey", "\"1\""),
        ("/settings/MYKEY", "\"1\""),
        ("/api/Settings/FromApp/", "\"here\""),
        ("/api/settings/Other", r#""x \"y\"""#),
        ("/api/settings/SCM_LOGSTREAM_TIMEOUT", "\"7200\""),
    ] {
        let answer = host.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, value), "{path}");
    }
    for key in ["Other", "other"] {
        let answer = host.send("DELETE", &format!("/api/settings/{key}"), &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    }
    let answer = host.get("/api/settings/Other");
    assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"Message":"The setting 'Other' does not exist."}"#));
    assert_eq!(host.send("DELETE", "/api/settings/FromApp", &[], b"").status, 204);
    assert_eq!(host.get("/api/settings/FromApp").text(), "\"azure\"", "the environment's shows again");
    for body in ["", "null", "[]", "{", r#"{"a=b":"1"}"#, r#"{"A":null}"#, r#"{"WEBJOBS_NAME":"x"}"#] {
        let answer = host.send("POST", "/api/settings", &[], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(!text(&answer.json()["Message"]).is_empty());
    }
    // They outlive the host, and are for its owner alone.
    assert!(host.stop().success());
    let mode = std::fs::metadata(root.path("data/webjobd/settings.json")).expect("the file").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    assert_eq!(root.host().get("/api/settings/mykey").text(), "\"1\"");
}

#[test]
fn runs_see_the_settings_as_they_are_when_they_start() {
    let root = Root::new();
    root.write("webjobd.toml", "[env]\nMyKey = \"toml\"\n");
    root.job("triggered/say", &[("run.sh", SAY)]);
    root.job("triggered/own", &[("run.sh", SAY), ("settings.job", r#"{"env": {"MyKey": "own"}}"#)]);
    let host = root.host_with(&[], &[("APPSETTING_FromApp", "azure"), ("deployment_branch", "plain")]);
    assert!(output(&root, &host, "say").contains("mine=[toml] branch=[plain] app=[azure]"));
    written(&host, &json!({"MyKey": "written"}));
    assert!(output(&root, &host, "say").contains("mine=[written]"));
    assert!(output(&root, &host, "own").contains("mine=[own]"), "a job's own settings are nearer");
    assert_eq!(host.send("DELETE", "/api/settings/MyKey", &[], b"").status, 204);
    assert!(output(&root, &host, "say").contains("mine=[toml]"));
}

#[test]
fn stopped_lets_nothing_start_until_it_is_taken_back() {
    let root = Root::new();
    root.job("triggered/slow", &[("run.sh", HOLD)]);
    root.job("triggered/say", &[("run.sh", SAY)]);
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nwhile :; do sleep 1; done\n")]);
    let host = root.host();
    host.until_state("continuous/worker", "running");
    let run = host.run("slow");
    host.until_state("triggered/slow", "running");
    written(&host, &json!({"WEBJOBS_STOPPED": "1"}));
    let answer = host.post("/api/triggeredwebjobs/say/run");
    assert_eq!((answer.status, &*answer.text()), (409, "WebJobs are currently in \"stopped\" state."));
    let worker = eventually("the worker is held", || {
        Some(host.job("continuous/worker")).filter(|job| job["state"] == "disabled")
    });
    assert!(text(&worker["status"]["reason"]).contains("WEBJOBS_STOPPED"), "{worker}");
    // A run on its way may finish.
    let_go(&root, "slow");
    assert_eq!(host.until_ended("triggered/slow", &run)["outcome"], "succeeded");
    written(&host, &json!({"webjobs_stopped": "0"}));
    host.until_state("continuous/worker", "running");
    assert!(output(&root, &host, "say").contains("mine=[]"));
}

#[test]
fn schedules_follow_the_zone_and_the_switch_at_once() {
    let root = Root::new();
    root.job("triggered/nightly", &[("run.sh", SAY), ("settings.job", r#"{"schedule": "0 30 2 * * *"}"#)]);
    let host = root.host_with(&[], &[("WEBSITE_TIME_ZONE", "UTC")]);
    let next = |host: &Host| text(&host.job("triggered/nightly")["next"]).to_owned();
    eventually("its actor has planned", || host.job("triggered/nightly")["next"].as_str().map(drop));
    assert!(next(&host).ends_with("T02:30:00Z"));
    written(&host, &json!({"WEBSITE_TIME_ZONE": "Asia/Tokyo"}));
    assert!(next(&host).ends_with("T17:30:00Z"), "{}", next(&host));
    let coming = host.get("/api/v1/jobs/triggered/nightly/next").json();
    assert!(text(&coming[0]["local"]).contains("T02:30:00+09:00[Asia/Tokyo]"), "{coming}");
    written(&host, &json!({"WEBJOBS_DISABLE_SCHEDULE": "true"}));
    assert_eq!(host.job("triggered/nightly")["next"], Value::Null);
    // Runs on request are no matter of schedules.
    assert!(output(&root, &host, "nightly").contains("mine=[]"));
    assert_eq!(host.send("DELETE", "/api/settings/WEBJOBS_DISABLE_SCHEDULE", &[], b"").status, 204);
    assert_eq!(host.send("DELETE", "/api/settings/website_time_zone", &[], b"").status, 204);
    assert!(next(&host).ends_with("T02:30:00Z"), "{}", next(&host));
}

#[test]
fn the_history_is_as_long_as_the_setting_says() {
    let root = Root::new();
    root.job("triggered/say", &[("run.sh", SAY)]);
    let host = root.host();
    for _ in 0..4 {
        output(&root, &host, "say");
    }
    written(&host, &json!({"WEBJOBS_HISTORY_SIZE": "2"}));
    eventually("two runs are left", || (host.runs("triggered/say").len() == 2).then_some(()));
}

#[test]
fn what_one_host_writes_holds_on_the_other() {
    let root = Root::new();
    root.job("triggered/say", &[("run.sh", SAY)]);
    let host = |name: &str| {
        let temp = root.path(&format!("tmp-{name}"));
        root.host_with(&["--instance", name, "--temp", temp.to_str().expect("a path")], &[])
    };
    let (a, b) = (host("a"), host("b"));
    written(&a, &json!({"MyKey": "from a", "WEBJOBS_STOPPED": "true"}));
    eventually("b knows it", || (b.get("/api/settings/MyKey").text() == "\"from a\"").then_some(()));
    eventually("b is stopped", || (b.post("/api/triggeredwebjobs/say/run").status == 409).then_some(()));
    // Both write: nothing is lost.
    written(&b, &json!({"FromB": "1"}));
    written(&a, &json!({"WEBJOBS_STOPPED": "false"}));
    eventually("b is free", || (b.job("triggered/say")["state"] == "idle").then_some(()));
    assert!(output(&root, &b, "say").contains("mine=[from a]"));
    eventually("a knows b's", || (a.get("/api/settings/fromb").text() == "\"1\"").then_some(()));
}

#[test]
fn a_site_tells_of_itself_and_has_no_shell() {
    let root = Root::new();
    let host = root.host_with(&["--instance", "web-1"], &[]);
    for path in ["/api/environment", "/environment"] {
        let environment = host.get(path).json();
        assert_eq!(environment["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&environment["instance"], &environment["os"]), (&json!("web-1"), &json!("linux")));
    }
    for path in ["/api/command", "/command"] {
        let answer = host.send("POST", path, &[], br#"{"command":"id","dir":""}"#);
        assert_eq!(answer.status, 403);
        assert!(text(&answer.json()["Message"]).contains("no remote shell"), "{}", answer.text());
    }
    let diagnostics = host.get("/api/diagnostics/settings").json();
    assert_eq!(diagnostics["AzureDriveEnabled"], true);
    assert_eq!(host.get("/diagnostics/settings/azureblobenabled").text(), "false");
    written(&host, &json!({"WEBJOBS_STOPPED": "1"}));
    let recent = eventually("the host has said something", || {
        let recent = host.get("/api/logs/recent").json();
        recent.as_array().filter(|lines| lines.len() > 1).cloned()
    });
    for line in &recent {
        let keys: Vec<_> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "level", "message"]);
        assert!(text(&line["timestamp"]).ends_with('Z'));
        assert!(["Error", "Warning", "Information", "Verbose"].contains(&text(&line["level"])), "{line}");
    }
    assert!(recent.iter().any(|line| text(&line["message"]).starts_with("the host is ready")), "{recent:?}");
    assert!(text(&recent[0]["timestamp"]) >= text(&recent[1]["timestamp"]), "the newest is first");
    assert_eq!(host.get("/api/logs/recent?top=1").json().as_array().map(Vec::len), Some(1));
    assert_eq!(host.get("/api/logs/recent?top=x").status, 400);
}

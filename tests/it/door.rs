//! Who may do what at the door, and who means no good: roles, tokens, failed logins, foreign pages, the audit log.

mod hostile;

use std::{fs, io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use serde_json::Value;

use crate::world::{Answer, Host, Root, base64, eventually, request, webjobd};

const PASSWORD: &str = "correct horse battery";

/// Hashes a password as people do it.
fn hash(password: &str) -> String {
    let mut command = webjobd();
    command.args(["credentials", "hash"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("its standard input");
    writeln!(stdin, "{password}").expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Makes a token as people do it: the token, and its lines for the configuration.
fn token(root: &Root, arguments: &[&str]) -> (String, String) {
    let output = root.cli(&[&["credentials", "token"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let (token, lines) = text.split_once("\n\n").expect("a token and its lines");
    assert!(token.starts_with("wjt_") && !lines.contains(token), "{text}");
    (token.to_owned(), lines.to_owned())
}

fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{secret}").as_bytes()))
}

fn ask(host: &Host, login: &str, method: &str, path: &str) -> Answer {
    request(&host.address, method, path, &[("Authorization", login), ("User-Agent", "test/1")], b"")
}

/// Lets the host read its keys again, and waits until it has.
fn reload(host: &Host, is_done: impl Fn() -> bool) {
    host.signal("HUP");
    eventually("the keys are turned", || is_done().then_some(()));
}

/// A root with two jobs.
fn root() -> Root {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho ran\n")]);
    root.job("triggered/other", &[("run.sh", "#!/bin/bash\necho ran\n")]);
    root
}

fn audit(root: &Root) -> Vec<Value> {
    root.read("data/webjobd/audit.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn people_may_what_their_role_says() {
    let root = root();
    let hash = hash(PASSWORD);
    let users: String = ["viewer", "operator", "admin"]
        .iter()
        .map(|role| format!("[users.{role}]\nrole = \"{role}\"\npassword = \"{hash}\"\n"))
        .collect();
    root.write("webjobd.toml", &users);
    let host = root.host();
    for (method, path, statuses) in [
        ("GET", "/api/triggeredwebjobs", [200, 200, 200]),
        ("GET", "/api/v1/jobs/triggered/report/runs", [200, 200, 200]),
        ("POST", "/api/triggeredwebjobs/report/run", [403, 202, 202]),
        ("POST", "/api/v1/jobs/triggered/other/runs", [403, 202, 202]),
        ("POST", "/jobs/TRIGGERED/report/RUN/", [403, 202, 202]),
        ("PUT", "/api/triggeredwebjobs/new", [403, 403, 400]),
        ("PUT", "/api/triggeredwebjobs/report/settings", [403, 403, 400]),
        ("GET", "/api/vfs/jobs/triggered/report/run.sh", [403, 200, 200]),
        ("DELETE", "/api/triggeredwebjobs/nobody", [403, 403, 200]),
        ("POST", "/nothing", [403, 404, 404]),
        ("GET", "/nothing", [404, 404, 404]),
    ] {
        for (user, status) in ["viewer", "operator", "admin"].into_iter().zip(statuses) {
            // A run that is on its way refuses a second one.
            let answer = eventually("no run stands against it", || {
                Some(ask(&host, &basic(user, PASSWORD), method, path)).filter(|answer| answer.status != 409)
            });
            assert_eq!(answer.status, status, "{user} {method} {path}: {}", answer.text());
        }
    }
    let denied = ask(&host, &basic("viewer", PASSWORD), "POST", "/api/triggeredwebjobs/report/run");
    assert_eq!(denied.text(), r#"{"Message":"this takes the role operator, and you are viewer"}"#);
    let denied = ask(&host, &basic("viewer", PASSWORD), "POST", "/api/v1/refresh");
    assert_eq!(denied.header("content-type"), Some("application/problem+json"));
    assert_eq!((&denied.json()["type"], &denied.json()["status"]), (&Value::from("forbidden"), &Value::from(403)));
    for (user, password) in
        [("Viewer", PASSWORD), ("viewer", "Correct horse battery"), ("viewer", ""), ("nobody", PASSWORD)]
    {
        assert_eq!(ask(&host, &basic(user, password), "GET", "/api/webjobs").status, 401, "{user}:{password}");
    }
}

#[test]
fn a_token_for_one_job_runs_that_job_and_does_nothing_else() {
    let root = root();
    let (token, lines) = token(&root, &["cron", "--jobs", "triggered/report"]);
    root.write("webjobd.toml", &lines);
    let host = root.host();
    // As a scheduler elsewhere sends it from https://cron:TOKEN@host/…
    let answer = ask(&host, &basic("cron", &token), "POST", "/api/triggeredwebjobs/report/run?arguments=a");
    assert_eq!(answer.status, 202, "{}", answer.text());
    let run = answer.header("location").and_then(|link| link.rsplit('/').next()).expect("where the run is").to_owned();
    let run = host.until_ended("triggered/report", &run);
    assert_eq!(run["trigger_text"], "External - test/1");
    for login in [basic("anybody", &token), format!("Bearer {token}")] {
        for (method, path) in [
            ("POST", "/api/triggeredwebjobs/other/run"),
            ("GET", "/api/triggeredwebjobs/report"),
            ("GET", "/api/webjobs"),
            ("GET", "/api/v1/runs"),
            ("PUT", "/api/triggeredwebjobs/report"),
            ("POST", "/api/v1/refresh"),
            ("GET", "/vfs/data/jobs/triggered/report/"),
        ] {
            assert_eq!(ask(&host, &login, method, path).status, 403, "{method} {path}");
        }
        assert_eq!(ask(&host, &format!("{login}x"), "GET", "/api/webjobs").status, 401);
    }
}

#[test]
fn hup_revokes_and_lets_in_and_a_bad_file_changes_nothing() {
    let root = root();
    let (token_text, lines) = token(&root, &["ci", "--verbs", "read"]);
    let user = |password: &str| format!("[users.ada]\nrole = \"viewer\"\npassword = \"{}\"\n", hash(password));
    root.write("webjobd.toml", &format!("{lines}{}", user(PASSWORD)));
    let host = root.host();
    let status = |login: &str| ask(&host, login, "GET", "/api/webjobs").status;
    let (ada, ci) = (basic("ada", PASSWORD), format!("Bearer {token_text}"));
    assert_eq!((status(&ada), status(&ci)), (200, 200));
    assert_eq!(status(&ada), 200, "remembered");

    root.write("webjobd.toml", "[users.ada]\nrole = \"emperor\"\npassword = \"hunter2\"\n");
    reload(&host, || host.trace().contains("users, tokens and certificates stay as they were"));
    assert!(host.trace().contains("`users.ada.role` must be one of"), "{}", host.trace());
    assert!(!host.trace().contains("hunter2"));
    assert_eq!((status(&ada), status(&ci)), (200, 200));

    root.write("webjobd.toml", &user("another password"));
    reload(&host, || status(&ci) == 401);
    assert_eq!((status(&ada), status(&basic("ada", "another password"))), (401, 200));

    let old = format!("Basic {}", base64(root.read("data/webjobd/credentials").trim().as_bytes()));
    fs::remove_file(root.path("data/webjobd/credentials")).expect("the first credentials");
    reload(&host, || status(&old) == 401);
    assert_eq!(host.get("/api/webjobs").status, 200, "new ones were made");
}

#[test]
fn whoever_fails_too_often_waits_but_the_owner_of_the_file_does_not() {
    let root = root();
    let host = root.host();
    let wrong = |path: &str| ask(&host, &basic("webjobd", "guess"), "GET", path);
    let until_refused =
        |path: &str| eventually("it has to wait", || Some(wrong(path)).filter(|answer| answer.status == 429));
    let refused = until_refused("/api/v1/jobs");
    let seconds: u64 = refused.header("retry-after").and_then(|value| value.parse().ok()).expect("how long");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(refused.json()["type"], "too_many_logins");
    let kudu = until_refused("/api/webjobs");
    assert!(kudu.json()["Message"].as_str().is_some_and(|text| text.starts_with("too many logins")), "{}", kudu.text());
    assert_eq!(host.get("/api/webjobs").status, 200);
    assert_eq!(wrong("/api/webjobs").status, 401, "a right login has cleared it");
    let lines = audit(&root);
    assert!(lines.iter().all(|line| line["outcome"] == "login_failed" && line["who"] == "webjobd"), "{lines:?}");
}

#[test]
fn every_change_stands_in_the_audit_log_without_secrets() {
    let root = root();
    let (token_text, lines) = token(&root, &["ci", "--verbs", "run"]);
    root.write("webjobd.toml", &lines);
    let host = root.host();
    let secret = root.read("data/webjobd/credentials").trim().rsplit(':').next().expect("a secret").to_owned();
    let run = "/api/triggeredwebjobs/report/run?arguments=a%20b&code=hunter2&arguments=--password%3Dhunter2";
    assert_eq!(ask(&host, &format!("Bearer {token_text}"), "POST", run).status, 202);
    let body = br#"{"env":{"PASSWORD":"hunter2"}}"#;
    assert_eq!(host.send("PUT", "/api/triggeredwebjobs/other/settings", &[], body).status, 200);
    assert_eq!(host.get("/api/webjobs").status, 200);
    assert_eq!(ask(&host, &format!("Bearer {token_text}"), "GET", "/api/webjobs").status, 403);
    assert_eq!(ask(&host, &basic("hunter2", "hunter2"), "GET", "/api/webjobs").status, 401);
    let lines = audit(&root);
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let part = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let parts = ["who", "role", "from", "method", "path", "query", "outcome"].map(part).join(" ");
            format!("{parts} {}", line["status"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "ci token 127.0.0.1 POST /api/triggeredwebjobs/report/run arguments=a b&code=***&arguments=*** done 202",
            "webjobd admin 127.0.0.1 PUT /api/triggeredwebjobs/other/settings - done 200",
            "ci token 127.0.0.1 GET /api/webjobs - denied 403",
            "- - 127.0.0.1 GET /api/webjobs - login_failed 401",
        ]
    );
    assert!(lines.iter().all(|line| line["at"].as_str().is_some_and(|at| at.ends_with('Z'))));
    let path = root.path("data/webjobd/audit.jsonl");
    assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", host.pid())).expect("its arguments");
    let environment = fs::read_to_string(format!("/proc/{}/environ", host.pid())).expect("its environment");
    let answers = ["/api/webjobs", "/api/v1/jobs", "/nothing"].map(|path| host.get(path).text()).concat();
    for (what, text) in [
        ("the audit log", root.read("data/webjobd/audit.jsonl")),
        ("the trace", host.trace()),
        ("the process list", arguments + &environment),
        ("answers", answers),
    ] {
        assert!(!text.contains(&secret) && !text.contains(&token_text), "{what}: {text}");
        // Settings are shown as they are; their variables are the jobs' own.
        assert!(what == "answers" || !text.contains("hunter2"), "{what}: {text}");
    }
    assert_eq!(host.get("/vfs/data/webjobd/audit.jsonl").status, 404);
}

#[test]
fn strangers_cannot_fill_the_audit_log() {
    let root = root();
    let host = root.host();
    for n in 0..150 {
        let _ = ask(&host, &basic("webjobd", &n.to_string()), "GET", "/api/webjobs");
    }
    let lines = audit(&root);
    let at = |line: &Value| line["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()).expect("a moment");
    let minutes = at(&lines[lines.len() - 1]).duration_since(at(&lines[0])).as_mins() as usize;
    assert!(lines.len() <= 60 * (minutes + 2), "at most 60 a minute: {}", lines.len());
    assert_eq!(host.post("/api/triggeredwebjobs/report/run").status, 202);
    assert_eq!(audit(&root).last().map(|line| line["outcome"].clone()), Some("done".into()));
}

#[test]
fn a_change_whose_client_left_stands_in_the_audit_log_too() {
    let root = root();
    let host = root.host();
    let secret = root.read("data/webjobd/credentials").trim().rsplit(':').next().expect("a secret").to_owned();
    let mut stream = std::net::TcpStream::connect(&host.address).expect("a connection");
    let head = format!(
        "PUT /api/triggeredwebjobs/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 1000\r\n\
         Content-Disposition: attachment; filename=run.sh\r\n\r\n#!/bin/sh\n"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    drop(stream);
    let line = eventually("it is written", || audit(&root).pop());
    assert_eq!((&line["path"], &line["who"]), (&"/api/triggeredwebjobs/cut".into(), &"webjobd".into()));
    assert!(["abandoned", "refused"].contains(&line["outcome"].as_str().expect("an outcome")), "{line}");
}

#[test]
fn only_this_hosts_own_names_and_pages_are_served() {
    let root = root();
    let host = root.host();
    let port = host.address.rsplit(':').next().expect("a port");
    for (name, status) in [
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST:{port}"), 200),
        (format!("jobs.localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("127.0.0.1".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        ("localhost.evil.example".to_owned(), 421),
        ("10.0.0.1".to_owned(), 421),
    ] {
        let answer = host.send("GET", "/api/webjobs", &[("Host", &name)], b"");
        assert_eq!(answer.status, status, "{name}");
        let absolute = host.send("GET", &format!("http://{name}/api/webjobs"), &[], b"");
        assert_eq!(absolute.status, status, "{name} in the target");
    }
    let refused = host.send("GET", "/api/v1/jobs", &[("Host", "evil.example")], b"");
    assert_eq!(refused.json()["type"], "unknown_host");
    let own = format!("http://{}", host.address);
    for (headers, status) in [
        (vec![("Origin", own.as_str())], 202),
        (vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")], 202),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "http://localhost:1")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-site")], 403),
        (vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "cross-site")], 403),
    ] {
        // A run that is on its way refuses a second one.
        let answer = eventually("no run stands against it", || {
            let answer = host.send("POST", "/api/triggeredwebjobs/report/run", &headers, b"");
            Some(answer).filter(|answer| answer.status != 409)
        });
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert_eq!(host.send("GET", "/api/webjobs", &headers, b"").status, 200, "looking changes nothing");
    }
}

#[test]
fn browsers_are_told_to_keep_out_and_get_no_permission_of_others() {
    let root = root();
    let host = root.host();
    for (method, path, status) in [
        ("OPTIONS", "/api/triggeredwebjobs/report/run", 404),
        ("GET", "/api/webjobs", 200),
        ("GET", "/vfs/jobs/triggered/report/run.sh", 200),
        ("GET", "/api/v1/nothing", 404),
    ] {
        let headers = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
        let answer = host.send(method, path, &headers, b"");
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.header("access-control-allow-origin").is_none());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(
            answer.header("content-security-policy").is_some_and(|policy| policy.ends_with("frame-ancestors 'none'"))
        );
        assert!(answer.header("cache-control").is_some());
        assert!(answer.header("strict-transport-security").is_none(), "there is no TLS");
    }
    let answer = host.send("OPTIONS", "/api/webjobs", &[], b"");
    assert_eq!(answer.text(), "\"No route registered for '/api/webjobs'\"");
    let nobody = request(&host.address, "GET", "/api/webjobs", &[], b"");
    assert_eq!((nobody.status, nobody.header("cache-control")), (401, Some("no-store")));
}

#[test]
fn only_a_trusted_proxy_says_who_the_client_is() {
    let root = root();
    let forwarded = [
        ("X-Forwarded-For", "203.0.113.9, 198.51.100.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "jobs.example"),
    ];
    let variables = [("WEBJOBD_TRUSTED_PROXIES", "127.0.0.1"), ("WEBJOBD_ALLOWED_HOSTS", "jobs.example")];
    for (variables, from, link) in [
        (&[][..], "127.0.0.1", "http://127.0.0.1:"),
        (&variables, "198.51.100.7", "https://jobs.example/api/triggeredwebjobs/report"),
    ] {
        let host = root.host_with(&[], variables);
        let shown = host.send("GET", "/api/triggeredwebjobs/report", &forwarded, b"").json();
        assert!(shown["url"].as_str().is_some_and(|url| url.starts_with(link)), "{}", shown["url"]);
        assert_eq!(host.send("PUT", "/api/triggeredwebjobs/report/settings", &forwarded, b"{}").status, 200);
        let line = audit(&root).pop().expect("a line");
        assert_eq!(
            (line["from"].as_str(), line["via"].as_str()),
            (Some(from), (from != "127.0.0.1").then_some("127.0.0.1"))
        );
        assert!(host.stop().success());
    }
}

#[test]
fn a_password_is_no_argument_and_has_some_length() {
    let mut command = webjobd();
    let output = command.args(["credentials", "hash", PASSWORD]).stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let output = webjobd().args(["credentials", "hash"]).stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(hash(PASSWORD).starts_with("$argon2id$v=19$"));
}

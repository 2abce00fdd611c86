//! What clients of Azure's management API see, and what Kudu has beside the jobs themselves.

use serde_json::{Value, json};

use crate::world::{Answer, Host, Root, eventually, is_alive, request};

const SITE: &str = "/subscriptions/s-1/resourceGroups/group/providers/Microsoft.Web/sites/site";

const ECHO: &str = r#"#!/usr/bin/env python3
import http.server, os

class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        login = self.headers.get("Authorization", "none")
        text = f"{self.command} {self.path} own={self.headers.get('X-Own')} login={login} ".encode() + body
        self.send_response(299)
        self.send_header("X-From-Job", "yes")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["WEBJOBS_PORT"])), Echo)
print("serving", flush=True)
server.serve_forever()
"#;

/// A host with a job of each kind.
fn site() -> (Root, Host) {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nexec sleep 1000\n")]);
    let files = [("run.sh", "#!/bin/bash\necho \"$1\"\n"), ("settings.job", r#"{"schedule": "0 0 1 * * *"}"#)];
    root.job("triggered/nightly", &files);
    let host = root.host();
    host.until_state("continuous/worker", "running");
    (root, host)
}

fn resource(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn the_geo_header_puts_every_answer_into_an_envelope() {
    let (_root, host) = site();
    let geo = [("x-ms-geo-location", "West US")];
    let list = resource(&host.send("GET", "/api/webjobs", &geo, b""));
    let names: Vec<&Value> =
        list["value"].as_array().expect("a list").iter().map(|job| &job["properties"]["name"]).collect();
    assert_eq!(names, ["nightly", "worker"]);
    assert_eq!(list["value"][0]["id"], "/api/webjobs/nightly");
    assert_eq!(list["value"][0]["location"], "West US");
    let referer = format!("https://management.azure.com{SITE}/triggeredwebjobs/nightly/?api-version=2022-03-01");
    let headers = [geo[0], ("referer", referer.as_str())];
    let one = resource(&host.send("GET", "/api/triggeredwebjobs/nightly", &headers, b""));
    assert_eq!(one["id"], format!("{SITE}/triggeredwebjobs/nightly"));
    assert_eq!((&one["name"], &one["type"]), (&"site/nightly".into(), &"Microsoft.Web/sites/triggeredwebjobs".into()));
    assert_eq!(one["properties"]["settings"], json!({ "schedule": "0 0 1 * * *" }));
    let ran = host.send("POST", "/api/triggeredwebjobs/nightly/run", &geo, b"");
    assert_eq!((ran.status, ran.text().as_str()), (200, ""));
    assert!(ran.header("location").expect("where it is").contains("/api/triggeredwebjobs/nightly/history/"));
    let missing = host.send("GET", "/api/triggeredwebjobs/none", &geo, b"");
    assert_eq!(
        (missing.status, missing.json()),
        (404, json!({ "error": { "code": "NotFound", "message": "NotFound" } }))
    );
}

#[test]
fn the_paths_of_the_management_api_are_answered() {
    let (_root, host) = site();
    let path = |rest: &str| format!("{SITE}{rest}?api-version=2022-03-01");
    let all = resource(&host.get(&path("/webjobs")));
    assert_eq!(all["value"][1]["name"], "site/worker");
    assert_eq!(all["value"][1]["type"], "Microsoft.Web/sites/webjobs");
    let one = resource(&host.get(&path("/webjobs/worker")));
    assert_eq!(
        (&one["id"], &one["properties"]["web_job_type"]),
        (&format!("{SITE}/webjobs/worker").into(), &"Continuous".into())
    );
    let list = resource(&host.get(&path("/slots/stage/continuouswebjobs")));
    assert_eq!(list["value"][0]["name"], "site/stage/worker");
    assert_eq!(host.post(&path("/continuouswebjobs/worker/stop")).status, 200);
    host.until_state("continuous/worker", "stopped");
    assert_eq!(host.post(&path("/continuouswebjobs/worker/start")).status, 200);
    let ran = host.post(&format!("{SITE}/triggeredwebjobs/nightly/run?api-version=2022-03-01&arguments=x"));
    assert_eq!(ran.status, 200);
    let run = ran.header("location").and_then(|url| url.rsplit('/').next()).expect("an id").to_owned();
    host.until_ended("triggered/nightly", &run);
    let history = resource(&host.get(&path("/triggeredwebjobs/nightly/history")));
    assert_eq!(history["value"][0]["name"], format!("site/nightly/{run}"));
    assert_eq!(history["value"][0]["properties"]["status"], "Success");
    let one = resource(&host.get(&path(&format!("/triggeredwebjobs/nightly/history/{run}"))));
    assert_eq!(one["type"], "Microsoft.Web/sites/triggeredwebjobs/history");
    let settings = br#"{"properties":{"settings":{"schedule":"0 30 2 * * *"}}}"#;
    let put = resource(&host.send("PUT", &path("/triggeredwebjobs/nightly"), &[], settings));
    assert_eq!(put["properties"]["settings"]["schedule"], "0 30 2 * * *");
    assert_eq!(host.send("PUT", &path("/triggeredwebjobs/nightly"), &[], b"{}").status, 400);
    assert_eq!(host.get(&path("/config")).status, 404);
    let nobody = request(&host.address, "GET", &path("/webjobs"), &[], b"");
    assert_eq!((nobody.status, &nobody.json()["error"]["code"]), (401, &"Unauthorized".into()));
    assert_eq!(host.send("DELETE", &path("/triggeredwebjobs/nightly"), &[], b"").status, 200);
    assert_eq!(host.get(&path("/webjobs/nightly")).status, 404);
}

#[test]
fn a_job_that_listens_is_reached_through_the_host() {
    let root = Root::new();
    root.job("continuous/web", &[("run.py", ECHO)]);
    let host = root.host();
    eventually("it serves", || root.job_log("web").contains(": INFO] serving").then_some(()));
    host.until_state("continuous/web", "running");
    let base = "/api/continuouswebjobs/web/passthrough";
    for (method, path, body, text) in [
        ("GET", "", "", "GET / own=1 login=none "),
        ("GET", "/a//b%2Fc/?q=%20x&y", "", "GET /a//b%2Fc/?q=%20x&y own=1 login=none "),
        ("POST", "/p", "what was sent", "POST /p own=1 login=none what was sent"),
        ("PUT", "/P", "x", "PUT /P own=1 login=none x"),
        ("PATCH", "/p", "x", "PATCH /p own=1 login=none x"),
        ("DELETE", "/p", "", "DELETE /p own=1 login=none "),
    ] {
        let answer = host.send(method, &format!("{base}{path}"), &[("X-Own", "1")], body.as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (299, text), "{method} {path}");
        assert_eq!(answer.header("x-from-job"), Some("yes"));
    }
    let large = vec![b'x'; 8 * 1024 * 1024];
    let answer = host.send("POST", &format!("{base}/large"), &[], &large);
    assert_eq!((answer.status, answer.text().len()), (299, large.len() + "POST /large own=None login=none ".len()));
    assert_eq!(host.send("OPTIONS", base, &[], b"").status, 404);
    assert_eq!(request(&host.address, "GET", base, &[], b"").status, 401);
    let stopped = host.post("/api/continuouswebjobs/web/stop");
    assert_eq!(stopped.status, 200);
    host.until_state("continuous/web", "stopped");
    let answer = host.get(base);
    assert_eq!((answer.status, &answer.json()["Message"]), (404, &"An error has occurred.".into()));
    assert_eq!(host.get("/api/continuouswebjobs/none/passthrough/x").status, 404);
}

#[test]
fn triggered_jobs_are_described_for_flow_designers() {
    let (_root, host) = site();
    let document = resource(&host.get("/api/triggeredwebjobsswagger"));
    assert_eq!(document["swagger"], "2.0");
    assert_eq!(document["paths"]["/api/triggeredjobs/nightly/run"]["post"]["operationId"], "nightly");
    assert!(document["paths"].as_object().expect("paths").len() == 1, "{document}");
}

#[test]
fn processes_of_jobs_are_listed_shown_and_killed_and_no_others() {
    let (_root, host) = site();
    let all = resource(&host.get("/api/processes"));
    let pids: Vec<u64> = all.as_array().expect("a list").iter().filter_map(|one| one["id"].as_u64()).collect();
    assert_eq!(pids[0], u64::from(host.pid()));
    let own = resource(&host.get("/api/processes/0"));
    assert_eq!((&own["id"], &own["is_scm_site"], &own["is_webjob"]), (&host.pid().into(), &true.into(), &false.into()));
    let pid = host.job("continuous/worker")["copies"][0]["pid"].as_u64().expect("a pid");
    assert!(pids.contains(&pid));
    let job = eventually("its shell has become `sleep`", || {
        let job = resource(&host.get(&format!("/api/processes/{pid}")));
        job["command_line"].as_str().is_some_and(|text| text.contains("sleep 1000")).then_some(job)
    });
    assert_eq!(job["description"], "WebJob: worker, Type: continuous");
    assert_eq!((&job["is_webjob"], job.get("environment_variables")), (&true.into(), None));
    for (path, status) in [("/api/processes/1", 404), ("/api/processes/0", 409), ("/api/processes/x", 404)] {
        assert_eq!(host.send("DELETE", path, &[], b"").status, status, "{path}");
    }
    assert_eq!(host.post(&format!("/api/processes/{pid}/stop")).status, 204);
    let pid = u32::try_from(pid).expect("a pid");
    eventually("it is gone", || (!is_alive(pid)).then_some(()));
    eventually("it is started again", || (host.job("continuous/worker")["restarts"] == 1).then_some(()));
}

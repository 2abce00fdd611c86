//! `kudu_strict`: each answer that is better than Kudu's on purpose, and the original one (spec/kudu-webjobs 12.2).

use serde_json::{Value, json};

use crate::{
    ask::{HOLD, text},
    hooks::hooked,
    receiver::Receiver,
    world::{Answer, Host, Root, eventually},
};

const SAY: &str = "#!/bin/bash\necho said\n";

/// Makes one host with the switch off and one with it on, each with a root of its own.
fn both() -> [(Root, Host, bool); 2] {
    [false, true].map(|is_strict| {
        let root = Root::new();
        if is_strict {
            root.write("webjobd.toml", "kudu_strict = true\n");
        }
        root.job("triggered/nightly", &[("run.sh", SAY)]);
        root.job("triggered/empty", &[("readme.txt", "nothing runs here")]);
        root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nwhile :; do sleep 1; done\n")]);
        let host = root.host();
        (root, host, is_strict)
    })
}

#[track_caller]
fn is(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body));
}

#[test]
fn a_missing_job_has_no_settings_or_empty_ones() {
    for (_root, host, is_strict) in both() {
        let answer = host.get("/api/triggeredwebjobs/nobody/settings");
        if is_strict { is(&answer, 200, "{}") } else { is(&answer, 404, "") }
    }
}

#[test]
fn malformed_settings_are_refused_or_become_null() {
    for (root, host, is_strict) in both() {
        let path = "/api/triggeredwebjobs/nightly/settings";
        assert_eq!(host.send("PUT", path, &[], br#"{"schedule": "0 0 3 * * *"}"#).status, 200);
        let file = || root.read("jobs/triggered/nightly/settings.job");
        for body in ["{", "", "[1]"] {
            let answer = host.send("PUT", path, &[], body.as_bytes());
            if is_strict {
                is(&answer, 200, "");
                assert_eq!(file(), "null");
                assert_eq!(host.get(path).text(), "{}");
            } else {
                assert_eq!(answer.status, 400, "{body}");
                assert!(file().contains("0 0 3 * * *"));
            }
        }
        let answer = host.send("PUT", path, &[], br#"{"schedule": "never", "is_singleton": 1}"#);
        assert_eq!(answer.status, if is_strict { 200 } else { 400 });
        assert_eq!(file() == r#"{"schedule":"never","is_singleton":1}"#, is_strict, "{}", file());
        assert_eq!(host.send("PUT", "/api/triggeredwebjobs/nobody/settings", &[], b"{").status, 404);
    }
}

#[test]
fn a_delete_that_fails_says_so_or_not() {
    for (root, host, is_strict) in both() {
        // A file where its data folder would be, which no removal of folders takes away.
        root.write("data/jobs/triggered/nightly", "in the way");
        let answer = host.send("DELETE", "/api/triggeredwebjobs/nightly", &[], b"");
        assert_eq!(answer.status, if is_strict { 200 } else { 500 }, "{}", answer.text());
        is(&host.send("DELETE", "/api/continuouswebjobs/nobody", &[], b""), 200, "");
    }
}

#[test]
fn a_job_that_never_ran_has_an_empty_history_or_none() {
    for (_root, host, is_strict) in both() {
        let path = "/api/triggeredwebjobs/nightly/history";
        let answer = host.get(path);
        if is_strict {
            is(&answer, 404, "")
        } else {
            is(&answer, 200, r#"{"runs":[]}"#)
        }
        let run = host.run("nightly");
        host.until_ended("triggered/nightly", &run);
        assert_eq!(host.get(path).json()["runs"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn a_missing_hook_is_404_or_null_and_a_bad_address_400_or_an_exception() {
    for (_root, host, is_strict) in both() {
        let answer = host.get("/api/hooks/1");
        if is_strict {
            is(&answer, 200, "null")
        } else {
            is(&answer, 404, "")
        }
        let answer = host.send("POST", "/api/hooks", &[], br#"{"url":"nowhere","event":"E"}"#);
        let says = "The hooks address received - 'nowhere' is invalid.";
        if is_strict {
            assert_eq!(answer.status, 500);
            let exception = answer.json();
            let keys: Vec<_> = exception.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(keys, ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]);
            assert_eq!(exception["Message"], "An error has occurred.");
            assert_eq!(exception["ExceptionMessage"], says);
            assert!(text(&exception["ExceptionType"]).ends_with("FormatException"));
        } else {
            assert_eq!((answer.status, answer.json()), (400, json!({ "Message": says })));
        }
        assert_eq!(host.send("POST", "/api/hooks", &[], b"null").status, 400);
    }
}

#[test]
fn a_job_that_cannot_run_is_listed_or_hidden() {
    for (_root, host, is_strict) in both() {
        let names = |path: &str| {
            let list = host.get(path).json();
            list.as_array().expect("a list").iter().map(|job| text(&job["name"]).to_owned()).collect::<Vec<_>>()
        };
        let expected: &[&str] = if is_strict { &["nightly", "worker"] } else { &["empty", "nightly", "worker"] };
        assert_eq!(names("/api/webjobs"), expected);
        assert_eq!(names("/api/triggeredwebjobs"), &expected[..expected.len() - 1]);
        let one = host.get("/api/triggeredwebjobs/empty");
        let (run, history) =
            (host.post("/api/triggeredwebjobs/empty/run"), host.get("/api/triggeredwebjobs/empty/history"));
        if is_strict {
            for answer in [one, run, history] {
                is(&answer, 404, "");
            }
        } else {
            assert!(text(&one.json()["error"]).contains("script"), "{}", one.text());
            assert_eq!((run.status, history.status), (409, 200));
        }
        // Our own routes always tell.
        assert_eq!(host.job("triggered/empty")["state"], "problem");
    }
}

#[test]
fn the_end_of_a_lost_run_is_told_or_not() {
    for (root, host, is_strict) in both() {
        root.job("triggered/slow", &[("run.sh", HOLD)]);
        host.refresh("triggered/slow");
        let receiver = Receiver::start();
        hooked(&host, &receiver.url("", "/"), "TriggeredJobFinished");
        let lost = host.run("slow");
        host.until_state("triggered/slow", "running");
        host.crash();
        let host = root.host();
        host.until_ended("triggered/slow", &lost);
        let run = host.run("nightly");
        let got = eventually("the other run is told", || {
            let got: Vec<Value> = receiver.got().iter().map(crate::receiver::Got::json).collect();
            // They go out side by side: each is waited for where it must come.
            let has = |id: &String| got.iter().any(|got| got["id"] == **id);
            (has(&run) && (is_strict || has(&lost))).then_some(got)
        });
        let told = got.iter().find(|got| got["id"] == *lost);
        assert_eq!(told.map(|told| text(&told["status"])), (!is_strict).then_some("Aborted"));
    }
}

//! What happens on a host, and what jobs print, as server-sent events.

use serde_json::Value;

use crate::{
    hosts::host,
    stream::{Coming, follow},
    world::{Host, Root, eventually},
};

const SAYS: &str = "#!/bin/bash\necho out one\necho err two >&2\n";
const WORKER: &str = "#!/bin/bash\nprintf '%0500d\\n' {1..12}\necho \"life $WEBJOBS_RUN_ID\"\nsleep 1000\n";

/// Prints a line when a file asks its host for one.
fn asked(root: &Root) -> String {
    let file = root.path("say-");
    let look = format!("[ -e {0}$WEBJOBD_INSTANCE ] && rm {0}$WEBJOBD_INSTANCE && echo said", file.display());
    format!("#!/bin/bash\nwhile :; do {look}; sleep 0.02; done\n")
}

/// An event as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    word: String,
    data: Value,
}

/// Reads the whole events that came so far.
fn sent(coming: &Coming) -> Vec<Sent> {
    let text = coming.text();
    let Some((_, body)) = text.split_once("\r\n\r\n") else { return Vec::new() };
    // The sizes of chunks stand on lines of their own that end with a carriage return.
    let plain: String = body.split_inclusive('\n').filter(|line| !line.ends_with("\r\n")).collect();
    let whole = plain.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let events = whole.split("\n\n").filter_map(|block| {
        let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(of("data: ")?).ok()?;
        Some(Sent { id: of("id: ")?.to_owned(), word: of("event: ")?.to_owned(), data })
    });
    events.collect()
}

#[track_caller]
fn until(coming: &Coming, what: &str, fits: impl Fn(&Sent) -> bool) -> Sent {
    eventually(what, || sent(coming).into_iter().find(&fits))
}

fn texts(events: &[Sent]) -> Vec<String> {
    let lines = events.iter().filter(|event| event.word == "line");
    lines.map(|event| event.data["text"].as_str().unwrap_or_default().to_owned()).collect()
}

fn ended(host: &Host, name: &str) -> String {
    let run = host.run(name);
    host.until_ended(&format!("triggered/{name}"), &run);
    run
}

#[test]
fn events_come_once_and_in_order_over_a_new_connection() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", SAYS)]);
    root.job("triggered/other", &[("run.sh", SAYS)]);
    let host = root.host();
    let first = follow(&root, &host, "/api/v1/events");
    first.until("text/event-stream");
    first.until("retry: ");
    let run = ended(&host, "report");
    let end = until(&first, "its end", |event| event.word == "run_ended");
    assert_eq!((&end.data["job"], &end.data["run"]["id"]), (&"triggered/report".into(), &run.into()));
    assert_eq!(end.data["run"]["outcome"], "succeeded");
    let words: Vec<String> = sent(&first).iter().map(|event| event.word.clone()).collect();
    let place = |word: &str| words.iter().position(|one| one == word).expect(word);
    assert!(place("run_began") < place("run_started") && place("run_started") < place("run_ended"), "{words:?}");
    let new = follow(&root, &host, "/api/v1/events");
    new.until("retry: ");
    // Whoever comes again gets what was told since, and nothing twice.
    ended(&host, "other");
    let query = format!("/api/v1/events?last_event_id={}", end.id);
    let again = follow(&root, &host, &query);
    until(&again, "the other's end", |event| event.word == "run_ended" && event.data["job"] == "triggered/other");
    let ids: Vec<u64> = sent(&again).iter().map(|event| event.id.parse().expect("a number")).collect();
    let seen: u64 = end.id.parse().expect("a number");
    assert!(ids[0] == seen + 1 && ids.is_sorted() && ids.windows(2).all(|two| two[0] + 1 == two[1]), "{seen} {ids:?}");
    // Whoever is new gets what comes from then on.
    let of_new = until(&new, "the other's beginning", |event| event.word == "run_began");
    assert_eq!(of_new.data["job"], "triggered/other");
    assert!(sent(&new).iter().all(|event| event.word != "gap"));
    let only = follow(&root, &host, &format!("{query}&kinds=run_ended,occurred&job=triggered/other"));
    until(&only, "the other's end", |event| event.word == "run_ended");
    assert!(sent(&only).iter().all(|event| event.word == "run_ended" && event.data["job"] == "triggered/other"));
    // The host ends its streams when it stops.
    assert!(host.stop().success());
    again.all();
}

#[test]
fn who_comes_from_another_life_of_the_host_is_told_to_read_anew() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", SAYS)]);
    let host = root.host();
    let coming = follow(&root, &host, "/api/v1/events?last_event_id=7");
    let gap = until(&coming, "a gap", |event| event.word == "gap");
    assert!(gap.data["advice"].as_str().is_some_and(|advice| advice.contains("GET /api/v1/jobs")), "{gap:?}");
    let run = ended(&host, "report");
    until(&coming, "its end", |event| event.word == "run_ended" && event.data["run"]["id"] == run.as_str());
    for (path, said) in [
        ("/api/v1/events?last_event_id=soon", "soon"),
        ("/api/v1/events?kinds=run_over", "run_ended"),
        ("/api/v1/jobs/triggered/report/log/stream?last_event_id=x:1", "x:1"),
    ] {
        let answer = host.get(path);
        assert!(answer.status == 400 && answer.text().contains(said), "{path} {}", answer.text());
    }
}

#[test]
fn a_run_is_streamed_line_by_line_to_its_end_and_resumed_after_any_line() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", SAYS)]);
    let host = root.host();
    let run = ended(&host, "report");
    let path = format!("/api/v1/jobs/triggered/report/log/stream?run={run}");
    let all = follow(&root, &host, &path);
    all.all();
    let events = sent(&all);
    let end = events.last().expect("an end").clone();
    assert_eq!((end.word.as_str(), &end.data["record"]["outcome"]), ("end", &"succeeded".into()), "{end:?}");
    let out = events.iter().find(|event| event.data["text"] == "out one").expect("a line");
    assert_eq!(
        (&out.data["source"], &out.data["level"], &out.data["run"]),
        (&"stdout".into(), &"info".into(), &run.clone().into())
    );
    assert!(out.data["time"].is_string() && out.id.starts_with(&format!("{run}:")), "{out:?}");
    let texts_of_all = texts(&events);
    for (at, event) in events.iter().enumerate().filter(|(_, event)| event.word == "line") {
        let rest = follow(&root, &host, &format!("{path}&last_event_id={}", event.id));
        rest.all();
        assert_eq!(texts(&sent(&rest)), texts_of_all[at + 1..], "after {}", event.id);
    }
    assert_eq!(host.get(&format!("{path}&last_event_id={}", end.id)).status, 204);
    let errors = follow(&root, &host, &format!("{path}&stderr=true"));
    errors.all();
    assert_eq!(texts(&sent(&errors)), ["err two"]);
}

#[test]
fn the_runs_of_a_job_are_streamed_one_after_another_without_leaving_one_out() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho \"run $WEBJOBS_RUN_ID\"\n")]);
    let host = root.host();
    let path = "/api/v1/jobs/triggered/report/log/stream";
    let first = ended(&host, "report");
    let coming = follow(&root, &host, path);
    let end = until(&coming, "its end", |event| event.word == "end");
    let runs = [ended(&host, "report"), ended(&host, "report"), ended(&host, "report")];
    let again = follow(&root, &host, &format!("{path}?last_event_id={}", end.id));
    for run in &runs {
        until(&again, "the run's end", |event| event.word == "end" && event.data["run"] == run.as_str());
    }
    let said: Vec<String> = texts(&sent(&again)).into_iter().filter(|text| text.starts_with("run ")).collect();
    assert_eq!(said, runs.map(|run| format!("run {run}")));
    assert!(!again.text().contains(&format!("run {first}")));
}

#[test]
fn a_continuous_job_is_streamed_over_lives_and_rolls() {
    let root = Root::new();
    root.job(
        "continuous/worker",
        &[("run.sh", WORKER), ("settings.job", r#"{"log": {"max_size": 4096, "keep": 50}}"#)],
    );
    let host = root.host();
    let path = "/api/v1/jobs/continuous/worker/log/stream";
    let coming = follow(&root, &host, path);
    let mut lives = Vec::new();
    for _ in 0..6 {
        let run =
            host.until_state("continuous/worker", "running")["copies"][0]["run"].as_str().expect("an id").to_owned();
        until(&coming, "its line", |event| event.data["text"] == format!("life {run}"));
        host.post("/api/v1/jobs/continuous/worker/restart");
        eventually("it is another", || {
            (host.job("continuous/worker")["copies"][0]["run"] != run.as_str()).then_some(())
        });
        lives.push(format!("life {run}"));
    }
    eventually("it was rolled", || {
        let files = std::fs::read_dir(root.path("data/jobs/continuous/worker")).ok()?;
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("job_log.0000")).then_some(())
    });
    let events = sent(&coming);
    let of_lives = |events: &[Sent]| texts(events).into_iter().filter(|text| lives.contains(text)).collect::<Vec<_>>();
    assert_eq!(of_lives(&events), lives);
    let third = events.iter().find(|event| event.data["text"] == lives[2].as_str()).expect("a line");
    let again = follow(&root, &host, &format!("{path}?last_event_id={}", third.id));
    until(&again, "the last life", |event| event.data["text"] == lives[5].as_str());
    assert_eq!(of_lives(&sent(&again)), lives[3..]);
}

#[test]
fn who_stands_beyond_the_end_of_a_log_that_began_anew_gets_what_comes() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", &asked(&root))]);
    let host = host(&root, "a");
    host.until_state("continuous/worker", "running");
    let coming = follow(&root, &host, "/api/v1/jobs/continuous/worker/log/stream?last_event_id=1000000");
    coming.until("retry: ");
    std::fs::write(root.path("say-a"), "").expect("it is asked");
    until(&coming, "its line", |event| event.data["text"] == "said");
}

#[test]
fn what_another_host_writes_is_followed_though_this_one_writes_a_log_of_its_own() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", &asked(&root))]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let runs = [&a, &b].map(|host| {
        let job = host.until_state("continuous/worker", "running");
        job["copies"][0]["run"].as_str().expect("an id").to_owned()
    });
    let path = format!("/api/v1/jobs/continuous/worker/log/stream?run={}", runs[1]);
    eventually("its record is there", || {
        let record = a.get(&format!("/api/v1/jobs/continuous/worker/runs/{}", runs[1]));
        (record.status == 200 && record.json()["phase"] == "running").then_some(())
    });
    let coming = follow(&root, &a, &path);
    coming.until("retry: ");
    std::fs::write(root.path("say-b"), "").expect("it is asked");
    until(&coming, "its line", |event| event.data["text"] == "said");
}

//! Runs of triggered jobs: on request, one beside another, tried again, ended, kept.

use std::fs;

use serde_json::Value;

use crate::{
    ask::{HOLD, ask, let_go, moment, run_with, runs, text, until_runs},
    world::{Host, Root, eventually, exists, is_alive, pid_in},
};

const SHOW: &str = "#!/bin/bash\nfor one in \"$@\"; do printf '<%s>' \"$one\"; done\necho\n\
                    echo \"whole=[${WEBJOBS_COMMAND_ARGUMENTS-unset}]\"\n";

#[test]
fn arguments_reach_the_script_one_by_one_and_as_one_text() {
    let root = Root::new();
    root.job("triggered/show", &[("run.sh", SHOW), ("settings.job", r#"{"args": ["by default", "x"]}"#)]);
    let host = root.host();
    for (arguments, list, whole) in [
        (r#""first arg" "second arg""#, "<first arg><second arg>", r#""first arg" "second arg""#),
        (r"plain $HOME `id` ; && *", "<plain><$HOME><`id`><;><&&><*>", r"plain $HOME `id` ; && *"),
        (r#"a "" b"#, "<a><><b>", r#"a "" b"#),
        (r#"say \"hi\" C:\dir\"#, r#"<say><"hi"><C:\dir\>"#, r#"say \"hi\" C:\dir\"#),
        ("größe=5 日本 🦀", "<größe=5><日本><🦀>", "größe=5 日本 🦀"),
        ("1+1=2 50%25", "<1+1=2><50%25>", "1+1=2 50%25"),
        ("", "<by default><x>", r#""by default" x"#),
    ] {
        let run = run_with(&host, "show", arguments);
        let log = root.read(&format!("data/jobs/triggered/show/{}/output_log.txt", text(&run["id"])));
        assert!(log.contains(&format!(": INFO] {list}\n")), "{arguments}: {log}");
        assert!(log.contains(&format!(": INFO] whole=[{whole}]\n")), "{arguments}: {log}");
    }
}

#[test]
fn ids_have_18_digits_and_grow_also_when_runs_come_at_once() {
    let root = Root::new();
    let settings = r#"{"overlap": "allow", "max_concurrency": 12}"#;
    root.job("triggered/many", &[("run.sh", HOLD), ("settings.job", settings)]);
    let host = root.host();
    let ids: Vec<String> = (0..12).map(|_| host.run("many")).collect();
    assert!(ids.iter().all(|id| id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit())), "{ids:?}");
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let refused = ask(&host, "many", "");
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (409, "Cannot start a new run since job is already running.")
    );
    let_go(&root, "many");
    let all = until_runs(&host, "triggered/many", 12);
    assert!(all.iter().all(|run| run["outcome"] == "succeeded"), "{all:?}");
    let latest = host.get("/api/triggeredwebjobs/many").json()["latest_run"]["id"].clone();
    assert_eq!(latest, *ids.last().expect("twelve"));
}

#[test]
fn a_status_file_has_kudus_names_and_words() {
    let root = Root::new();
    root.job("triggered/done", &[("run.sh", HOLD)]);
    let host = root.host();
    let answer = host.send("POST", "/api/triggeredwebjobs/done/run", &[("User-Agent", "curl/8")], b"");
    let location = answer.header("location").expect("where it is").to_owned();
    let id = location.rsplit('/').next().expect("an id");
    let read = || serde_json::from_str::<Value>(&root.read(&format!("data/jobs/triggered/done/{id}/status"))).ok();
    let running = eventually("it runs", || read().filter(|status| status["Status"] == "Running"));
    assert_eq!(running["Trigger"], "External - curl/8");
    assert_eq!(running.get("EndTime"), None);
    let_go(&root, "done");
    let ended = eventually("it has ended", || read().filter(|status| status["Status"] == "Success"));
    assert!(moment(&ended["StartTime"]) <= moment(&ended["EndTime"]));
    // The record is written a moment before it is shown.
    host.until_ended("triggered/done", id);
    let shown = host.get(&format!("/api/triggeredwebjobs/done/history/{id}")).json();
    assert_eq!((&shown["status"], &shown["trigger"]), (&"Success".into(), &"External - curl/8".into()));
}

#[test]
fn a_queue_keeps_its_order_and_what_waits_can_be_cancelled() {
    let root = Root::new();
    root.job("triggered/line", &[("run.sh", HOLD), ("settings.job", r#"{"overlap": "queue"}"#)]);
    let host = root.host();
    let ids: Vec<String> = (0..4).map(|_| host.run("line")).collect();
    let cancelled = host.post(&format!("/api/v1/jobs/triggered/line/runs/{}/cancel", ids[2]));
    assert_eq!(cancelled.status, 202, "{}", cancelled.text());
    let cancelled = host.until_ended("triggered/line", &ids[2]);
    assert_eq!((&cancelled["outcome"], &cancelled["pid"]), (&"stopped".into(), &Value::Null));
    let_go(&root, "line");
    let all = until_runs(&host, "triggered/line", 4);
    let ran: Vec<&Value> = all.iter().filter(|run| run["outcome"] == "succeeded").collect();
    assert_eq!(ran.iter().map(|run| text(&run["id"])).collect::<Vec<_>>(), [&ids[0], &ids[1], &ids[3]]);
    assert!(ran.is_sorted_by_key(|run| text(&run["ended"])), "{ran:?}");
}

#[test]
fn a_replaced_run_ends_before_the_next_begins() {
    let root = Root::new();
    let script = "#!/bin/bash\ntrap 'echo told; exit 0' TERM\necho $$ > \"$WEBJOBS_DATA_PATH/pid\"\n\
                  until [ -e \"$WEBJOBS_DATA_PATH/go\" ]; do sleep 0.05; done\n";
    root.job("triggered/swap", &[("run.sh", script), ("settings.job", r#"{"overlap": "replace"}"#)]);
    let host = root.host();
    let first = host.run("swap");
    let pid = pid_in(&root, "data/jobs/triggered/swap/pid");
    let second = host.run("swap");
    let first = host.until_ended("triggered/swap", &first);
    assert_eq!(first["outcome"], "stopped");
    assert!(text(&first["reason"]).contains("next run takes its place"), "{first}");
    assert!(!is_alive(pid));
    let_go(&root, "swap");
    assert_eq!(host.until_ended("triggered/swap", &second)["outcome"], "succeeded");
}

#[test]
fn a_failed_run_is_tried_again_as_often_as_its_exit_code_is_worth_it() {
    let root = Root::new();
    let script = "#!/bin/bash\nexit $(cat code)\n";
    let settings =
        |max: u32| format!(r#"{{"retries": {{"max": {max}, "delay": 0.05, "backoff": 2, "on_exit_codes": [75]}}}}"#);
    for (name, code) in [("worth", "75"), ("vain", "1")] {
        root.job(&format!("triggered/{name}"), &[("run.sh", script), ("settings.job", &settings(2)), ("code", code)]);
    }
    let host = root.host();
    let first = host.run("worth");
    run_with(&host, "vain", "");
    let all = until_runs(&host, "triggered/worth", 3);
    let attempts: Vec<&Value> = all.iter().map(|run| &run["attempt"]).collect();
    assert_eq!(attempts, [&1, &2, &3].map(|n: &i32| Value::from(*n)).iter().collect::<Vec<_>>());
    assert!(all[1..].iter().all(|run| run["trigger"]["of"] == *first), "{all:?}");
    let pause = |n: usize| moment(&all[n]["started"]) - moment(&all[n - 1]["ended"]);
    assert!(pause(1) >= 0.04 && pause(2) >= 0.09, "{all:?}");
    eventually("it rests", || host.job("triggered/worth")["status"].get("until").is_none().then_some(()));
    assert_eq!(runs(&host, "triggered/worth").len(), 3);
    assert_eq!(runs(&host, "triggered/vain").len(), 1);
}

#[test]
fn a_retry_that_is_due_outlives_a_restart_of_the_host() {
    let root = Root::new();
    let settings = r#"{"retries": {"max": 1, "delay": 3}}"#;
    root.job("triggered/again", &[("run.sh", "#!/bin/bash\nexit 1\n"), ("settings.job", settings)]);
    let host = root.host();
    let first = run_with(&host, "again", "with these");
    assert!(host.stop().success());
    let host = root.host();
    let all = until_runs(&host, "triggered/again", 2);
    assert_eq!((&all[1]["attempt"], &all[1]["arguments"]), (&2.into(), &"with these".into()));
    assert!(moment(&all[1]["started"]) - moment(&first["ended"]) > 2.5, "{all:?}");
    assert!(host.stop().success());
    let host = root.host();
    host.until_state("triggered/again", "idle");
    assert_eq!(host.job("triggered/again")["status"].get("until"), None, "no third attempt");
}

#[test]
fn what_runs_too_long_or_does_nothing_is_ended_and_what_works_is_not() {
    let root = Root::new();
    let job = |name: &str, script: &str, settings: &str| {
        root.job(
            &format!("triggered/{name}"),
            &[("run.sh", &format!("#!/bin/bash\n{script}\n")), ("settings.job", settings)],
        );
    };
    job("long", "while :; do echo; sleep 0.1; done", r#"{"timeout": 0.5}"#);
    job("quiet", "sleep 1000", r#"{"idle_timeout": 1}"#);
    job("talks", "for n in $(seq 35); do echo; sleep 0.2; done", r#"{"idle_timeout": 5}"#);
    job("works", "end=$((SECONDS + 7)); while [ $SECONDS -lt $end ]; do :; done", r#"{"idle_timeout": 5}"#);
    let host = root.host();
    let ids = ["long", "quiet", "talks", "works"].map(|name| (name, host.run(name)));
    for (name, id) in ids {
        let run = host.until_ended(&format!("triggered/{name}"), &id);
        let (outcome, reason) = match name {
            "long" => ("timed_out", Some("longer than 0.5 s")),
            "quiet" => ("timed_out", Some("neither printed")),
            _ => ("succeeded", None),
        };
        assert_eq!(run["outcome"], outcome, "{run}");
        assert!(reason.is_none_or(|reason| text(&run["reason"]).contains(reason)), "{run}");
    }
}

#[test]
fn a_run_that_is_cancelled_is_told_and_counts_as_stopped() {
    let root = Root::new();
    let script = "#!/bin/bash\ntrap 'echo told; exit 7' TERM\necho $$ > \"$WEBJOBS_DATA_PATH/pid\"\n\
                  while :; do sleep 0.05; done\n";
    root.job("triggered/long", &[("run.sh", script), ("settings.job", r#"{"retries": {"max": 3, "delay": 0}}"#)]);
    let host = root.host();
    let run = host.run("long");
    pid_in(&root, "data/jobs/triggered/long/pid");
    let cancel = || host.post(&format!("/api/v1/jobs/triggered/long/runs/{run}/cancel")).status;
    assert_eq!(cancel(), 202);
    let ended = host.until_ended("triggered/long", &run);
    assert_eq!((&ended["outcome"], &ended["exit_code"]), (&"stopped".into(), &7.into()), "{ended}");
    assert!(root.read(&format!("data/jobs/triggered/long/{run}/output_log.txt")).contains(": INFO] told"));
    assert_ne!(cancel(), 202, "it has ended");
    host.until_state("triggered/long", "idle");
    assert_eq!(runs(&host, "triggered/long").len(), 1, "what was stopped is not tried again");
}

#[test]
fn an_exit_code_is_a_success_when_the_settings_say_so() {
    let root = Root::new();
    let script = "#!/bin/bash\nexit $1\n";
    root.job("triggered/code", &[("run.sh", script), ("settings.job", r#"{"success_exit_codes": [0, 3]}"#)]);
    let host = root.host();
    for (code, outcome) in [("0", "succeeded"), ("3", "succeeded"), ("4", "failed")] {
        assert_eq!(run_with(&host, "code", code)["outcome"], outcome, "{code}");
    }
}

#[test]
fn old_runs_go_and_what_others_put_beside_them_stays() {
    let root = Root::new();
    root.job("triggered/short", &[("run.sh", "#!/bin/bash\n"), ("settings.job", r#"{"history": {"runs": 3}}"#)]);
    root.write("data/jobs/triggered/short/reports/today.txt", "mine");
    root.write("data/jobs/triggered/short/2026/today.txt", "mine");
    let host = root.host();
    let ids: Vec<String> = (0..6).map(|_| text(&run_with(&host, "short", "")["id"]).to_owned()).collect();
    eventually("three are left", || (kept(&host) == ids[3..]).then_some(()));
    let folder = |id: &str| root.path(&format!("data/jobs/triggered/short/{id}"));
    eventually("the others' folders are gone", || (!ids[..3].iter().any(|id| exists(&folder(id)))).then_some(()));
    for path in ["reports/today.txt", "2026/today.txt"] {
        assert_eq!(root.read(&format!("data/jobs/triggered/short/{path}")), "mine");
    }
}

#[test]
fn a_folder_that_is_put_back_finds_the_history_of_its_job() {
    let root = Root::new();
    root.job("triggered/short", &[("run.sh", "#!/bin/bash\n")]);
    let host = root.host();
    let ids: Vec<String> = (0..3).map(|_| text(&run_with(&host, "short", "")["id"]).to_owned()).collect();
    fs::remove_dir_all(root.path("jobs/triggered/short")).expect("it goes");
    eventually("it is gone", || (host.get("/api/v1/jobs/triggered/short").status == 404).then_some(()));
    root.job("triggered/short", &[("run.sh", "#!/bin/bash\n"), ("settings.job", r#"{"history": {"runs": 1}}"#)]);
    host.until_state("triggered/short", "idle");
    eventually("what its settings keep is left", || (kept(&host) == ids[2..]).then_some(()));
}

fn kept(host: &Host) -> Vec<String> {
    runs(host, "triggered/short").iter().map(|run| text(&run["id"]).to_owned()).collect()
}

#[test]
fn a_host_that_is_stopped_by_its_environment_starts_nothing() {
    let root = Root::new();
    let settings = r#"{"schedule": "* * * * * *", "run_on_start": true}"#;
    root.job("triggered/due", &[("run.sh", "#!/bin/bash\n"), ("settings.job", settings)]);
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nsleep 1000\n")]);
    let host = root.host_with(&[], &[("WEBJOBS_STOPPED", "1")]);
    let refused = ask(&host, "due", "");
    assert_eq!((refused.status, refused.text().as_str()), (409, "WebJobs are currently in \"stopped\" state."));
    for job in ["triggered/due", "continuous/worker"] {
        let shown = host.until_state(job, "disabled");
        assert!(text(&shown["status"]["reason"]).contains("WEBJOBS_STOPPED"), "{shown}");
        assert_eq!(shown.get("next"), None);
    }
    assert_eq!(runs(&host, "triggered/due").len(), 0);
}

//! Schedules: what is due runs once, and every due time has an answer.

use std::{fs, path::Path, time::Duration};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;

use crate::{
    ask::{HOLD, let_go, moment, occurrences, run_with, runs, text, until_runs},
    world::{Host, Root, eventually},
};

const SHORT: &str = "#!/bin/bash\necho done\n";
const EVERY_SECOND: &str = r#"{"schedule": "* * * * * *"}"#;

#[expect(clippy::disallowed_methods, reason = "a test makes its own due times")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn wait_for(moment: Timestamp) {
    eventually("the time has come", || (now() >= moment).then_some(()));
}

/// How many due times an answer stands for.
fn count(one: &Value) -> u64 {
    one["count"].as_u64().unwrap_or(1)
}

#[track_caller]
fn until_outcome(host: &Host, job: &str, outcome: &str) -> Value {
    eventually(&format!("a due time of {job} that is {outcome}"), || {
        occurrences(host, job).into_iter().find(|one| one["outcome"] == outcome)
    })
}

#[test]
fn every_second_has_one_answer_and_a_run_where_it_says_so() {
    let root = Root::new();
    root.job("triggered/often", &[("run.sh", SHORT), ("settings.job", EVERY_SECOND)]);
    let host = root.host();
    until_runs(&host, "triggered/often", 4);
    let told = occurrences(&host, "triggered/often");
    let dues: Vec<i64> = told.iter().map(|one| moment(&one["due"]) as i64).collect();
    assert!(dues.is_sorted_by(|a, b| a < b), "{told:?}");
    let (first, last) = (dues[0], *dues.last().expect("some"));
    let answered: u64 = told.iter().map(count).sum();
    // The first line may stand for several seconds, when the machine was slow.
    assert_eq!(answered - count(&told[0]), (last - first) as u64, "{told:?}");
    let all = runs(&host, "triggered/often");
    for one in told.iter().filter(|one| one["outcome"] == "ran") {
        let run = all.iter().find(|run| run["id"] == one["run"]).unwrap_or_else(|| panic!("its run: {one} {all:?}"));
        assert_eq!(run["trigger"]["due"], one["due"]);
        assert_eq!(run["trigger_text"], "Schedule - * * * * * *");
    }
    let log = root.read("data/jobs/triggered/often/job_scheduler.log");
    assert!(log.contains("WebJob invoked") && log.contains("ext schedule expected"), "{log}");
}

#[test]
fn a_due_time_during_a_run_is_skipped_and_says_so() {
    let root = Root::new();
    root.job("triggered/busy", &[("run.sh", HOLD), ("settings.job", EVERY_SECOND)]);
    let host = root.host();
    let skipped = until_outcome(&host, "triggered/busy", "skipped");
    assert_eq!(skipped["reason"], "a run is on its way");
    assert_eq!(runs(&host, "triggered/busy").len(), 1);
    let_go(&root, "busy");
    until_runs(&host, "triggered/busy", 2);
}

#[test]
fn what_a_due_time_needs_is_made_ready_before_it() {
    let root = Root::new();
    root.job("triggered/busy", &[("run.sh", HOLD), ("settings.job", EVERY_SECOND)]);
    let host = root.host();
    until_outcome(&host, "triggered/busy", "skipped");
    // No run needs a copy of this while the first one holds: only a look ahead of a due time makes one.
    root.write("jobs/triggered/busy/run.sh", SHORT);
    eventually("its copy is there", || holds(&root.path("tmp"), SHORT).then_some(()));
    assert_eq!(runs(&host, "triggered/busy").len(), 1);
    let_go(&root, "busy");
}

/// Tells whether a file with this text lies somewhere below a folder.
fn holds(folder: &Path, text: &str) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds(&entry.path(), text),
        _ => fs::read_to_string(entry.path()).is_ok_and(|read| read == text),
    })
}

#[test]
fn one_moment_runs_once_and_a_start_runs_every_time() {
    let root = Root::new();
    let due = now() + 2.seconds();
    root.job("triggered/once", &[("run.sh", SHORT), ("settings.job", &format!(r#"{{"run_at": "{due}"}}"#))]);
    root.job("triggered/first", &[("run.sh", SHORT), ("settings.job", r#"{"run_on_start": true}"#)]);
    let host = root.host();
    let once = until_runs(&host, "triggered/once", 1);
    assert_eq!(text(&once[0]["trigger_text"]), format!("Schedule - run_at {due}"));
    assert!(moment(&once[0]["started"]) >= due.as_duration().as_secs_f64());
    assert_eq!(until_runs(&host, "triggered/first", 1)[0]["trigger_text"], "Startup");
    assert!(host.stop().success());
    let host = root.host();
    until_runs(&host, "triggered/first", 2);
    assert_eq!(runs(&host, "triggered/once").len(), 1);
    assert_eq!(host.job("triggered/once").get("next"), None);
}

#[test]
fn what_was_due_while_no_host_ran_is_caught_up_as_asked() {
    // A machine may be too slow to stop the host before the first due time: then once more.
    let (root, last) = (0..5).find_map(|_| away_from_three_due_times()).expect("one of five is in time");
    // No later: what passed while no host ran goes by the policy, however short that was.
    wait_for(last);
    let host = root.host();
    let summary = |name: &str| -> Vec<(String, u64)> {
        let told = occurrences(&host, &format!("triggered/{name}"));
        told.iter().map(|one| (text(&one["outcome"]).to_owned(), count(one))).collect()
    };
    let told = |outcome: &str, count| (outcome.to_owned(), count);
    assert_eq!(eventually("missed", || Some(summary("none")).filter(|told| !told.is_empty())), [told("missed", 3)]);
    let once = until_runs(&host, "triggered/once", 1);
    eventually("one stands for all", || (summary("once") == [told("missed", 2), told("caught_up", 1)]).then_some(()));
    assert!(text(&once[0]["trigger_text"]).contains("caught up"), "{once:?}");
    assert_eq!(moment(&once[0]["trigger"]["due"]), last.as_duration().as_secs_f64());
    let all = until_runs(&host, "triggered/all", 3);
    assert!(all.iter().all(|run| run["trigger"]["caught_up"] == true), "{all:?}");
    assert_eq!(runs(&host, "triggered/none").len() + runs(&host, "triggered/once").len(), 1);
}

#[test]
fn what_died_in_the_queue_of_a_host_is_told_so_and_runs_where_that_is_wanted() {
    for (is_crash, catch_up) in [(true, "all"), (false, "all"), (true, "none"), (false, "none")] {
        let root = Root::new();
        let settings = format!(
            r#"{{"schedule": "* * * * * *", "overlap": "queue", "catch_up": "{catch_up}", "history": {{"runs": 500}}}}"#
        );
        root.job("triggered/line", &[("run.sh", HOLD), ("settings.job", &settings)]);
        let host = root.host();
        let waiting = eventually("two due times wait", || {
            let told = occurrences(&host, "triggered/line");
            let queued: Vec<Value> = told.into_iter().filter(|one| one["outcome"] == "queued").collect();
            (queued.len() >= 2).then_some(queued)
        });
        if is_crash {
            host.crash();
        } else {
            assert!(host.stop().success());
            let journal = root.read("data/jobs/triggered/line/occurrences.jsonl");
            assert!(journal.contains("stopped because the host stops, while it waited in the queue"), "{journal}");
        }
        let_go(&root, "line");
        let host = root.host();
        for due in waiting.iter().map(|one| moment(&one["due"])) {
            let reason = "its run waited in the queue when the host ended; catch_up is none";
            // What the last host said of it counts until the next one has looked.
            let told = eventually("its outcome", || {
                let told = occurrences(&host, "triggered/line").into_iter().find(|one| moment(&one["due"]) == due)?;
                (told["outcome"] == "caught_up" || told["reason"] == reason).then_some(told)
            });
            if catch_up == "none" {
                assert_eq!(told["outcome"], "missed", "{told}");
            } else {
                let run = host.until_ended("triggered/line", text(&told["run"]));
                assert_eq!((&run["outcome"], moment(&run["trigger"]["due"])), (&"succeeded".into(), due), "{run}");
            }
        }
    }
}

#[test]
fn a_moment_that_has_passed_when_its_job_comes_is_answered() {
    let root = Root::new();
    let host = root.host();
    let moment_ago = now() - 5.minutes();
    for (name, more) in [("late", ""), ("never", r#", "catch_up": "none""#)] {
        let settings = format!(r#"{{"run_at": "{moment_ago}"{more}}}"#);
        root.job(&format!("triggered/{name}"), &[("run.sh", SHORT), ("settings.job", &settings)]);
    }
    eventually("both are there", || {
        let is_there = |name: &str| host.get(&format!("/api/v1/jobs/triggered/{name}")).status == 200;
        (is_there("late") && is_there("never")).then_some(())
    });
    let late = until_runs(&host, "triggered/late", 1);
    assert_eq!(text(&late[0]["trigger_text"]), format!("Schedule - run_at {moment_ago} (caught up)"));
    until_outcome(&host, "triggered/late", "caught_up");
    let never = until_outcome(&host, "triggered/never", "missed");
    assert_eq!(never["reason"], "it had passed when the job came");
    assert!(host.stop().success());
    let host = root.host();
    assert_eq!(occurrences(&host, "triggered/late").len(), 1, "it has its answer");
    assert_eq!(occurrences(&host, "triggered/never"), [never]);
    assert_eq!(runs(&host, "triggered/late").len(), 1);
}

/// Starts a host with three due times ahead and stops it; gives the last of them, unless the first has passed.
fn away_from_three_due_times() -> Option<(Root, Timestamp)> {
    let root = Root::new();
    let begin = Timestamp::from_second(now().as_second() + 4).expect("a time");
    let dues = [begin, begin + 1.second(), begin + 2.seconds()];
    let seconds = dues.map(|due| due.to_zoned(TimeZone::UTC).second().to_string()).join(",");
    for (name, overlap) in [("none", "skip"), ("once", "skip"), ("all", "skip")] {
        let settings =
            format!(r#"{{"schedule": "{seconds} * * * * *", "catch_up": "{name}", "overlap": "{overlap}"}}"#);
        root.job(&format!("triggered/{name}"), &[("run.sh", SHORT), ("settings.job", &settings)]);
    }
    let host = root.host();
    assert!(host.stop().success());
    (now() < begin).then_some((root, dues[2]))
}

#[test]
fn due_times_of_a_stopped_job_are_answered_as_paused() {
    let root = Root::new();
    root.job("triggered/held", &[("run.sh", SHORT), ("settings.job", EVERY_SECOND)]);
    let host = root.host();
    until_runs(&host, "triggered/held", 1);
    assert_eq!(host.post("/api/v1/jobs/triggered/held/stop").status, 202);
    let shown = host.until_state("triggered/held", "stopped");
    assert_eq!(shown.get("next"), None);
    let stopped = now();
    // Longer than what counts as on time, so that it is a pause whoever looks.
    wait_for(stopped + Duration::from_secs(7));
    assert_eq!(host.post("/api/v1/jobs/triggered/held/start").status, 202);
    let paused = until_outcome(&host, "triggered/held", "paused");
    assert!(text(&paused["reason"]).contains("stopped on request"), "{paused}");
    let dues: Vec<i64> =
        runs(&host, "triggered/held").iter().map(|run| moment(&run["trigger"]["due"]) as i64).collect();
    assert!(!dues.contains(&(stopped.as_second() + 1)), "{dues:?}");
    until_runs(&host, "triggered/held", dues.len() + 1);
}

#[test]
fn a_broken_schedule_is_a_problem_with_its_place_and_the_last_good_one_goes_on() {
    let root = Root::new();
    root.job("triggered/good", &[("run.sh", SHORT), ("settings.job", EVERY_SECOND)]);
    root.job("triggered/never", &[("run.sh", SHORT), ("settings.job", "{\n  \"schedule\": \"0 0 99 * * *\"\n}")]);
    let host = root.host();
    let schedule_problem = |job: &str| {
        eventually(&format!("problem of {job}"), || {
            host.job(job)["problems"].as_array()?.iter().find(|problem| problem["fatal"] == true).cloned()
        })
    };
    let never = schedule_problem("triggered/never");
    assert_eq!((&never["line"], &never["file"]), (&2.into(), &"settings.job".into()), "{never}");
    assert!(never["column"].as_u64().is_some_and(|column| column > 1), "{never}");
    assert!(text(&never["message"]).contains("`99` is out of range"), "{never}");
    assert_eq!(host.job("triggered/never")["state"], "problem");
    let kudu = host.get("/api/triggeredwebjobs/never").json();
    assert!(text(&kudu["error"]).contains("settings.job:2:"), "{kudu}");
    assert_ne!(host.post("/api/triggeredwebjobs/never/run").status, 202);
    until_runs(&host, "triggered/good", 1);
    root.write("jobs/triggered/good/settings.job", r#"{"schedule": "* * *"}"#);
    schedule_problem("triggered/good");
    let before = runs(&host, "triggered/good").len();
    until_runs(&host, "triggered/good", before + 2);
    assert!(host.job("triggered/good").get("next").is_some());
}

#[test]
fn another_schedule_counts_at_once() {
    let root = Root::new();
    root.job("triggered/job", &[("run.sh", SHORT), ("settings.job", r#"{"schedule": "0 0 0 1 1 *"}"#)]);
    let host = root.host();
    let far = eventually("its next due time", || host.job("triggered/job")["next"].as_str().map(str::to_owned));
    assert!(far.contains("-01-01T") || far.contains("-12-31T"), "{far}");
    root.write("jobs/triggered/job/settings.job", EVERY_SECOND);
    until_runs(&host, "triggered/job", 1);
    // What was due before it came is nobody's.
    assert_eq!(occurrences(&host, "triggered/job")[0]["outcome"], "ran");
    root.write("jobs/triggered/job/settings.job", "{}");
    eventually("no schedule", || host.job("triggered/job").get("next").is_none().then_some(()));
    let put = host.send("PUT", "/api/triggeredwebjobs/job/settings", &[], EVERY_SECOND.as_bytes());
    assert_eq!(put.status, 200);
    assert!(host.job("triggered/job").get("next").is_some(), "it counts when the answer comes");
}

#[test]
fn zones_names_and_five_fields_are_understood() {
    let root = Root::new();
    for (name, settings) in [
        ("zone", r#"{"schedule": "0 30 2 * * *", "time_zone": "W. Europe Standard Time"}"#),
        ("hourly", r#"{"schedule": "@hourly", "time_zone": "Asia/Kolkata"}"#),
        ("five", r#"{"schedule": "*/5 * * * *"}"#),
        (
            "both",
            r#"{"schedules": [{"schedule": "@daily", "label": "night", "args": ["a b"]}, {"schedule": "0 0 12 * * *"}]}"#,
        ),
    ] {
        root.job(&format!("triggered/{name}"), &[("run.sh", SHORT), ("settings.job", settings)]);
    }
    let host = root.host_with(&[], &[("WEBSITE_TIME_ZONE", "Pacific Standard Time")]);
    let next = |name: &str| host.get(&format!("/api/v1/jobs/triggered/{name}/next?count=4")).json();
    let zone = next("zone");
    assert!(
        text(&zone[0]["local"]).contains("T02:30:00") && text(&zone[0]["local"]).contains("[Europe/Berlin]"),
        "{zone}"
    );
    let hourly = next("hourly");
    assert!(text(&hourly[0]["local"]).contains(":00:00+05:30[Asia/Kolkata]"), "{hourly}");
    assert!(text(&hourly[0]["due"]).ends_with(":30:00Z"), "{hourly}");
    let notice = &host.job("triggered/five")["problems"][0];
    assert_eq!(notice["fatal"], false);
    assert!(text(&notice["message"]).contains("five fields"), "{notice}");
    let five = next("five");
    assert_eq!(moment(&five[1]["due"]) - moment(&five[0]["due"]), 300.0);
    let both = next("both");
    let hours: Vec<bool> = (0..4).map(|n| text(&both[n]["local"]).contains("T00:00:00")).collect();
    assert!(hours == [true, false, true, false] || hours == [false, true, false, true], "{both}");
    assert!(text(&both[0]["local"]).contains("[America/Los_Angeles]"), "{both}");
}

#[test]
fn schedules_are_off_where_the_host_is_told_so_and_requests_are_not() {
    let root = Root::new();
    root.job("triggered/often", &[("run.sh", SHORT), ("settings.job", EVERY_SECOND)]);
    let host = root.host_with(&[], &[("WEBJOBS_DISABLE_SCHEDULE", "true")]);
    assert_eq!(host.job("triggered/often").get("next"), None);
    assert_eq!(run_with(&host, "often", "")["outcome"], "succeeded");
    let begin = now();
    wait_for(begin + Duration::from_millis(1500));
    assert_eq!(runs(&host, "triggered/often").len(), 1);
    assert!(host.stop().success());
    let host = root.host();
    until_runs(&host, "triggered/often", 2);
}

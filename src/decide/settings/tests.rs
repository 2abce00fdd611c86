//! Readings of whole files: good ones by their values, bad ones by the lines a person sees, and the schema by asking it
//! and the reader the same question.

use std::{sync::LazyLock, time::Duration};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{
    id::JobKind::{Continuous, Triggered},
    settings::{CatchUp, RestartPolicy, RestartWhen},
};

fn read_for(kind: JobKind, text: &str) -> Reading {
    read(text, kind)
}

fn good(kind: JobKind, text: &str) -> Settings {
    let reading = read_for(kind, text);
    assert_eq!(reading.problems, [], "{text}");
    reading.settings
}

/// Each problem as a line: `2:3 fatal wrong_type: …`.
fn lines(kind: JobKind, text: &str) -> Vec<String> {
    let line = |p: &Problem| {
        let level = if p.fatal { "bad" } else { "warn" };
        let (line, column) = (p.line.expect("a line"), p.column.expect("a column"));
        format!("{line}:{column} {level} {}: {}", p.code, p.message)
    };
    read_for(kind, text).problems.iter().map(line).collect()
}

#[test]
fn kudu_s_four_keys_keep_their_meaning() {
    let text = r#"{"schedule": "0 30 2 * * *", "is_singleton": true, "stopping_wait_time": 60, "is_in_place": false}"#;
    let settings = good(Triggered, text);
    assert_eq!(settings.schedules[0].expression, "0 30 2 * * *");
    assert!(settings.is_singleton);
    assert_eq!(settings.stopping_wait_time, Some(Duration::from_secs(60)));
    assert_eq!(settings.is_in_place, Some(false));
}

#[test]
fn json_as_people_write_it_is_tolerated() {
    let text = "\u{feff}// on a share\n{ is_singleton: true, /* why */ 'args': ['a',], \"description\": null, }\n";
    let settings = good(Continuous, text);
    assert!(settings.is_singleton);
    assert_eq!(settings.args, ["a"]);
}

#[test]
fn a_moment_that_has_passed_is_warned_of() {
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    let told = |text: &str| -> Vec<(Option<u32>, bool, String)> {
        let problems = read_at(text, Triggered, now).problems.into_iter();
        problems.map(|problem| (problem.column, problem.fatal, problem.message)).collect()
    };
    assert_eq!(told(r#"{"run_at": "2026-03-01T12:00:01Z"}"#), []);
    let late =
        "`run_at` has passed (2026-03-01T11:00:00Z); a job that comes now runs for it no later than 600 s after it";
    assert_eq!(told(r#"{"run_at": "2026-03-01T12:00:00+01:00"}"#), [(Some(2), false, late.to_owned())]);
    let never = "`run_at` has passed (2026-03-01T11:00:00Z); it never runs for it";
    assert_eq!(
        told(r#"{"catch_up": "none", "run_at": "2026-03-01T11:00:00Z"}"#),
        [(Some(22), false, never.to_owned())]
    );
}

#[test]
fn every_key_of_a_triggered_job_is_read() {
    let text = r#"{
        "description": "d", "enabled": false, "command": "make", "args": ["-k", ""], "env": {"A": "1", "b.c:d": ""},
        "env_file": "x.env", "time_zone": "Europe/Berlin",
        "schedules": [{"schedule": "@daily", "time_zone": "UTC", "args": ["x"], "label": "l"}, {"schedule": "@hourly"}],
        "run_at": "2026-03-01T02:30:00+01:00", "run_on_start": true, "overlap": "allow", "max_concurrency": 4,
        "catch_up": "all", "catch_up_window": 60, "jitter": 0.5, "timeout": 1.5, "idle_timeout": 0,
        "retries": {"max": 2, "delay": 700, "on_exit_codes": [3]}, "success_exit_codes": [0, 2], "stop_signal": "int",
        "history": {"runs": 3, "max_age": 60}, "log": {"max_size": "1 MiB", "keep": 0, "max_age": 60}
    }"#;
    let settings = good(Triggered, text);
    assert_eq!(settings.command, Some(vec!["make".to_owned()]));
    assert_eq!(settings.env["b.c:d"], "");
    assert_eq!(settings.schedules[1].time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(settings.schedules[0].time_zone.as_deref(), Some("UTC"));
    assert_eq!(settings.run_at.map(|at| at.to_string()).as_deref(), Some("2026-03-01T01:30:00Z"));
    assert_eq!(settings.catch_up, CatchUp::All);
    assert_eq!(settings.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(settings.idle_limit(Some(Duration::from_secs(120))), None);
    assert_eq!(settings.retries.expect("retries").delay, Duration::from_secs(700));
    assert_eq!(settings.stop_signal.to_string(), "SIGINT");
    assert_eq!(settings.log.max_size, 1 << 20);
}

#[test]
fn a_restart_policy_is_an_object_or_a_word() {
    let never = RestartPolicy { when: RestartWhen::Never, ..RestartPolicy::default() };
    assert_eq!(good(Continuous, r#"{"restart": "never"}"#).restart, never);
    let text = r#"{"restart": {"policy": "on_failure", "delay": 90, "give_up_after": 5}, "instances": 2}"#;
    let settings = good(Continuous, text);
    assert_eq!(settings.restart.when, RestartWhen::OnFailure);
    assert_eq!(settings.restart.delay, Some(Duration::from_secs(90)));
    assert_eq!(settings.restart.give_up_after, Some(5));
    assert_eq!(settings.instances, 2);
}

#[test]
fn every_defect_is_told_with_its_place_in_one_go() {
    let text = r#"{
  "stopping_wait_time": "60",
  "is_singleton": 1, "jitter": -1,
  "schedule": "bad",
  "time_zone": "Mars", "run_at": "2026-03-01T02:30:00",
  "env": {"A": 5, "": "x", "WEBJOBS_NAME": "x"},
  "command": [],
  "ö": 1, "retries": {"max": 1.5, "delays": 3}, "schedules": [{"label": "x"}, null],
  "overlap": "Skip", "log": {"max_size": "10 potatoes"}, "user": "root"
}"#;
    insta::assert_snapshot!(lines(Triggered, text).join("\n"));
}

#[test]
fn a_key_of_the_other_kind_is_checked_and_then_has_no_effect() {
    assert_eq!(
        lines(Continuous, r#"{"schedule": "@daily", "jitter": -1}"#),
        [
            "1:2 warn no_effect: `schedule` has no effect on a continuous job",
            "1:24 warn no_effect: `jitter` has no effect on a continuous job",
            "1:34 bad out_of_range: `jitter` must be a number of seconds from 0 to 86400, not -1",
        ]
    );
    assert_eq!(good_but_warned(Continuous, r#"{"schedule": "@daily"}"#).schedules, []);
    let restart = lines(Triggered, r#"{"restart": 5}"#);
    assert_eq!(restart[0], "1:2 warn no_effect: `restart` has no effect on a triggered job");
    assert!(restart[1].starts_with("1:13 bad wrong_type: `restart` must be an object"), "{restart:?}");
}

fn good_but_warned(kind: JobKind, text: &str) -> Settings {
    let reading = read_for(kind, text);
    assert!(reading.is_usable(), "{:?}", reading.problems);
    reading.settings
}

#[test]
fn unknown_keys_are_kept_and_warned_about() {
    let text = r#"{"Schedule": "x", "run_mode": "continuous", "zzz": {"a": [1, null]}, "is_singleton": null}"#;
    assert_eq!(
        lines(Triggered, text),
        [
            "1:2 warn unknown_key: `Schedule` is not a known key; did you mean `schedule`?",
            "1:19 warn no_effect: `run_mode` has no effect; the folder decides: `continuous`, or `triggered` with or \
             without a `schedule`",
            "1:45 warn unknown_key: `zzz` is not a known key",
        ]
    );
    let raw = Value::Object(read_for(Triggered, text).raw);
    let same: Value = serde_json::from_str(text).expect("valid JSON");
    assert_eq!(raw.to_string(), same.to_string());
}

#[test]
fn other_surprises_are_warnings() {
    for (text, expected) in [
        ("", "1:1 warn empty_file: the file is empty: nothing is set"),
        (" // nothing\n", "1:1 warn empty_file: the file is empty: nothing is set"),
        ("null", "1:1 warn empty_file: the file holds only `null`: nothing is set"),
        (r#"{"args": ["a"], "args": []}"#, "1:17 warn duplicate_key: `args` is given twice; this one counts"),
        (r#"{"schedule": ""}"#, "1:14 warn notice: `schedule`: an empty schedule never runs it"),
        (
            r#"{"schedule": "* * * * *"}"#,
            "1:14 warn notice: `schedule`: five fields are read as minute hour day month weekday, at second 0",
        ),
        (
            r#"{"max_concurrency": 2}"#,
            "1:2 warn no_effect: `max_concurrency` has no effect without `\"overlap\": \"allow\"`",
        ),
    ] {
        assert_eq!(lines(Triggered, text), [expected], "{text}");
        assert!(read_for(Triggered, text).is_usable());
    }
}

#[test]
fn a_text_that_is_not_an_object_is_refused() {
    for (text, expected) in [
        ("[1]", "1:1 bad wrong_type: the file must be an object such as {\"is_singleton\": true}, not an array of 1"),
        ("{\n  \"a\": 1\n  \"b\": 2}", "2:9 bad bad_syntax: the file is not valid JSON: expected comma"),
        ("{\"größe\": tru}", "1:11 bad bad_syntax: the file is not valid JSON: unexpected token"),
        ("{", "1:1 bad bad_syntax: the file is not valid JSON: unterminated object"),
        ("{\"jitter\": 1e999}", "1:12 bad out_of_range: the number 1e999 is too large to be represented"),
    ] {
        assert_eq!(lines(Triggered, text), [expected], "{text}");
        assert!(!read_for(Triggered, text).is_usable());
    }
    for text in [" ".repeat(SETTINGS_BYTES_MAX + 1), "[".repeat(100_000), "{\"a\":".repeat(50_000)] {
        assert!(!read_for(Triggered, &text).is_usable());
    }
}

#[test]
fn a_file_of_defects_is_told_in_bounds_and_stays_refused() {
    let unknown: String = (0..2_000).map(|i| format!("\"k{i}\":1,")).collect();
    let reading = read_for(Triggered, &format!("{{{unknown} \"jitter\": -1}}"));
    assert!(!reading.is_usable());
    assert_eq!(reading.raw.len(), 2_001);
    assert_eq!(reading.problems.len(), 101);
    assert_eq!(reading.problems[100].message, "1901 more problems are not shown");
}

#[test]
fn the_defaults_that_the_schema_names_are_those_that_hold() {
    let schema = schema();
    let properties = schema["properties"].as_object().expect("properties");
    for kind in JobKind::ALL {
        for (name, property) in properties.iter().filter(|(_, property)| property.get("default").is_some()) {
            let document = json!({ name.as_str(): property["default"].clone() }).to_string();
            let reading = read_for(kind, &document);
            assert!(reading.is_usable(), "{document}: {:?}", reading.problems);
            assert_eq!(reading.settings, Settings::default(), "{document}");
        }
    }
    for (name, kind) in [("restart", Continuous), ("log", Triggered)] {
        let anyof = &properties[name]["properties"];
        let parts = if anyof.is_object() { anyof } else { &properties[name]["anyOf"][0]["anyOf"][0]["properties"] };
        for (inner, property) in parts.as_object().expect("properties") {
            let Some(default) = property.get("default") else { continue };
            let document = json!({ name: { inner.as_str(): default.clone() } }).to_string();
            let mut settings = good(kind, &document);
            settings.restart.delay = None;
            assert_eq!(settings, Settings::default(), "{document}");
        }
    }
}

/// The names of all keys, and the schema ready to ask.
static SCHEMA: LazyLock<(Vec<String>, jsonschema::Validator)> = LazyLock::new(|| {
    let schema = schema();
    let names = schema["properties"].as_object().expect("properties").keys().cloned().collect();
    (names, jsonschema::draft202012::new(&schema).expect("a valid schema"))
});

/// What the schema and the reader say of a document: both must accept or refuse it. A key is not read on the wrong kind,
/// so the reader accepts what it accepts on both.
fn verdicts(validator: &jsonschema::Validator, document: &Value) -> (bool, bool) {
    let text = document.to_string();
    let is_usable = |kind| read_for(kind, &text).is_usable();
    (validator.is_valid(document), is_usable(Continuous) && is_usable(Triggered))
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let (_, validator) = &*SCHEMA;
    for (document, accepted) in [
        (json!({}), true),
        (json!({"schedule": "@daily", "zzz": 1, "retries": {"max": null, "zzz": 1}}), true),
        (json!({"stopping_wait_time": 5.0}), true),
        (json!({"stopping_wait_time": 5.5}), false),
        (json!({"stopping_wait_time": 86_401}), false),
        (json!({"timeout": 0}), false),
        (json!({"timeout": 0.5, "idle_timeout": 0}), true),
        (json!({"jitter": 1e300}), false),
        (json!({"instances": 18_446_744_073_709_551_615_u64}), false),
        (json!({"command": ""}), false),
        (json!({"command": [""]}), false),
        (json!({"command": ["sh", "-c"], "args": [""]}), true),
        (json!({"args": [null]}), false),
        (json!({"args": ["a\u{0}b"]}), false),
        (json!({"env": {"A": "x\ny"}}), true),
        (json!({"env": {"A=B": "x"}}), false),
        (json!({"env": {"A": 1}}), false),
        (json!({"restart": "on_failure"}), true),
        (json!({"restart": "on-failure"}), false),
        (json!({"restart": {"policy": "never", "delay": -1}}), false),
        (json!({"schedules": [{}]}), false),
        (json!({"schedules": [{"schedule": null}]}), false),
        (json!({"schedules": [{"schedule": "@daily", "label": null}]}), true),
        (json!({"log": {"max_size": "10MiB"}}), true),
        (json!({"log": {"max_size": 10}}), false),
        (json!({"log": {"max_size": "10 XB"}}), false),
        (json!({"stop_signal": "sigUsr1"}), true),
        (json!({"stop_signal": 15}), true),
        (json!({"stop_signal": "15"}), false),
        (json!({"stop_signal": "SIGSEGV"}), false),
        (json!({"success_exit_codes": []}), false),
        (json!({"user": "root"}), false),
        (json!({"user": null}), true),
        (json!([]), false),
    ] {
        assert_eq!(verdicts(validator, &document), (accepted, accepted), "{document}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-3i64..400).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        (-40i64..4000).prop_map(|n| Value::from(n as f64 / 8.0)),
        any::<u64>().prop_map(Value::from),
    ];
    let word = prop_oneof!["always", "never", "skip", "allow", "once", "TERM", "9MiB", "\\PC{0,4}", "[\0=a]{0,3}"];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, word.prop_map(Value::from)];
    leaf.prop_recursive(2, 12, 4, |inner| {
        let name =
            prop::sample::select(vec!["max", "delay", "policy", "runs", "keep", "schedule", "args", "A", "=", ""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn schema_and_reader_agree_on_any_value_of_any_key(index in any::<prop::sample::Index>(), value in any_json()) {
        let (names, validator) = &*SCHEMA;
        let name = &names[index.index(names.len())];
        // Grammars are not the schema's to judge.
        prop_assume!(!["schedule", "schedules", "time_zone", "run_at"].contains(&name.as_str()));
        let document = json!({ name.as_str(): value });
        let (by_schema, by_reader) = verdicts(validator, &document);
        prop_assert_eq!(by_schema, by_reader, "{}", document);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "([{}\\[\\]:,\"'0-9a-z/* \n\\\\-]|\\PC){0,60}") {
        read_for(Triggered, &text);
    }

    #[test]
    fn any_json_keeps_its_raw_form(value in prop::collection::btree_map("[a-z_]{0,9}", any_json(), 0..5)) {
        let text = Value::from_iter(value).to_string();
        let same: Value = serde_json::from_str(&text).expect("valid JSON");
        prop_assert_eq!(Value::Object(read_for(Continuous, &text).raw), same);
    }
}

#[test]
fn what_no_process_can_be_given_is_a_problem_wherever_it_stands() {
    for text in [
        r#"{"args": ["a", "b\u0000"]}"#,
        r#"{"schedules": [{"schedule": "@daily", "args": ["\u0000"]}]}"#,
        r#"{"command": ["a\u0000b"]}"#,
        r#"{"command": "a\u0000b"}"#,
        r#"{"env": {"A": "\u0000"}}"#,
        r#"{"env": {"A\u0000": "a"}}"#,
        r#"{"env_file": "a\u0000"}"#,
    ] {
        let told = lines(Triggered, text);
        assert!(told.len() == 1 && told[0].contains(" bad ") && told[0].contains("NUL"), "{text}: {told:?}");
    }
}

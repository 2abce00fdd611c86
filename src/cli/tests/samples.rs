//! Jobs and runs to show.

use serde_json::{Value, json};

use crate::{
    api::wire::{ComingWire, JobWire, RunWire},
    model::{run::Occurrence, time::Wall},
};

/// The moment at which everything is shown.
pub fn now() -> Wall {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

/// A continuous job that runs.
pub fn worker() -> Value {
    json!({
        "kind": "continuous", "name": "worker", "state": "running", "run_command": "run.sh", "restarts": 2,
        "status": {"state": "running", "since": "2026-11-22T14:48:00Z"}, "problems": [], "settings": {},
        "copies": [{"copy": 0, "state": "running", "since": "2026-11-22T14:48:00Z", "pid": 42, "run": "202611221448000000"}],
    })
}

/// A continuous job between two lives.
pub fn crashing() -> Value {
    json!({
        "kind": "continuous", "name": "größe", "state": "backoff", "run_command": "run.py", "restarts": 7, "settings": {},
        "status": {
            "state": "backoff", "since": "2026-11-22T17:59:50Z", "until": "2026-11-22T18:00:12Z",
            "reason": "ended with exit code 1",
        },
        "problems": [],
    })
}

/// A triggered job with a schedule and a warning.
pub fn nightly() -> Value {
    json!({
        "kind": "triggered", "name": "nightly", "state": "idle", "description": "Sums up the day", "run_command": "run.py",
        "status": {"state": "idle", "since": "2026-11-22T02:30:09Z"}, "restarts": 0, "settings": {},
        "problems": [{
            "code": "unknown_key", "message": "`colour` is not a known key", "file": "settings.job", "line": 3, "column": 4,
            "fatal": false,
        }],
        "latest": failed(), "next": "2026-11-23T02:30:00Z", "schedules": ["0 30 2 * * *"],
    })
}

/// A job that cannot run.
pub fn broken() -> Value {
    json!({
        "kind": "triggered", "name": "broken", "state": "problem", "restarts": 0, "settings": {},
        "status": {"state": "problem", "since": "2026-11-22T12:00:00Z"},
        "problems": [{"code": "no_script", "message": "there is no script; add run.sh or run.py", "fatal": true}],
    })
}

/// A run that failed.
pub fn failed() -> Value {
    json!({
        "id": "202611220230000001", "job": "triggered/nightly", "phase": "ended", "outcome": "failed",
        "reason": "ended with exit code 3", "exit_code": 3, "attempt": 1, "instance": "alpha", "copy": 0,
        "trigger": {"by": "schedule", "due": "2026-11-22T02:30:00Z", "expression": "0 30 2 * * *", "caught_up": false},
        "trigger_text": "Schedule - 0 30 2 * * *", "started": "2026-11-22T02:30:00Z", "ended": "2026-11-22T02:30:09.25Z",
        "duration_ms": 9250, "content": "00112233445566778899aabbccddeeff",
    })
}

/// A run on its way.
pub fn running() -> Value {
    json!({
        "id": "202611221755000000", "job": "triggered/nightly", "phase": "running", "attempt": 2, "instance": "alpha",
        "copy": 0, "trigger": {"by": "api", "user_agent": "curl/8"}, "trigger_text": "External - curl/8",
        "arguments": "--all \"two words\"", "started": "2026-11-22T17:55:00Z", "pid": 77,
    })
}

/// A due time on the day the clocks change.
pub fn coming() -> Value {
    json!({
        "job": "triggered/nightly", "due": "2027-03-28T01:00:00Z", "local": "2027-03-28T03:00:00+02:00[Europe/Berlin]",
        "expression": "0 30 2 * * *", "label": "night", "mark": "moved: 02:30 does not exist on this day",
    })
}

/// A due time that nobody served.
pub fn missed() -> Value {
    json!({
        "due": "2026-11-21T02:30:00Z", "at": "2026-11-21T08:00:00Z", "outcome": "missed", "reason": "no host ran", "count": 3,
    })
}

/// Reads jobs as the client does.
pub fn jobs(values: Vec<Value>) -> Vec<JobWire> {
    serde_json::from_value(values.into()).unwrap()
}

/// Reads runs as the client does.
pub fn runs(values: Vec<Value>) -> Vec<RunWire> {
    serde_json::from_value(values.into()).unwrap()
}

/// Reads coming due times as the client does.
pub fn comings(values: Vec<Value>) -> Vec<ComingWire> {
    serde_json::from_value(values.into()).unwrap()
}

/// Reads past due times as the client does.
pub fn occurrences(values: Vec<Value>) -> Vec<Occurrence> {
    serde_json::from_value(values.into()).unwrap()
}

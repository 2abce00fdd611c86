//! Jobs and runs for tests of answers.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    host::view::JobView,
    model::{
        exit::Exit,
        id::{Instance, JobId, JobKind, JobName, RunId},
        job::{ContentHash, Found, Job, Manifest, Script},
        run::{RunPhase, RunRecord, Trigger},
        settings::WrittenSettings,
        status::{StateWord, Status},
        time::Wall,
    },
};

/// A moment.
pub fn wall(text: &str) -> Wall {
    text.parse().expect("a time")
}

/// A job.
pub fn id(kind: JobKind, name: &str) -> JobId {
    JobId { kind, name: JobName::parse(name).expect("a name") }
}

/// A job without problems, as the view has it.
pub fn view(kind: JobKind, name: &str, state: StateWord, settings: &str) -> JobView {
    let raw_settings: Map<String, Value> = serde_json::from_str(settings).expect("settings");
    let script = Script {
        run_command: "run.cmd".to_owned(),
        dir: Path::new("").into(),
        script_host: "WindowsScriptHost",
        program: vec!["cmd".to_owned()],
        in_place_default: false,
    };
    let job = Job {
        id: id(kind, name),
        root: Path::new("/jobs").into(),
        script: script.into(),
        settings: Arc::default(),
        content: ContentHash([0; 16]),
        files: Manifest::default(),
        disable_marker: false,
    };
    let job = Some(Arc::new(job));
    let found = Found {
        id: id(kind, name),
        root: Path::new("/jobs").into(),
        dir: Path::new("").into(),
        job: job.clone(),
        problems: Vec::new(),
        raw_settings: WrittenSettings::new(&raw_settings),
    };
    JobView {
        found: found.into(),
        job,
        status: Status { state, reason: None, since: wall("2015-10-20T03:00:00Z"), until: None },
        copies: Box::default(),
        active: Box::default(),
        latest: None,
        next: None,
        restarts: 0,
        stopped_by: None,
        paused: None,
    }
}

/// A run, named in Kudu's own example.
pub fn run(phase: RunPhase, ended: Option<&str>) -> RunRecord {
    RunRecord {
        id: RunId::parse("201510200336425903").expect("18 digits"),
        job: id(JobKind::Triggered, "QueueUpdates"),
        copy: 0,
        instance: Instance::new("aabbccdd"),
        trigger: Trigger::Api { user_agent: "Mozilla/5.0 ...".to_owned() },
        attempt: 1,
        arguments: None,
        phase,
        started: wall("2015-10-20T03:36:42.5903978Z"),
        ended: ended.map(wall),
        duration_ms: Some(7),
        exit: Some(Exit::Code(0)),
        reason: None,
        content: None,
        pid: None,
        log: None,
    }
}

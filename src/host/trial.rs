//! A machine without a host, for tests of what works on one.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    decide::zone::Zone,
    host::{machine::Machine, message::Update, start},
    model::{
        config::{Config, DoorConfig, EngineSettings},
        id::{Instance, JobId},
        job::{ContentHash, Found, Job, Manifest, Script},
        log::TimestampFormat,
        settings::{Settings, WrittenSettings},
        wish::Asked,
    },
    store::layout::Layout,
};

/// Makes a machine in a folder, and returns it with what is told of jobs that rest. Called within a runtime.
pub fn machine(root: &Path) -> (Arc<Machine>, mpsc::UnboundedReceiver<JobId>) {
    let config = config(root);
    for folder in ["jobs", "data/jobs/triggered", "data/webjobd/hosts/a", "temp"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let layout = Layout::new(config.data.clone(), config.instance.clone());
    let (rests, told) = mpsc::unbounded_channel();
    let channels = (mpsc::channel(1).0, rests);
    let (machine, _) = start::machine(config.into(), layout, Zone::utc(), channels, None).expect("a machine");
    (machine, told)
}

/// Returns what an actor is told of a job whose folder is used in place.
pub fn update(id: &JobId, root: &Path, program: Vec<String>, settings: Settings, content: ContentHash) -> Update {
    let script = Script {
        run_command: "run.sh".to_owned(),
        dir: Path::new("").into(),
        script_host: "BashScriptHost",
        program,
        in_place_default: true,
    };
    let job = Job {
        id: id.clone(),
        root: root.into(),
        script: script.into(),
        settings: settings.into(),
        content,
        files: Manifest::default(),
        disable_marker: false,
    };
    let found = Found {
        id: id.clone(),
        root: Arc::clone(&job.root),
        dir: Path::new("").into(),
        job: Some(job.into()),
        problems: Vec::new(),
        raw_settings: WrittenSettings::default(),
    };
    Update { found: found.into(), wishes: Asked::default() }
}

fn config(root: &Path) -> Config {
    Config {
        root: root.to_owned(),
        jobs: root.join("jobs"),
        data: root.join("data"),
        temp: root.join("temp"),
        listen: ([127, 0, 0, 1], 0).into(),
        instance: Instance::new("a"),
        public_url: None,
        timestamps: TimestampFormat::Kudu,
        interpreters: BTreeMap::new(),
        insecure_http: false,
        door: DoorConfig::default(),
        kudu_strict: false,
        kudu: EngineSettings::default(),
        env: BTreeMap::new(),
    }
}

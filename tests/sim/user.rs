//! What people and nature do to the world: deeds, drawn by luck, and the edits of folders, which take their time.

use std::{collections::BTreeMap, time::Duration};

use webjobd::model::{
    hint::{Hint, HintKind},
    id::{JobId, JobKind, JobName},
};

use crate::{
    check::Check,
    machine::{Faults, Machine, Thing},
    random::Random,
};

/// One step of an edit of a folder.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Which job's.
    pub job: JobId,
    /// What its files are afterwards; `None` when the folder is gone.
    pub files: Option<BTreeMap<String, String>>,
    /// How it is announced.
    pub kind: HintKind,
    /// Whether it is the last of its edit.
    pub is_last: bool,
}

/// Makes a job's name.
pub fn job(kind: JobKind, name: &str) -> JobId {
    JobId { kind, name: JobName::parse(name).expect("a name") }
}

/// Chooses a job's settings.
pub fn settings(random: &mut Random, kind: JobKind) -> String {
    let mut keys = vec![format!("\"stopping_wait_time\": {}", random.pick(&[0, 1, 5, 30]))];
    match kind {
        JobKind::Continuous => {
            keys.push(format!("\"instances\": {}", random.pick(&[1, 1, 2, 3])));
            let restarts: &[&str] = &[
                "{\"policy\": \"always\"}",
                "{\"policy\": \"always\", \"delay\": 0.2, \"max_delay\": 10}",
                "{\"policy\": \"on_failure\"}",
                "{\"policy\": \"always\", \"give_up_after\": 5}",
            ];
            keys.push(format!("\"restart\": {}", random.pick(restarts)));
        }
        JobKind::Triggered => {
            let overlap = *random.pick(&["skip", "queue", "allow", "replace"]);
            keys.push(format!("\"overlap\": \"{overlap}\", \"max_concurrency\": {}", random.pick(&[1, 2])));
            keys.push(format!("\"catch_up\": \"{}\"", random.pick(&["none", "once", "all"])));
            keys.push(format!("\"catch_up_window\": {}", random.pick(&[60, 600, 7200])));
            if random.per_mille(300) {
                keys.push("\"jitter\": 40".to_owned());
            }
            if random.per_mille(300) {
                keys.push("\"retries\": {\"max\": 2, \"delay\": 10}".to_owned());
            }
            if random.per_mille(200) {
                keys.push("\"timeout\": 60".to_owned());
            }
            if random.per_mille(200) {
                keys.push("\"idle_timeout\": 45".to_owned());
            }
            if random.per_mille(300) {
                keys.push("\"run_on_start\": true".to_owned());
            }
        }
    }
    format!("{{{}}}", keys.join(", "))
}

/// Chooses a job's schedules.
pub fn schedules(random: &mut Random) -> String {
    let times = ["0 * * * * *", "*/20 * * * * *", "0 */7 * * * *", "30 15 */2 * * *", "0 30 2 * * *", "0 0 * * * *"];
    let zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"];
    let mut one =
        || format!("{{\"schedule\": \"{}\", \"time_zone\": \"{}\"}}", random.pick(&times), random.pick(&zones));
    let (first, second) = (one(), one());
    if random.per_mille(400) { format!("[{first}, {second}]") } else { format!("[{first}]") }
}

impl Machine {
    /// Changes a folder, in one go or slowly, into something that runs or something broken.
    pub fn upload(&mut self, job: &JobId, settings: Option<String>) {
        let mut files = self.disk.folders.get(job).map(|folder| folder.files.clone()).unwrap_or_default();
        let version = self.random.any() % 100_000;
        let settings = settings.or_else(|| files.get("settings.job").cloned()).unwrap_or_else(|| "{}".to_owned());
        let is_broken = self.random.per_mille(200);
        files.clear();
        files.insert("lib.txt".to_owned(), format!("version {version}"));
        files.insert("settings.job".to_owned(), if is_broken { "{\"instances\": ".to_owned() } else { settings });
        files.insert("run.sh".to_owned(), format!("#!/bin/bash\necho {version}"));
        if is_broken && self.random.per_mille(500) {
            files.remove("run.sh");
        }
        if self.random.per_mille(100) {
            files.insert("disable.job".to_owned(), String::new());
        }
        let edit = |files, kind, is_last| Edit { job: job.clone(), files: Some(files), kind, is_last };
        if self.random.per_mille(500) {
            return self.after(Duration::ZERO, Thing::Edit(edit(files, HintKind::MovedIn, true)));
        }
        let (mut at, mut half) = (Duration::ZERO, BTreeMap::new());
        let last = files.len() - 1;
        for (place, (name, text)) in files.into_iter().enumerate() {
            half.insert(name, text);
            let kind = *self.random.pick(&[HintKind::Writing, HintKind::Changed, HintKind::Created]);
            self.after(at, Thing::Edit(edit(half.clone(), kind, place == last)));
            at += self.random.ms(0, 2_500);
        }
    }

    /// Takes a folder away.
    pub fn remove(&mut self, job: &JobId) {
        let edit = Edit { job: job.clone(), files: None, kind: HintKind::Removed, is_last: true };
        self.after(Duration::ZERO, Thing::Edit(edit));
    }

    /// Carries out an edit; `hosts` are told, with their epochs.
    pub fn edit(&mut self, edit: Edit, hosts: &[(usize, u32)]) {
        let Edit { job, files, kind, is_last } = edit;
        self.tell(|| format!("{job}: its folder changes ({kind:?}{})", if is_last { ", done" } else { "" }));
        self.edited.insert(job.clone(), self.mono);
        match files {
            None => drop(self.disk.folders.remove(&job)),
            Some(files) => {
                let stamp = self.random.any();
                self.disk.fill(&job, files, stamp, self.mono);
            }
        }
        for (host, epoch) in hosts {
            if !self.random.per_mille(self.faults.deaf) {
                let delay = self.random.ms(0, 100);
                let hint = Hint::Job { id: job.clone(), kind, path: None };
                self.after(delay, Thing::Hint { host: *host, epoch: *epoch, hint });
            }
        }
        if is_last {
            if let Some((host, _)) = hosts.first().filter(|_| self.random.per_mille(300)) {
                // Somebody asks for a look at everything while hints wait for quiet.
                let delay = self.random.ms(0, 2_000);
                self.after(delay, Thing::Rescan(*host));
            }
            let since = self.mono;
            self.after(Duration::from_secs(150), Thing::Check(Check::Content { job, since }));
        }
    }

    /// Chooses how often things go wrong from now on.
    pub fn choose_faults(&mut self) {
        let calm = Faults::default();
        let rough = Faults {
            spawn: *self.random.pick(&[0, 100, 500, 1000]),
            copy: *self.random.pick(&[0, 100, 1000]),
            full: *self.random.pick(&[0, 0, 100, 1000]),
            deaf: *self.random.pick(&[0, 100, 1000]),
        };
        self.faults = if self.random.per_mille(600) { calm } else { rough };
        let faults = self.faults;
        self.tell(|| format!("faults are now {faults:?}"));
    }
}

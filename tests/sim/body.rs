//! One run as its actor holds it: performs what the life asks for, as `host::run` does, and keeps its record.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use webjobd::{
    decide::{
        life::{End, LifeAction, LifeEvent, LifePolicy},
        retain::{self, Kept, RetainPolicy},
    },
    model::{
        id::{Instance, JobId, RunId},
        job::Job,
        run::{RunPhase, RunRecord, Trigger},
        time::Wall,
    },
};

use crate::{
    machine::{Machine, RunKey},
    process::{Order, Run},
};

/// Which host, in which of its lives.
#[derive(Clone, Debug)]
pub struct Me {
    /// Its number.
    pub host: usize,
    /// How often it was started.
    pub epoch: u32,
}

impl Me {
    /// Returns its name.
    pub fn instance(&self) -> Instance {
        Instance::new(&format!("host{}", self.host))
    }
}

/// One run on its way.
#[derive(Debug)]
pub struct Body {
    key: RunKey,
    epoch: u32,
    job: Arc<Job>,
    /// Its record so far.
    pub record: RunRecord,
}

/// Returns what of a job's settings matters to one run.
pub fn life_policy(job: &Job) -> LifePolicy {
    let settings = &job.settings;
    LifePolicy {
        grace: job.grace(),
        stop_signal: settings.stop_signal,
        timeout: settings.timeout,
        idle_timeout: settings.idle_timeout,
        success_exit_codes: settings.success_exit_codes.clone(),
    }
}

/// Makes the record of a run that is accepted now.
pub fn record(machine: &Machine, me: &Me, job: &Job, run: RunId, trigger: Trigger) -> RunRecord {
    RunRecord {
        id: run,
        job: job.id.clone(),
        copy: 0,
        instance: me.instance(),
        trigger,
        attempt: 1,
        arguments: None,
        phase: RunPhase::Initializing,
        started: machine.now().wall,
        ended: None,
        duration_ms: None,
        exit: None,
        reason: None,
        content: Some(job.content),
        pid: None,
        log: None,
    }
}

impl Body {
    /// Takes up a run.
    pub fn new(machine: &mut Machine, me: &Me, job: &Arc<Job>, record: RunRecord) -> Self {
        note_begin(machine, me, &record);
        let key = (me.host, job.id.clone(), record.id);
        machine.tell(|| format!("host{} {}: run {} begins: {}", me.host, job.id, record.id, record.trigger));
        Self { key, epoch: me.epoch, job: Arc::clone(job), record }
    }

    /// Tells whether it began as the only run of its job.
    pub fn is_exclusive(&self) -> bool {
        self.job.settings.overlap != webjobd::model::settings::Overlap::Allow
    }

    /// Tells whether it began as the run of a singleton.
    pub fn is_single(&self) -> bool {
        self.job.settings.is_singleton
    }

    /// Takes in what came with a fact.
    pub fn note(&mut self, machine: &mut Machine, event: &LifeEvent) {
        if let LifeEvent::Spawned { pid } = event {
            self.record.phase = RunPhase::Running;
            self.record.pid = Some(*pid);
            keep(machine, &self.record);
        }
    }

    /// Does what the life asks for; returns what is known of it at once.
    pub fn perform(&mut self, machine: &mut Machine, action: LifeAction) -> Option<LifeEvent> {
        if !machine.acts() {
            return None;
        }
        match action {
            LifeAction::Prepare => self.prepare(machine),
            LifeAction::Spawn => {
                let delay = machine.random.ms(0, 20);
                machine.after(delay, crate::machine::Thing::Spawn(self.key.clone(), self.epoch));
            }
            LifeAction::Terminate(_) => machine.signal(&self.key, false),
            LifeAction::Kill => machine.signal(&self.key, true),
            LifeAction::AwaitGroup => machine.order(&self.key, Order::AwaitGroup),
            LifeAction::CutOutput => machine.order(&self.key, Order::Cut),
            LifeAction::Sweep => machine.order(&self.key, Order::Sweep),
            LifeAction::Measure => {
                let last_output = machine.prints(&self.key).then_some(machine.mono);
                return Some(LifeEvent::Measured { last_output, cpu: Some(Duration::ZERO) });
            }
        }
        None
    }

    fn prepare(&mut self, machine: &mut Machine) {
        let run = Run::new(self.epoch, self.record.copy);
        machine.runs.insert(self.key.clone(), run);
        let copy = (self.key.0, self.job.id.clone(), self.job.content);
        if machine.ready.contains(&copy) {
            return machine.fact(&self.key, self.epoch, Duration::ZERO, LifeEvent::Prepared);
        }
        keep(machine, &self.record);
        let delay = machine.random.ms(1, 1_500);
        let found = machine.disk.found(&self.job.id);
        let is_same = found.and_then(|found| found.job.clone()).is_some_and(|job| job.content == self.job.content);
        if !is_same || machine.random.per_mille(machine.faults.copy) {
            machine.runs.remove(&self.key);
            let why = "Failed to copy job files".to_owned();
            return machine.fact(&self.key, self.epoch, delay, LifeEvent::StartFailed { why });
        }
        machine.ready.insert(copy);
        machine.fact(&self.key, self.epoch, delay, LifeEvent::Prepared);
    }

    /// Closes the record.
    pub fn finish(mut self, machine: &mut Machine, end: &End) -> RunRecord {
        let now = machine.now();
        let key = &self.key;
        machine.tell(|| format!("host{} {}: run {} ended: {:?} {}", key.0, key.1, key.2, end.outcome, end.reason));
        self.record.phase = RunPhase::Ended(end.outcome);
        self.record.ended = Some(now.wall.max(self.record.started));
        self.record.exit = end.exit;
        machine.runs.retain(|key, run| *key != self.key || run.leads());
        machine.told.remove(&self.key);
        if keep(machine, &self.record) {
            note_end(machine, key.0, &self.record);
        }
        self.record
    }
}

/// Notes in the journal that a run began.
pub fn note_begin(machine: &mut Machine, me: &Me, record: &RunRecord) {
    if machine.acts() {
        machine.disk.open[me.host].insert((record.job.clone(), record.id));
    }
}

/// Notes in the journal that a run's record is closed.
pub fn note_end(machine: &mut Machine, host: usize, record: &RunRecord) {
    if machine.writes() {
        machine.disk.open[host].remove(&(record.job.clone(), record.id));
    }
}

/// Writes a record, as far as the disk takes it.
pub fn keep(machine: &mut Machine, record: &RunRecord) -> bool {
    if !machine.writes() {
        return false;
    }
    let key = (record.job.clone(), record.id);
    if matches!(record.phase, RunPhase::Ended(_)) {
        *machine.disk.ended.entry(key.clone()).or_default() += 1;
    }
    let before = machine.disk.records.insert(key, record.clone());
    if let Some(before) = before {
        assert_eq!(
            before.instance, record.instance,
            "two hosts gave the same id to runs of {}: {}",
            record.job, record.id
        );
    }
    true
}

/// Which records of a job are there.
#[derive(Debug, Default)]
pub struct Keeper(BTreeMap<RunId, Option<Wall>>);

impl Keeper {
    /// Lists the records that are there.
    pub fn open(machine: &Machine, job: &JobId) -> Self {
        let own = machine.disk.records.keys().filter(|(id, _)| id == job);
        Self(own.map(|(_, run)| (*run, Some(run.began()))).collect())
    }

    /// Returns an id for a run that begins now.
    pub fn fresh(&self, machine: &Machine, job: &JobId) -> RunId {
        let own = self.0.last_key_value().map(|(run, _)| *run);
        // Another host's runs lie in the same folder: whoever makes a run's folder first has its id.
        let newest = machine.disk.newest.get(job).copied();
        RunId::at(machine.now().wall, own.max(newest))
    }

    /// Notes a run that begins.
    pub fn begun(&mut self, machine: &mut Machine, job: &JobId, run: RunId) {
        if machine.acts() {
            let before = machine.disk.newest.insert(job.clone(), run);
            assert!(before.is_none_or(|before| before < run), "run {run} of {job} is not later than {before:?}");
        }
        self.0.insert(run, None);
    }

    /// Notes a run's end, and removes what is no longer kept.
    pub fn ended(&mut self, machine: &mut Machine, record: &RunRecord, job: &Job) {
        self.0.insert(record.id, record.ended);
        let kept: Vec<Kept> = self.0.iter().map(|(id, ended)| Kept { id: *id, ended: *ended }).collect();
        let policy =
            RetainPolicy { runs: job.settings.history.runs.unwrap_or(20), max_age: job.settings.history.max_age };
        for run in retain::prune(&kept, policy, machine.now().wall) {
            assert!(self.0[&run].is_some(), "an unfinished run of {} would be removed: {run}", job.id);
            self.0.remove(&run);
            let key = (job.id.clone(), run);
            // Another host may be running it; what is not closed is for the next start of its host to close.
            let may_go =
                machine.disk.records.get(&key).is_some_and(|record| matches!(record.phase, RunPhase::Ended(_)));
            if may_go && machine.acts() {
                machine.disk.records.remove(&key);
            }
        }
    }
}

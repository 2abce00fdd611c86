//! Which records of a job are there, and the pruning of those that its policy no longer keeps.
//!
//! The ids are read once, when the job's actor starts; from then on they are known. Removing happens on a thread that may
//! wait for the disk.

use std::{collections::BTreeMap, sync::Arc};

use tracing::warn;

use crate::{
    decide::retain::{self, Kept, RetainPolicy},
    host::machine::Machine,
    model::{
        id::{JobId, RunId},
        job::Job,
        run::{RunPhase, RunRecord},
        time::Wall,
    },
    store::record,
};

/// The records of one job.
#[derive(Debug)]
pub struct Keeper {
    machine: Arc<Machine>,
    job: JobId,
    /// When each ended; `None` while it is on its way.
    runs: BTreeMap<RunId, Option<Wall>>,
}

impl Keeper {
    /// Lists the records that are there.
    pub fn open(machine: &Arc<Machine>, job: &JobId) -> Self {
        let listed = record::list(&machine.layout, job).unwrap_or_else(|error| {
            warn!(%job, %error, "could not list the runs of a job");
            Vec::new()
        });
        // When they ended is not read: when they began is close enough to tell their age.
        let runs = listed.into_iter().map(|run| (run, Some(run.began()))).collect();
        Self { machine: Arc::clone(machine), job: job.clone(), runs }
    }

    /// Returns an id for a run that begins at `now`, later than all others.
    pub fn fresh(&self, now: Wall) -> RunId {
        RunId::at(now, self.runs.last_key_value().map(|(run, _)| *run))
    }

    /// Reads the newest record that makes sense.
    pub fn newest(&self) -> Option<RunRecord> {
        self.runs.keys().rev().find_map(|run| record::read(&self.machine.layout, &self.job, *run))
    }

    /// Notes a run that begins.
    pub fn begun(&mut self, run: RunId) {
        self.runs.insert(run, None);
    }

    /// Notes a run's end, and removes what is no longer kept.
    pub fn ended(&mut self, record: &RunRecord, job: &Job) {
        self.runs.insert(record.id, record.ended);
        self.prune(job);
    }

    /// Removes what is no longer kept.
    pub fn prune(&mut self, job: &Job) {
        let history = &job.settings.history;
        let runs = history.runs.unwrap_or(self.machine.engine().kudu.history_size);
        if self.runs.len() <= runs as usize && history.max_age.is_none() {
            return;
        }
        let policy = RetainPolicy { runs, max_age: history.max_age };
        let kept: Vec<Kept> = self.runs.iter().map(|(id, ended)| Kept { id: *id, ended: *ended }).collect();
        let gone = retain::prune(&kept, policy, self.machine.now().wall);
        if gone.is_empty() {
            return;
        }
        self.runs.retain(|run, _| !gone.contains(run));
        let (machine, job) = (Arc::clone(&self.machine), self.job.clone());
        tokio::task::spawn_blocking(move || remove(&machine, &job, &gone));
    }
}

fn remove(machine: &Machine, job: &JobId, runs: &[RunId]) {
    for run in runs {
        // Another host on this root may be running it.
        let instance = machine.layout.instance();
        let elsewhere = record::read(&machine.layout, job, *run)
            .is_some_and(|record| !matches!(record.phase, RunPhase::Ended(_)) && record.instance != *instance);
        if elsewhere {
            continue;
        }
        if let Err(error) = record::remove(&machine.layout, job, *run) {
            warn!(%job, %run, %error, "could not remove an old run");
        }
    }
}

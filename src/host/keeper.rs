//! Which records of a job are there.
//!
//! The index knows which there are; while there is none, the job's folder is listed. Only the newest id and the runs on
//! their way are kept in mind. What its policy no longer keeps is removed by [`pruner`].

pub mod pruner;

use std::sync::{Arc, PoisonError};

use tracing::warn;

use self::pruner::Active;
use crate::{
    decide::retain::RetainPolicy,
    host::machine::Machine,
    model::{
        history::RunQuery,
        id::{JobId, RunId},
        job::Job,
        run::RunRecord,
        time::Wall,
    },
    store::record,
};

/// How many of the newest runs are looked at for a record that makes sense, before all are.
const NEWEST_MAX: usize = 4;

/// Whether a job may have records and journals already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// It has no data folder.
    None,
    /// Its data folder tells.
    OnDisk,
}

/// The records of one job.
#[derive(Debug)]
pub struct Keeper {
    machine: Arc<Machine>,
    job: JobId,
    /// The newest that there were, newest first.
    newest: Vec<RunId>,
    /// The newest run.
    last: Option<RunId>,
    /// Runs on their way.
    active: Active,
}

impl Keeper {
    /// Looks which records are there.
    pub fn open(machine: &Arc<Machine>, job: &JobId, past: Past) -> Self {
        let newest = match past {
            Past::None => Vec::new(),
            Past::OnDisk => newest(machine, job),
        };
        let last = newest.first().copied();
        Self { machine: Arc::clone(machine), job: job.clone(), newest, last, active: Active::default() }
    }

    /// Returns an id for a run that begins at `now`, later than all others.
    pub fn fresh(&self, now: Wall) -> RunId {
        RunId::at(now, self.last)
    }

    /// Reads the newest record that makes sense, as of when this was opened.
    pub fn newest(&self) -> Option<RunRecord> {
        let read = |run: &RunId| record::read(&self.machine.layout, &self.job, *run);
        match self.newest.iter().find_map(read) {
            None if self.newest.len() >= NEWEST_MAX => list(&self.machine, &self.job).iter().find_map(read),
            found => found,
        }
    }

    /// Notes a run that begins.
    pub fn begun(&mut self, run: RunId) {
        self.last = self.last.max(Some(run));
        self.active.lock().unwrap_or_else(PoisonError::into_inner).insert(run);
    }

    /// Notes a run's end, and asks for what is no longer kept to be removed.
    pub fn ended(&mut self, record: &RunRecord, job: &Job) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.id);
        self.prune(job);
    }

    /// Asks for what is no longer kept to be removed.
    pub fn prune(&self, job: &Job) {
        if self.last.is_none() {
            return;
        }
        let history = &job.settings.history;
        let runs = history.runs.unwrap_or(self.machine.engine().kudu.history_size);
        let policy = RetainPolicy { runs, max_age: history.max_age };
        self.machine.pruner.ask(&self.machine, &self.job, &self.active, policy);
    }
}

/// Lists the newest runs that there are, newest first.
fn newest(machine: &Machine, job: &JobId) -> Vec<RunId> {
    let query = RunQuery { job: Some(job.clone()), ..RunQuery::default() };
    match machine.index.page(&query, NEWEST_MAX) {
        Some(page) => page.entries.into_iter().map(|entry| entry.position.run).collect(),
        None => {
            let mut listed = list(machine, job);
            listed.truncate(NEWEST_MAX);
            listed
        }
    }
}

fn list(machine: &Machine, job: &JobId) -> Vec<RunId> {
    record::list(&machine.layout, job).unwrap_or_else(|error| {
        warn!(%job, %error, "could not list the runs of a job");
        Vec::new()
    })
}

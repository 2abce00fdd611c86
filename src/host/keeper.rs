//! Which records of a job are there.
//!
//! The index knows which there are; while there is none, the job's folder is listed. Only the newest id and the runs on
//! their way are kept in mind. What its policy no longer keeps is removed by [`pruner`].

pub mod pruner;

use std::sync::Arc;

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

/// What there may be of a job already: records and journals.
#[derive(Clone, Debug)]
pub enum Past {
    /// It has no data folder.
    None,
    /// Its data folder tells.
    OnDisk,
    /// It rested, and its newest run here is the one that the view shows.
    Shown(Option<Arc<RunRecord>>),
}

/// The records of one job.
#[derive(Debug)]
pub struct Keeper {
    machine: Arc<Machine>,
    job: JobId,
    /// Whether it had no data folder when this was opened.
    is_new: bool,
    /// The newest run that is known here.
    last: Option<RunId>,
    /// Runs on their way.
    active: Active,
}

impl Keeper {
    /// Looks which records are there, and returns the newest that makes sense besides.
    pub fn open(machine: &Arc<Machine>, job: &JobId, past: Past) -> (Self, Option<Arc<RunRecord>>) {
        let is_new = matches!(past, Past::None);
        let (last, newest) = match past {
            Past::None => (None, None),
            Past::OnDisk => {
                let listed = newest(machine, job);
                (listed.first().copied(), first_record(machine, job, &listed).map(Arc::new))
            }
            Past::Shown(newest) => (newest.as_ref().map(|run| run.id), newest),
        };
        (Self { machine: Arc::clone(machine), job: job.clone(), is_new, last, active: Active::default() }, newest)
    }

    /// Returns an id for a run that begins at `now`, later than that of the newest run that is known here.
    pub fn fresh(&self, now: Wall) -> RunId {
        let mut run = RunId::at(now, self.last);
        // Where the clock is behind it, others may be there: of another host, or with a record that makes no sense.
        while run != RunId::at(now, None) && self.machine.layout.run(&self.job, run).exists() {
            run = RunId::at(now, Some(run));
        }
        run
    }

    /// Notes a run that begins.
    pub fn begun(&mut self, run: RunId) {
        self.last = self.last.max(Some(run));
        self.active.add(run);
    }

    /// Notes a run's end, and asks for what is no longer kept to be removed.
    pub fn ended(&mut self, record: &RunRecord, job: &Job) {
        self.active.remove(record.id);
        self.prune(job);
    }

    /// Asks for what is no longer kept to be removed.
    pub fn prune(&self, job: &Job) {
        if self.is_new && self.last.is_none() {
            return;
        }
        let history = &job.settings.history;
        let runs = history.runs.unwrap_or(self.machine.engine().kudu.history_size);
        let policy = RetainPolicy { runs, max_age: history.max_age };
        self.machine.pruner.ask(&self.machine, &self.job, &self.active, policy);
    }
}

/// Reads the newest record that makes sense: one of `newest`, of all where these are so many that there may be more.
fn first_record(machine: &Machine, job: &JobId, newest: &[RunId]) -> Option<RunRecord> {
    let read = |run: &RunId| record::read(&machine.layout, job, *run);
    match newest.iter().find_map(read) {
        None if newest.len() >= NEWEST_MAX => list(machine, job).iter().find_map(read),
        found => found,
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

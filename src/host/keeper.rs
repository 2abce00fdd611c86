//! Which records of a job are there, and the pruning of those that its policy no longer keeps.
//!
//! The index knows which there are; while there is none, the job's folder is listed. Only the newest id and the runs on
//! their way are kept in mind. Finding out what goes, and removing it, happens on a thread that may wait for the disk.

use std::{collections::BTreeSet, sync::Arc};

use tracing::warn;

use crate::{
    decide::retain::{self, Kept, RetainPolicy},
    host::machine::Machine,
    model::{
        history::{RunQuery, RunStatus},
        id::{JobId, RunId},
        job::Job,
        run::{RunPhase, RunRecord},
        time::Wall,
    },
    store::record,
};

/// How many of the newest runs are looked at for a record that makes sense, before all are.
const NEWEST_MAX: usize = 4;

/// Records that are removed in one go; then it is looked again what is there.
const PRUNED_MAX: usize = 1000;

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
    active: BTreeSet<RunId>,
}

impl Keeper {
    /// Looks which records are there.
    pub fn open(machine: &Arc<Machine>, job: &JobId) -> Self {
        let query = RunQuery { job: Some(job.clone()), ..RunQuery::default() };
        let newest = match machine.index.page(&query, NEWEST_MAX) {
            Some(page) => page.entries.into_iter().map(|entry| entry.position.run).collect(),
            None => {
                let mut listed = list(machine, job);
                listed.truncate(NEWEST_MAX);
                listed
            }
        };
        let last = newest.first().copied();
        Self { machine: Arc::clone(machine), job: job.clone(), newest, last, active: BTreeSet::new() }
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
        self.active.insert(run);
    }

    /// Notes a run's end, and removes what is no longer kept.
    pub fn ended(&mut self, record: &RunRecord, job: &Job) {
        self.active.remove(&record.id);
        self.prune(job);
    }

    /// Removes what is no longer kept.
    pub fn prune(&self, job: &Job) {
        let history = &job.settings.history;
        let runs = history.runs.unwrap_or(self.machine.engine().kudu.history_size);
        let policy = RetainPolicy { runs, max_age: history.max_age };
        let (machine, job, active) = (Arc::clone(&self.machine), self.job.clone(), self.active.clone());
        tokio::task::spawn_blocking(move || prune(&machine, &job, &active, policy));
    }
}

fn list(machine: &Machine, job: &JobId) -> Vec<RunId> {
    record::list(&machine.layout, job).unwrap_or_else(|error| {
        warn!(%job, %error, "could not list the runs of a job");
        Vec::new()
    })
}

/// The oldest records of a job, as far as keeping them is concerned, and how many others there are.
struct Candidates {
    records: Vec<Kept>,
    newer: usize,
}

fn prune(machine: &Machine, job: &JobId, active: &BTreeSet<RunId>, policy: RetainPolicy) {
    loop {
        let now = machine.now().wall;
        let Candidates { records, newer } = indexed(machine, job, active, policy, now)
            .unwrap_or_else(|| Candidates { records: listed(machine, job, active), newer: 0 });
        let gone = retain::prune_oldest(&records, newer, policy, now);
        let removed = gone.iter().filter(|run| remove(machine, job, **run)).count();
        if removed < PRUNED_MAX {
            return;
        }
    }
}

/// Asks the index; `None` while there is none.
fn indexed(
    machine: &Machine,
    job: &JobId,
    active: &BTreeSet<RunId>,
    policy: RetainPolicy,
    now: Wall,
) -> Option<Candidates> {
    let few = |beyond: u64| usize::try_from(beyond).unwrap_or(PRUNED_MAX).min(PRUNED_MAX);
    let mut oldest = machine.index.oldest(job, RunId::MAX, |total| few(retain::beyond(total, policy)))?;
    if let Some(bound) = retain::oldest(policy, now) {
        let aged = machine.index.oldest(job, RunId::at(bound.max(Wall::UNIX_EPOCH), None), |_| PRUNED_MAX)?;
        if aged.runs.len() > oldest.runs.len() {
            oldest = aged;
        }
    }
    let newer = usize::try_from(oldest.total).unwrap_or(usize::MAX).saturating_sub(oldest.runs.len());
    let kept = |(id, status): (RunId, RunStatus)| {
        let is_active = status == RunStatus::Running || active.contains(&id);
        Kept { id, ended: if is_active { None } else { ended(machine, job, id) } }
    };
    Some(Candidates { records: oldest.runs.into_iter().map(kept).collect(), newer })
}

/// Lists the folder. When they ended is not read: when they began is close enough to tell their age.
fn listed(machine: &Machine, job: &JobId, active: &BTreeSet<RunId>) -> Vec<Kept> {
    let kept = |id: RunId| Kept { id, ended: (!active.contains(&id)).then(|| id.began()) };
    list(machine, job).into_iter().map(kept).collect()
}

/// Reads when a run ended; `None` while another host has it on its way. One without a record is as old as its id.
fn ended(machine: &Machine, job: &JobId, run: RunId) -> Option<Wall> {
    match record::read(&machine.layout, job, run) {
        Some(record) if is_elsewhere(machine, &record) => None,
        Some(record) => Some(record.ended.unwrap_or(record.started)),
        None => Some(run.began()),
    }
}

fn is_elsewhere(machine: &Machine, record: &RunRecord) -> bool {
    !matches!(record.phase, RunPhase::Ended(_)) && record.instance != *machine.layout.instance()
}

/// Removes a record, and tells whether it is gone.
fn remove(machine: &Machine, job: &JobId, run: RunId) -> bool {
    // Another host on this root may be running it.
    if record::read(&machine.layout, job, run).is_some_and(|record| is_elsewhere(machine, &record)) {
        return false;
    }
    match record::remove(&machine.layout, job, run) {
        Ok(()) => {
            machine.index.gone(job, run);
            true
        }
        Err(error) => {
            warn!(%job, %run, %error, "could not remove an old run");
            false
        }
    }
}

//! Removes the records that a job's policy no longer keeps: those of all jobs in one go, a moment after they ended, so
//! that it costs a run nothing and the index is asked once for many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::warn;

use super::list;
use crate::{
    decide::retain::{self, Kept, RetainPolicy},
    host::machine::Machine,
    model::{
        history::RunStatus,
        id::{JobId, RunId},
        run::{RunPhase, RunRecord},
        time::Wall,
    },
    store::record,
};

/// How long what goes is gathered.
const GATHER: Duration = Duration::from_millis(200);

/// Records that are removed in one go; then it is looked again what is there.
const PRUNED_MAX: usize = 1000;

/// A job's runs on their way, shared with its actor: few, and mostly begun in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Active(Arc<Mutex<Vec<RunId>>>);

/// Which jobs are to be looked at.
#[derive(Debug, Default)]
pub struct Pruner(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    jobs: BTreeMap<JobId, Ask>,
    /// Whether somebody looks already, and will look again.
    is_on_way: bool,
}

#[derive(Clone, Debug)]
struct Ask {
    active: Active,
    policy: RetainPolicy,
}

impl Pruner {
    /// Asks for a look at a job, soon. Called within a runtime. What was not looked at when the host ends is at its next
    /// start.
    pub fn ask(&self, machine: &Arc<Machine>, job: &JobId, active: &Active, policy: RetainPolicy) {
        let mut asked = self.asked();
        asked.jobs.insert(job.clone(), Ask { active: active.clone(), policy });
        if !std::mem::replace(&mut asked.is_on_way, true) {
            tokio::spawn(gather(Arc::clone(machine)));
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was asked for; nobody looks any more when that is nothing.
    fn take(&self) -> BTreeMap<JobId, Ask> {
        let mut asked = self.asked();
        asked.is_on_way = !asked.jobs.is_empty();
        std::mem::take(&mut asked.jobs)
    }
}

async fn gather(machine: Arc<Machine>) {
    loop {
        machine.clock.sleep_until(machine.now().mono + GATHER).await;
        let asked = machine.pruner.take();
        if asked.is_empty() {
            return;
        }
        let at = Arc::clone(&machine);
        let looked = tokio::task::spawn_blocking(move || asked.iter().for_each(|(job, ask)| prune(&at, job, ask)));
        // A panic there has been told.
        let _ = looked.await;
    }
}

impl Active {
    /// Notes a run that begins.
    pub fn add(&self, run: RunId) {
        let mut runs = self.runs();
        if let Err(place) = runs.binary_search(&run) {
            runs.insert(place, run);
        }
    }

    /// Notes a run that has ended.
    pub fn remove(&self, run: RunId) {
        let mut runs = self.runs();
        if let Ok(place) = runs.binary_search(&run) {
            runs.remove(place);
        }
    }

    fn contains(&self, run: RunId) -> bool {
        self.runs().binary_search(&run).is_ok()
    }

    fn runs(&self) -> MutexGuard<'_, Vec<RunId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest records of a job, as far as keeping them is concerned, and how many others there are.
struct Candidates {
    records: Vec<Kept>,
    newer: usize,
}

fn prune(machine: &Machine, job: &JobId, Ask { active, policy }: &Ask) {
    loop {
        let now = machine.now().wall;
        let read = indexed(machine, job, active, *policy, now);
        let is_read = read.is_some();
        let Candidates { records, newer } =
            read.unwrap_or_else(|| Candidates { records: listed(machine, job, active), newer: 0 });
        let mut gone = retain::prune_oldest(&records, newer, *policy, now);
        if !is_read {
            // Another host on this root may be running it.
            gone.retain(|run| ended(machine, job, *run).is_some());
        }
        let removed = gone.iter().filter(|run| remove(machine, job, **run)).count();
        if removed < PRUNED_MAX {
            return;
        }
    }
}

/// Asks the index; `None` while there is none.
fn indexed(machine: &Machine, job: &JobId, active: &Active, policy: RetainPolicy, now: Wall) -> Option<Candidates> {
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
        let is_active = status == RunStatus::Running || active.contains(id);
        Kept { id, ended: if is_active { None } else { ended(machine, job, id) } }
    };
    Some(Candidates { records: oldest.runs.into_iter().map(kept).collect(), newer })
}

/// Lists the folder. When they ended is not read: when they began is close enough to tell their age.
fn listed(machine: &Machine, job: &JobId, active: &Active) -> Vec<Kept> {
    let kept = |id: RunId| Kept { id, ended: (!active.contains(id)).then(|| id.began()) };
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

//! What everybody may see: the state of every job, published by the actors and read by the API.
//!
//! Readers never wait for an actor: they take an `Arc` of what was last published. Nothing here decides anything.

mod listeners;
mod waiters;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, PoisonError, RwLock, Weak},
};

use tokio::sync::watch;

pub use self::listeners::{Listeners, Listening};
use self::waiters::Waiters;
use crate::{
    host::{events::Events, metrics::Metrics},
    model::{
        event::{EventId, News},
        id::{JobId, JobKind, RunId},
        job::{Found, Job},
        run::RunRecord,
        status::{StateWord, Status},
        time::Wall,
    },
    store::log::{LogName, LogWriter},
};

pub use crate::decide::pause::Paused;

/// One job as published.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its folder as last read, problems included.
    pub found: Arc<Found>,
    /// What runs: the last content without a defect, which may be older than what was found.
    pub job: Option<Arc<Job>>,
    /// The whole job's state.
    pub status: Status,
    /// A continuous job's copies on this host; one, unless its settings ask for more. Empty for a triggered job.
    pub copies: Box<[CopyView]>,
    /// Runs on their way, oldest first, those that wait included.
    pub active: Box<[Arc<RunRecord>]>,
    /// The newest run, whatever its phase.
    pub latest: Option<Arc<RunRecord>>,
    /// When it is due next.
    pub next: Option<Wall>,
    /// Restarts since the host started.
    pub restarts: u64,
    /// Whether a person stopped it; it then stays stopped over restarts of the host.
    pub stopped_by: Option<Box<str>>,
    /// Whether its schedules are paused.
    pub paused: Option<Box<Paused>>,
}

impl JobView {
    /// Whether there is nothing new to see: what is shared is the same, and the rest equal.
    fn is_as(&self, before: &Self) -> bool {
        let Self { found, job, status, copies, active, latest, next, restarts, stopped_by, paused } = self;
        same(Some(found), Some(&before.found))
            && same(job.as_ref(), before.job.as_ref())
            && same(latest.as_ref(), before.latest.as_ref())
            && active.len() == before.active.len()
            && active.iter().zip(&before.active).all(|(run, before)| Arc::ptr_eq(run, before))
            && (status, copies, next, restarts) == (&before.status, &before.copies, &before.next, &before.restarts)
            && (stopped_by, paused) == (&before.stopped_by, &before.paused)
    }
}

fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// One copy of a continuous job.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyView {
    /// Its number, from 0.
    pub copy: u32,
    /// Its state.
    pub status: Status,
    /// Its process group.
    pub pid: Option<u32>,
    /// Its life on the way.
    pub run: Option<RunId>,
    /// The port it may listen on, given as `WEBJOBS_PORT`.
    pub port: Option<u16>,
}

/// A log that this host writes now.
#[derive(Clone, Debug)]
pub struct LiveLog {
    /// What its current file is called; on a shared folder it may be this instance's own.
    pub name: LogName,
    /// Who writes it, as long as somebody does.
    pub writer: Weak<LogWriter>,
}

impl LiveLog {
    /// Returns a watch on where it ends, as [`LogWriter::subscribe`] does; `None` when nobody writes it any more.
    pub fn grown(&self) -> Option<watch::Receiver<u64>> {
        self.writer.upgrade().map(|writer| writer.subscribe())
    }
}

/// The published state of all jobs.
#[derive(Debug)]
pub struct View {
    jobs: RwLock<BTreeMap<JobId, Arc<JobView>>>,
    /// By job, and by run where a run has a log of its own.
    logs: RwLock<BTreeMap<(JobId, Option<RunId>), LiveLog>>,
    changed: watch::Sender<u64>,
    /// Those who wait for one job alone.
    waiters: Waiters,
    ready: watch::Sender<bool>,
    /// How many jobs are about to start.
    beginning: watch::Sender<usize>,
    events: Events,
    metrics: Metrics,
    app_log: Listeners,
}

impl View {
    /// Makes an empty view; `first` is the number before that of its first event.
    pub fn new(first: EventId) -> Self {
        let (jobs, logs) = (RwLock::default(), RwLock::default());
        let (changed, ready) = (watch::Sender::new(0), watch::Sender::new(false));
        let (events, metrics, app_log) = (Events::begin(first), Metrics::new(), Listeners::default());
        let (waiters, beginning) = (Waiters::default(), watch::Sender::new(0));
        Self { jobs, logs, changed, waiters, ready, beginning, events, metrics, app_log }
    }

    /// Tells whoever follows the host of something that happened, and counts it.
    pub fn tell(&self, at: Wall, news: News) {
        self.metrics.note(&news);
        self.events.tell(at, news);
    }

    /// Returns the host's numbers.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns what happened of late.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Publishes that every job folder has been read once, and what it says is carried out.
    pub fn publish_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Tells whether every job folder has been read once.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until every job folder has been read once.
    pub async fn ready(&self) {
        // The sender lives in this view, so it never ends before.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Waits until no job is about to start.
    pub async fn begun(&self) {
        // The sender lives in this view, so it never ends before.
        let _ = self.beginning.subscribe().wait_for(|jobs| *jobs == 0).await;
    }

    /// Counts those that are about to start; under the lock of the jobs, so that it is as they are.
    fn count_beginning(&self, before: Option<&JobView>, now: Option<&JobView>) {
        let begins = |job: &JobView| matches!(job.status.state, StateWord::Initializing | StateWord::Starting);
        match (before.is_some_and(begins), now.is_some_and(begins)) {
            (false, true) => self.beginning.send_modify(|jobs| *jobs += 1),
            (true, false) => self.beginning.send_modify(|jobs| *jobs -= 1),
            (true, true) | (false, false) => {}
        }
    }

    /// Returns who follows the application log.
    pub fn app_log(&self) -> &Listeners {
        &self.app_log
    }

    /// Returns one job.
    pub fn job(&self, id: &JobId) -> Option<Arc<JobView>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Returns every job, continuous ones first, by name.
    pub fn jobs(&self) -> Vec<Arc<JobView>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Returns a watch whose number grows with every change of any job.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns a watch that tells of every change of one job.
    pub fn changes_of(&self, id: &JobId) -> watch::Receiver<()> {
        self.waiters.wait(id)
    }

    /// Returns the log that a run, or a continuous job as a whole, is written to now.
    pub fn live_log(&self, job: &JobId, run: Option<RunId>) -> Option<LiveLog> {
        let run = run.filter(|_| job.kind == JobKind::Triggered);
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(&(job.clone(), run)).cloned()
    }

    /// Publishes that a log is written, or no more: a continuous job's with no run, a triggered run's with its id.
    pub fn publish_log(&self, job: &JobId, run: Option<RunId>, log: Option<LiveLog>) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let key = (job.clone(), run);
        match log {
            Some(log) => drop(logs.insert(key, log)),
            None => drop(logs.remove(&key)),
        }
    }

    /// Publishes one job at `now`, and tells of what is new about it.
    pub fn publish(&self, job: JobView, now: Wall) {
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        let (job, before) = match jobs.entry(job.found.id.clone()) {
            Entry::Occupied(published) if job.is_as(published.get()) => return,
            Entry::Occupied(mut published) => {
                let job = Arc::new(job);
                let before = published.insert(Arc::clone(&job));
                (job, Some(before))
            }
            Entry::Vacant(place) => (Arc::clone(place.insert(Arc::new(job))), None),
        };
        self.count_beginning(before.as_deref(), Some(&job));
        drop(jobs);
        self.tell_change(&job.found.id);
        self.tell_news(before.as_deref(), &job, now);
    }

    fn tell_change(&self, id: &JobId) {
        self.changed.send_modify(|serial| *serial += 1);
        self.waiters.tell(id);
    }

    /// Takes a job out at `now`.
    pub fn remove(&self, id: &JobId, now: Wall) {
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        let before = jobs.remove(id);
        self.count_beginning(before.as_deref(), None);
        drop(jobs);
        self.tell_change(id);
        self.tell(now, News::Removed { job: id.clone() });
    }

    fn tell_news(&self, before: Option<&JobView>, job: &JobView, now: Wall) {
        let id = &job.found.id;
        let telling = |status: &Status| (status.state, status.reason.clone());
        if before.is_none_or(|before| telling(&before.status) != telling(&job.status)) {
            self.tell(now, News::StateChanged { job: id.clone(), status: job.status.clone() });
        }
        let known = before.map_or(&[][..], |before| &before.found.problems);
        if known != job.found.problems {
            let problems = job.found.problems.clone();
            self.tell(now, News::ProblemsChanged { job: id.clone(), problems });
        }
    }
}

#[cfg(test)]
mod tests;

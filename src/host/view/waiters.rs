//! Those who wait for a change of one job: a change wakes whoever waits for that job, and nobody else.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::model::id::JobId;

/// Who waits, by job; only jobs that somebody waits for, or did until their last change, are here.
#[derive(Debug, Default)]
pub struct Waiters(Mutex<BTreeMap<JobId, watch::Sender<()>>>);

impl Waiters {
    /// Begins to wait: every change from now on is told.
    pub fn wait(&self, id: &JobId) -> watch::Receiver<()> {
        self.jobs().entry(id.clone()).or_default().subscribe()
    }

    /// Tells of a change.
    pub fn tell(&self, id: &JobId) {
        let mut jobs = self.jobs();
        if let Some(sender) = jobs.get(id) {
            if sender.is_closed() {
                jobs.remove(id);
            } else {
                sender.send_replace(());
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    fn job(name: &str) -> JobId {
        JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") }
    }

    #[test]
    fn a_change_wakes_those_who_wait_for_its_job_and_keeps_nothing_of_those_who_went() {
        let waiters = Waiters::default();
        let (one, other) = (waiters.wait(&job("a")), waiters.wait(&job("b")));
        waiters.tell(&job("a"));
        waiters.tell(&job("c"));
        assert!(one.has_changed().expect("it is told") && !other.has_changed().expect("it is told"));
        drop(one);
        waiters.tell(&job("a"));
        assert_eq!(waiters.jobs().keys().cloned().collect::<Vec<_>>(), [job("b")]);
    }
}

//! What other hosts on this root did. Their runs stand in the shared folder and nobody tells of them, so they are looked
//! for when they are asked for.
//!
//! It reads the disk: it is asked on threads that may wait. Where no other host was ever seen, nothing is read.

use std::{cell::OnceCell, fs, sync::Arc};

use super::HostHandle;
use crate::{
    decide::recover::elsewhere,
    host::{instances, view::JobView},
    model::{
        id::{Instance, JobId, JobKind, RunId},
        run::RunRecord,
    },
    store::{layout::Layout, record},
};

/// The other hosts of a root, as far as one question needs them.
#[derive(Debug)]
pub(super) struct Elsewhere<'a> {
    layout: &'a Layout,
    living: OnceCell<Vec<Instance>>,
}

impl HostHandle {
    /// Returns jobs as they are shown: the newest run of a triggered one may be another host's.
    pub fn shown(&self, jobs: Vec<Arc<JobView>>) -> Vec<Arc<JobView>> {
        let elsewhere = Elsewhere::of(self.layout());
        if !elsewhere.is_known() {
            return jobs;
        }
        jobs.into_iter().map(|job| elsewhere.latest(job)).collect()
    }

    /// Returns one job as it is shown.
    pub fn shown_one(&self, job: Arc<JobView>) -> Arc<JobView> {
        let elsewhere = Elsewhere::of(self.layout());
        if elsewhere.is_known() { elsewhere.latest(job) } else { job }
    }
}

impl<'a> Elsewhere<'a> {
    /// Makes one that has looked at nothing yet.
    pub(super) fn of(layout: &'a Layout) -> Self {
        Self { layout, living: OnceCell::new() }
    }

    /// Reads a run's record; a run whose host is gone is shown as lost.
    pub(super) fn record(&self, job: &JobId, run: RunId) -> Option<RunRecord> {
        let read = || record::read(self.layout, job, run);
        let is_orphan = |record: &RunRecord| {
            elsewhere::awaits_another(record, self.layout.instance()) && !self.living().contains(&record.instance)
        };
        let found = read()?;
        if !is_orphan(&found) {
            return Some(found);
        }
        // Its host may have written the end after the first look, and gone then.
        let again = read()?;
        Some(if is_orphan(&again) { elsewhere::lost(again) } else { again })
    }

    /// Whether there ever was another host here: its last run stays when it goes.
    fn is_known(&self) -> bool {
        let mut hosts = fs::read_dir(self.layout.hosts()).into_iter().flatten().flatten();
        hosts.any(|host| host.file_name().to_str().is_some_and(|name| name != self.layout.instance().as_str()))
    }

    fn latest(&self, job: Arc<JobView>) -> Arc<JobView> {
        let id = &job.found.id;
        if id.kind == JobKind::Continuous {
            return job;
        }
        // One of another host that was read before its end is looked at again.
        let settled = |run: &&Arc<RunRecord>| !elsewhere::awaits_another(run, self.layout.instance());
        let known = job.latest.as_ref().filter(settled).map(|run| run.id);
        // Runs that cannot be listed are not shown; the history says why.
        let runs = record::list(self.layout, id).unwrap_or_default();
        let newer = runs.into_iter().take_while(|run| known.is_none_or(|known| *run > known));
        match newer.filter_map(|run| self.record(id, run)).next() {
            Some(run) => Arc::new(JobView { latest: Some(Arc::new(run)), ..JobView::clone(&job) }),
            None => job,
        }
    }

    fn living(&self) -> &[Instance] {
        self.living.get_or_init(|| instances::others(self.layout))
    }
}

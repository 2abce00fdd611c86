//! Which files a job has in its data folder: Kudu links only to those that are there (spec/kudu-webjobs 8.7).

use std::collections::HashSet;

use crate::{
    model::{
        id::{JobId, JobKind, RunId},
        time::Wall,
    },
    store::{
        layout::{Layout, OUTPUT_LOG, SCHEDULER_LOG},
        looks::Looks,
    },
};

/// The log of errors that very old runs have.
pub const ERROR_LOG: &str = "error_log.txt";

/// The marker by which the WebJobs SDK shows that a job uses it, as Kudu and as the SDK write it.
const SDK_MARKERS: [&str; 2] = ["webjobssdk.marker", "WebJobsSdk.marker"];

/// The files of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFiles {
    /// What the log of a continuous job is called, where this host writes one of its own.
    pub log: Option<String>,
    /// The job uses the WebJobs SDK.
    pub uses_sdk: bool,
    /// There is a log of its schedule.
    pub has_scheduler_log: bool,
    /// The files of its newest run.
    pub latest: RunFiles,
}

/// The files of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunFiles {
    /// There is a log of its output.
    pub has_output: bool,
    /// There is a log of its errors alone.
    pub has_error: bool,
}

/// The files of many jobs, for a list. It reads the disk: use it on a thread that may wait.
#[derive(Debug)]
pub struct Shelf<'a> {
    /// Where data folders lie.
    pub layout: &'a Layout,
    /// What was found in them before.
    pub looks: &'a Looks,
    /// The jobs that have a data folder; `None` when that is not to be known.
    pub with_data: Option<&'a HashSet<JobId>>,
    /// The time of the look.
    pub now: Wall,
}

impl Shelf<'_> {
    /// Looks for a job's files; what lies in a folder that has not changed is remembered.
    pub fn of_job(&self, job: &JobId, latest: Option<RunId>) -> JobFiles {
        if self.with_data.is_some_and(|jobs| !jobs.contains(job)) {
            return JobFiles::default();
        }
        let [one, other, scheduler_log] =
            self.looks.has(&self.layout.job(job), [SDK_MARKERS[0], SDK_MARKERS[1], SCHEDULER_LOG], self.now);
        let is_triggered = job.kind == JobKind::Triggered;
        let of_run = |run| {
            let [has_output, has_error] = self.looks.has(&self.layout.run(job, run), [OUTPUT_LOG, ERROR_LOG], self.now);
            RunFiles { has_output, has_error }
        };
        JobFiles {
            log: None,
            uses_sdk: one || other,
            has_scheduler_log: is_triggered && scheduler_log,
            latest: latest.filter(|_| is_triggered).map(of_run).unwrap_or_default(),
        }
    }
}

/// Looks for a job's files.
pub fn of_job(layout: &Layout, job: &JobId, latest: Option<RunId>) -> JobFiles {
    let folder = layout.job(job);
    let is_triggered = job.kind == JobKind::Triggered;
    JobFiles {
        log: None,
        uses_sdk: SDK_MARKERS.iter().any(|marker| folder.join(marker).exists()),
        has_scheduler_log: is_triggered && folder.join(SCHEDULER_LOG).exists(),
        latest: latest.filter(|_| is_triggered).map(|run| of_run(layout, job, run)).unwrap_or_default(),
    }
}

/// Looks for a run's files.
pub fn of_run(layout: &Layout, job: &JobId, run: RunId) -> RunFiles {
    let folder = layout.run(job, run);
    RunFiles { has_output: folder.join(OUTPUT_LOG).exists(), has_error: folder.join(ERROR_LOG).exists() }
}

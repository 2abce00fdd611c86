//! Where everything lies below the data folder. Kudu's names wherever a Kudu client or a user's habit would look for them.
//!
//! ```text
//! data/jobs/continuous/{job}/job_log.txt           data/jobs/triggered/{job}/job_scheduler.log
//! data/jobs/continuous/{job}/runs/{run}/status     data/jobs/triggered/{job}/{run}/status, output_log.txt
//! data/LogFiles/Application/application.log        data/webjobd/deployments/{id}/deployment.json
//! data/webjobd/credentials, overrides.json         data/webjobd/hosts/{instance}/lock, mending.lock, host.json, open_runs
//!                                                  data/webjobd/hosts/{instance}/index.db, runs-{n}.feed
//! ```

use std::path::{Path, PathBuf};

use crate::model::{
    hook::HookId,
    id::{Instance, JobId, JobKind, RunId},
};

/// Name of a continuous job's log.
pub const JOB_LOG: &str = "job_log.txt";
/// Name of a triggered run's log.
pub const OUTPUT_LOG: &str = "output_log.txt";
/// Name of a triggered job's scheduler log.
pub const SCHEDULER_LOG: &str = "job_scheduler.log";
/// Name of a run's record.
pub const STATUS: &str = "status";

/// The data folder of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    data: PathBuf,
    instance: Instance,
}

impl Layout {
    /// Describes the folder `data`, which must be absolute, as `instance` uses it.
    pub fn new(data: PathBuf, instance: Instance) -> Self {
        Self { data, instance }
    }

    /// Returns the data folder itself.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the same folder as another instance uses it.
    #[must_use]
    pub fn of(&self, instance: &Instance) -> Self {
        Self { data: self.data.clone(), instance: instance.clone() }
    }

    /// Returns whose layout it is.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Returns the folder of all jobs of a kind.
    pub fn kind(&self, kind: JobKind) -> PathBuf {
        self.below(&["jobs", kind.as_str()])
    }

    /// Returns a job's data folder: its own place for checkpoints, and where its log lies.
    pub fn job(&self, job: &JobId) -> PathBuf {
        self.below(&["jobs", job.kind.as_str(), job.name.as_str()])
    }

    /// Returns the folder that holds a job's run folders.
    pub fn runs(&self, job: &JobId) -> PathBuf {
        self.below(&["jobs", job.kind.as_str(), job.name.as_str(), runs_in(job.kind)])
    }

    /// Returns a run's folder.
    pub fn run(&self, job: &JobId, run: RunId) -> PathBuf {
        self.in_run(job, run, "")
    }

    /// Returns a run's record.
    pub fn status(&self, job: &JobId, run: RunId) -> PathBuf {
        self.in_run(job, run, STATUS)
    }

    fn in_run(&self, job: &JobId, run: RunId, name: &str) -> PathBuf {
        self.below(&["jobs", job.kind.as_str(), job.name.as_str(), runs_in(job.kind), &run.to_string(), name])
    }

    /// Makes a path in one piece: some are made for each run. A name that is empty is passed over.
    fn below(&self, names: &[&str]) -> PathBuf {
        let len = names.iter().map(|name| 1 + name.len()).sum::<usize>();
        let mut path = PathBuf::with_capacity(self.data.as_os_str().len() + len);
        path.push(&self.data);
        names.iter().filter(|name| !name.is_empty()).for_each(|name| path.push(name));
        path
    }

    /// Returns the folder and name of the log that a run writes to.
    pub fn run_log(&self, job: &JobId, run: RunId) -> (PathBuf, &'static str) {
        match job.kind {
            JobKind::Continuous => (self.job(job), JOB_LOG),
            JobKind::Triggered => (self.run(job, run), OUTPUT_LOG),
        }
    }

    /// Returns the lock that the host which runs a job holds, under Kudu's name.
    pub fn run_lock(&self, job: &JobId) -> PathBuf {
        let name = match job.kind {
            JobKind::Continuous => "singleton.job.lock",
            JobKind::Triggered => "triggeredJob.lock",
        };
        self.below(&["jobs", job.kind.as_str(), job.name.as_str(), name])
    }

    /// Returns where the status word of a continuous job on an instance lies, under Kudu's name.
    pub fn instance_status(&self, job: &JobId, instance: &Instance) -> PathBuf {
        self.job(job).join(format!("status_{instance}"))
    }

    /// Returns the journal of a triggered job's occurrences.
    pub fn occurrences(&self, job: &JobId) -> PathBuf {
        self.job(job).join("occurrences.jsonl")
    }

    /// Returns the lock under which that journal is written.
    pub fn occurrences_lock(&self, job: &JobId) -> PathBuf {
        self.job(job).join("occurrences.lock")
    }

    /// Returns the folder that Kudu's clients know as `LogFiles`.
    pub fn log_files(&self) -> PathBuf {
        self.data.join("LogFiles")
    }

    /// Returns the folder of the application log.
    pub fn application_log(&self) -> PathBuf {
        self.log_files().join("Application")
    }

    /// Returns webjobd's own folder.
    pub fn own(&self) -> PathBuf {
        self.data.join("webjobd")
    }

    /// Returns the file with the first credentials.
    pub fn credentials(&self) -> PathBuf {
        self.own().join("credentials")
    }

    /// Returns the log of who did what through the API.
    pub fn audit(&self) -> PathBuf {
        self.own().join("audit.jsonl")
    }

    /// Returns the file with what people asked of jobs beyond their folders.
    pub fn overrides(&self) -> PathBuf {
        self.own().join("overrides.json")
    }

    /// Returns the file with the app settings that were written.
    pub fn app_settings(&self) -> PathBuf {
        self.own().join("settings.json")
    }

    /// Returns the lock under which it is written.
    pub fn app_settings_lock(&self) -> PathBuf {
        self.own().join("settings.lock")
    }

    /// Returns the folder of the deployments.
    pub fn deployments(&self) -> PathBuf {
        self.own().join("deployments")
    }

    /// Returns the file with the hooks.
    pub fn hooks(&self) -> PathBuf {
        self.own().join("hooks.json")
    }

    /// Returns the lock under which hooks, their records and what they were told of problems are written.
    pub fn hooks_lock(&self) -> PathBuf {
        self.own().join("hooks.lock")
    }

    /// Returns the record of deliveries to a hook.
    pub fn deliveries(&self, hook: HookId) -> PathBuf {
        self.own().join("deliveries").join(format!("{hook}.jsonl"))
    }

    /// Returns the file that says which problems of jobs hooks were told of.
    pub fn problems_told(&self) -> PathBuf {
        self.own().join("problems_told.json")
    }

    /// Returns the journal of deliveries that wait here.
    pub fn waiting(&self) -> PathBuf {
        self.host().join("hooks_waiting")
    }

    /// Returns the folder of all instances.
    pub fn hosts(&self) -> PathBuf {
        self.own().join("hosts")
    }

    /// Returns the instance's own folder.
    pub fn host(&self) -> PathBuf {
        self.hosts().join(self.instance.as_str())
    }

    /// Returns the lock of an instance: who holds it lives.
    pub fn host_lock(&self) -> PathBuf {
        self.host().join("lock")
    }

    /// Returns the same of another instance.
    pub fn host_lock_of(&self, instance: &Instance) -> PathBuf {
        self.hosts().join(instance.as_str()).join("lock")
    }

    /// Returns the lock of who mends what an instance has left, while it does.
    pub fn mending_lock_of(&self, instance: &Instance) -> PathBuf {
        self.hosts().join(instance.as_str()).join("mending.lock")
    }

    /// Returns the file by which a command finds the running host.
    pub fn host_json(&self) -> PathBuf {
        self.host().join("host.json")
    }

    /// Returns the journal of runs that began here and have not ended.
    pub fn open_runs(&self) -> PathBuf {
        self.host().join("open_runs")
    }

    /// Returns the index over all runs, as this instance knows them.
    pub fn index(&self) -> PathBuf {
        self.host().join("index.db")
    }

    /// Returns the folder in which an instance tells what became of runs.
    pub fn feed_of(&self, instance: &Instance) -> PathBuf {
        self.hosts().join(instance.as_str())
    }
}

/// Where the runs of a job lie in its folder.
fn runs_in(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Continuous => "runs",
        JobKind::Triggered => "",
    }
}

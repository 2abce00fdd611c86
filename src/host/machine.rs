//! What every actor works with: the machine below the host, opened once at its start.
//!
//! Shared by `Arc` and never changed, but for the journal of open runs, which has a lock of its own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    decide::{env::Variables, life::LifePolicy},
    host::{
        app_log::AppLog,
        app_settings::{AppSettings, Engine},
        dispatcher::Rehearsals,
        environment::Environment,
        instances::GoneLook,
        keeper::pruner::Pruner,
        neighbours::Neighbours,
        scanner::ScanRequest,
        view::View,
    },
    model::{
        config::Config,
        event::{EventId, News},
        id::{JobId, JobKind, RunId},
        job::Job,
        log::LogPolicy,
        run::{RunRecord, Trigger},
        settings::LogSetting,
        time::{Now, Wall},
    },
    os::{
        clock::Clock,
        poller::Poller,
        process::{Cgroups, Spawner},
        workcopy::WorkCopies,
    },
    store::{
        index::Index,
        layout::Layout,
        log::{Alike, LogFile, LogName, LogWriter, Sharing},
        open_runs::OpenRuns,
    },
};

/// The machine below the host.
#[derive(Debug)]
pub struct Machine {
    /// Both clocks.
    pub clock: Clock,
    /// How the host was set up.
    pub config: Arc<Config>,
    /// Where things lie on disk.
    pub layout: Layout,
    /// Starts processes.
    pub spawner: Spawner,
    /// Watches what runs print, and their ends.
    pub poller: Poller,
    /// Where the cgroups of runs are made, where one can be had.
    pub cgroups: Option<Cgroups>,
    /// Tells when other hosts on this root die.
    pub neighbours: Neighbours,
    /// Looks whether other hosts on this root are gone.
    pub gone_look: GoneLook,
    /// Private working copies of the jobs' folders.
    pub copies: WorkCopies,
    /// Asks for folders to be read.
    pub scan: mpsc::Sender<ScanRequest>,
    /// Tells the reconciler of jobs that rest from now on.
    pub rests: mpsc::UnboundedSender<JobId>,
    /// Which due times are rehearsed.
    pub rehearsals: Rehearsals,
    /// Removes records that are no longer kept.
    pub pruner: Pruner,
    /// What everybody may see.
    pub view: Arc<View>,
    /// The number before that of the host's first event.
    pub first_event: EventId,
    /// What the environments of all runs begin with.
    pub environment: Environment,
    /// Kudu's app settings, and what holds for all jobs by them.
    pub settings: Arc<AppSettings>,
    /// What all logs have alike.
    pub logs: Arc<Alike>,
    /// When the host began.
    pub began: Wall,
    /// Where the output of all jobs goes, besides their own logs.
    pub app_log: AppLog,
    /// Runs that began here and have not ended.
    pub open_runs: Mutex<OpenRuns>,
    /// The index over all runs of all hosts on this root.
    pub index: Arc<Index>,
}

impl Machine {
    /// Reads both clocks.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Returns what holds for all jobs now.
    pub fn engine(&self) -> Arc<Engine> {
        self.settings.engine()
    }

    /// Returns what the environments of runs begin with that start now.
    pub fn common_environment(&self) -> Arc<Variables> {
        self.environment.now(&self.config.env, &self.engine())
    }

    /// Tells whoever follows the host of something that happened now.
    pub fn tell(&self, news: News) {
        self.view.tell(self.now().wall, news);
    }

    /// Makes the writer of a log; nothing is opened yet.
    pub fn log(&self, job: &JobId, run: RunId, setting: &LogSetting) -> Arc<LogWriter> {
        let (dir, name) = self.layout.run_log(job, run);
        self.log_named(dir, name, sharing(job.kind), log_policy(setting))
    }

    /// Makes the writer of any log.
    pub fn log_named(&self, dir: PathBuf, name: &str, sharing: Sharing, policy: LogPolicy) -> Arc<LogWriter> {
        let file = LogFile { dir: dir.into(), name: LogName::new(name), sharing };
        Arc::new(LogWriter::new(file, Arc::clone(&self.logs), policy))
    }

    /// Notes in the journal, and in the index, that a run began.
    pub fn note_begin(&self, job: &JobId, run: RunId, trigger: &Trigger) {
        if let Err(error) = self.open_runs.lock().unwrap_or_else(PoisonError::into_inner).begin(job, run, trigger) {
            warn!(%job, %run, %error, "could not note that a run began");
        }
        self.index.began(job, run);
    }

    /// Notes in the index, then in the journal, that a run's record is closed: what the index has not heard stands in
    /// the journal still.
    pub fn note_closed(&self, record: &RunRecord) {
        self.index.ended(record);
        self.note_end(&record.job, record.id);
    }

    /// Notes in the journal that a run needs no mending.
    pub fn note_end(&self, job: &JobId, run: RunId) {
        if let Err(error) = self.open_runs.lock().unwrap_or_else(PoisonError::into_inner).end(job, run) {
            warn!(%job, %run, %error, "could not note that a run ended");
        }
    }

    /// Returns what of a job's settings, and the host's, matters to one run.
    pub fn life_policy(&self, job: &Job) -> LifePolicy {
        let settings = &job.settings;
        let host_idle = match job.id.kind {
            JobKind::Continuous => None,
            JobKind::Triggered => self.engine().kudu.idle_timeout,
        };
        LifePolicy {
            grace: job.grace(),
            stop_signal: settings.stop_signal,
            timeout: settings.timeout,
            idle_timeout: settings.idle_timeout.or(host_idle).filter(|timeout| *timeout > Duration::ZERO),
            success_exit_codes: settings.success_exit_codes.clone(),
        }
    }
}

/// Returns who else may want the log of a run.
pub fn sharing(kind: JobKind) -> Sharing {
    match kind {
        JobKind::Continuous => Sharing::Shared,
        JobKind::Triggered => Sharing::Sole,
    }
}

/// Keeps all of a log: for one whose settings are not known.
pub const KEEP_ALL: LogPolicy = LogPolicy { max_size: u64::MAX, keep: u32::MAX, max_age: Duration::MAX };

/// Returns how much of a job's log is kept.
pub fn log_policy(setting: &LogSetting) -> LogPolicy {
    LogPolicy { max_size: setting.max_size, keep: setting.keep, max_age: setting.max_age }
}

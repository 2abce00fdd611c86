//! The one door to a running host: commands with their replies, and readers of what it keeps.
//!
//! Whoever holds a handle may ask; the actors answer. Records and logs are read through `store`, on a thread that may
//! wait for the disk, never on the actors.

mod app_settings;
mod change;
pub mod check;
mod command;
pub mod deployments;
mod elsewhere;
pub mod files;
mod health;
mod history;
mod hooks;
pub mod logs;
pub mod processes;
mod read;
mod site;
mod strict;

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use self::logs::LogWatch;
pub use self::{
    change::ChangeError,
    command::{Command, CommandError, Reply, Ticket},
    history::RunPage,
    hooks::{Subscribed, Subscription},
};
use crate::{
    decide::near,
    host::{
        app_settings::AppSettings,
        hooks::Hooks,
        turns::Turns,
        view::{LiveLog, View},
    },
    model::{
        config::Config,
        id::{JobId, JobKind, JobName, RunId},
        time::Wall,
        wish::Wish,
    },
    os::clock::Clock,
    store::{index::Index, layout::Layout},
};

/// Commands that wait for the host's ear; when it is full, callers wait.
pub const COMMANDS_MAX: usize = 1024;

/// Most due times that one question about the future is answered with.
pub const COMING_MAX: usize = 10_000;

/// What a job's folder shall hold.
#[derive(Debug)]
pub enum Upload {
    /// The content of a zip file that lies here.
    Zip(PathBuf),
    /// One file of this name, that lies here.
    File {
        /// Its name, without folders.
        name: String,
        /// Where it lies now.
        path: PathBuf,
    },
}

/// Which runs of a job are asked for.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only those that failed, timed out or were lost.
    pub failed: bool,
    /// Only those that began at or after this moment.
    pub since: Option<Wall>,
    /// At most so many, the newest first.
    pub limit: Option<usize>,
}

/// A due time to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// When it is due.
    pub due: Wall,
    /// The same with the local time and zone, as RFC 9557 text.
    pub local: String,
    /// The schedule's expression.
    pub expression: String,
    /// The schedule's label.
    pub label: Option<String>,
    /// How a change of the clocks moves it, or that it is paused, for people.
    pub mark: Option<String>,
}

/// A handle to a running host. Clones are handles to the same host.
#[derive(Clone, Debug)]
pub struct HostHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::Sender<Command>,
    view: Arc<View>,
    config: Arc<Config>,
    disk: Disk,
    clock: Clock,
    settings: Arc<AppSettings>,
    turns: Turns,
    /// Made for the first who follows logs.
    log_watch: LogWatch,
    hooks: Arc<Hooks>,
}

/// What a handle reads from disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Where things lie.
    pub layout: Layout,
    /// Which runs there are.
    pub index: Arc<Index>,
}

impl HostHandle {
    /// Makes the handle of a host that hears `commands` and publishes to `view`.
    pub fn new(
        commands: mpsc::Sender<Command>,
        view: Arc<View>,
        config: Arc<Config>,
        disk: Disk,
        clock: Clock,
        settings: Arc<AppSettings>,
        hooks: Arc<Hooks>,
    ) -> Self {
        let (turns, log_watch) = (Turns::default(), LogWatch::default());
        Self { shared: Arc::new(Shared { commands, view, config, disk, clock, settings, turns, log_watch, hooks }) }
    }

    /// Makes a handle for tests of what stands on it.
    #[cfg(test)]
    pub fn for_tests(commands: mpsc::Sender<Command>, view: Arc<View>, config: Arc<Config>, layout: Layout) -> Self {
        let settings = AppSettings::open(
            &layout,
            config.kudu.clone(),
            crate::decide::zone::Zone::utc(),
            &std::collections::BTreeMap::new(),
        );
        let settings = Arc::new(settings.expect("app settings"));
        let (hooks, _) = Hooks::open(layout.clone(), None);
        let (clock, index) = (Clock::start(), Arc::new(Index::start(&layout, Wall::UNIX_EPOCH)));
        Self::new(commands, view, config, Disk { layout, index }, clock, settings, Arc::new(hooks))
    }

    /// Returns what every job is doing.
    pub fn view(&self) -> &View {
        &self.shared.view
    }

    /// Returns how the host was configured.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Returns where things lie on disk.
    pub fn layout(&self) -> &Layout {
        &self.shared.disk.layout
    }

    /// Returns the index over all runs.
    pub(super) fn index(&self) -> &Arc<Index> {
        &self.shared.disk.index
    }

    /// Reads the wall clock, for answers that show how long something takes already.
    pub fn now(&self) -> Wall {
        self.shared.clock.now().wall
    }

    /// Returns whose turn it is to change the folders of jobs.
    pub(super) fn turns(&self) -> &Turns {
        &self.shared.turns
    }

    /// Returns the clocks of the host.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Finds a job without regard to case (spec/kudu-webjobs 1.3); the exact name first.
    pub fn find(&self, kind: JobKind, name: &str) -> Option<JobId> {
        let exact = JobId { kind, name: JobName::parse(name).ok()? };
        if self.view().job(&exact).is_some() {
            return Some(exact);
        }
        let folded = name.to_lowercase();
        let mut ids = self.view().jobs().into_iter().map(|job| job.found.id.clone());
        ids.find(|id| id.kind == kind && id.name.as_str().to_lowercase() == folded)
    }

    /// Returns the job that was probably meant by a kind and a name that no job has.
    pub fn meant(&self, kind: &str, name: &str) -> Option<JobId> {
        let ids: Vec<JobId> = self.view().jobs().iter().map(|job| job.found.id.clone()).collect();
        // A right name of another kind, or of none, is meant before any slip.
        let same = ids.iter().find(|id| id.name.as_str().eq_ignore_ascii_case(name));
        let near = || {
            let known = ids.iter().filter(|id| kind.is_empty() || id.kind.as_str() == kind);
            let name = near::nearest(name, known.map(|id| id.name.as_str()))?;
            ids.iter().find(|id| id.name.as_str() == name && (kind.is_empty() || id.kind.as_str() == kind))
        };
        same.or_else(near).cloned()
    }

    /// Returns the log that a run, or a continuous job as a whole, is written to by this host now; `None` when nothing
    /// here writes it.
    pub fn live_log(&self, job: &JobId, run: Option<RunId>) -> Option<LiveLog> {
        self.view().live_log(job, run)
    }

    /// Runs a triggered job.
    ///
    /// # Errors
    /// When there is no such job, it has a defect, its overlap policy refuses, or no process can be given the arguments.
    pub async fn run(&self, job: JobId, arguments: Option<String>, who: String) -> Result<Ticket, CommandError> {
        if arguments.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(CommandError::Invalid("the arguments of a run must not hold a NUL character".to_owned()));
        }
        self.ask(|reply| Command::Run { job, arguments, who, reply }).await
    }

    /// Lets a continuous job run.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn start(&self, job: JobId, who: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Start { job, who, reply }).await
    }

    /// Stops a continuous job; it stays stopped over restarts of the host. Answers when the stop has begun.
    ///
    /// # Errors
    /// When there is no such job, or the wish cannot be kept on disk: the job is stopped then all the same.
    pub async fn stop(&self, job: JobId, who: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Stop { job, who, reply }).await
    }

    /// Keeps a wish for a job, or for all; answers when it is in force.
    ///
    /// # Errors
    /// When there is no such job, the wish makes no sense, or it cannot be kept on disk.
    pub async fn wish(&self, job: Option<JobId>, wish: Wish, who: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Wish { job, wish, who, reply }).await
    }

    /// Stops a continuous job and starts it again.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn restart(&self, job: JobId, who: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Restart { job, who, reply }).await
    }

    /// Ends one run.
    ///
    /// # Errors
    /// When no such run is on its way here.
    pub async fn cancel(&self, job: JobId, run: RunId, who: String) -> Result<(), CommandError> {
        self.ask(|reply| Command::Cancel { job, run, who, reply }).await
    }

    /// Waits until nothing of a job whose folder was deleted is left. None of its name begins until it is forgotten.
    ///
    /// # Errors
    /// When its folder came back before its end was noticed.
    pub async fn let_go(&self, job: JobId) -> Result<(), CommandError> {
        self.ask(|reply| Command::LetGo { job, reply }).await
    }

    /// Forgets what people asked of a job that was deleted, so that a new one of its name starts afresh.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn forget(&self, job: JobId) -> Result<(), CommandError> {
        self.ask(|reply| Command::Forget { job, reply }).await
    }

    /// Reads a job's folder, or all, and answers when the view shows what was read.
    ///
    /// # Errors
    /// When the host is on its way down.
    pub async fn refresh(&self, job: Option<JobId>) -> Result<(), CommandError> {
        self.ask(|reply| Command::Refresh { job, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.commands.send(command(reply)).await;
        sent.map_err(|_| CommandError::Stopping)?;
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }
}

//! The life of a host: what is opened, in which order, and how it ends.

use std::{
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tracing::{debug, info, warn};

use crate::{
    decide::{config::place_name, zone::Zone},
    host::{
        app_log::AppLog,
        app_settings::{self, AppSettings},
        deploy::beside::{self, When},
        dispatcher::Rehearsals,
        environment::Environment,
        handle::{COMMANDS_MAX, Disk, HostHandle, deployments},
        hooks::{self, Hooks},
        instances::{self, GoneLook},
        keeper::pruner::Pruner,
        machine::Machine,
        neighbours::{self, Neighbours},
        reconciler::{Reconciler, Stopping},
        recovery,
        run::chain,
        scanner::{self, Scanner},
        view::View,
    },
    model::{
        config::Config,
        event::EventId,
        id::{JobId, JobKind},
        log::LineStyle,
        time::Wall,
    },
    os::{
        clock::Clock,
        file::{self, Access, Durability},
        lock::{Attempt, FileLock},
        poller::Poller,
        process::{self, Cgroups, OrphanReaper, Spawner},
        processors,
        workcopy::WorkCopies,
    },
    store::{
        index::Index,
        layout::Layout,
        log::{Alike, Packer},
        open_runs::OpenRuns,
        overrides::Overrides,
    },
};

/// A rolled log is left alone for this long before it is compressed, so that whoever reads it can finish.
const PACK_DELAY: Duration = Duration::from_secs(10);

/// Longest time that a host which ends takes to remove its working copies.
const CLEAR_MAX: Duration = Duration::from_secs(5);
/// What a stop takes beyond the jobs' graces: output that is drained, records, copies.
const STOP_SLACK: Duration = Duration::from_secs(15);

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another host of the same name runs on this root.
    #[error("another host named `{instance}` runs here already ({holder}); give this one another name with --instance")]
    Taken {
        /// The name.
        instance: String,
        /// What its lock says.
        holder: String,
    },
    /// Something that it cannot live without failed.
    #[error("failed to {what}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How a host is found by commands: the file `host.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostFile {
    /// Its name.
    pub instance: String,
    /// Where its API is.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started: Wall,
    /// Its certificate in PEM, when it has one: by it commands of this machine know the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    handle: HostHandle,
    machine: Arc<Machine>,
    stop: watch::Sender<Stopping>,
    started: Wall,
    reconciler: JoinHandle<()>,
    hooks: Arc<Hooks>,
    courier: JoinHandle<()>,
    _lock: FileLock,
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &str) -> impl FnOnce(E) -> StartError {
    move |source| StartError::Failed { what: what.to_owned(), source: source.into() }
}

impl Host {
    /// Starts a host: takes its lock, mends what a crash left, and begins to read the job folders. Called within a
    /// runtime, once in a process.
    ///
    /// # Errors
    /// When another host has its name, or its data folder cannot be used.
    pub async fn start(config: Config, zone: Zone) -> Result<Self, StartError> {
        // Before anything is started, so that no orphan goes elsewhere.
        if let Err(error) = process::become_subreaper() {
            warn!(%error, "processes that leave their group can be found by their marks only");
        }
        process::raise_file_limit();
        let reaper = OrphanReaper::listen().map_err(failed("listen for ended processes"))?;
        tokio::spawn(reaper.run());
        let config = Arc::new(config);
        let layout = Layout::new(config.data.clone(), config.instance.clone());
        prepare(&config, &layout)?;
        let lock = take_lock(&layout).await?;
        let (scan, requested) = mpsc::channel(scanner::REQUESTS_MAX);
        let cgroups = cgroups(&config);
        let (rests, told_of_rests) = mpsc::unbounded_channel();
        let (machine, open) = machine(config, layout, zone, (scan, rests), cgroups)?;
        recovery::recover(&machine, open).await;
        neighbours::look(&machine);
        sweep_jobs(&machine).await;
        deployments::mend(&machine.config.jobs, &machine.layout, machine.now().wall);
        sweep(&machine);
        let overrides =
            Overrides::open(machine.layout.overrides()).map_err(failed("read what people asked of jobs"))?;
        let rounds = Scanner::spawn(&machine, requested).map_err(failed("watch the job folders"))?;
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        tokio::spawn(app_settings::follow(Arc::clone(&machine.settings), commands.clone()));
        let (stop, stopping) = watch::channel(Stopping::No);
        let reconciler = Reconciler::new(&machine, overrides, told_of_rests).live(commanded, rounds, stopping);
        let reconciler = tokio::spawn(reconciler);
        let (hooks, orders) = Hooks::open(machine.layout.clone(), machine.config.public_url.clone());
        let hooks = Arc::new(hooks);
        let courier =
            hooks::start(&machine, &hooks, orders).map_err(failed("open the journal of deliveries to hooks"))?;
        let (handle, started) = (handle(commands, &machine, &hooks), machine.now().wall);
        Ok(Self { handle, machine, stop, started, reconciler, hooks, courier, _lock: lock })
    }

    /// Returns a handle to ask it with.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Waits until the first picture of the job folders has been carried out, and returns it in words.
    pub async fn ready(&self) -> String {
        self.machine.view.ready().await;
        let jobs = self.machine.view.jobs();
        scanner::census(&jobs.iter().map(|job| (job.found.id.clone(), Arc::clone(&job.found))).collect())
    }

    /// Returns how long a stop may take: the longest grace of any job, and a bit.
    pub fn patience(&self) -> Duration {
        let jobs = self.machine.view.jobs();
        let graces = jobs.iter().filter_map(|job| Some(job.found.job.as_ref()?.grace()));
        graces.max().unwrap_or_default() + STOP_SLACK
    }

    /// Tells commands where the API is, and by which certificate they know it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, url: String, certificate: Option<String>) -> Result<(), StartError> {
        self.hooks.announce(&url);
        let about = HostFile {
            instance: self.machine.layout.instance().to_string(),
            url,
            pid: crate::os::machine::own_pid(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            certificate,
        };
        let text = serde_json::to_vec_pretty(&about).map_err(failed("describe the host"))?;
        let path = self.machine.layout.host_json();
        file::write_whole(&path, &text, Durability::Lazy, Access::Usual).map_err(failed("write host.json"))
    }

    /// Stops all jobs in parallel, each with its grace, and returns when nothing of them is left. When `hurry` is done
    /// before, they are killed.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        info!("stopping all jobs");
        self.stop.send_replace(Stopping::Graceful);
        let mut reconciler = self.reconciler;
        let ended = tokio::select! {
            // Cancel-safe: the handle is asked again below.
            ended = &mut reconciler => Some(ended),
            // Cancel-safe: it is not asked again.
            () = hurry => None,
        };
        if ended.is_none() {
            warn!("killing all jobs");
            self.stop.send_replace(Stopping::Now);
            // A reconciler that panicked has told so already.
            let _ = reconciler.await;
        }
        let left = process::end_all_children().await;
        if left.killed > 0 || left.left > 0 {
            warn!(killed = left.killed, left = left.left, "ended processes that belonged to no run");
        }
        let machine = Arc::clone(&self.machine);
        // Nobody works in the copies any more: they go while the rest is put away.
        let cleared = tokio::spawn(async move { clear(&machine).await });
        // After the last run has ended, so that hooks are told of it. It takes a few seconds at most.
        self.hooks.end();
        if let Err(error) = self.courier.await {
            warn!(%error, "deliveries to hooks ended unexpectedly");
        }
        if let Some(cgroups) = &self.machine.cgroups {
            cgroups.remove();
        }
        // Others see by it that there is nothing to mend.
        if let Err(error) = self.machine.open_runs.lock().unwrap_or_else(PoisonError::into_inner).compact() {
            warn!(%error, "could not write the journal of runs anew");
        }
        let index = Arc::clone(&self.machine.index);
        // Whatever is asked from here on is answered from the records.
        let _ = tokio::task::spawn_blocking(move || index.close()).await;
        // It may never have been announced.
        let _ = fs::remove_file(self.machine.layout.host_json());
        info!("all jobs have ended");
        // One that panicked has told so already.
        let _ = cleared.await;
    }
}

/// Removes the working copies. A disk that is slow to delete does not keep the host: what is left, the next start
/// removes.
async fn clear(machine: &Arc<Machine>) {
    let machine = Arc::clone(machine);
    let cleared = tokio::task::spawn_blocking(move || machine.copies.clear());
    match tokio::time::timeout(CLEAR_MAX, cleared).await {
        Ok(Ok(left)) => {
            for (path, error) in left {
                warn!(path = %path.display(), %error, "could not remove a working copy");
            }
        }
        Ok(Err(error)) => warn!(%error, "could not remove the working copies"),
        Err(_) => info!(after = ?CLEAR_MAX, "the disk is slow; the next start removes the other working copies"),
    }
}

/// Makes the folders that must be there.
fn prepare(config: &Config, layout: &Layout) -> Result<(), StartError> {
    for kind in JobKind::ALL {
        let folder = config.jobs.join(kind.as_str());
        // A root that others write, and this host only reads, is fine.
        if let Err(error) = file::create_folders(&folder) {
            warn!(%error, "could not make a folder for jobs");
        }
        file::create_folders(&layout.kind(kind)).map_err(failed("make the data folder"))?;
    }
    file::create_folders(&layout.application_log()).map_err(failed("make the data folder"))?;
    file::create_folders(&layout.host()).map_err(failed("make the data folder"))
}

async fn take_lock(layout: &Layout) -> Result<FileLock, StartError> {
    match instances::take_own(layout).await.map_err(failed("lock the data folder"))? {
        Attempt::Taken(lock) => Ok(lock),
        Attempt::Held(holder) => Err(StartError::Taken { instance: layout.instance().to_string(), holder }),
    }
}

fn handle(commands: mpsc::Sender<crate::host::handle::Command>, machine: &Machine, hooks: &Arc<Hooks>) -> HostHandle {
    let (view, config) = (Arc::clone(&machine.view), Arc::clone(&machine.config));
    let disk = Disk { layout: machine.layout.clone(), index: Arc::clone(&machine.index) };
    let (clock, settings) = (machine.clock.clone(), Arc::clone(&machine.settings));
    HostHandle::new(commands, view, config, disk, clock, settings, Arc::clone(hooks))
}

/// Opens the place for cgroups where one can be had.
fn cgroups(config: &Config) -> Option<Cgroups> {
    match Cgroups::open(&place_name(&config.temp)) {
        Ok(cgroups) => Some(cgroups),
        Err(error) => {
            debug!(%error, "no cgroup is to be had; processes are found by their group, parents and marks");
            None
        }
    }
}

/// The machine, and what the journal of runs told.
pub(super) type Opened = (Arc<Machine>, Option<crate::store::open_runs::Open>);

/// Opens the machine below the host; it asks for folders to be read, and tells of jobs that rest, by the two channels.
pub(super) fn machine(
    config: Arc<Config>,
    layout: Layout,
    zone: Zone,
    (scan, rests): (mpsc::Sender<scanner::ScanRequest>, mpsc::UnboundedSender<JobId>),
    cgroups: Option<Cgroups>,
) -> Result<Opened, StartError> {
    let clock = Clock::start();
    let poller = Poller::start().map_err(failed("make the watch of what runs print"))?;
    let spawner =
        Spawner::start(&clock, cgroups.clone(), &poller).map_err(failed("start the threads that start processes"))?;
    let copies =
        WorkCopies::open(&config.temp).map_err(failed("open the folder for working copies"))?.near(&config.jobs);
    let (open_runs, open) = OpenRuns::open(layout.open_runs()).unwrap_or_else(|error| {
        warn!(error = %chain(&error), "the journal of runs is kept in memory only; a crash now would be mended slowly");
        OpenRuns::in_memory(layout.open_runs())
    });
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = AppSettings::open(&layout, config.kudu.clone(), zone, &variables.collect());
    let settings = Arc::new(settings.map_err(failed("read the app settings"))?);
    let first_event = EventId::before_start(clock.now().wall);
    let view = Arc::new(View::new(first_event));
    let style = LineStyle { instance: layout.instance().short().into(), format: config.timestamps };
    let packer = Packer::new(PACK_DELAY, processors::give_way);
    let logs = Arc::new(Alike { instance: layout.instance().clone(), style: Arc::new(style), packer });
    let app_log = AppLog::start(&settings, &layout, &logs, &view);
    let index = Arc::new(Index::start(&layout, clock.now().wall));
    let machine = Machine {
        layout,
        spawner,
        poller,
        cgroups,
        neighbours: Neighbours::default(),
        gone_look: GoneLook::default(),
        copies,
        scan,
        rests,
        rehearsals: Rehearsals::default(),
        pruner: Pruner::default(),
        view,
        first_event,
        app_log,
        began: clock.now().wall,
        clock,
        environment: Environment::new(settings.with_environment(std::env::vars_os().collect())),
        settings,
        logs,
        open_runs: Mutex::new(open_runs),
        index,
        config,
    };
    Ok((Arc::new(machine), open))
}

/// Puts the job folders in order before they are read.
async fn sweep_jobs(machine: &Arc<Machine>) {
    let machine = Arc::clone(machine);
    let sweep = move || beside::sweep(&machine.config.jobs, &machine.layout, None, When::Start);
    if let Err(error) = tokio::task::spawn_blocking(sweep).await {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Removes what earlier lives of hosts left in the temporary folder. It takes its time beside everything else.
fn sweep(machine: &Arc<Machine>) {
    let machine = Arc::clone(machine);
    tokio::task::spawn_blocking(move || {
        let left = machine.copies.sweep().into_iter().chain(machine.copies.sweep_dead_hosts(machine.now().wall));
        for (path, error) in left.filter(|(_, error)| error.kind() != io::ErrorKind::NotFound) {
            warn!(path = %path.display(), %error, "could not remove an old working copy");
        }
    });
}

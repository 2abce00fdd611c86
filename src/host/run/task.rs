//! The task of one run: it owns the process and its pipes, and tells the job's actor what happens to them.

use std::{borrow::Cow, collections::BTreeMap, io, path::Path, pin::Pin, sync::Arc, time::Duration};

use tracing::warn;

use super::{
    Facts, News,
    aside::Aside,
    orders::{Order, Orders},
    shutdown_file,
};
use crate::{
    decide::{
        env::{self, RunFacts, Variables},
        life::LifeEvent,
    },
    host::{machine::Machine, recovery},
    model::{
        args,
        exit::Exit,
        id::{JobKind, RunId},
        job::Job,
        log::Level,
        settings::Overlap,
        time::Now,
    },
    os::{
        clock::Clock,
        file,
        output::{self, Activity, Pipes, Pump},
        process::{Child, Outputs, RunMark, SpawnRequest, Starting},
        workcopy::{CopyError, WorkCopy},
    },
    store::log::LogWriter,
};

/// Largest `env_file` that is read, in bytes.
const ENV_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How long a run prepares itself, is being started, or lives, before its record says that it is on its way. A shorter one
/// is recorded once, when it has ended; should the host end before that, its journal knows the run.
const LASTS_AFTER: Duration = Duration::from_millis(20);

/// How long a run's process lives before it gets a cgroup. Making one is a tenth of a start's work on a busy machine, and a
/// short run ends no better for it.
const CONTAINED_AFTER: Duration = Duration::from_secs(1);

/// What a run's task needs.
#[derive(Debug)]
pub struct Task {
    /// The machine below the host.
    pub machine: Arc<Machine>,
    /// What runs.
    pub job: Arc<Job>,
    /// Where its output goes.
    pub log: Arc<LogWriter>,
    /// Where its facts go.
    pub facts: Facts,
    /// Its id.
    pub run: RunId,
    /// Its arguments as one text.
    pub arguments: Option<String>,
    /// The port that it may listen on.
    pub port: Option<u16>,
    /// When it last printed.
    pub activity: Arc<Activity>,
}

/// A run whose process is being started.
pub struct Begun {
    task: Box<Task>,
    /// Held as long as the run, so that nobody removes the copy under it.
    copy: Option<WorkCopy>,
    starting: Starting,
    pipes: Pipes,
}

/// A run whose process was started, with the read ends of what it prints. Boxed, for a task keeps what it is given several times.
struct Started {
    pump: Pump<Clock>,
    // Where a task is dropped in the midst of a run, the child ends before its working copy may go.
    child: Child,
    _copy: Option<WorkCopy>,
    task: Box<Task>,
}

impl Begun {
    /// Attends to the run until nothing of it is left.
    pub fn attend(self, orders: Orders) -> impl Future<Output = ()> + Send {
        // Boxed, for a task keeps room for all that it was given, and for what is over.
        attend(Box::pin(self.started()), orders)
    }

    /// Waits until the process is there. Where it can't be, that is told.
    async fn started(self) -> Option<Box<Started>> {
        let Self { task, copy, starting, pipes } = self;
        // The spawner has the request already: while it works, the rest is done.
        let begun = async { tokio::join!(biased; starting.started(), task.receive(pipes)) };
        let (child, pump) = tokio::select! {
            biased;
            // Cancel-safe: nothing else ends this.
            begun = begun => begun,
            // Not done before it is started.
            never = Aside::new(task.lasts()) => match never {},
        };
        let why = match (child, pump) {
            (Ok(child), Ok(pump)) => {
                return Some(Box::new(Started { task, _copy: copy, child, pump }));
            }
            (Err(error), _) => chain(&error),
            (Ok(_), Err(error)) => no_output(&error),
        };
        task.happened(LifeEvent::StartFailed { why });
        None
    }
}

impl Task {
    /// Makes the run's copy unless one is there, once what others have left is mended; orders its start when told to go, and
    /// leaves it to a task of its own from then on.
    pub async fn drive(self: Box<Self>, ready: Option<WorkCopy>, orders: Orders) {
        let copy = tokio::select! {
            biased;
            // Cancel-safe: nothing else ends this.
            copy = self.copy(ready) => copy,
            // Not done before the copy is.
            never = Aside::new(self.lasts()) => match never {},
        };
        let copy = match copy {
            Ok(copy) => copy,
            Err((why, stale)) => {
                let news = if stale { News::Stale(why) } else { News::Event(LifeEvent::StartFailed { why }) };
                return self.tell(news);
            }
        };
        self.happened(LifeEvent::Prepared);
        if !orders.given(Order::Go).await {
            return;
        }
        match self.order(copy.as_ref()) {
            // In a task of its own: this one has room for the copying as long as it lives.
            Ok((starting, pipes)) => {
                drop(tokio::spawn(Begun { task: self, copy, starting, pipes }.attend(orders)));
            }
            Err(why) => self.happened(LifeEvent::StartFailed { why }),
        }
    }

    /// Begins to start the process of a run that is prepared.
    ///
    /// # Errors
    /// Why it cannot be started, for people.
    pub fn begin(self: Box<Self>, copy: Option<WorkCopy>) -> Result<Begun, String> {
        let (starting, pipes) = self.order(copy.as_ref())?;
        Ok(Begun { task: self, copy, starting, pipes })
    }

    fn order(&self, copy: Option<&WorkCopy>) -> Result<(Starting, Pipes), String> {
        let job = &self.job;
        let data_path = self.data_path();
        let shutdown_file = shutdown_file(&self.machine, &job.id, self.run);
        for folder in shutdown_file.parent().into_iter().chain([&*data_path]) {
            file::create_folders(folder).map_err(|error| chain(&error))?;
        }
        let path = copy.map_or(Cow::Borrowed(&*job.root), WorkCopy::root);
        let cwd = path.join(&job.script.dir);
        let env = self.own_environment(&path, &cwd, &shutdown_file)?;
        let (program, args) = self.command();
        let (out, stdout) = output::pipe_pair().map_err(|error| no_output(&error))?;
        let (err, stderr) = output::pipe_pair().map_err(|error| no_output(&error))?;
        let request = SpawnRequest {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            common_env: self.machine.common_environment(),
            env,
            cwd,
            mark: RunMark { instance: self.machine.layout.instance().clone(), run: self.run, data_path },
        };
        Ok((
            self.machine.spawner.begin(request, Outputs { stdout: stdout.into(), stderr: stderr.into() }),
            Pipes { stdout: out, stderr: err },
        ))
    }

    /// Returns the job's data folder. Where its log lies right there, as a continuous job's, they hold the path once.
    fn data_path(&self) -> Arc<Path> {
        let path = self.machine.layout.job(&self.job.id);
        if **self.log.dir() == *path { Arc::clone(self.log.dir()) } else { path.into() }
    }

    /// Tells, once the run has been on its way for a moment, that it lasts. The runtime's timer is good enough for that, and small:
    /// nothing depends on whether a time for which the machine was suspended counts.
    async fn lasts(&self) {
        tokio::time::sleep(LASTS_AFTER).await;
        self.tell(News::Lasts);
    }

    /// Tells that the run lasts, and gives a cgroup to one that lives on.
    async fn lives(&self, child: &Child) {
        self.lasts().await;
        tokio::time::sleep(CONTAINED_AFTER).await;
        child.contain().await;
    }

    /// Writes lines to the run's log, and those that it took to the application log.
    fn print(&self, lines: &[u8], now: Now) -> usize {
        let taken = self.log.append(lines, now);
        self.machine.app_log.add(&self.job.id, &lines[..taken], now);
        taken
    }

    fn happened(&self, event: LifeEvent) {
        self.tell(News::Event(event));
    }

    fn tell(&self, news: News) {
        self.facts.tell(self.run, news);
    }

    /// Makes the working copy, unless one is ready. An error tells whether the folder should be read again.
    async fn copy(&self, ready: Option<WorkCopy>) -> Result<Option<WorkCopy>, (String, bool)> {
        if is_alone(&self.job) {
            // Its lock may be free because the host that had it is gone, and its processes may not.
            recovery::mend_gone(&self.machine).await;
        }
        if ready.is_some() {
            return Ok(ready);
        }
        let (machine, job) = (Arc::clone(&self.machine), Arc::clone(&self.job));
        let made = tokio::task::spawn_blocking(move || machine.copies.prepare(&job)).await;
        match made {
            Ok(Ok(copy)) => Ok(Some(copy)),
            Ok(Err(error)) => Err((
                format!("Failed to copy job files: {}", chain(&error)),
                matches!(error, CopyError::Changed { .. }),
            )),
            Err(error) => Err((format!("Failed to copy job files: {error}"), false)),
        }
    }

    /// Says what is being started, before anything that it prints, and takes over its output.
    async fn receive(&self, pipes: Pipes) -> io::Result<Pump<Clock>> {
        let (job, now) = (&self.job, self.machine.now());
        let text = format!("Run script '{}' with script host - '{}'", job.script.run_command, job.script.script_host);
        self.log.sys_before(Level::Info, now, &text);
        // Said before it is known, as Kudu does.
        self.log.sys(Level::Info, now, "Status changed to Running");
        let Machine { logs, poller, clock, .. } = &*self.machine;
        Pump::new(pipes, Arc::clone(&logs.style), Arc::clone(&self.activity), clock.clone(), poller)
    }

    /// Returns the program and its arguments: those of the script, then those of the run.
    fn command(&self) -> (String, Vec<String>) {
        let own = match &self.arguments {
            Some(text) => args::split(text),
            None => self.job.settings.args.clone(),
        };
        let mut words = self.job.script.program.iter().cloned().chain(own);
        let program = words.next().expect("a script has a program");
        (program, words.collect())
    }

    fn own_environment(&self, path: &Path, cwd: &Path, shutdown_file: &Path) -> Result<Variables, String> {
        let from_file = match &self.job.settings.env_file {
            Some(name) => read_env_file(&cwd.join(name), name)?,
            None => BTreeMap::new(),
        };
        let default_arguments = args::join(&self.job.settings.args);
        let arguments = self.arguments.as_deref().or((!default_arguments.is_empty()).then_some(&default_arguments));
        let data = self.machine.layout.job(&self.job.id);
        let facts = RunFacts {
            job: &self.job.id,
            run: self.run,
            instance: self.machine.layout.instance(),
            path,
            data: &data,
            shutdown_file,
            arguments,
            port: self.port,
        };
        Ok(env::own(&from_file, &self.job.settings.env, &facts))
    }
}

/// Attends to a run from its start on, until nothing of it is left.
async fn attend(started: Pin<Box<impl Future<Output = Option<Box<Started>>>>>, orders: Orders) {
    let Some(mut started) = started.await else { return };
    let Started { task, child, pump, .. } = &mut *started;
    let task = &**task;
    task.tell(News::Spawned(child.group()));
    // Made when something is taken: a run that prints nothing has no counter.
    let mut log_bytes = None;
    let take = move |lines: &[u8], now| {
        let taken = task.print(lines, now);
        if taken > 0 {
            log_bytes.get_or_insert_with(|| task.machine.view.metrics().log_bytes(&task.job.id)).inc_by(taken as u64);
        }
        taken
    };
    let output = async {
        let end = pump.run(take, orders.cut()).await;
        if end.bytes_lost > 0 {
            warn!(job = %task.job.id, run = %task.run, bytes = end.bytes_lost, "output was lost: its log took none");
        }
        task.happened(LifeEvent::OutputClosed);
    };
    let process = async {
        // An exit that somebody else took is none that we can tell more of.
        let exited = tokio::select! {
            biased;
            // Cancel-safe: the exit is kept and may be asked for again.
            exited = child.exited() => exited,
            // Cancel-safe: only a body that was dropped ends it before the exit, and it wants the run gone.
            _ = orders.given(Order::Sweep) => {
                // One that cannot be killed is waited for all the same.
                let _ = child.group().kill();
                child.exited().await
            }
            // Not done before the exit.
            never = Aside::new(task.lives(child)) => match never {},
        };
        let exit = exited.unwrap_or(Exit::Code(-1));
        task.happened(LifeEvent::Exited { exit });
        // A body that was dropped wants the run gone.
        let _ = orders.given(Order::Sweep).await;
        // Boxed, for it is large and done when all else is over.
        Box::pin(child.finish()).await
    };
    let (ended, ()) = tokio::join!(process, output);
    if ended.left > 0 {
        let text = format!("{} processes of this run could not be ended", ended.left);
        task.log.sys(Level::Warn, task.machine.now(), &text);
    }
    if ended.killed > 0 {
        let text = format!("{} processes that this run left behind were killed", ended.killed);
        task.log.sys(Level::Info, task.machine.now(), &text);
    }
    task.machine.view.metrics().run_swept(&task.job.id, ended.killed, ended.cpu);
    task.happened(LifeEvent::Swept { survivors: ended.killed });
}

/// Tells whether a job may run on one host at a time only.
pub fn is_alone(job: &Job) -> bool {
    match job.id.kind {
        JobKind::Continuous => job.settings.is_singleton,
        JobKind::Triggered => job.settings.overlap != Overlap::Allow,
    }
}

fn no_output(error: &io::Error) -> String {
    format!("could not prepare its output: {error}")
}

fn read_env_file(path: &Path, name: &str) -> Result<BTreeMap<String, String>, String> {
    let text = file::read_bounded(path, ENV_FILE_BYTES_MAX).map_err(|error| chain(&error))?;
    let text = text.ok_or_else(|| format!("its env_file `{name}` is not there"))?;
    let text = String::from_utf8(text).map_err(|_| format!("its env_file `{name}` is not UTF-8 text"))?;
    let (variables, problems) = env::parse_env_file(name, &text);
    match problems.into_iter().find(|problem| problem.fatal) {
        Some(problem) => Err(problem.to_string()),
        None => Ok(variables),
    }
}

/// Returns an error and what lies below it, as one text.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

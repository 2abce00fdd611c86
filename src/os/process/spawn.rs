//! Starting: a queue, and a few threads that take from it.
//!
//! ```text
//!  begin ── Order ──> a loader, apart from the host's files ── Loaded ──> the finisher ── Child ──> started
//! ```
//!
//! A start blocks its thread until the program is loaded, so it never happens on the runtime's threads. As many threads
//! as processors start as much as the machine can; more only wait for each other. The child is made without copying the
//! host's memory, which a hook between `fork` and `exec` would force: see [`super::launch`].

use std::{
    ffi::{OsStr, OsString},
    io,
    num::NonZero,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    model::time::Mono,
    os::{
        clock::Clock,
        poller::Poller,
        process::{
            cgroup::Cgroups,
            child::Child,
            error::{SpawnError, diagnose},
            exits,
            launch::{Handle, Launched, Launcher, Program},
            limits,
            marks::RunMark,
            orphans,
            tree::Tree,
        },
        queue::{self, Queue, Work},
    },
};

/// A program needs longer than this to load and start another. Where it gets its number from outside and we were slower (the
/// machine is busy), there may be processes without the number: they are looked for once more. One that has cleared its
/// environment, left its group and lost its parents by then is found only when the host stops.
const HEAD_START: Duration = Duration::from_millis(1);

/// The end of a pipe or file that a child writes to.
#[cfg(unix)]
pub type OutputEnd = std::os::fd::OwnedFd;

/// The end of a pipe or file that a child writes to.
#[cfg(windows)]
pub type OutputEnd = std::os::windows::io::OwnedHandle;

/// What to start, and how.
#[derive(Debug)]
pub struct SpawnRequest {
    /// A path, or the name of a command in the `PATH` of its environment. A relative path begins at `cwd`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What its environment begins with; nothing else is inherited.
    pub common_env: Arc<Vec<(OsString, OsString)>>,
    /// What its environment has besides; the variables of `mark` are added. What comes later wins.
    pub env: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// Which run it is.
    pub mark: RunMark,
}

/// Where what a process prints goes: pipes, or files that are appended to. Closed here once it is started.
#[derive(Debug)]
pub struct Outputs {
    /// Its standard output.
    pub stdout: OutputEnd,
    /// Its standard error.
    pub stderr: OutputEnd,
}

/// Starts processes, each as the leader of its own group, with empty standard input. Clones share the queue, which has no
/// bound: what waits in it would otherwise wait before it and need as much.
#[derive(Clone, Debug)]
pub struct Spawner {
    queue: Queue<Order>,
}

/// A process that is being started.
#[derive(Debug)]
pub struct Starting {
    program: PathBuf,
    answer: oneshot::Receiver<Result<Child, SpawnError>>,
}

type Answer = oneshot::Sender<Result<Child, SpawnError>>;

#[derive(Debug)]
struct Order {
    request: SpawnRequest,
    outputs: Outputs,
    answer: Answer,
}

/// What came of an order.
struct Loaded {
    /// Nothing when nobody wanted it any more.
    process: Option<Result<Process, SpawnError>>,
    outputs: Outputs,
    answer: Answer,
}

/// A process that was started and is not watched yet.
struct Process {
    program: PathBuf,
    handle: Handle,
    tree: Tree,
}

/// What every thread that starts needs. It owns no file, see [`super::apart`].
#[derive(Clone)]
struct Loader {
    orders: Work<Order>,
    loaded: Queue<Loaded>,
    clock: Clock,
}

impl Spawner {
    /// Starts the threads, as many as there are processors. Called within a runtime. They end when the last clone is
    /// dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(clock: &Clock, cgroups: Option<Cgroups>, poller: &Poller) -> io::Result<Self> {
        let (queue, orders) = queue::queue();
        let (loaded, finished) = queue::queue();
        let loader = Loader { orders, loaded, clock: clock.to_read() };
        for number in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let loader = loader.clone();
            thread::Builder::new().name(format!("spawn-{number}")).spawn(move || loader.run())?;
        }
        let (runtime, poller) = (tokio::runtime::Handle::current(), poller.clone());
        thread::Builder::new()
            .name("spawned".to_owned())
            .spawn(move || finish(&runtime, &finished, cgroups.as_ref(), &poller))?;
        Ok(Self { queue })
    }

    /// Starts a process. When the caller gives up waiting, a process that was started all the same is killed.
    ///
    /// # Errors
    /// When the program does not start, with what to do about it.
    pub async fn spawn(&self, request: SpawnRequest, outputs: Outputs) -> Result<Child, SpawnError> {
        self.begin(request, outputs).started().await
    }

    /// Begins to start a process: a thread takes it up at once when one is free. When what is returned is dropped, a
    /// process that was started all the same is killed.
    pub fn begin(&self, request: SpawnRequest, outputs: Outputs) -> Starting {
        let program = PathBuf::from(&request.program);
        let (answer, awaited) = oneshot::channel();
        // Without threads the order is dropped, and so is its end of the answer.
        if self.queue.push(Order { request, outputs, answer }) {
            // The thread that takes it up is mostly woken on this processor. Where it is on another one, this costs nothing.
            thread::yield_now();
        }
        Starting { program, answer: awaited }
    }
}

impl Starting {
    /// Waits until it is started.
    ///
    /// # Errors
    /// When the program does not start, with what to do about it.
    pub async fn started(self) -> Result<Child, SpawnError> {
        let Self { program, answer } = self;
        answer.await.map_err(|_| SpawnError::Other { program, source: io::ErrorKind::BrokenPipe.into() })?
    }
}

/// Takes charge of what was started, on a thread that has the host's files: processes are watched from then on, what
/// they write to is closed, and who asked for them is told.
fn finish(runtime: &tokio::runtime::Handle, finished: &Work<Loaded>, cgroups: Option<&Cgroups>, poller: &Poller) {
    let _guard = runtime.enter();
    while let Some(Loaded { process, outputs, answer }) = finished.next() {
        drop(outputs);
        if let Some(process) = process {
            // An answer that nobody takes drops the child, which kills its group.
            let _ = answer.send(process.and_then(|process| process.watch(cgroups.cloned(), poller)));
        }
    }
}

impl Process {
    fn watch(self, cgroups: Option<Cgroups>, poller: &Poller) -> Result<Child, SpawnError> {
        let Self { program, handle, tree } = self;
        Child::new(handle, tree, cgroups, poller).map_err(|source| SpawnError::Other { program, source })
    }
}

impl Loader {
    fn run(self) {
        let mut launcher = Launcher::here();
        while let Some(Order { request, outputs, answer }) = self.orders.next() {
            let process = (!answer.is_closed()).then(|| self.load_or_fail(request, &outputs, &mut launcher));
            // The finisher lives as long as one of us, and drops what must not be dropped here.
            self.loaded.push(Loaded { process, outputs, answer });
        }
    }

    /// A panic must not drop here what the host has opened.
    fn load_or_fail(
        &self,
        request: SpawnRequest,
        outputs: &Outputs,
        launcher: &mut Launcher,
    ) -> Result<Process, SpawnError> {
        let program = PathBuf::from(&request.program);
        let load = AssertUnwindSafe(|| self.load(request, outputs, launcher));
        let panicked = |_| Err(SpawnError::Other { program, source: io::Error::other("the start panicked") });
        panic::catch_unwind(load).unwrap_or_else(panicked)
    }

    fn load(&self, request: SpawnRequest, outputs: &Outputs, launcher: &mut Launcher) -> Result<Process, SpawnError> {
        let SpawnRequest { program, args, common_env, mut env, cwd, mark } = request;
        env.extend(mark.variables());
        let path = locate(&program, common_env.iter().chain(&env).rev(), &cwd);
        let program = Program { path, args, common_env, env, cwd, number: mark.number() };
        let Program { path, cwd, number, .. } = &program;
        let ends = launcher.adopt(outputs).map_err(|source| no_output(path, source))?;
        let before = self.clock.now().mono;
        // Held until the process is registered.
        let Launched { pid, handle } = {
            let _starting = orphans::starting();
            let launched = launcher.launch(&program, ends).map_err(|source| diagnose(path, cwd, source))?;
            orphans::register_leader(launched.pid);
            launched
        };
        let tree = Tree::new(pid, mark, *number);
        if let Handle::Duct(_) = handle {
            self.limit_from_outside(&tree, before);
        }
        if self.orders.is_empty() {
            // The program is mostly loaded on this processor, and what is left to do here can wait until it has begun.
            thread::yield_now();
        }
        Ok(Process { program: program.path, handle, tree })
    }

    /// Sets the limits of a process that could not be made with them.
    fn limit_from_outside(&self, tree: &Tree, before: Mono) {
        // Mostly this thread comes to run again only when a short program is over: then it has no limits and no children.
        let runs = !exits::has_exited(tree.leader);
        if runs {
            limits::mark(tree.leader, tree.number);
        }
        if self.clock.now().mono.since(before) > HEAD_START {
            tree.mark_descendants(runs);
        }
        if runs {
            limits::restore(tree.leader);
        }
    }
}

fn no_output(program: &Path, source: io::Error) -> SpawnError {
    SpawnError::Other { program: program.to_owned(), source }
}

/// Finds the program's path; of two variables of a name the first counts. A bare name that the system looked up in the
/// child's `PATH` would cost a full `fork`.
fn locate<'a>(program: &OsStr, mut env: impl Iterator<Item = &'a (OsString, OsString)>, cwd: &Path) -> PathBuf {
    let given = Path::new(program);
    if given.components().count() > 1 || given.is_absolute() || program.to_string_lossy().contains('/') {
        return cwd.join(given);
    }
    let is_path = |name: &OsStr| if cfg!(windows) { name.eq_ignore_ascii_case("PATH") } else { name == "PATH" };
    let path = env.find(|(name, _)| is_path(name)).map(|(_, value)| value.as_os_str());
    let folders = std::env::split_paths(path.unwrap_or_default());
    let found = folders.map(|folder| cwd.join(folder).join(given)).find(|file| is_program(file));
    found.unwrap_or_else(|| given.to_owned())
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Leaves it to the system, which also tries the extensions it knows.
#[cfg(not(unix))]
fn is_program(_file: &Path) -> bool {
    false
}

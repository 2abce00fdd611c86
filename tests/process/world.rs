//! A folder with scripts, a spawner, and the promise that nothing outlives the test.

use std::{
    fs::{self, File},
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use webjobd::{
    model::id::{Instance, RunId},
    os::{
        clock::Clock,
        poller::Poller,
        process::{self, Cgroups, Child, Outputs, RunMark, SpawnError, SpawnRequest, Spawner},
    },
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The soft limit of open files that these tests begin with, below the hard one anywhere: so it shows who has which.
pub const FILE_LIMIT: u64 = 500;

static RAISED: Once = Once::new();
static ALONE: RwLock<()> = RwLock::const_new(());
static RUNS: AtomicU64 = AtomicU64::new(201_605_190_150_326_541);

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let begin = Rlimit { current: Some(FILE_LIMIT), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, begin).expect("less than we have");
    assert_eq!(process::raise_file_limit(), Some(FILE_LIMIT));
}

enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

pub struct World {
    pub folder: TempDir,
    pub spawner: Spawner,
    pub instance: Instance,
    _turn: Turn,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Turn::Shared { _guard: ALONE.read().await }, None)
    }

    /// Waits until no other test runs, and keeps the others waiting.
    pub async fn alone() -> Self {
        Self::with(Turn::Alone { _guard: ALONE.write().await }, None)
    }

    pub async fn with_cgroups(cgroups: Option<Cgroups>) -> Self {
        Self::with(Turn::Alone { _guard: ALONE.write().await }, cgroups)
    }

    fn with(turn: Turn, cgroups: Option<Cgroups>) -> Self {
        process::become_subreaper().expect("the kernel lets us");
        RAISED.call_once(raise_file_limit);
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            spawner: Spawner::start(&Clock::start(), cgroups, &Poller::start().expect("a poller")).expect("threads"),
            instance: Instance::new(&folder.path().file_name().expect("a name").to_string_lossy()),
            folder,
            _turn: turn,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file with the execute bit.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        path
    }

    pub fn request(&self, program: &Path) -> SpawnRequest {
        let variable = |name: &str, value: &str| (name.into(), value.into());
        SpawnRequest {
            program: program.into(),
            args: Vec::new(),
            common_env: Arc::new(vec![
                variable("PATH", "/usr/local/bin:/usr/bin:/bin"),
                variable("WEBJOBS_TYPE", "everybody's"),
            ]),
            env: vec![variable("WEBJOBS_TYPE", "triggered"), variable("WEBJOBS_NAME", "a job")],
            cwd: self.folder.path().to_owned(),
            mark: RunMark {
                instance: self.instance.clone(),
                run: RunId::parse(&RUNS.fetch_add(1, Ordering::Relaxed).to_string()).expect("an id"),
                data_path: self.path("data").into(),
            },
        }
    }

    /// Spawns what prints into the file `output`.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Child, SpawnError> {
        let output = File::options().create(true).append(true).open(self.path("output")).expect("a file");
        let outputs = Outputs { stdout: output.try_clone().expect("a copy").into(), stderr: output.into() };
        self.spawner.spawn(request, outputs).await
    }

    /// Starts a shell script.
    pub async fn start(&self, script: &str) -> Child {
        let program = self.program("run.sh", &format!("#!/bin/bash\n{script}\n"));
        self.spawn(self.request(&program)).await.expect("it starts")
    }

    /// Tries to start something and returns what the user is told.
    pub async fn refusal(&self, request: SpawnRequest) -> SpawnError {
        let spawned = self.spawn(request).await;
        spawned.map(|child| child.pid()).expect_err("it must not start")
    }

    /// Lets a script go on that waits for the file `go`.
    pub fn go(&self) {
        fs::write(self.path("go"), "").expect("a file");
    }

    /// Waits until a script has written a pid into a file.
    pub async fn pid_in(&self, name: &str) -> u32 {
        let path = self.path(name);
        let read = || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))?.trim().parse().ok();
        eventually(&format!("a pid in {name}"), read).await
    }

    /// Waits until a script has written a line into a file.
    pub async fn line_in(&self, name: &str) -> String {
        let path = self.path(name);
        let read = || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
        eventually(&format!("a line in {name}"), read).await.trim().to_owned()
    }

    /// Lists the living processes that bear this world's marks.
    pub fn living(&self) -> Vec<u32> {
        let marked = process::lost_processes(self.folder.path(), &self.instance);
        marked.into_iter().map(|lost| lost.process.pid).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for pid in self.living() {
            let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("not zero");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Tells whether a process runs; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z") && !rest.starts_with(" X"))
}

/// Looks until there is a value.
pub async fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let polls = async {
        loop {
            if let Some(value) = look() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, polls).await
}

/// Fails the test when something does not come to an end.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

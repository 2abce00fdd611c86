//! A running child: its group to signal, its exit to wait for, its end.
//!
//! The order at the end is what makes signals safe. [`Child::exited`] reports the exit but leaves the zombie, whose pid
//! is the group's id and so cannot be given to anybody else; [`Child::finish`] kills what is left and only then reaps.
//! Whoever has a [`Group`] may signal it at any time: after the reaping it does nothing.

use std::{
    collections::BTreeSet,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    model::exit::{Exit, StopSignal},
    os::{
        poller::Poller,
        process::{
            cgroup::Cgroups,
            exits,
            launch::Handle,
            orphans,
            procfs::{Process, ProcessId},
            tree::{Ended, Tree},
        },
    },
};

/// A child that was started and is not reaped. Dropped unfinished, it takes its group with it.
#[derive(Debug)]
pub struct Child {
    leader: Arc<Leader>,
    waiter: Waiter,
}

/// The process group of a run, to signal it. Clones mean the same group.
#[derive(Clone, Debug)]
pub struct Group(Arc<Leader>);

/// The process that was started, and all that came of it.
#[derive(Debug)]
struct Leader {
    pid: u32,
    handle: Handle,
    tree: Tree,
    /// How it has exited, once that was seen.
    #[cfg(unix)]
    exit: std::sync::OnceLock<Exit>,
    /// Where it gets a cgroup, if it can have one.
    cgroups: Option<Cgroups>,
    /// Held while it is moved there, so that nobody reaps meanwhile.
    moving: tokio::sync::Mutex<()>,
    /// Held while signalling, so that nobody reaps in between.
    reaped: Mutex<bool>,
    /// Whether it has exited and nobody else of the run was found after that: nobody can come any more.
    is_over: AtomicBool,
}

/// How the exit is learned.
#[derive(Debug)]
enum Waiter {
    #[cfg(target_os = "linux")]
    Descriptor(crate::os::poller::Watched),
    Thread(watch::Receiver<bool>),
}

impl Child {
    /// Takes charge of a started process. Called within a runtime.
    pub(super) fn new(handle: Handle, tree: Tree, cgroups: Option<Cgroups>, poller: &Poller) -> io::Result<Self> {
        let (pid, moving, reaped, is_over) = (tree.leader, Default::default(), Default::default(), Default::default());
        let leader = Arc::new(Leader {
            pid,
            handle,
            tree,
            #[cfg(unix)]
            exit: std::sync::OnceLock::new(),
            cgroups,
            moving,
            reaped,
            is_over,
        });
        match Waiter::new(&leader, poller) {
            Ok(waiter) => Ok(Self { leader, waiter }),
            Err(error) => {
                let _ = Group(leader).kill();
                Err(error)
            }
        }
    }

    /// Returns the leader's pid, which is also the group's id.
    pub fn pid(&self) -> u32 {
        self.leader.pid
    }

    /// Returns the group, to signal it.
    pub fn group(&self) -> Group {
        Group(self.leader.clone())
    }

    /// Gives the run a cgroup of its own where one is to be had, with all who belong to it and were put nowhere else: from
    /// there on none of these can slip away. A move takes some 10 ms, one run after the other, so it is for runs that last.
    /// Cancel-safe: a move that has begun goes on.
    pub async fn contain(&self) {
        let Some(cgroups) = &self.leader.cgroups else { return };
        let turn = cgroups.turn().await;
        let leader = Arc::clone(&self.leader);
        let contain = move || {
            leader.contain();
            drop(turn);
        };
        // It ends early when the host does, which needs no cgroup any more.
        let _ = tokio::task::spawn_blocking(contain).await;
    }

    /// Waits until the leader has exited. It is not reaped; the answer may be asked for again. Cancel-safe.
    ///
    /// # Errors
    /// When something else has taken the exit: a foreign `waitpid`, or SIGCHLD being ignored.
    pub async fn exited(&self) -> io::Result<Exit> {
        match &self.waiter {
            #[cfg(target_os = "linux")]
            Waiter::Descriptor(process) => std::future::poll_fn(|cx| process.poll_ready(cx)).await,
            // Boxed, for most never wait so, and a task keeps room for all that it may wait for.
            Waiter::Thread(done) => Box::pin(ended(done.clone())).await?,
        }
        self.leader.exit()?.ok_or_else(|| io::Error::other("the process is said to have ended, but runs"))
    }

    /// Ends the run for good: kills what is left of the group and whoever left it, waits for all of them, reaps the
    /// leader. Costs some 10 µs when nobody is left.
    pub async fn finish(&self) -> Ended {
        let ended = if self.leader.is_over() {
            // Where processes cannot be listed, this alone ends them.
            let _ = self.group().kill();
            Ended::default()
        } else {
            self.end().await
        };
        let _stays = self.leader.moving.lock().await;
        let cpu = self.leader.reap();
        self.leader.tree.remove_cgroup();
        Ended { cpu, ..ended }
    }

    /// Kills what is left of the run and waits for it.
    async fn end(&self) -> Ended {
        let leader_runs = self.leader.exit().is_ok_and(|exit| exit.is_none());
        let left = self.leader.tree.living(leader_runs);
        let _ = self.group().kill();
        // An error means that the leader is gone already, which is all that is waited for.
        let _ = self.exited().await;
        if left.is_empty() && !leader_runs { Ended::default() } else { self.leader.tree.end(left).await }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Does nothing after `finish`.
        let _ = self.group().kill();
    }
}

impl Group {
    /// Returns the group's id: its leader's pid.
    pub fn id(&self) -> u32 {
        self.0.pid
    }

    /// Signals every process of the run, those that left the group too; `false` when the run is over and nobody was signalled.
    ///
    /// # Errors
    /// When the system refuses, for a program that runs as somebody else.
    pub fn signal(&self, signal: StopSignal) -> io::Result<bool> {
        // Who is a descendant now may lose its parents by this signal: from here on they are remembered.
        let strays = if *self.0.reaped() { Vec::new() } else { self.0.tree.strays() };
        let signalled = self.0.signal(signal);
        for stray in strays {
            // One that the system refuses is ended with the run.
            let _ = stray.send(signal);
        }
        signalled
    }

    /// Kills every process of the group; `false` when the run is over and nobody was signalled.
    ///
    /// # Errors
    /// When the system refuses, for a program that runs as somebody else.
    pub fn kill(&self) -> io::Result<bool> {
        self.0.signal(StopSignal::KILL)
    }

    /// Waits until nobody of the run lives besides its leader, in the group or out of it. Nothing is signalled, nothing
    /// polls. Where processes cannot be watched it waits for ever: the caller has a deadline. Cancel-safe.
    pub async fn emptied(&self) {
        loop {
            let living = self.living();
            let watched: Vec<Process> = living.iter().filter_map(|id| Process::open(*id)).collect();
            if living.is_empty() {
                return;
            }
            if watched.is_empty() {
                // They have gone since, or there is no descriptor left to watch them with.
                tokio::task::yield_now().await;
                if !self.living().is_empty() {
                    std::future::pending::<()>().await;
                }
            }
            for process in watched {
                // Without an answer the next look tells whether it is gone.
                let _ = process.gone().await;
            }
        }
    }

    fn living(&self) -> BTreeSet<ProcessId> {
        let reaped = self.0.reaped();
        if *reaped {
            return BTreeSet::new();
        }
        // Known before the look: a leader that runs could start another right after it.
        let has_exited = self.0.exit().is_ok_and(|exit| exit.is_some());
        let living = self.0.tree.living(false);
        self.0.is_over.store(has_exited && living.is_empty(), Ordering::Relaxed);
        living
    }

    /// Tells whether any process of the run is alive, in the group or out of it. Zombies are not. Costs some 50 µs and
    /// 10 µs more a process of the run; elsewhere than on Linux only the leader is seen.
    pub fn is_alive(&self) -> bool {
        let reaped = self.0.reaped();
        let leader_runs = !*reaped && self.0.exit().is_ok_and(|exit| exit.is_none());
        leader_runs || (!*reaped && !self.0.tree.living(false).is_empty())
    }

    /// Returns the processor time that the run has used so far, as far as its processes are alive or waited for; `None`
    /// where it cannot be known. Costs as much as [`Self::is_alive`].
    pub fn cpu_time(&self) -> Option<Duration> {
        let reaped = self.0.reaped();
        if *reaped { None } else { self.0.tree.cpu_time() }
    }
}

impl Leader {
    fn reaped(&self) -> MutexGuard<'_, bool> {
        self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the exit, without reaping; `None` while it runs.
    #[cfg(unix)]
    fn exit(&self) -> io::Result<Option<Exit>> {
        use rustix::process::WaitIdOptions as Options;
        if let Some(exit) = self.exit.get() {
            return Ok(Some(*exit));
        }
        let exit = exits::wait(self.pid, Options::EXITED | Options::NOWAIT | Options::NOHANG)?;
        Ok(exit.map(|exit| *self.exit.get_or_init(|| exit)))
    }

    #[cfg(not(unix))]
    fn exit(&self) -> io::Result<Option<Exit>> {
        let output = self.handle.duct().map(duct::Handle::try_wait).transpose()?.flatten();
        Ok(output.map(|output| Exit::Code(output.status.code().unwrap_or(-1))))
    }

    #[cfg(unix)]
    fn signal(&self, signal: StopSignal) -> io::Result<bool> {
        use rustix::process::{Signal, kill_process_group};
        let signal = Signal::from_named_raw(signal.number()).ok_or(io::ErrorKind::InvalidInput)?;
        let group = exits::to_pid(self.pid).ok_or(io::ErrorKind::InvalidInput)?;
        let reaped = self.reaped();
        if *reaped {
            return Ok(false);
        }
        match kill_process_group(group, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Any signal ends the process: this system has no polite one for a program without a window.
    #[cfg(not(unix))]
    #[expect(clippy::disallowed_methods, reason = "there are no groups here")]
    fn signal(&self, _signal: StopSignal) -> io::Result<bool> {
        let reaped = self.reaped();
        match self.handle.duct() {
            Some(handle) if !*reaped => handle.kill().map(|()| true),
            _ => Ok(false),
        }
    }

    fn contain(&self) {
        let _moving = self.moving.blocking_lock();
        let is_reaped = *self.reaped();
        if let Some(cgroups) = self.cgroups.as_ref().filter(|_| !is_reaped && !exits::has_exited(self.pid)) {
            self.tree.enter(cgroups, || exits::has_exited(self.pid));
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Reaps it, once it has exited, and returns the processor time that it and its children took who were waited for.
    fn reap(&self) -> Duration {
        let mut reaped = self.reaped();
        if mem::replace(&mut reaped, true) {
            return Duration::ZERO;
        }
        orphans::forget_leader(self.pid, || self.handle.reap(self.pid))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let reaped = *self.reaped();
        if !reaped {
            self.handle.abandon(self.pid);
        }
    }
}

/// Waits for the thread that waits for a process.
async fn ended(mut done: watch::Receiver<bool>) -> io::Result<()> {
    done.wait_for(|done| *done).await.map(drop).map_err(io::Error::other)
}

impl Waiter {
    #[cfg(target_os = "linux")]
    fn new(leader: &Arc<Leader>, poller: &Poller) -> io::Result<Self> {
        let watched = |fd| poller.watch(fd).map_err(|(_, error)| error);
        match super::procfs::pidfd(leader.pid).and_then(watched) {
            Ok(process) => Ok(Self::Descriptor(process)),
            Err(_) => Self::thread(leader),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn new(leader: &Arc<Leader>, _: &Poller) -> io::Result<Self> {
        Self::thread(leader)
    }

    /// Waits in a thread of its own: where processes have no descriptors, or none is left.
    fn thread(leader: &Arc<Leader>) -> io::Result<Self> {
        const STACK_BYTES: usize = 64 * 1024;
        let (done, waiting) = watch::channel(false);
        let leader = leader.clone();
        let body = move || {
            #[cfg(unix)]
            let _ = exits::wait(
                leader.pid,
                rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
            );
            #[cfg(not(unix))]
            let _ = leader.handle.duct().map(duct::Handle::wait);
            done.send_replace(true);
        };
        std::thread::Builder::new().name("wait".to_owned()).stack_size(STACK_BYTES).spawn(body)?;
        Ok(Self::Thread(waiting))
    }
}

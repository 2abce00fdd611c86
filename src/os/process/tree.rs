//! Who belongs to a run besides its leader, and how they all end.
//!
//! A member is: a descendant of the leader; an orphan that was handed to us and is in the run's group, bears one of its
//! marks, or was seen as a descendant before; whoever is in its cgroup; and every descendant of these.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use crate::os::process::{
    cgroup::{Cgroup, Cgroups},
    limits,
    marks::RunMark,
    orphans,
    procfs::{self, Process, ProcessId, Stat, TICKS_PER_SECOND},
};

/// How long killed processes may take to go. Only one that hangs in the kernel takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often those are moved into a cgroup who were started by one that was still outside. Whoever stays outside of it
/// is found by the other means.
const ENTRIES_MAX: usize = 8;

/// How often a walk is repeated while new orphans keep coming, of whatever run.
const WALKS_MAX: usize = 20;

/// What an end found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Processes besides the run's leader that were killed.
    pub killed: usize,
    /// Processes that are still there: the system refused, or they hang in the kernel.
    pub left: usize,
    /// Processor time of the leader and of those of its children that were waited for.
    pub cpu: Duration,
}

impl Ended {
    /// Tells whether nobody was found besides the leader.
    pub fn was_alone(&self) -> bool {
        self.killed == 0 && self.left == 0
    }
}

/// The processes of one run.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) leader: u32,
    mark: RunMark,
    pub(super) number: u64,
    cgroup: OnceLock<Cgroup>,
    /// Those who were seen as members: they stay members when they lose their parents.
    seen: Mutex<BTreeSet<ProcessId>>,
}

impl Tree {
    pub(super) fn new(leader: u32, mark: RunMark, number: u64) -> Self {
        Self { leader, mark, number, cgroup: OnceLock::new(), seen: Mutex::default() }
    }

    /// Puts the run's number on those who were started before the leader had it, or without its having it.
    pub(super) fn mark_descendants(&self, leader_runs: bool) {
        for id in self.living(leader_runs) {
            limits::mark(id.pid, self.number);
        }
    }

    /// Moves the run into a cgroup of its own, if it can be: its leader, which must not be reaped meanwhile, and all other
    /// members that nobody has put elsewhere. `is_over` tells whether that is worth the while no more.
    pub(super) fn enter(&self, cgroups: &Cgroups, is_over: impl Fn() -> bool) {
        let leader = procfs::stat(self.leader).map(|stat| id(self.leader, &stat));
        if !leader.is_some_and(|leader| cgroups.has(leader)) {
            return;
        }
        let Ok(cgroup) = cgroups.create(self.mark.run, self.number) else { return };
        if cgroup.add(self.leader).is_err() {
            return cgroup.remove();
        }
        // Only what is started after a move begins inside.
        for _ in 0..ENTRIES_MAX {
            let outside: Vec<_> = self.living(true).into_iter().filter(|id| cgroups.has(*id)).collect();
            if outside.is_empty() {
                break;
            }
            // An end waits for this.
            for id in outside.into_iter().take_while(|_| !is_over()) {
                cgroups.move_into(&cgroup, id);
            }
        }
        // The first one counts; there is only one.
        let _ = self.cgroup.set(cgroup);
    }

    /// Finds and remembers every living member but the leader.
    pub(super) fn living(&self, leader_runs: bool) -> BTreeSet<ProcessId> {
        if leader_runs && self.leader_is_alone() {
            return BTreeSet::new();
        }
        let living = settled(orphans::orphans, |orphans| {
            let mut roots: Vec<_> = orphans.iter().copied().filter(|pid| self.owns_orphan(*pid)).collect();
            // Of an empty cgroup the removal is the shortest look.
            let cgroup = self.cgroup.get().filter(|cgroup| leader_runs || !cgroup.remove_empty());
            roots.extend(cgroup.map(Cgroup::members).unwrap_or_default());
            roots.extend(self.seen().iter().filter(|id| is_alive(id)).map(|id| id.pid));
            if leader_runs {
                roots.extend(procfs::children(self.leader));
            }
            closure(roots, Some(self.leader))
        });
        let mut seen = self.seen();
        // Another look may go on beside this one, and know more.
        seen.retain(|id| living.contains(id) || is_alive(id));
        seen.extend(&living);
        drop(seen);
        living
    }

    /// Takes hold of every living member who is not in the leader's group: no signal to the group reaches them.
    pub(super) fn strays(&self) -> Vec<Process> {
        let living = self.living(true);
        let outside = living.iter().filter(|id| procfs::stat(id.pid).is_some_and(|stat| stat.group != self.leader));
        outside.filter_map(|id| Process::open(*id)).collect()
    }

    /// Adds up the processor time of the leader and all living members.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        let leader = procfs::stat(self.leader)?;
        let living = self.living(leader.is_alive());
        let members = living.iter().filter_map(|id| procfs::stat(id.pid));
        let ticks: u64 = members.map(|stat| stat.cpu_ticks).sum::<u64>() + leader.cpu_ticks;
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Kills every member but the leader, which must have ended, until none is found any more.
    pub(super) async fn end(&self, before: BTreeSet<ProcessId>) -> Ended {
        if let Some(cgroup) = self.cgroup.get() {
            cgroup.kill();
        }
        end(before, || self.living(false)).await
    }

    /// Removes the run's cgroup, when it has one.
    pub(super) fn remove_cgroup(&self) {
        if let Some(cgroup) = self.cgroup.get() {
            cgroup.remove();
        }
    }

    /// Tells whether a leader that runs, with one thread, is all there is of the run: nobody came from it who is not its child,
    /// or was seen, or an orphan of ours. In this order: whose parent ends meanwhile is an orphan before that one is gone. Who
    /// is in its cgroup all the same was put there by somebody else, and is ended with the run.
    fn leader_is_alone(&self) -> bool {
        self.seen().is_empty()
            && procfs::children_of_one_thread(self.leader).is_some_and(|list| list.is_empty())
            && orphans::orphans().is_empty()
    }

    fn owns_orphan(&self, pid: u32) -> bool {
        let Some(stat) = procfs::stat(pid) else { return false };
        stat.is_alive()
            && (stat.group == self.leader
                || self.seen().contains(&id(pid, &stat))
                || procfs::number(pid) == Some(self.number)
                || self.mark.is_on(&procfs::environment(pid)))
    }

    fn seen(&self) -> MutexGuard<'_, BTreeSet<ProcessId>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills what `search` finds, waits, and looks again until nothing is found: a process may have started others between
/// the look and the kill. Counts everyone once. Whoever was found `before` is waited for as well: a process that is
/// dying already may be missing in a list and still hold its files.
pub(super) async fn end(before: BTreeSet<ProcessId>, search: impl Fn() -> BTreeSet<ProcessId>) -> Ended {
    let mut all = BTreeSet::new();
    // Cancel-safe: whoever is not killed yet is only not killed.
    let rounds = async {
        let mut found = before;
        found.extend(search());
        let mut refused = BTreeSet::new();
        while found.iter().any(|id| !refused.contains(id)) {
            all.extend(found.iter().copied());
            refused.extend(kill_and_wait(&found).await);
            orphans::reap_orphans();
            // Without descriptors to wait with, this loop must still give way, to the timeout as well.
            tokio::task::yield_now().await;
            found = search();
        }
    };
    // Over time: the last search below counts who is left.
    let _ = tokio::time::timeout(PATIENCE, rounds).await;
    let left = search();
    Ended { killed: all.difference(&left).count(), left: left.len(), cpu: Duration::ZERO }
}

/// Kills all, then waits for each; returns those that the system did not let us kill.
async fn kill_and_wait(victims: &BTreeSet<ProcessId>) -> Vec<ProcessId> {
    let mut refused = Vec::new();
    let mut dying = Vec::new();
    for id in victims {
        match Process::open(*id) {
            Some(process) if process.kill().is_ok() => dying.push(process),
            Some(_) => refused.push(*id),
            None => {}
        }
    }
    for process in dying {
        // Without a descriptor to spare the next look tells whether it is gone.
        let _ = process.gone().await;
    }
    refused
}

/// Walks down from a list of children until the list has not grown meanwhile. A process may start another one and end
/// while the walk is under way: then the walk misses both, but the new one is on the list by then.
pub(super) fn settled(
    list: impl Fn() -> Vec<u32>,
    walk: impl Fn(&[u32]) -> BTreeSet<ProcessId>,
) -> BTreeSet<ProcessId> {
    let mut before = list();
    let mut found = walk(&before);
    for _ in 0..WALKS_MAX {
        if before.is_empty() && found.is_empty() {
            break;
        }
        let after = list();
        if after.iter().all(|pid| before.contains(pid)) {
            break;
        }
        before = after;
        found = walk(&before);
    }
    found
}

/// Finds the living among `roots` and all their descendants, but not `except` and not ourselves.
pub(super) fn closure(roots: Vec<u32>, except: Option<u32>) -> BTreeSet<ProcessId> {
    let mut queue = roots;
    let mut looked_at: BTreeSet<_> = except.into_iter().chain([std::process::id()]).collect();
    let mut members = BTreeSet::new();
    while let Some(pid) = queue.pop() {
        let alive = looked_at.insert(pid).then(|| procfs::stat(pid)).flatten().filter(Stat::is_alive);
        if let Some(stat) = alive {
            members.insert(id(pid, &stat));
            queue.extend(procfs::children(pid));
        }
    }
    members
}

pub(super) fn id(pid: u32, stat: &Stat) -> ProcessId {
    ProcessId { pid, started: stat.started }
}

/// Tells whether a process lives and is the one that is meant.
pub(super) fn is_alive(id: &ProcessId) -> bool {
    procfs::stat(id.pid).is_some_and(|stat| stat.is_alive() && stat.started == id.started)
}

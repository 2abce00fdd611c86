//! Orphans: processes whose parents are gone and which the kernel hands to us.
//!
//! With the subreaper bit set, whoever loses its parent below us becomes our child instead of init's. So nobody can
//! slip away unseen, and it is on us to reap them: by pid, one by one. A `waitpid` for anybody would steal the exits
//! that [`super::Child`] waits for.
//!
//! How an orphan is told from a child that we started: the kernel lists children by the thread that has them. Those we
//! start belong to the spawner's threads, orphans are given to the first thread. Should a spawner's thread end, its
//! children go there too; the register of leaders keeps them from being mistaken.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use crate::os::process::{
    exits, procfs,
    tree::{self, Ended},
};
#[cfg(unix)]
use crate::os::signals::held::EndsOfChildren;

/// From one look at orphans to the next: nobody waits for what is left of them, and most children that end are none.
#[cfg(unix)]
const REST: std::time::Duration = std::time::Duration::from_millis(50);

/// Held for reading while a child is started and registered, where orphans cannot be told by their thread.
static STARTING: RwLock<()> = RwLock::new(());

/// The leaders that are not reaped.
static LEADERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Leaders that nobody waits for any more: reaped here when they end.
static ABANDONED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Makes this process the parent of all orphans below it. Called once, before anything is started.
///
/// # Errors
/// When the kernel refuses; then processes that leave their group can be found by their marks only.
#[cfg(target_os = "linux")]
pub fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Does nothing: orphans go to the system's first process here.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn become_subreaper() -> io::Result<()> {
    Ok(())
}

/// Reaps orphans when they end.
#[derive(Debug)]
pub struct OrphanReaper {
    #[cfg(unix)]
    ends: EndsOfChildren,
}

impl OrphanReaper {
    /// Begins to listen for ended children, within a runtime. Should be there before the first child is started: it also
    /// undoes a SIGCHLD that the host was started with ignored, under which the kernel keeps no exits.
    ///
    /// # Errors
    /// When the system refuses a handler or a file.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            ends: EndsOfChildren::listen()?,
        })
    }

    /// Reaps, for ever: one look at the first child that ends, then at most one in 50 ms while others do.
    #[cfg(unix)]
    pub async fn run(mut self) {
        loop {
            reap_orphans();
            tokio::time::sleep(REST).await;
            self.ends.next().await;
        }
    }

    /// Ends at once: there are no orphans to reap here.
    #[cfg(not(unix))]
    pub async fn run(self) {}
}

/// Kills every child of this process, started or adopted, and all their descendants: the last act of a host's stop, for
/// those who belong to no run that is known any more. Children of another thread's making are meant too.
pub async fn end_all_children() -> Ended {
    let search =
        || tree::settled(|| procfs::children(std::process::id()), |children| tree::closure(children.to_vec(), None));
    tree::end(BTreeSet::new(), search).await
}

/// Lists the orphans that we have, zombies too.
pub(super) fn orphans() -> Vec<u32> {
    let mut pids = procfs::adopted().pids;
    if !pids.is_empty() {
        let leaders = leaders();
        pids.retain(|pid| !leaders.contains(pid));
    }
    pids
}

/// Reaps the orphans that have ended, and the leaders that were abandoned.
#[cfg(unix)]
pub(super) fn reap_orphans() {
    reap_abandoned();
    let first_look = procfs::adopted();
    if first_look.pids.is_empty() {
        return;
    }
    // A child that is just being started is not registered yet: where it looks like an orphan, wait until it is.
    let _none_starting = first_look.with_spawned.then(|| STARTING.write().unwrap_or_else(PoisonError::into_inner));
    // Held to the end: only here are orphans reaped, so a pid on the list stays theirs.
    let leaders = leaders();
    for pid in procfs::adopted().pids {
        // An abandoned one that lost the thread that started it is reaped above, and only there.
        if !leaders.contains(&pid) && !abandoned().contains(&pid) {
            // Whoever still runs, or is not our child any more, is left alone.
            exits::reap(pid);
        }
    }
}

/// Reaps the abandoned that have ended. While others look at orphans it waits: a number that it sets free may be a new
/// child's, which they would take for an orphan.
#[cfg(unix)]
fn reap_abandoned() {
    let _leaders = leaders();
    abandoned().retain(|pid| !exits::reap(*pid));
}

/// Does nothing: there are no orphans to reap here.
#[cfg(not(unix))]
pub(super) fn reap_orphans() {}

/// Keeps orphans from being reaped while a child is started and registered.
pub(super) fn starting() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a leader: from now on it is no orphan.
pub(super) fn register_leader(pid: u32) {
    leaders().insert(pid);
}

/// Takes a leader off the register and reaps it in one step, so that nobody sees it in between.
pub(super) fn forget_leader<T>(pid: u32, reap: impl FnOnce() -> T) -> T {
    let mut leaders = leaders();
    let reaped = reap();
    leaders.remove(&pid);
    reaped
}

/// Takes a leader off the register whom nobody will reap.
pub(super) fn abandon_leader(pid: u32) {
    forget_leader(pid, || abandon(pid));
}

/// Reaps a leader, now or when it ends. Called as it is taken off the register.
pub(super) fn abandon(pid: u32) {
    // Held while it is looked at: one that ends right after that is on the list when its end is told.
    let mut abandoned = abandoned();
    if !exits::reap(pid) {
        abandoned.insert(pid);
    }
}

fn abandoned() -> MutexGuard<'static, BTreeSet<u32>> {
    ABANDONED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leaders() -> MutexGuard<'static, BTreeSet<u32>> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

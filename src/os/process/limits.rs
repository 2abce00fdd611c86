//! Limits of children: set in the child where the start is ours, else from outside as soon as it has returned. Inside the
//! child it would need a hook then, and with that a slow full `fork`.
//!
//! The limit of open files is high for the host, unchanged for the jobs.
//! A running job costs the host three descriptors, so it takes all it may. Jobs get the old limit back: some programs
//! close every possible descriptor one by one, and `select` breaks beyond 1,024.

use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

/// Descriptors that the host has room for from the start, those of some 1,600 running jobs. It takes 64 KiB in the kernel.
#[cfg(unix)]
const ROOM: i32 = 8192;

/// The soft limit the host was started with.
static INHERITED: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the soft limit of open files as far as the hard one allows, and returns the soft limit that jobs will have;
/// `None` means no limit. Only the first call changes anything.
#[cfg(unix)]
pub fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    *INHERITED.get_or_init(|| {
        let inherited = getrlimit(Resource::Nofile);
        // Refused (some systems have a lower limit than they say): then everything stays as it was, for jobs too.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: inherited.maximum, maximum: inherited.maximum });
        inherited.current
    })
}

/// Does nothing: there is no such limit here.
#[cfg(not(unix))]
pub fn raise_file_limit() -> Option<u64> {
    *INHERITED.get_or_init(|| None)
}

/// Lets the kernel make room for many open files now, where the limit allows it. Called before there is a second thread:
/// the table of open files grows by doubling, and once threads share it, whoever opens the file that does not fit any more
/// waits until all processors have let go of the old one (`expand_fdtable` in Linux' `fs/file.c`). Measured at the 256th
/// file: 8 to 15 ms, on the way of whatever job started just then.
#[cfg(unix)]
pub fn make_room_for_files() {
    use rustix::{io::fcntl_dupfd_cloexec, process};
    raise_file_limit();
    let limit = process::getrlimit(process::Resource::Nofile).current;
    let room = limit.and_then(|limit| i32::try_from(limit).ok()).map_or(ROOM, |limit| limit.min(ROOM));
    // The highest that fits, closed at once: the table stays as large. Where it is refused, it grows as usual.
    let _ = fcntl_dupfd_cloexec(std::io::stdin(), room - 1);
}

/// Does nothing: there is no such table here.
#[cfg(not(unix))]
pub fn make_room_for_files() {}

/// Returns the limit of open files that a child is to have: the soft one that the host was started with. `None` where the host
/// has not raised its own.
#[cfg(target_os = "linux")]
pub(super) fn of_files() -> Option<Rlimit> {
    static LIMIT: OnceLock<Rlimit> = OnceLock::new();
    let inherited = INHERITED.get()?;
    let limit = || Rlimit { current: *inherited, maximum: getrlimit(Resource::Nofile).maximum };
    Some(*LIMIT.get_or_init(limit))
}

/// Gives a child the limit of open files that it is to have.
#[cfg(target_os = "linux")]
pub(super) fn restore(pid: u32) {
    if let Some(limit) = of_files() {
        // It fails only for a child that has ended already.
        let _ = prlimit(super::exits::to_pid(pid), Resource::Nofile, limit);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn restore(_pid: u32) {}

/// Returns the limit that is the number of a run, see [`super::marks`].
#[cfg(target_os = "linux")]
pub(super) fn of_number(number: u64) -> Rlimit {
    Rlimit { current: Some(number), maximum: Some(number) }
}

/// Puts the number of its run on a child that was started without. Microseconds after its start, unless the machine lets
/// the program run first: the spawner then looks for those whom it has started meanwhile.
#[cfg(target_os = "linux")]
pub(super) fn mark(pid: u32, number: u64) {
    // It fails for a child that has ended, or where an outer host has put a lower number on us: then that one holds.
    let _ = prlimit(super::exits::to_pid(pid), Resource::Locks, of_number(number));
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mark(_pid: u32, _number: u64) {}

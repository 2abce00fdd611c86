//! A table of open files for a thread of its own, so that a start costs the same however much the host has open.
//!
//! A child begins with a copy of its starter's table, and closes all of it when it becomes its program: with a thousand
//! running jobs that is five thousand files, some 1.7 ms a start. A thread that stands apart has the three standard ones
//! and what it opens itself. It must own no other: the number of a file of the host's means nothing to it, or another one.
//! So nothing that was opened elsewhere may be used or dropped there, and no task may be woken from there, for the
//! runtime is woken through a file. What handlers of signals write to is kept: they run on any thread, and a child that
//! inherits what is blocked is started by a thread that blocks nothing. What a child is to write to is taken over by
//! [`Table::adopt`].

use std::io;

#[cfg(target_os = "linux")]
use {
    crate::os::signals::wire,
    libc::{c_uint, c_ulong},
    rustix::{
        fs::{FileType, Mode, OFlags, fcntl_setfl, fstat, open},
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    },
    std::os::fd::{AsRawFd, OwnedFd, RawFd},
};

use crate::os::process::spawn::OutputEnd;

/// The open files of a thread.
#[derive(Debug)]
pub(super) enum Table {
    /// Those of the host.
    Shared,
    /// Its own. `host` names the host's where the system lets files be taken by that (Linux 5.6): 1.1 µs, where the path in
    /// `/proc` takes 4.6 (the least of many in a loop; in the midst of a start several times that).
    #[cfg(target_os = "linux")]
    Own {
        /// The process whose first thread has the host's files: ours.
        host: Option<OwnedFd>,
    },
}

impl Table {
    /// Gives the calling thread a table of its own, when the system has such (Linux 5.9) and files can be taken over. The
    /// caller owns no file, has not looked for orphans (`procfs::adopted` keeps one open), and hands all that it is given
    /// back to a thread of the host's.
    #[cfg(target_os = "linux")]
    pub(super) fn leave() -> Self {
        if !can_adopt() || !wire::handler_files().is_ok_and(|kept| unshare(&kept)) {
            return Self::Shared;
        }
        Self::Own { host: is_unfiltered().then(own_process).and_then(Result::ok) }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn leave() -> Self {
        Self::Shared
    }

    /// Tells whether it is the thread's own.
    pub(super) fn is_own(&self) -> bool {
        !matches!(self, Self::Shared)
    }

    /// Takes over an end of the host's: a pipe, or a file that is appended to. A thread that shares the host's files gets a
    /// copy.
    ///
    /// # Errors
    /// When no file can be opened any more.
    pub(super) fn adopt(&self, end: &OutputEnd) -> io::Result<OutputEnd> {
        match self {
            Self::Shared => end.try_clone(),
            #[cfg(target_os = "linux")]
            Self::Own { host: None } => by_path(end),
            #[cfg(target_os = "linux")]
            Self::Own { host: Some(host) } => by_descriptor(host, end).or_else(|_| by_path(end)),
        }
    }
}

/// Tells whether files can be taken over by their paths: not where `/proc` is missing or hidden, and then what the shorter way
/// refuses could not be. All that it opens is closed again.
#[cfg(target_os = "linux")]
fn can_adopt() -> bool {
    io::pipe().is_ok_and(|(_end, written)| by_path(&written.into()).is_ok())
}

/// Tells whether no filter of system calls is on us. One may end the process for a call that it does not know: systemd counts
/// `pidfd_getfd` among what debuggers need.
#[cfg(target_os = "linux")]
fn is_unfiltered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Seccomp:")).is_some_and(|mode| mode.trim() == "0")
}

#[cfg(target_os = "linux")]
fn own_process() -> io::Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

#[cfg(target_os = "linux")]
fn by_descriptor(host: &OwnedFd, end: &OutputEnd) -> io::Result<OutputEnd> {
    Ok(pidfd_getfd(host, end.as_raw_fd(), PidfdGetfdFlags::empty())?)
}

#[cfg(target_os = "linux")]
fn by_path(end: &OutputEnd) -> io::Result<OutputEnd> {
    // The list of the process is that of its first thread. To open a pipe without a name never waits.
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    let adopted = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&adopted)?.st_mode) != FileType::Fifo {
        fcntl_setfl(&adopted, OFlags::APPEND)?;
    }
    Ok(adopted)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn unshare(kept: &[RawFd]) -> bool {
    let close = |(first, last): (c_uint, c_uint), flags: c_uint| {
        let words = [first, last, flags].map(c_ulong::from);
        // SAFETY: the call reads no memory of ours. It closes files in the table of this thread alone, and the thread owns
        // none: all that it uses from here on it opens itself or adopts.
        unsafe { libc::syscall(libc::SYS_close_range, words[0], words[1], words[2]) == 0 }
    };
    let mut gaps = gaps(kept).into_iter();
    // The last gap comes first: it takes a copy of the table that ends there. Files that stay open in the others only cost time.
    let has_left = gaps.next().is_some_and(|last| close(last, libc::CLOSE_RANGE_UNSHARE));
    if has_left {
        gaps.for_each(|gap| {
            close(gap, 0);
        });
    }
    has_left
}

/// Returns the ranges of numbers, first and last, that hold neither a standard file nor one that is kept; the highest first.
#[cfg(target_os = "linux")]
fn gaps(kept: &[RawFd]) -> Vec<(c_uint, c_uint)> {
    let mut bounds: Vec<_> = kept.iter().filter_map(|file| c_uint::try_from(*file).ok()).collect();
    bounds.push(2);
    bounds.sort_unstable_by(|a, b| b.cmp(a));
    let lasts = std::iter::once(c_uint::MAX).chain(bounds.iter().map(|file| file.saturating_sub(1)));
    bounds.iter().map(|file| file + 1).zip(lasts).filter(|(first, last)| *first > 2 && first <= last).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        path::Path,
        thread,
    };

    use super::*;

    fn count(table: &str) -> usize {
        fs::read_dir(table).expect("a table").count()
    }

    #[test]
    fn a_thread_apart_has_nothing_but_what_it_adopts() {
        let (mut end, written) = io::pipe().expect("a pipe");
        let written = OutputEnd::from(written);
        let apart = || {
            // Linux 5.9 and a `/proc` that shows our own files.
            let table = Table::leave();
            assert!(table.is_own(), "the system has tables for threads");
            let has_descriptor = matches!(table, Table::Own { host: Some(_) });
            assert_eq!(has_descriptor, is_unfiltered(), "Linux 5.6: a descriptor unless a filter may forbid it");
            // The list is open while it is read.
            assert!(
                count("/proc/thread-self/fd") <= 9,
                "nothing but standard files, those of handlers and the process"
            );
            for kept in wire::handler_files().expect("their numbers") {
                let meant = |table: &str| fs::read_link(format!("/proc/{table}/fd/{kept}")).expect("an open file");
                assert_eq!(meant("thread-self"), meant("self"));
            }
            for text in [&b"from there"[..], b", twice"] {
                io::PipeWriter::from(table.adopt(&written).expect("the pipe")).write_all(text).expect("taken");
            }
        };
        thread::scope(|scope| scope.spawn(apart).join()).expect("it went well");
        drop(written);
        let mut text = String::new();
        end.read_to_string(&mut text).expect("the pipe ends when both ends are closed");
        assert_eq!(text, "from there, twice");
    }

    #[tokio::test]
    async fn a_signal_that_is_handled_apart_is_heard() {
        let mut came = wire::hear(wire::Signal::Interrupt).expect("a handler");
        let raise = || {
            assert!(Table::leave().is_own(), "the system has tables for threads");
            signal_hook::low_level::raise(signal_hook::consts::SIGINT).expect("a signal to this thread");
        };
        thread::scope(|scope| scope.spawn(raise).join()).expect("it went well");
        let heard = tokio::time::timeout(std::time::Duration::from_secs(30), came.changed()).await;
        heard.expect("soon").expect("it has come");
    }

    #[test]
    fn ranges_leave_out_what_is_kept() {
        assert_eq!(gaps(&[]), [(3, c_uint::MAX)]);
        assert_eq!(gaps(&[9, 4, 3, 8]), [(10, c_uint::MAX), (5, 7)]);
        assert_eq!(gaps(&[1, 5]), [(6, c_uint::MAX), (3, 4)]);
    }

    #[test]
    fn what_is_adopted_is_as_a_child_expects_it() {
        type Adopt<'a> = &'a dyn Fn(&OutputEnd) -> io::Result<OutputEnd>;
        let ways: [Adopt<'_>; 3] = [
            &|end| Table::Shared.adopt(end),
            &by_path,
            // Where a filter forbids it, the other way is tried twice.
            &|end| if is_unfiltered() { by_descriptor(&own_process()?, end) } else { by_path(end) },
        ];
        for adopt in ways {
            let (mut end, written) = io::pipe().expect("a pipe");
            let adopted = adopt(&written.into()).expect("the pipe");
            let flags = rustix::fs::fcntl_getfl(&adopted).expect("its flags");
            assert!(!flags.intersects(OFlags::NONBLOCK | OFlags::APPEND), "a pipe like any other: {flags:?}");
            let flags = rustix::io::fcntl_getfd(&adopted).expect("its flags");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "no child has it by accident");
            fs::File::from(adopted).write_all(b"through").expect("written");
            let mut read = String::new();
            end.read_to_string(&mut read).expect("nobody else has an end");
            assert_eq!(read, "through");

            let file = tempfile::NamedTempFile::new().expect("a file");
            let appended = |path: &Path| fs::File::options().append(true).open(path).expect("the file");
            let taken = appended(file.path()).into();
            let adopted = adopt(&taken).expect("the file");
            appended(file.path()).write_all(b"first, ").expect("written");
            fs::File::from(adopted).write_all(b"second").expect("written");
            assert_eq!(fs::read_to_string(file.path()).expect("the file"), "first, second");
        }
    }

    #[test]
    fn what_cannot_be_named_by_the_process_is_taken_by_its_path() {
        let nobody = fs::File::open("/dev/null").expect("an empty file");
        let (mut end, written) = io::pipe().expect("a pipe");
        let adopted = Table::Own { host: Some(nobody.into()) }.adopt(&written.into()).expect("the pipe");
        fs::File::from(adopted).write_all(b"through").expect("written");
        let mut read = String::new();
        end.read_to_string(&mut read).expect("nobody else has an end");
        assert_eq!(read, "through");
    }
}

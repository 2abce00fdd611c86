//! SIGCHLD, which every child's end sends and few ends are worth it: it may be held back until somebody asks for it.
//!
//! A signal that no thread takes stays pending, and another of its kind changes nothing: so while many children end, nobody
//! is woken for each. What is pending makes a file readable (`signalfd`). A thread that takes signals as they come has
//! the handler run, and that is heard as well: what is held back is a matter of cost alone.

use std::io;

#[cfg(target_os = "linux")]
use {
    crate::os::readiness,
    std::{
        mem,
        os::fd::{FromRawFd, OwnedFd},
        ptr,
    },
    tokio::io::unix::AsyncFd,
};

use tokio::sync::watch;

use super::wire::{Signal, hear};

/// Bytes of what the kernel tells of a signal: `struct signalfd_siginfo`.
#[cfg(target_os = "linux")]
const INFO_BYTES: usize = 128;

/// Holds SIGCHLD back in the calling thread and those that it starts. Called before there are others, by a program whose
/// children do not inherit it; threads whose children do let it through again.
#[cfg(target_os = "linux")]
pub fn hold_ends_of_children() {
    mask(libc::SIG_BLOCK);
}

/// Does nothing: each end is told here.
#[cfg(not(target_os = "linux"))]
pub fn hold_ends_of_children() {}

/// Lets SIGCHLD through in the calling thread, for one whose children inherit what it holds back.
#[cfg(target_os = "linux")]
pub(in crate::os) fn let_through() {
    mask(libc::SIG_UNBLOCK);
}

/// Does nothing: nothing is held back.
#[cfg(not(target_os = "linux"))]
pub(in crate::os) fn let_through() {}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn mask(how: libc::c_int) {
    // SAFETY: the calls read and write the set of signals that they are given, and change what this thread takes.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
    }
}

/// Tells that children have ended.
#[derive(Debug)]
pub(in crate::os) struct EndsOfChildren {
    came: watch::Receiver<()>,
    #[cfg(target_os = "linux")]
    pending: AsyncFd<OwnedFd>,
}

impl EndsOfChildren {
    /// Begins to listen. Called within a runtime.
    ///
    /// # Errors
    /// When the system refuses a handler or a file.
    pub(in crate::os) fn listen() -> io::Result<Self> {
        Ok(Self {
            came: hear(Signal::ChildEnded)?,
            #[cfg(target_os = "linux")]
            pending: readiness::register(pending()?)?,
        })
    }

    /// Waits until one has ended since the last answer. Cancel-safe.
    #[cfg(target_os = "linux")]
    pub(in crate::os) async fn next(&mut self) {
        tokio::select! {
            // Cancel-safe: `changed` keeps what it has not returned; whoever tells of signals lives as long as the process.
            _ = self.came.changed() => {}
            // Cancel-safe: what was not read stays readable.
            () = taken(&self.pending) => {}
        }
    }

    /// Waits until one has ended since the last answer. Cancel-safe.
    #[cfg(not(target_os = "linux"))]
    pub(in crate::os) async fn next(&mut self) {
        // Whoever tells of signals lives as long as the process.
        let _ = self.came.changed().await;
    }
}

/// Opens the file that is readable while SIGCHLD is pending.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn pending() -> io::Result<OwnedFd> {
    // SAFETY: the calls read and write the set of signals that they are given. The file is new, and ours alone.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        match libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) {
            fd if fd < 0 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Waits for a pending signal, and takes it.
#[cfg(target_os = "linux")]
async fn taken(pending: &AsyncFd<OwnedFd>) {
    loop {
        // It fails when the runtime ends, and with it whoever waits.
        let Ok(mut ready) = pending.readable().await else { return std::future::pending().await };
        let mut info = [0; INFO_BYTES];
        match ready.try_io(|file| Ok(rustix::io::read(file, &mut info)?)) {
            // Another thread has taken it, by its handler.
            Err(_would_block) => {}
            Ok(_) => return,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_end_is_told_of_whether_it_is_held_back_or_not() {
        // To this thread alone: other tests have children, and threads of their own.
        let raise = || signal_hook::low_level::raise(libc::SIGCHLD).expect("a signal to this thread");
        let mut ends = EndsOfChildren::listen().expect("a handler and a file");
        for change in [hold_ends_of_children, let_through] {
            change();
            raise();
            tokio::time::timeout(Duration::from_secs(30), ends.next()).await.expect("soon");
        }
    }
}

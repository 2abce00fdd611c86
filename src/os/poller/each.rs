//! Where there is no `epoll`: the runtime watches each descriptor.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    task::{Context, Poll},
};

use tokio::io::{Interest, unix::AsyncFd};

use crate::os::readiness;

/// Hands descriptors to the runtime.
#[derive(Clone, Debug)]
pub struct Poller(());

/// A descriptor that is watched.
#[derive(Debug)]
pub struct Watched(AsyncFd<OwnedFd>);

impl Poller {
    /// Begins.
    ///
    /// # Errors
    /// Never.
    pub fn start() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Watches a descriptor until what is returned is dropped. Called within a runtime.
    ///
    /// # Errors
    /// When it cannot be watched, or too many are; the error gives it back.
    pub(in crate::os) fn watch(&self, fd: OwnedFd) -> Result<Watched, (OwnedFd, io::Error)> {
        readiness::register(fd).map(Watched).map_err(|refused| refused.into_parts())
    }
}

impl Watched {
    /// Waits until it is readable or its other end is closed, as far as was heard. Who asked last is woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        // The read that follows tells what is wrong with it.
        self.0.poll_read_ready(cx).map(drop)
    }

    /// Tries to read, if it is readable as far as was heard; one that would block is not until more is heard.
    ///
    /// # Errors
    /// Those of `read`, and `WouldBlock` when nothing was heard.
    pub fn try_io<T>(&self, read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        self.0.try_io(Interest::READABLE, |fd| read(fd.as_fd()))
    }

    /// Watches it no longer.
    pub fn into_inner(self) -> OwnedFd {
        self.0.into_inner()
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

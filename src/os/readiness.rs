//! Waiting for a file descriptor to become readable, without a thread.
//!
//! It needs `unsafe`, as [`super::process`], [`super::signals`] and [`super::memory`] do: the runtime cannot see by itself that a
//! descriptor stays open while it is registered. An [`OwnedFd`] that is given away does.

use std::os::fd::OwnedFd;

use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

/// Hands a descriptor to the runtime.
///
/// # Errors
/// When the descriptor cannot be polled, or too many are; the error gives it back.
#[expect(unsafe_code, reason = "what the runtime cannot check is said below")]
pub(super) fn register(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor until it is dropped, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register(fd) }
}

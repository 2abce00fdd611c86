//! Waiting for the pipes and the ends of all processes, without a thread.
//!
//! The runtime keeps a quarter of a kilobyte for each descriptor that it watches, and a run has three. On Linux these are in one
//! `epoll` of the host's own, which the runtime watches as one descriptor: a task asks it what came, and wakes who waits. Elsewhere
//! the runtime watches each. A descriptor that few have, such as a timer, goes to the runtime by itself (`os::readiness`).

#[cfg(target_os = "linux")]
#[path = "poller/epoll.rs"]
mod watch;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "poller/each.rs"]
mod watch;
#[cfg(not(unix))]
#[path = "poller/none.rs"]
mod watch;

pub use self::watch::Poller;
#[cfg(unix)]
pub(super) use self::watch::Watched;

#[cfg(all(test, unix))]
mod tests;

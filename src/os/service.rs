//! The one who started us, where that is systemd: it is told when the host is ready, stops, reads its folders again, and
//! that it is alive. Where nobody listens (`NOTIFY_SOCKET` is not set) nothing is sent.

#[cfg(target_os = "linux")]
use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
use sd_notify::NotifyState;

/// How a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Every job is known and the API answers; what it found, in words.
    Ready(String),
    /// It reads its folders and credentials again; `Ready` follows.
    Reloading,
    /// It is alive.
    Alive,
    /// It stops; its jobs have up to this long.
    Stopping(Duration),
}

/// Tells how the host is. That nobody hears it changes nothing.
#[cfg(target_os = "linux")]
pub fn tell(stage: &Stage) {
    let told = match stage {
        Stage::Ready(status) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]),
        Stage::Reloading => reloading(),
        Stage::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Stage::Stopping(patience) => {
            // systemd's own patience is prolonged by ours, so that it kills no job before its grace is over.
            let patience = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
            sd_notify::notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(patience)])
        }
    };
    if let Err(error) = told {
        tracing::debug!(%error, ?stage, "the service manager was not told");
    }
}

/// systemd wants the moment, to know which of several reloads is meant.
#[cfg(target_os = "linux")]
fn reloading() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// Tells how the host is. There is nobody to tell on this system.
#[cfg(not(target_os = "linux"))]
pub fn tell(_stage: &Stage) {}

/// Returns how often a sign of life is wanted, at the least; `None` when nobody waits for one.
pub fn watchdog() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
    #[cfg(not(target_os = "linux"))]
    return None;
}

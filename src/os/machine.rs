//! What this machine and this process are called.

/// Returns the machine's name on its network; empty when it has none.
pub fn host_name() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    }
}

/// Returns the zone that the machine shows times in; UTC when that is unknown.
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC)
}

/// Tells whether this machine has a process of that number.
pub fn is_process(pid: u32) -> bool {
    #[cfg(unix)]
    {
        use rustix::{io::Errno, process};
        let pid = i32::try_from(pid).ok().and_then(process::Pid::from_raw);
        pid.is_some_and(|pid| !matches!(process::test_kill_process(pid), Err(Errno::SRCH)))
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true
    }
}

/// Returns the number of this process.
pub fn own_pid() -> u32 {
    std::process::id()
}

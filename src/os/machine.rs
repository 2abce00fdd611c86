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

/// Returns the number of this process.
pub fn own_pid() -> u32 {
    std::process::id()
}

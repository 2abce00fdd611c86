//! What this machine and this process are called.

use jiff::tz::TimeZone;

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
pub fn zone() -> TimeZone {
    #[cfg(unix)]
    if let Some(zone) = linked_zone() {
        return zone;
    }
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Reads the zone that `/etc/localtime` is a link to, unless `TZ` names another. jiff would list all zones of the machine to look
/// up this one, and keep the list: 2 ms of each command, and 0.15 MiB.
#[cfg(unix)]
fn linked_zone() -> Option<TimeZone> {
    const FILE: &str = "/etc/localtime";
    if std::env::var_os("TZ").is_some() {
        return None;
    }
    let target = std::fs::read_link(FILE).ok()?;
    let (_, name) = target.to_str()?.rsplit_once("zoneinfo/")?;
    TimeZone::tzif(name, &std::fs::read(FILE).ok()?).ok()
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_the_one_that_jiff_finds() {
        let found = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        // Of another kind of link, or under `TZ`, jiff is asked.
        let read = linked_zone().unwrap_or_else(|| found.clone());
        assert_eq!(read.iana_name(), found.iana_name());
        for second in [0, 1_700_000_000, 1_720_000_000] {
            let moment = jiff::Timestamp::from_second(second).expect("a moment");
            assert_eq!(read.to_offset(moment), found.to_offset(moment), "{second}");
        }
    }
}

//! What this machine and this process are called.

#[cfg(unix)]
use std::path::Path;

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
    if ["TZ", "TZDIR"].iter().all(|name| std::env::var_os(name).is_none())
        && let Some(zone) = linked_zone(Path::new("/etc/localtime"))
    {
        return zone;
    }
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Reads the zone that a file is a link to. jiff would list all zones of the machine to look up this one, and keep the list: 2 ms of
/// each command, and 0.15 MiB. Where the link's name is not plainly that of a zone, jiff is to look.
#[cfg(unix)]
fn linked_zone(file: &Path) -> Option<TimeZone> {
    let target = std::fs::read_link(file).ok()?;
    let (_, name) = target.to_str()?.rsplit_once("zoneinfo/")?;
    let is_plain = name.starts_with(|first: char| first.is_ascii_uppercase()) && name != "UTC";
    let bytes = is_plain.then(|| std::fs::read(file))?;
    TimeZone::tzif(name, &bytes.ok()?).ok()
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
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A zone of two rules, as its file begins and ends: jiff reads the last line alone where the file has no changes.
    fn tzif(rules: &str) -> Vec<u8> {
        // Of either version: no changes, one kind of time at UTC, whose name is the first of these letters.
        let header = |counts: [u32; 6]| {
            let counts = counts.into_iter().flat_map(u32::to_be_bytes);
            [b"TZif2".as_slice(), &[0; 15]].concat().into_iter().chain(counts).collect::<Vec<u8>>()
        };
        let block = [header([0, 0, 0, 0, 1, 4]), vec![0; 6], b"UTC\0".to_vec()].concat();
        [block.clone(), block, format!("\n{rules}\n").into_bytes()].concat()
    }

    #[test]
    fn a_link_names_the_zone_and_its_file_says_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("zoneinfo/Europe")).expect("a folder");
        fs::write(at("zoneinfo/Europe/Nowhere"), tzif("NWT-5NWST,M3.5.0,M10.5.0/3")).expect("written");
        symlink("zoneinfo/Europe/Nowhere", at("localtime")).expect("a link");
        let zone = linked_zone(&at("localtime")).expect("a zone");
        assert_eq!(zone.iana_name(), Some("Europe/Nowhere"));
        let hours = |moment: &str| zone.to_offset(moment.parse().expect("a moment")).seconds() / 3600;
        assert_eq!([hours("2026-01-01T00:00:00Z"), hours("2026-07-01T00:00:00Z")], [5, 6]);
    }

    #[test]
    fn what_is_not_plainly_a_zone_is_left_to_jiff() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("zoneinfo/posix")).expect("a folder");
        for (n, name) in ["zoneinfo/UTC", "zoneinfo/posix/Zone", "elsewhere"].into_iter().enumerate() {
            fs::write(at(name), tzif("NWT-5")).expect("written");
            symlink(name, at(&format!("link{n}"))).expect("a link");
            assert!(linked_zone(&at(&format!("link{n}"))).is_none(), "{name}");
        }
        fs::write(at("zoneinfo/Broken"), "no zone").expect("written");
        symlink("zoneinfo/Broken", at("broken")).expect("a link");
        symlink("zoneinfo/Missing", at("dangling")).expect("a link");
        assert!([at("broken"), at("dangling"), at("elsewhere")].iter().all(|file| linked_zone(file).is_none()));
    }

    #[test]
    fn the_machines_own_is_as_jiff_finds_it() {
        let found = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        let zone = zone();
        assert_eq!(zone.iana_name(), found.iana_name());
        for moment in ["2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"].map(|text| text.parse().expect("a moment")) {
            assert_eq!(zone.to_offset(moment), found.to_offset(moment), "{moment}");
        }
    }
}

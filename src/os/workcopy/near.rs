//! Whether a folder lies on a disk or in the memory of this machine, so that whoever reads little of it need not fear to wait:
//! a share on a network may be slow, or hang for as long as its server does.

use std::path::Path;

/// A device of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device(#[cfg(target_os = "linux")] u64);

/// Returns the device that a folder is on, unless it is a share or of a kind that is not known. May wait for a share.
#[cfg(target_os = "linux")]
pub(super) fn device(folder: &Path) -> Option<Device> {
    /// Numbers of kinds of file systems, as `statfs` tells them: ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs
    /// (`linux/magic.h`, and the sources of the last three).
    const NEAR: [u32; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010, 0xCA45_1A4E];
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    let is_near = NEAR.iter().any(|near| i128::from(*near) == i128::from(kind));
    is_near.then(|| std::fs::metadata(folder).ok().map(|metadata| of(&metadata))).flatten()
}

/// Nothing is known to be near here.
#[cfg(not(target_os = "linux"))]
pub(super) fn device(_folder: &Path) -> Option<Device> {
    None
}

/// Tells whether a folder is on the device, and no link to another one.
#[cfg(target_os = "linux")]
pub(super) fn is_on(folder: &Path, device: Device) -> bool {
    std::fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir() && of(&metadata) == device)
}

/// There is no device to be on.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_on(_folder: &Path, _device: Device) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn of(metadata: &std::fs::Metadata) -> Device {
    Device(std::os::unix::fs::MetadataExt::dev(metadata))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_disk_is_not_near_and_a_link_is_not_followed() {
        assert_eq!(device(Path::new("/proc")), None);
        assert_eq!(device(Path::new("/nowhere at all")), None);
        let temp = tempfile::tempdir().expect("a folder");
        let Some(near) = device(temp.path()) else { return };
        std::fs::create_dir(temp.path().join("own")).expect("made");
        std::os::unix::fs::symlink("own", temp.path().join("link")).expect("linked");
        assert!(is_on(&temp.path().join("own"), near));
        assert!(!is_on(&temp.path().join("link"), near));
        assert!(!is_on(Path::new("/proc"), near));
    }
}

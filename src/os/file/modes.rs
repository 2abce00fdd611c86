//! Permissions and links, which only some systems have. Elsewhere permissions are as the system makes them, and links are
//! refused.

use std::{
    fs::{File, Metadata},
    io,
    path::Path,
};

/// Permissions of a folder that everybody may look into.
pub const FOLDER: u32 = 0o755;

/// Permissions of a file that everybody may run.
pub const PROGRAM: u32 = 0o755;

/// Sets the permission bits of an open file or folder.
///
/// # Errors
/// When the system refuses.
pub fn set(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        file.set_permissions(Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// Returns the permission bits of a file.
pub fn of(metadata: &Metadata) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.permissions().mode() & 0o7777
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        0o644
    }
}

/// Sets the permission bits of a folder.
///
/// # Errors
/// When the system refuses.
pub fn set_folder(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::{fs, os::unix::fs::PermissionsExt};
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (path, mode);
        Ok(())
    }
}

/// Tells whether others than its owner may do anything with a file, as far as the system tells.
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::{fs, os::unix::fs::PermissionsExt};
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes a symbolic link.
///
/// # Errors
/// When the system has none, or refuses.
pub fn link(target: &str, place: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(target, place)
    }
    #[cfg(not(unix))]
    {
        let _ = (target, place);
        Err(io::ErrorKind::Unsupported.into())
    }
}

//! Folders by their file descriptors: the system looks up one name at a time in a folder that is open.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{self as sys, AtFlags, CWD, Dir, FileType, Mode, OFlags};

use super::{Facts, Kind};

/// An open folder.
pub type Handle = OwnedFd;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

pub fn open(path: &Path) -> io::Result<Handle> {
    Ok(sys::open(path, FOLDER, Mode::empty())?)
}

pub fn child(folder: &Handle, name: &OsStr) -> io::Result<Handle> {
    Ok(sys::openat(folder, one(name)?, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

pub fn make(folder: &Handle, name: &str, mode: u32) -> io::Result<()> {
    Ok(sys::mkdirat(folder, one(OsStr::new(name))?, Mode::from_raw_mode(mode as sys::RawMode))?)
}

pub fn facts(folder: &Handle, name: &OsStr) -> io::Result<Facts> {
    let stat = sys::statat(folder, one(name)?, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match FileType::from_raw_mode(stat.st_mode as sys::RawMode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Ok(Facts {
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        // Of another width on each system.
        mode: u32::try_from(u64::from(stat.st_mode) & 0o7777).unwrap_or(0),
        modified: SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds),
    })
}

pub fn file(folder: &Handle, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(sys::openat(folder, one(OsStr::new(name))?, flags, Mode::empty())?.into())
}

pub fn create(folder: &Handle, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(sys::openat(folder, one(name)?, flags, Mode::from_raw_mode(0o600))?.into())
}

pub fn link(folder: &Handle, target: &Path, name: &OsStr) -> io::Result<()> {
    Ok(sys::symlinkat(target, folder, one(name)?)?)
}

pub fn names(folder: &Handle) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

pub fn rename(folder: &Handle, from: &OsStr, to: &OsStr) -> io::Result<()> {
    Ok(sys::renameat(folder, one(from)?, folder, one(to)?)?)
}

pub fn rename_from(source: &Path, folder: &Handle, name: &str) -> io::Result<()> {
    Ok(sys::renameat(CWD, source, folder, one(OsStr::new(name))?)?)
}

pub fn remove_file(folder: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(sys::unlinkat(folder, one(name)?, AtFlags::empty())?)
}

pub fn remove_folder(folder: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(sys::unlinkat(folder, one(name)?, AtFlags::REMOVEDIR)?)
}

/// A name must be one: the system would take a path as well.
fn one(name: &OsStr) -> io::Result<&OsStr> {
    let is_one = !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/');
    if is_one { Ok(name) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

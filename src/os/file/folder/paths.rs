//! Folders by their paths, where the system has nothing better: each step looks that it is no link.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Facts, Kind};

/// A folder that was there.
pub type Handle = PathBuf;

pub fn open(path: &Path) -> io::Result<Handle> {
    if fs::metadata(path)?.is_dir() { Ok(path.to_owned()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

pub fn child(folder: &Handle, name: &OsStr) -> io::Result<Handle> {
    let path = folder.join(one(name)?);
    if fs::symlink_metadata(&path)?.is_dir() { Ok(path) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

pub fn make(folder: &Handle, name: &str, _mode: u32) -> io::Result<()> {
    fs::create_dir(folder.join(one(OsStr::new(name))?))
}

pub fn facts(folder: &Handle, name: &OsStr) -> io::Result<Facts> {
    let metadata = fs::symlink_metadata(folder.join(one(name)?))?;
    let kind = match metadata.file_type() {
        kind if kind.is_symlink() => Kind::Link,
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Other,
    };
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Facts { kind, size: metadata.len(), mode: 0o644, modified })
}

pub fn file(folder: &Handle, name: &str) -> io::Result<File> {
    File::open(folder.join(one(OsStr::new(name))?))
}

pub fn create(folder: &Handle, name: &OsStr) -> io::Result<File> {
    File::create_new(folder.join(one(name)?))
}

pub fn link(_folder: &Handle, _target: &Path, _name: &OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn names(folder: &Handle) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

pub fn rename(folder: &Handle, from: &OsStr, to: &OsStr) -> io::Result<()> {
    fs::rename(folder.join(one(from)?), folder.join(one(to)?))
}

pub fn rename_from(source: &Path, folder: &Handle, name: &str) -> io::Result<()> {
    fs::rename(source, folder.join(one(OsStr::new(name))?))
}

pub fn remove_file(folder: &Handle, name: &OsStr) -> io::Result<()> {
    fs::remove_file(folder.join(one(name)?))
}

pub fn remove_folder(folder: &Handle, name: &OsStr) -> io::Result<()> {
    fs::remove_dir(folder.join(one(name)?))
}

/// A name must be one: the system would take a path as well.
fn one(name: &OsStr) -> io::Result<&OsStr> {
    let text = name.to_string_lossy();
    let is_one = !matches!(&*text, "" | "." | "..") && !text.contains(['/', '\\', ':']);
    if is_one { Ok(name) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

//! An open folder, and what is done in it by plain names: never through a link, whatever somebody does to the path by
//! which it was found.
//!
//! Whoever must not leave a folder resolves a path first, decides about what came out, and then goes there by names that
//! are no links any more. A link that is put in the way meanwhile makes the step fail.

#[cfg(not(unix))]
mod paths;
#[cfg(unix)]
mod unix;

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

#[cfg(not(unix))]
use self::paths as system;
#[cfg(unix)]
use self::unix as system;
use super::{modes, temp_beside};

/// Folders in folders that are removed in one go; deeper ones stay.
const DEPTH_MAX: usize = 128;

/// A folder, open.
#[derive(Debug)]
pub struct Folder(system::Handle);

/// What a name in a folder stands for; a link for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub size: u64,
    /// Its permission bits, as far as the system has them.
    pub mode: u32,
    /// When it was changed.
    pub modified: SystemTime,
}

/// A kind of thing in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device: nothing to be opened.
    Other,
}

impl Folder {
    /// Opens the folder at a path, through all links.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        system::open(path).map(Self)
    }

    /// Goes down by names that must be folders, and no links.
    ///
    /// # Errors
    /// When one of them is missing or something else.
    pub fn down<'a>(self, names: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        names.into_iter().try_fold(self, |folder, name| folder.child(OsStr::new(name)))
    }

    /// Goes down, and makes the folders that are missing.
    ///
    /// # Errors
    /// When something else has such a name, or the system refuses.
    pub fn down_or_make<'a>(self, names: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        names.into_iter().try_fold(self, |folder, name| {
            folder.make(name).or_else(exists_is_fine)?;
            folder.child(OsStr::new(name))
        })
    }

    /// Makes a folder in this one.
    ///
    /// # Errors
    /// When the name is taken, or the system refuses.
    pub fn make(&self, name: &str) -> io::Result<()> {
        system::make(&self.0, name, modes::FOLDER)
    }

    /// Tells what a name stands for; `None` when nothing has it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn facts(&self, name: &str) -> io::Result<Option<Facts>> {
        self.facts_of(OsStr::new(name))
    }

    /// Opens a file to read it; it never waits for a pipe.
    ///
    /// # Errors
    /// When it is no file, or cannot be read.
    pub fn file(&self, name: &str) -> io::Result<File> {
        // Asked before it is opened, since opening alone can do something to a device; and asked of what was opened.
        let is_file = |kind| kind == Kind::File;
        if !self.facts(name)?.is_some_and(|facts| is_file(facts.kind)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = system::file(&self.0, name)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Returns the names in it, in no order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        system::names(&self.0)
    }

    /// Moves the file at `source` here, in place of a file or link that has the name. From another disk it is copied
    /// beside its place first.
    ///
    /// # Errors
    /// When a folder has the name, or the system refuses.
    pub fn take(&self, source: &Path, name: &str) -> io::Result<()> {
        match system::rename_from(source, &self.0, name) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copy(source, name),
            done => done,
        }
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        system::remove_file(&self.0, OsStr::new(name))
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// When there is none, or something is in it.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        system::remove_folder(&self.0, OsStr::new(name))
    }

    /// Removes a folder with all that is in it. It is gone at once under its name, however long that takes.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn remove_all(&self, name: &str) -> io::Result<()> {
        let aside = temp_beside(Path::new(name)).into_os_string();
        system::rename(&self.0, OsStr::new(name), &aside)?;
        self.empty(&aside, DEPTH_MAX)?;
        system::remove_folder(&self.0, &aside)
    }

    fn empty(&self, name: &OsStr, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Err(io::Error::other(format!("more than {DEPTH_MAX} folders lie in each other")));
        }
        let folder = self.child(name)?;
        for name in folder.names()? {
            if folder.facts_of(&name)?.is_some_and(|facts| facts.kind == Kind::Folder) {
                folder.empty(&name, depth - 1)?;
                system::remove_folder(&folder.0, &name)?;
            } else {
                system::remove_file(&folder.0, &name)?;
            }
        }
        Ok(())
    }

    fn facts_of(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match system::facts(&self.0, name) {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// When it is missing, or something else, or a link.
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        system::child(&self.0, name).map(Self)
    }

    fn copy(&self, source: &Path, name: &str) -> io::Result<()> {
        let beside: PathBuf = temp_beside(Path::new(name));
        let copied = self.copy_to(source, beside.as_os_str());
        let copied = copied.and_then(|()| system::rename(&self.0, beside.as_os_str(), OsStr::new(name)));
        match copied {
            // What stays behind is removed by whoever made it.
            Ok(()) => fs::remove_file(source),
            Err(error) => {
                // It may not have been made at all.
                let _ = system::remove_file(&self.0, beside.as_os_str());
                Err(error)
            }
        }
    }

    fn copy_to(&self, source: &Path, beside: &OsStr) -> io::Result<()> {
        if fs::symlink_metadata(source)?.is_symlink() {
            return system::link(&self.0, &fs::read_link(source)?, beside);
        }
        let (mut from, mut file) = (File::open(source)?, system::create(&self.0, beside)?);
        let metadata = from.metadata()?;
        io::copy(&mut from, &mut file)?;
        file.set_permissions(metadata.permissions())?;
        file.set_modified(metadata.modified()?)
    }
}

fn exists_is_fine(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests;

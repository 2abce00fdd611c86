//! A place beneath a folder where something is, or is to be: found through links, changed without them.
//!
//! Finding resolves the folders above it that exist; whoever decides whether it may be changed looks at the names that
//! came out. What follows is done from the folder that was opened, so that it happens there or not at all.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use super::Beneath;
use crate::os::file::folder::{Facts, Folder};

/// A place beneath a folder.
#[derive(Debug)]
pub struct Spot {
    /// The deepest folder above it that exists.
    folder: Folder,
    /// Folders between that one and the place.
    missing: Vec<String>,
    name: String,
    below: Vec<String>,
}

impl Beneath {
    /// Finds the place that a path stands for, its parts being plain names.
    ///
    /// # Errors
    /// When the path leads out of the folder or into the hidden one, stands for the folder itself, or something above it is
    /// no folder.
    pub fn spot(&self, parts: &[String]) -> io::Result<Spot> {
        let Some((name, above)) = parts.split_last() else { return Err(io::ErrorKind::PermissionDenied.into()) };
        let root = self.root.canonicalize()?;
        let (real, n_found) = self.deepest(&root, above)?;
        let mut below = names_below(&root, &real)?;
        let folder = Folder::open(&root)?.down(below.iter().map(String::as_str))?;
        let missing = above[n_found..].to_vec();
        below.extend(missing.iter().cloned());
        below.push(name.clone());
        let hidden = self.hidden.canonicalize().unwrap_or_else(|_| self.hidden.clone());
        if root.join(below.iter().collect::<PathBuf>()).starts_with(hidden) {
            return Err(out());
        }
        Ok(Spot { folder, missing, name: name.clone(), below })
    }

    /// The deepest of the folders that exists, and how many of them that are.
    fn deepest(&self, root: &Path, above: &[String]) -> io::Result<(PathBuf, usize)> {
        for n in (0..=above.len()).rev() {
            match self.place(&above[..n]).canonicalize() {
                Ok(real) if !real.starts_with(root) => return Err(out()),
                Ok(real) if self.hidden.canonicalize().is_ok_and(|hidden| real.starts_with(hidden)) => {
                    return Err(out());
                }
                Ok(real) => return Ok((real, n)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && n > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Spot {
    /// Returns the names from the folder down to the place, the links above it resolved.
    pub fn below(&self) -> &[String] {
        &self.below
    }

    /// Tells what is there; a link is told of as a link.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn facts(&self) -> io::Result<Option<Facts>> {
        if self.missing.is_empty() { self.folder.facts(&self.name) } else { Ok(None) }
    }

    /// Moves a file there, in place of the file or link that is there; makes the folders above it.
    ///
    /// # Errors
    /// When a folder is there, or the disk does not take it.
    pub fn take(self, source: &Path) -> io::Result<()> {
        let folder = self.folder.down_or_make(self.missing.iter().map(String::as_str))?;
        folder.take(source, &self.name)
    }

    /// Makes a folder there, and those above it.
    ///
    /// # Errors
    /// When something is there, or the disk does not take it.
    pub fn make_folder(self) -> io::Result<()> {
        self.folder.down_or_make(self.missing.iter().map(String::as_str))?.make(&self.name)
    }

    /// Removes the file or link that is there.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_file(self) -> io::Result<()> {
        self.folder.remove_file(&self.name)
    }

    /// Removes the empty folder that is there.
    ///
    /// # Errors
    /// When there is none, or something is in it.
    pub fn remove_folder(self) -> io::Result<()> {
        self.folder.remove_folder(&self.name)
    }

    /// Removes the folder that is there, with all that is in it.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn remove_all(self) -> io::Result<()> {
        self.folder.remove_all(&self.name)
    }
}

fn names_below(root: &Path, real: &Path) -> io::Result<Vec<String>> {
    let below = real.strip_prefix(root).map_err(|_| out())?;
    let names = below.iter().map(|name: &OsStr| name.to_str().map(str::to_owned)).collect::<Option<_>>();
    names.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a folder above it has a name that is not UTF-8"))
}

fn out() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it leads out of the folder")
}

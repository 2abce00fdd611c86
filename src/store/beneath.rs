//! Files and folders beneath a folder, opened so that nothing outside is ever read.
//!
//! A path is resolved by the system, with all links in it, and must then lie beneath the folder it was looked for in. What
//! is opened must be the very file that was resolved. Only files and folders are opened: a pipe would make us wait.

use std::{
    fs::{self, File, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{model::time::Wall, os::file};

/// A folder that is shown, but for one beneath it that is not.
#[derive(Clone, Debug)]
pub struct Beneath {
    root: PathBuf,
    hidden: PathBuf,
}

/// What a path stands for.
#[derive(Debug)]
pub enum Node {
    /// A file, opened.
    File(Opened),
    /// A folder, with what lies in it by name.
    Folder(Vec<Entry>),
}

/// A file, opened.
#[derive(Debug)]
pub struct Opened {
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub size: u64,
    /// When it was changed.
    pub modified: Wall,
}

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub place: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its bytes; 0 for a folder.
    pub size: u64,
    /// When it was changed.
    pub modified: Wall,
    /// When it was made, or changed where the system does not tell.
    pub created: Wall,
}

impl Beneath {
    /// Shows `root` without `hidden`; both need not exist.
    pub fn new(root: PathBuf, hidden: PathBuf) -> Self {
        Self { root, hidden }
    }

    /// Opens what a path stands for, its parts being plain names; `None` when that is nothing that is shown.
    pub fn open(&self, parts: &[String]) -> Option<Node> {
        let place = parts.iter().fold(self.root.clone(), |place, part| place.join(part));
        let real = self.real(&place)?;
        let metadata = fs::symlink_metadata(&real).ok()?;
        if metadata.is_dir() {
            return self.list(&real).map(Node::Folder);
        }
        if !metadata.is_file() {
            return None;
        }
        let file = File::open(&real).ok()?;
        let opened = file.metadata().ok()?;
        let is_same = opened.is_file() && file::identity(&opened) == file::identity(&metadata);
        is_same.then(|| Node::File(Opened { size: opened.len(), modified: wall(opened.modified().ok()), file }))
    }

    /// Returns the folder itself, as an entry of the given name; `None` when there is none.
    pub fn as_entry(&self, name: &str) -> Option<Entry> {
        self.entry(name.to_owned(), self.root.clone())
    }

    fn list(&self, folder: &Path) -> Option<Vec<Entry>> {
        let names = fs::read_dir(folder).ok()?.filter_map(|found| found.ok()?.file_name().into_string().ok());
        let mut entries: Vec<Entry> = names.filter_map(|name| self.entry(name.clone(), folder.join(name))).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Some(entries)
    }

    /// An entry of a folder; `None` for what could not be opened either.
    fn entry(&self, name: String, place: PathBuf) -> Option<Entry> {
        let own = fs::symlink_metadata(&place).ok()?;
        let is_plain = !own.is_symlink() && !own.is_dir();
        let metadata = if is_plain { own } else { fs::symlink_metadata(self.real(&place)?).ok()? };
        (metadata.is_dir() || metadata.is_file()).then(|| Entry::new(name, place, &metadata))
    }

    /// Resolves a path with all links in it; `None` when it leads out of the folder, into the hidden one, or nowhere.
    fn real(&self, place: &Path) -> Option<PathBuf> {
        let real = place.canonicalize().ok()?;
        let is_inside = real.starts_with(self.root.canonicalize().ok()?);
        // Where it cannot be resolved it is not there, and nothing lies in it.
        let is_hidden = self.hidden.canonicalize().is_ok_and(|hidden| real.starts_with(hidden));
        (is_inside && !is_hidden).then_some(real)
    }
}

impl Entry {
    fn new(name: String, place: PathBuf, metadata: &Metadata) -> Self {
        let (created, modified) = (metadata.created().ok(), metadata.modified().ok());
        Self {
            name,
            place,
            is_folder: metadata.is_dir(),
            size: if metadata.is_dir() { 0 } else { metadata.len() },
            modified: wall(modified),
            created: wall(created.or(modified)),
        }
    }
}

/// A time of a file; the epoch where the system does not tell.
fn wall(time: Option<SystemTime>) -> Wall {
    time.and_then(|time| Wall::try_from(time).ok()).unwrap_or(Wall::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;

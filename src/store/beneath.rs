//! Files and folders beneath a folder, opened so that nothing outside is ever read.
//!
//! A path is resolved by the system, with all links in it, and must then lie beneath the folder it was looked for in. From
//! there one goes by names that are no links any more, so that a link put in the way meanwhile leads nowhere. Only files
//! and folders are opened: a pipe would make us wait. Changes go the same way, see [`Spot`].

mod spot;

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

pub use self::spot::Spot;
use crate::{
    model::time::Wall,
    os::file::folder::{Folder, Kind},
};

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
    /// Whether it is a link; the rest tells of what it leads to.
    pub is_link: bool,
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
        let real = self.real(&self.place(parts))?;
        let root = self.root.canonicalize().ok()?;
        let names: Option<Vec<&str>> = real.strip_prefix(&root).ok()?.iter().map(OsStr::to_str).collect();
        let folder = Folder::open(&root).ok()?;
        let names = names?;
        let Some((name, above)) = names.split_last() else { return Some(Node::Folder(self.list(&real, &folder)?)) };
        let folder = folder.down(above.iter().copied()).ok()?;
        match folder.facts(name).ok()??.kind {
            Kind::Folder => Some(Node::Folder(self.list(&real, &folder.down([*name]).ok()?)?)),
            Kind::File => {
                let file = folder.file(name).ok()?;
                let opened = file.metadata().ok()?;
                Some(Node::File(Opened { size: opened.len(), modified: wall(opened.modified().ok()), file }))
            }
            Kind::Link | Kind::Other => None,
        }
    }

    /// Returns where a path lies, its links not followed.
    pub fn place(&self, parts: &[String]) -> PathBuf {
        parts.iter().fold(self.root.clone(), |place, part| place.join(part))
    }

    /// Returns the folder itself, as an entry of the given name; `None` when there is none.
    pub fn as_entry(&self, name: &str) -> Option<Entry> {
        self.entry(name.to_owned(), self.root.clone())
    }

    fn list(&self, place: &Path, folder: &Folder) -> Option<Vec<Entry>> {
        let names = folder.names().ok()?.into_iter().filter_map(|name| name.into_string().ok());
        let mut entries: Vec<Entry> = names.filter_map(|name| self.entry(name.clone(), place.join(name))).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Some(entries)
    }

    /// An entry of a folder; `None` for what could not be opened either.
    fn entry(&self, name: String, place: PathBuf) -> Option<Entry> {
        let own = fs::symlink_metadata(&place).ok()?;
        let is_plain = !own.is_symlink() && !own.is_dir();
        let is_link = own.is_symlink();
        let metadata = if is_plain { own } else { fs::symlink_metadata(self.real(&place)?).ok()? };
        let entry = || Entry { is_link, ..Entry::new(name, place, &metadata) };
        (metadata.is_dir() || metadata.is_file()).then(entry)
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
            is_link: false,
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

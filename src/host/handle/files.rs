//! The files that clients see, read, and change where they may: `decide::files` says what is where and what is whose,
//! `store::beneath` does it.
//!
//! A file that is sent lies beside everything until it is whole; then it takes its place by one rename. What stands there
//! is looked at and replaced under one lock, so that of two clients that know the same version one is told of the other.

mod pack;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use self::pack::MergeError;
use super::HostHandle;
use crate::{
    decide::files::{self, Area, Deed, Stands},
    model::time::Wall,
    os::file::{folder::Kind, modes},
    store::{
        beneath::{Beneath, Entry, Node, Spot},
        layout::Layout,
    },
};

/// The finest difference that the tag of a file shows.
const TICK: Duration = Duration::from_nanos(100);

/// Permissions of a file of which nothing else is known.
const PLAIN: u32 = 0o644;

/// One change at a time: a look and the change that follows from it belong together.
static CHANGES: Mutex<()> = Mutex::new(());

/// The files of a host that clients see.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    data: Beneath,
    jobs: Beneath,
    logs: Beneath,
}

/// What became of a file that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// There was none; this is when it was changed.
    New(Wall),
    /// There was one; this is when the new one was changed.
    Over(Wall),
}

/// How much is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A file, or a folder in which nothing is.
    One,
    /// A folder with all that is in it, too.
    All,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not for people to change.
    #[error("`{path}` cannot be changed: {why}")]
    Refused {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is another version than the client knows; this is when it was changed.
    #[error("there is another version")]
    Stale(Wall),
    /// A folder is in the place.
    #[error("a folder is in its place")]
    IsFolder,
    /// Something is in the folder that was to be removed.
    #[error("the folder is not empty")]
    NotEmpty,
    /// There is no such thing.
    #[error("there is nothing")]
    Missing,
    /// The disk did not do it.
    #[error("failed to change `{path}`: {error}")]
    Failed {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A place to write to, and the time and permissions of the file that is there.
type ForWriting = (Spot, Option<(Wall, u32)>);

/// What is at a place.
enum There {
    Nothing,
    File { modified: Wall, mode: u32 },
    Folder,
}

impl HostHandle {
    /// Returns the files that clients see.
    pub fn files(&self) -> Files {
        Files::new(&self.config().root, &self.config().jobs, self.layout())
    }
}

impl Files {
    fn new(root: &Path, jobs: &Path, layout: &Layout) -> Self {
        let shown = |folder: PathBuf| Beneath::new(folder, layout.own());
        Self {
            root: root.to_owned(),
            data: shown(layout.data().to_owned()),
            jobs: shown(jobs.to_owned()),
            logs: shown(layout.log_files()),
        }
    }

    /// Opens what a path of plain names stands for; `None` when that is nothing that is shown.
    pub fn open(&self, parts: &[String]) -> Option<Node> {
        match files::resolve(parts) {
            Stands::In(area, rest) => self.area(area).open(rest),
            Stands::Above(held) => {
                let entries = held.into_iter().filter_map(|name| self.above(parts, name));
                Some(Node::Folder(entries.collect()))
            }
            Stands::Nothing => None,
        }
    }

    /// Returns where a path lies on this machine, for people.
    pub fn place(&self, parts: &[String]) -> PathBuf {
        match files::resolve(parts) {
            Stands::In(area, rest) => self.area(area).place(rest),
            Stands::Above(_) | Stands::Nothing => self.root.join(parts.iter().collect::<PathBuf>()),
        }
    }

    /// Tells whether `write` would do it as things are, before anything is sent.
    ///
    /// # Errors
    /// As those of `write`.
    pub fn may_write(&self, parts: &[String], replaces: impl Fn(Wall) -> bool) -> Result<(), FileError> {
        self.for_writing(parts, replaces).map(|_| ())
    }

    /// Puts the file at `sent` in the place of a path. A file that is there goes where `replaces` says so of the time it
    /// was changed.
    ///
    /// # Errors
    /// When people may not write there, `replaces` does not say so, a folder is there, or the disk does not take it.
    pub fn write(&self, parts: &[String], sent: &Path, replaces: impl Fn(Wall) -> bool) -> Result<Written, FileError> {
        let _one = changes();
        let (spot, before) = self.for_writing(parts, replaces)?;
        let failed = |error| FileError::Failed { path: self.place(parts), error };
        let modified = succeed(sent, before).map_err(failed)?;
        spot.take(sent).map_err(failed)?;
        Ok(if before.is_some() { Written::Over(modified) } else { Written::New(modified) })
    }

    /// Finds where to write, and the time and permissions of the file that is there.
    fn for_writing(&self, parts: &[String], replaces: impl Fn(Wall) -> bool) -> Result<ForWriting, FileError> {
        if let Stands::Above(_) | Stands::In(_, []) = files::resolve(parts) {
            return Err(FileError::IsFolder);
        }
        let (spot, there) = self.spot(parts, Deed::Write)?;
        match there {
            There::Folder => Err(FileError::IsFolder),
            There::File { modified, .. } if !replaces(modified) => Err(FileError::Stale(modified)),
            There::File { modified, mode } => Ok((spot, Some((modified, mode)))),
            There::Nothing => Ok((spot, None)),
        }
    }

    /// Makes a folder, and those above it.
    ///
    /// # Errors
    /// When people may not, something is there, or the disk does not take it.
    pub fn make_folder(&self, parts: &[String]) -> Result<(), FileError> {
        let _one = changes();
        if let Stands::Above(_) | Stands::In(_, []) = files::resolve(parts) {
            return Err(FileError::IsFolder);
        }
        let (spot, there) = self.spot(parts, Deed::Make)?;
        let failed = |error| FileError::Failed { path: self.place(parts), error };
        match there {
            There::Folder => Err(FileError::IsFolder),
            There::File { .. } => Err(failed(io::Error::other("a file is in its place"))),
            There::Nothing => spot.make_folder().map_err(failed),
        }
    }

    /// Removes a file where `replaces` says so of the time it was changed, or a folder.
    ///
    /// # Errors
    /// When people may not, there is nothing, `replaces` does not say so, or the disk does not do it.
    pub fn remove(&self, parts: &[String], extent: Extent, replaces: impl Fn(Wall) -> bool) -> Result<(), FileError> {
        let _one = changes();
        if self.open(parts).is_none() {
            return Err(FileError::Missing);
        }
        let (spot, there) = self.spot(parts, Deed::Remove)?;
        let failed = |error| FileError::Failed { path: self.place(parts), error };
        let is_link = spot.facts().map_err(failed)?.is_some_and(|facts| facts.kind == Kind::Link);
        let done = match there {
            There::Nothing => return Err(FileError::Missing),
            There::File { modified, .. } if !replaces(modified) => return Err(FileError::Stale(modified)),
            There::File { .. } => spot.remove_file(),
            // The link goes, not what it leads to.
            There::Folder if is_link => spot.remove_file(),
            There::Folder => match extent {
                Extent::One => spot.remove_folder(),
                Extent::All => spot.remove_all(),
            },
        };
        done.map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => FileError::NotEmpty,
            io::ErrorKind::NotFound => FileError::Missing,
            _ => failed(error),
        })
    }

    /// Finds a place that people may change, and tells what is there.
    fn spot(&self, parts: &[String], deed: Deed) -> Result<(Spot, There), FileError> {
        let refused = |why: String| FileError::Refused { path: self.place(parts), why };
        let Stands::In(area, rest) = files::resolve(parts) else { return Err(refused(files::ONLY.to_owned())) };
        // Asked of the names that were sent too, so that nobody learns what a link there leads to.
        files::permit(area, rest, deed).map_err(refused)?;
        let spot = self.area(area).spot(rest).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => refused("it leads out of the folders that are shown".to_owned()),
            _ => FileError::Failed { path: self.place(parts), error },
        })?;
        files::permit(area, spot.below(), deed).map_err(refused)?;
        let facts = spot.facts().map_err(|error| FileError::Failed { path: self.place(parts), error })?;
        let there = match facts.map(|facts| (facts.kind, facts)) {
            None => There::Nothing,
            Some((Kind::Folder, _)) => There::Folder,
            Some((Kind::File, facts)) => There::File { modified: wall(facts.modified), mode: facts.mode },
            // A link's own permissions mean nothing.
            Some((Kind::Link, _)) => match self.area(area).open(rest) {
                Some(Node::File(file)) => There::File { modified: file.modified, mode: PLAIN },
                Some(Node::Folder(_)) => There::Folder,
                None => There::Nothing,
            },
            Some((Kind::Other, _)) => return Err(refused("a pipe, a socket or a device is there".to_owned())),
        };
        Ok((spot, there))
    }

    fn area(&self, area: Area) -> &Beneath {
        match area {
            Area::Data => &self.data,
            Area::Jobs => &self.jobs,
            Area::Logs => &self.logs,
        }
    }

    /// A folder in a folder that is on no disk.
    fn above(&self, parts: &[String], name: &str) -> Option<Entry> {
        let path: Vec<String> = parts.iter().cloned().chain([name.to_owned()]).collect();
        match files::resolve(&path) {
            Stands::In(area, _) => self.area(area).as_entry(name),
            // It is there as long as the job folders are.
            Stands::Above(_) => self.jobs.as_entry(name).map(|entry| Entry { place: self.place(&path), ..entry }),
            Stands::Nothing => None,
        }
    }
}

fn changes() -> MutexGuard<'static, ()> {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a sent file the permissions of the one it replaces, and a later time: another tag, however coarse the clock of the
/// disk is. Returns the time.
fn succeed(sent: &Path, before: Option<(Wall, u32)>) -> io::Result<Wall> {
    let written = wall(fs::metadata(sent)?.modified()?);
    let Some((modified, mode)) = before else { return Ok(written) };
    let file = File::options().write(true).open(sent)?;
    modes::set(&file, mode & 0o777 | 0o600)?;
    let later = written.max(modified.saturating_add(TICK).unwrap_or(modified));
    if later != written {
        file.set_modified(later.into())?;
    }
    Ok(later)
}

fn wall(time: std::time::SystemTime) -> Wall {
    Wall::try_from(time).unwrap_or(Wall::UNIX_EPOCH)
}

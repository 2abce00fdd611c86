//! Copies a job's folder, and proves the copy against what discovery saw.
//!
//! Modes and times are kept, links stay links, empty folders are kept, sockets and devices are left out. Bits that give
//! a program its owner's rights are dropped.

use std::{
    ffi::OsString,
    fs::{self, File, FileTimes, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use super::CopyError;
use crate::{
    model::{
        job::{ContentHash, FileFact, Job},
        listing,
    },
    os::{processors, scan::hash},
};

/// Bytes copied at once.
const CHUNK_BYTES: usize = 128 * 1024;
/// Size from which a reflink is worth its system calls.
const CLONED_BYTES_MIN: u64 = 64 * 1024;

/// Files for which another thread is worth its start.
const FILES_A_THREAD: usize = 64;

/// What is copied next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// An entry of a folder.
    Entry,
    /// So many bytes of a file.
    Bytes(u64),
}

/// What a file looked like when it was copied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    mode: u32,
}

impl Stamp {
    /// Looks at a file; nothing when there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok(), mode: hash::mode(metadata) }
    }
}

/// How a folder is copied.
pub(super) struct Plan<'a> {
    /// Asked before each step; its error ends the copying.
    pub go_on: &'a (dyn Fn(Step) -> Result<(), CopyError> + Sync),
    /// Whether a file's stamp is wanted.
    pub looked_at: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Copies a job's folder to `to`, which must not exist. Returns the stamps of the copied files that are to be looked at.
///
/// Folders and links come first, then the files: many of them on all processors, since nearly all of it is work of the
/// system's.
pub(super) fn tree(job: &Job, to: &Path, plan: &Plan<'_>) -> Result<Vec<(String, Stamp)>, CopyError> {
    let mut copying = Copying {
        job,
        plan,
        clones: AtomicBool::new(true),
        done: vec![false; job.files.iter().len()],
        folders: Vec::new(),
        files: Vec::new(),
    };
    copying.folder(String::new(), job.root.to_path_buf(), to.to_owned())?;
    // Folders grow while they are walked: those that are found are walked next.
    let mut next = 0;
    while next < copying.folders.len() {
        copying.entries(next)?;
        next += 1;
    }
    let stamps = copying.all_files()?;
    if let Some(missing) = copying.done.iter().position(|done| !done) {
        let file = job.files.paths().nth(missing).unwrap_or_default().to_owned();
        return Err(CopyError::Changed { file });
    }
    // Last, and the inner ones first: a folder without the right to write could not be filled, and filling sets its time.
    for Folder { to, metadata, .. } in copying.folders.iter().rev() {
        dress_folder(to, metadata).map_err(|source| CopyError::Copy { path: to.clone(), source })?;
    }
    Ok(stamps)
}

struct Copying<'a> {
    job: &'a Job,
    plan: &'a Plan<'a>,
    /// Whether the file system can make reflinks, as far as it is known.
    clones: AtomicBool,
    /// Which of the job's files are in the copy.
    done: Vec<bool>,
    folders: Vec<Folder>,
    files: Vec<Met>,
}

struct Folder {
    path: String,
    from: PathBuf,
    to: PathBuf,
    metadata: Metadata,
}

/// A file that is to be copied.
struct Met {
    /// The number of its folder.
    folder: usize,
    /// As the system has it: it may not be UTF-8.
    name: OsString,
}

/// A file that was copied.
#[derive(Default)]
struct Done {
    /// Which of the job's files it is, when it counts.
    place: Option<usize>,
    stamp: Option<(String, Stamp)>,
}

impl Copying<'_> {
    fn entries(&mut self, folder: usize) -> Result<(), CopyError> {
        let Folder { path: dir, from, to, .. } = &self.folders[folder];
        let (dir, from, to) = (dir.clone(), from.clone(), to.clone());
        let entries = match fs::read_dir(&from) {
            Ok(entries) => entries,
            Err(error) if is_noise_gone(&dir, &error) => return Ok(()),
            Err(error) => return Err(explain(&dir, &from, error)),
        };
        for entry in entries {
            (self.plan.go_on)(Step::Entry)?;
            let entry = entry.map_err(|error| explain(&dir, &from, error))?;
            let name = entry.file_name();
            let path = || listing::join(&dir, &name.to_string_lossy());
            let kind = entry.file_type().map_err(|error| explain(&path(), &entry.path(), error))?;
            if kind.is_file() {
                self.files.push(Met { folder, name });
            } else if kind.is_dir() {
                self.folder(path(), entry.path(), to.join(&name))?;
            } else if kind.is_symlink() {
                self.link(&path(), &entry.path(), &to.join(&name))?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: String, from: PathBuf, to: PathBuf) -> Result<(), CopyError> {
        let metadata = match fs::metadata(&from) {
            Ok(metadata) => metadata,
            Err(error) if is_noise_gone(&path, &error) => return Ok(()),
            Err(error) => return Err(explain(&path, &from, error)),
        };
        fs::create_dir(&to).map_err(|source| CopyError::Copy { path: to.clone(), source })?;
        self.folders.push(Folder { path, from, to, metadata });
        Ok(())
    }

    fn link(&mut self, path: &str, from: &Path, to: &Path) -> Result<(), CopyError> {
        let target = match fs::read_link(from) {
            Ok(target) => target,
            Err(error) if is_noise_gone(path, &error) => return Ok(()),
            Err(error) => return Err(explain(path, from, error)),
        };
        if let Some(place) = self.prove(path, |fact| fact.hash == hash::link(&target))? {
            self.done[place] = true;
        }
        make_link(&target, from, to).map_err(|source| CopyError::Copy { path: from.to_owned(), source })
    }

    /// Copies the files that were met. Returns the stamps that are wanted.
    fn all_files(&mut self) -> Result<Vec<(String, Stamp)>, CopyError> {
        let mut stamps = Vec::new();
        let copied = processors::try_each(&self.files, FILES_A_THREAD, |_, met| self.file(met));
        for Done { place, stamp } in copied? {
            stamps.extend(stamp);
            if let Some(place) = place {
                self.done[place] = true;
            }
        }
        Ok(stamps)
    }

    fn file(&self, Met { folder, name }: &Met) -> Result<Done, CopyError> {
        let folder = &self.folders[*folder];
        let path = listing::join(&folder.path, &name.to_string_lossy());
        let (from, to) = (&folder.from.join(name), &folder.to.join(name));
        let source = match hash::open(from) {
            Ok(source) => source,
            Err(error) if is_noise_gone(&path, &error) => return Ok(Done::default()),
            Err(error) => return Err(explain(&path, from, error)),
        };
        let metadata = source.metadata().map_err(|error| explain(&path, from, error))?;
        if !metadata.is_file() {
            return Err(CopyError::Changed { file: path });
        }
        (self.plan.go_on)(Step::Bytes(metadata.len()))?;
        let copied = self.bytes(source, &metadata, to).map_err(|error| explain(&path, from, error))?;
        let mode = hash::mode(&metadata);
        let place = self.prove(&path, |fact| fact.hash == copied && fact.mode == mode)?;
        let is_looked_at = place.is_some() && (self.plan.looked_at)(&path);
        let stamp = is_looked_at.then(|| Stamp::of(to)).flatten().map(|stamp| (path, stamp));
        Ok(Done { place, stamp })
    }

    /// Checks what was copied against what discovery saw. Returns which of the job's files it is, if it counts at all.
    fn prove(&self, path: &str, as_seen: impl FnOnce(&FileFact) -> bool) -> Result<Option<usize>, CopyError> {
        let place = self.job.files.position(path);
        match place.and_then(|_| self.job.files.get(path)) {
            Some(fact) if as_seen(fact) => Ok(place),
            None if listing::is_beside_content(path) => Ok(None),
            Some(_) | None => Err(CopyError::Changed { file: path.to_owned() }),
        }
    }

    /// Copies a file's bytes, mode and times. Returns the hash of what is in the copy.
    fn bytes(&self, mut source: File, metadata: &Metadata, to: &Path) -> io::Result<ContentHash> {
        let mut target = create(to)?;
        let is_worth_it = metadata.len() >= CLONED_BYTES_MIN && self.clones.load(Ordering::Relaxed);
        let is_cloned = is_worth_it && clone(&target, &source);
        if is_worth_it && !is_cloned {
            self.clones.store(false, Ordering::Relaxed);
        }
        let mut hasher = blake3::Hasher::new();
        let room = usize::try_from(metadata.len().saturating_add(1)).map_or(CHUNK_BYTES, |room| room.min(CHUNK_BYTES));
        let mut chunk = vec![0; room];
        loop {
            let read = if is_cloned { target.read(&mut chunk) } else { source.read(&mut chunk) };
            let n_read = match read {
                Ok(0) => break,
                Ok(n_read) => n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&chunk[..n_read]);
            if !is_cloned {
                target.write_all(&chunk[..n_read])?;
            }
        }
        set_mode(&target, hash::mode(metadata) & 0o1777)?;
        let times = FileTimes::new().set_modified(metadata.modified()?);
        target.set_times(metadata.accessed().map_or(times, |accessed| times.set_accessed(accessed)))?;
        Ok(hash::short(&hasher))
    }
}

/// What nobody compares may go while the rest is copied, such as an editor's file or a repository's lock.
fn is_noise_gone(path: &str, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound && listing::is_noise(path)
}

/// Something that is gone, or became something else, was changed; anything else is a failure to copy.
fn explain(path: &str, from: &Path, error: io::Error) -> CopyError {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    // A link is never opened: one that is there by now took a file's place.
    if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) || (!path.is_empty() && from.is_symlink()) {
        return CopyError::Changed { file: path.to_owned() };
    }
    CopyError::Copy { path: from.to_owned(), source: error }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn dress_folder(path: &Path, metadata: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let last_modification = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
        utimensat(CWD, path, &Timestamps { last_access, last_modification }, AtFlags::SYMLINK_NOFOLLOW)?;
        fs::set_permissions(path, fs::Permissions::from_mode(hash::mode(metadata) & 0o1777))?;
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// Makes `target` share the bytes of `source`; false where the file system cannot.
fn clone(target: &File, source: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::fs::ioctl_ficlone(target, source).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (target, source);
        false
    }
}

#[cfg(unix)]
fn make_link(target: &Path, _from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, to)
}

#[cfg(windows)]
fn make_link(target: &Path, from: &Path, to: &Path) -> io::Result<()> {
    use std::os::windows::fs::{symlink_dir, symlink_file};
    if from.is_dir() { symlink_dir(target, to) } else { symlink_file(target, to) }
}

//! Copies a job's folder, and proves the copy against what discovery saw.
//!
//! Modes and times are kept, links stay links, empty folders are kept, sockets and devices are left out. Bits that give
//! a program its owner's rights are dropped.

use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::CopyError;
use crate::{
    model::{
        job::{ContentHash, FileFact, Job},
        listing,
    },
    os::scan::hash,
};

/// Bytes copied at once.
const CHUNK_BYTES: usize = 128 * 1024;
/// Size from which a reflink is worth its system calls.
const CLONED_BYTES_MIN: u64 = 64 * 1024;

/// What is copied next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// An entry of a folder.
    Entry,
    /// So many bytes of a file.
    Bytes(u64),
}

/// What a file looked like when it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Copies a job's folder to `to`, which must not exist. Returns the stamps of the copied files. Ends early with the error
/// of `go_on`, which is asked before each step.
pub(super) fn tree(
    job: &Job,
    to: &Path,
    go_on: &dyn Fn(Step) -> Result<(), CopyError>,
) -> Result<Vec<(String, Stamp)>, CopyError> {
    let mut copying =
        Copying { job, go_on, clones: true, done: BTreeSet::new(), folders: Vec::new(), stamps: Vec::new() };
    copying.folder(String::new(), job.root.to_path_buf(), to.to_owned())?;
    // Folders grow while they are walked: those that are found are copied next.
    let mut next = 0;
    while next < copying.folders.len() {
        let Folder { path, from, to, .. } = &copying.folders[next];
        let (path, from, to) = (path.clone(), from.clone(), to.clone());
        copying.entries(&path, &from, &to)?;
        next += 1;
    }
    if let Some(missing) = job.files.paths().find(|file| !copying.done.contains(*file)) {
        return Err(CopyError::Changed { file: missing.to_owned() });
    }
    // Last, and the inner ones first: a folder without the right to write could not be filled, and filling sets its time.
    for Folder { to, metadata, .. } in copying.folders.iter().rev() {
        dress_folder(to, metadata).map_err(|source| CopyError::Copy { path: to.clone(), source })?;
    }
    Ok(copying.stamps)
}

struct Copying<'a> {
    job: &'a Job,
    go_on: &'a dyn Fn(Step) -> Result<(), CopyError>,
    /// Whether the file system can make reflinks, as far as it is known.
    clones: bool,
    done: BTreeSet<String>,
    folders: Vec<Folder>,
    stamps: Vec<(String, Stamp)>,
}

struct Folder {
    path: String,
    from: PathBuf,
    to: PathBuf,
    metadata: Metadata,
}

impl Copying<'_> {
    fn entries(&mut self, dir: &str, from: &Path, to: &Path) -> Result<(), CopyError> {
        for entry in fs::read_dir(from).map_err(|error| explain(dir, from, error))? {
            (self.go_on)(Step::Entry)?;
            let entry = entry.map_err(|error| explain(dir, from, error))?;
            let name = entry.file_name();
            let path = listing::join(dir, &name.to_string_lossy());
            let (from, to) = (entry.path(), to.join(&name));
            let kind = entry.file_type().map_err(|error| explain(&path, &from, error))?;
            if kind.is_dir() {
                self.folder(path, from, to)?;
            } else if kind.is_file() {
                self.file(path, &from, &to)?;
            } else if kind.is_symlink() {
                self.link(path, &from, &to)?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: String, from: PathBuf, to: PathBuf) -> Result<(), CopyError> {
        let metadata = fs::metadata(&from).map_err(|error| explain(&path, &from, error))?;
        fs::create_dir(&to).map_err(|source| CopyError::Copy { path: to.clone(), source })?;
        self.folders.push(Folder { path, from, to, metadata });
        Ok(())
    }

    fn file(&mut self, path: String, from: &Path, to: &Path) -> Result<(), CopyError> {
        let source = hash::open(from).map_err(|error| explain(&path, from, error))?;
        let metadata = source.metadata().map_err(|error| explain(&path, from, error))?;
        if !metadata.is_file() {
            return Err(CopyError::Changed { file: path });
        }
        (self.go_on)(Step::Bytes(metadata.len()))?;
        let copied = self.bytes(source, &metadata, to).map_err(|error| explain(&path, from, error))?;
        let mode = hash::mode(&metadata);
        let counts = self.prove(&path, |fact| fact.hash == copied && fact.mode == mode)?;
        if let Some(stamp) = Stamp::of(to).filter(|_| counts) {
            self.stamps.push((path, stamp));
        }
        Ok(())
    }

    fn link(&mut self, path: String, from: &Path, to: &Path) -> Result<(), CopyError> {
        let target = fs::read_link(from).map_err(|error| explain(&path, from, error))?;
        self.prove(&path, |fact| fact.hash == hash::link(&target))?;
        make_link(&target, from, to).map_err(|source| CopyError::Copy { path: from.to_owned(), source })
    }

    /// Checks what was copied against what discovery saw. Returns whether it counts at all.
    fn prove(&mut self, path: &str, as_seen: impl FnOnce(&FileFact) -> bool) -> Result<bool, CopyError> {
        match self.job.files.get(path) {
            Some(fact) if as_seen(fact) => {
                self.done.insert(path.to_owned());
                Ok(true)
            }
            None if listing::is_beside_content(path) => Ok(false),
            Some(_) | None => Err(CopyError::Changed { file: path.to_owned() }),
        }
    }

    /// Copies a file's bytes, mode and times. Returns the hash of what is in the copy.
    fn bytes(&mut self, mut source: File, metadata: &Metadata, to: &Path) -> io::Result<ContentHash> {
        let mut target = create(to)?;
        let cloned = self.clones && metadata.len() >= CLONED_BYTES_MIN && {
            self.clones = clone(&target, &source);
            self.clones
        };
        let mut hasher = blake3::Hasher::new();
        let room = usize::try_from(metadata.len().saturating_add(1)).map_or(CHUNK_BYTES, |room| room.min(CHUNK_BYTES));
        let mut chunk = vec![0; room];
        loop {
            let read = if cloned { target.read(&mut chunk) } else { source.read(&mut chunk) };
            let n_read = match read {
                Ok(0) => break,
                Ok(n_read) => n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&chunk[..n_read]);
            if !cloned {
                target.write_all(&chunk[..n_read])?;
            }
        }
        set_mode(&target, hash::mode(metadata) & 0o1777)?;
        let times = FileTimes::new().set_modified(metadata.modified()?);
        target.set_times(metadata.accessed().map_or(times, |accessed| times.set_accessed(accessed)))?;
        Ok(hash::short(&hasher))
    }
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

//! Small doings with files that must be right everywhere: whole files or none, no more bytes than asked for, secrets
//! for their owner alone.
//!
//! A file that others may read at any moment is never written in place: it is written beside its place and renamed.

pub mod exchange;
pub mod folder;
pub mod modes;

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Why a file could not be used; the system's reason is the source.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than it may be.
    #[error("`{path}` is larger than {bytes_max} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// What it may have.
        bytes_max: u64,
    },
}

/// What must survive when the machine loses power right after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The old content or the new one: nothing waits for the disk.
    Lazy,
    /// The new content: waits until the disk has it, which may take milliseconds.
    Synced,
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the host's umask lets.
    Usual,
    /// Its owner alone (0600).
    Owner,
}

/// Room for a file that is read as a whole, to begin with: most that are have less, and are read in one go.
const READ_BYTES: usize = 1024;

/// Replaces a file as a whole: whoever reads it sees the old content or the new one, never a part.
///
/// # Errors
/// When the folder is missing, full or not writable. The old content is then still there.
pub fn write_whole(path: &Path, content: &[u8], durability: Durability, access: Access) -> Result<(), FileError> {
    let temp = temp_beside(path);
    let written = write_new(&temp, content, durability, access).and_then(|()| fs::rename(&temp, path));
    if let Err(source) = written {
        // Without its folder it was not made.
        if source.kind() != ErrorKind::NotFound {
            let _ = fs::remove_file(&temp);
        }
        return Err(FileError::Write { path: path.to_owned(), source });
    }
    if durability == Durability::Synced {
        sync_folder(path);
    }
    Ok(())
}

/// Makes a folder and those above it; one that exists is fine.
///
/// # Errors
/// When it cannot be made, or a file is in its place.
pub fn create_folders(path: &Path) -> Result<(), FileError> {
    // It mostly is there.
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Writes a file that may lie where a job has put something else, and never waits for that: a pipe that nobody reads is an error.
///
/// # Errors
/// When it cannot be written, or not at once.
pub fn write_at_once(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default());
    }
    options.open(path)?.write_all(text.as_bytes())
}

/// Makes a folder that is mostly missing, and those above it; tells whether it was. Of two who make one at the same time, one
/// is told so.
///
/// # Errors
/// When it cannot be made. A file in its place counts as a folder that is there.
pub fn create_missing(path: &Path) -> io::Result<bool> {
    match (fs::create_dir(path), path.parent()) {
        (Err(error), _) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        (Err(error), Some(above)) if error.kind() == ErrorKind::NotFound => {
            create_missing(above)?;
            match fs::create_dir(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                made => made.map(|()| true),
            }
        }
        // Some shares refuse before they look.
        (Err(_), _) if path.is_dir() => Ok(false),
        (made, _) => made.map(|()| true),
    }
}

/// Reads a file of at most `bytes_max` bytes; `None` when there is no such file.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut content = Vec::with_capacity(READ_BYTES);
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > bytes_max {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(Some(content))
}

/// Says which file this is, whatever it is called: equal for two handles or names of one file. `None` where the system
/// does not tell.
pub fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Takes the lock of a file without waiting; `None` when another process, or another handle of this one, has it. It lasts
/// until the returned file is closed.
///
/// A file system without locks counts as one that nobody shares.
///
/// # Errors
/// When the file cannot be opened or made.
pub fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    Ok(locked(file))
}

/// Makes a file and takes its lock; `None` when there is one already, or somebody else was faster. So whoever gets it knows that
/// nobody had it before the file was made.
///
/// # Errors
/// When it cannot be made.
pub fn try_lock_new(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().create_new(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        made => made.map(locked),
    }
}

fn locked(file: File) -> Option<File> {
    match fs2::FileExt::try_lock_exclusive(&file) {
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => None,
        Ok(()) | Err(_) => Some(file),
    }
}

/// Returns whether an open file is the one at this path: its name may have been taken from it, or given to another.
pub fn is_at(file: &File, path: &Path) -> bool {
    size_at(file, path).is_some()
}

/// Returns the size in bytes of an open file that is the one at this path; `None` when it is not.
#[cfg(unix)]
pub fn size_at(file: &File, path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (own, there) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
    (id(&own) == id(&there)).then_some(own.len())
}

/// Returns the size in bytes of an open file, which keeps its name on this system.
#[cfg(not(unix))]
pub fn size_at(file: &File, _path: &Path) -> Option<u64> {
    Some(file.metadata().map_or(0, |metadata| metadata.len()))
}

fn write_new(path: &Path, content: &[u8], durability: Durability, access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        match access {
            Access::Usual => {}
            Access::Owner => {
                options.mode(0o600);
            }
        }
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    match durability {
        Durability::Lazy => Ok(()),
        Durability::Synced => file.sync_all(),
    }
}

/// Ends the names of files that are not finished yet.
pub const TEMP_SUFFIX: &str = ".tmp";

/// Returns a name beside `path` that nobody else uses, also on another host as far as one can tell: hidden, with this
/// process, a number and [`TEMP_SUFFIX`].
pub fn temp_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{number}{TEMP_SUFFIX}", process::id()))
}

/// Makes a rename last. A system that cannot sync a folder does so by itself, or not at all: no reason to fail.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        write_whole(&path, b"old", Durability::Lazy, Access::Usual).unwrap();
        write_whole(&path, b"new", Durability::Synced, Access::Usual).unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        let blocked = dir.path().join("folder");
        fs::create_dir_all(blocked.join("full")).unwrap();
        assert!(write_whole(&blocked, b"x", Durability::Lazy, Access::Usual).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_whole(&path, b"s", Durability::Lazy, Access::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn reading_is_bounded_and_a_missing_file_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        assert!(read_bounded(&path, 10).unwrap().is_none());
        fs::write(&path, b"12345").unwrap();
        assert!(read_bounded(&path, 5).unwrap().is_some());
        let error = read_bounded(&path, 4).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { bytes_max: 4, .. }), "{error}");
    }

    #[test]
    fn a_lock_is_held_once_and_goes_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        write_at_once(&path, "long and old").expect("it is written");
        write_at_once(&path, "new").expect("it is written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "new");
        fs::remove_file(&path).expect("it goes");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        assert!(write_at_once(&path, "new").is_err());
    }
}

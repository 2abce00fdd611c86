//! Watches one small file that several hosts write, and tells when to read it again.
//!
//! The folder is watched, since the file is replaced by a rename and may not be there yet. It may tell too much; where
//! the system announces nothing (a network share), it tells nothing, and whoever uses it also reads the file from time to
//! time.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod inotify;

use std::{ffi::OsStr, io, path::Path};

#[cfg(not(target_os = "linux"))]
use self::elsewhere::FolderWatch;
#[cfg(target_os = "linux")]
use self::inotify::FolderWatch;

/// A watch on one file. It ends when it is dropped.
#[derive(Debug)]
pub struct FileWatch(FolderWatch);

impl FileWatch {
    /// Begins to watch the file at `path`, which need not exist; the folder above it must. Called within a runtime.
    ///
    /// # Errors
    /// When the system does not watch the folder.
    pub fn start(path: &Path) -> io::Result<Self> {
        let unusual = || io::Error::new(io::ErrorKind::InvalidInput, "the path of a file has a folder and a name");
        let (folder, name): (&Path, &OsStr) = path.parent().zip(path.file_name()).ok_or_else(unusual)?;
        Ok(Self(FolderWatch::start(folder, name)?))
    }

    /// Waits until the file may have changed since this was asked last. Cancel-safe: what was not told yet is told next.
    pub async fn changed(&self) {
        self.0.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_or_written_is_told_and_its_neighbours_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wishes.json");
        let watch = FileWatch::start(&path).expect("it is watched");
        for text in ["one", "two"] {
            fs::write(folder.path().join("new"), text).expect("it is written");
            fs::rename(folder.path().join("new"), &path).expect("it is replaced");
            tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("it is told");
        }
        fs::write(&path, "in place").expect("it is written");
        tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("it is told");
        fs::remove_file(&path).expect("it is removed");
        tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("it is told");
    }
}

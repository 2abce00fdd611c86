//! Watches one small file that several hosts write, and tells when to read it again.
//!
//! The folder is watched, since the file is replaced by a rename and may not be there yet. Reading it is no change. It
//! may tell too much; where the system announces nothing (a network share), it tells nothing, and whoever uses it also
//! reads the file from time to time.

use std::{ffi::OsString, io, path::Path, sync::Arc};

use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;

/// A watch on one file. It ends when it is dropped.
#[derive(Debug)]
pub struct FileWatch {
    changed: Arc<Notify>,
    _watcher: notify::RecommendedWatcher,
}

impl FileWatch {
    /// Begins to watch the file at `path`, which need not exist; the folder above it must.
    ///
    /// # Errors
    /// When the system does not watch the folder.
    pub fn start(path: &Path) -> io::Result<Self> {
        let unusual = || io::Error::new(io::ErrorKind::InvalidInput, "the path of a file has a folder and a name");
        let (folder, name) = path.parent().zip(path.file_name()).ok_or_else(unusual)?;
        let (changed, name) = (Arc::new(Notify::new()), name.to_owned());
        let told = Arc::clone(&changed);
        let handler = move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, |event| concerns(event, &name)) {
                told.notify_one();
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(io::Error::other)?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits until the file may have changed since this was asked last. Cancel-safe: what was not told yet is told next.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn concerns(event: &notify::Event, name: &OsString) -> bool {
    let ours = event.paths.iter().any(|path| path.file_name() == Some(name));
    event.need_rescan() || (ours && !event.kind.is_access())
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_is_told_and_one_that_is_read_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wishes.json");
        let watch = FileWatch::start(&path).expect("it is watched");
        for text in ["one", "two"] {
            fs::write(folder.path().join("new"), text).expect("it is written");
            fs::rename(folder.path().join("new"), &path).expect("it is replaced");
            let told = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await;
            told.expect("it is told");
        }
        let read = notify::Event::new(notify::EventKind::Access(notify::event::AccessKind::Any));
        assert!(!concerns(&read.add_path(path), &"wishes.json".into()));
    }
}

//! Asks what the system has, through a thread that it needs for that.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
    sync::Arc,
};

use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;

/// A watch on a folder, for one name in it.
#[derive(Debug)]
pub struct FolderWatch {
    changed: Arc<Notify>,
    _watcher: notify::RecommendedWatcher,
}

impl FolderWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system gives no watch.
    pub fn start(folder: &Path, name: &OsStr) -> io::Result<Self> {
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

    /// Waits until something happened to the name.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn concerns(event: &notify::Event, name: &OsString) -> bool {
    let ours = event.paths.iter().any(|path| path.file_name() == Some(name));
    event.need_rescan() || (ours && !event.kind.is_access())
}

//! Watches a folder with all that is in it, and counts what happens there. It may count too much; reading is no change.

use std::{io, path::Path, sync::Arc};

use notify::{Config, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

/// A watch on a folder. It ends when it is dropped.
#[derive(Debug)]
pub struct TreeWatch {
    changes: Arc<watch::Sender<u64>>,
    _watcher: RecommendedWatcher,
}

impl TreeWatch {
    /// Begins to watch the folder at `path`.
    ///
    /// # Errors
    /// When there is none, or the system does not watch it.
    pub fn start(path: &Path) -> io::Result<Self> {
        let changes = Arc::new(watch::Sender::new(0));
        let told = Arc::clone(&changes);
        let handler = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| event.need_rescan() || !event.kind.is_access()) {
                told.send_modify(|n| *n += 1);
            }
        };
        let config = Config::default().with_event_kinds(EventKindMask::CORE);
        let mut watcher = RecommendedWatcher::new(handler, config).map_err(io::Error::other)?;
        watcher.watch(path, RecursiveMode::Recursive).map_err(io::Error::other)?;
        Ok(Self { changes, _watcher: watcher })
    }

    /// Returns a watch whose number grows whenever something may have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_file_in_a_new_folder_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let watch = TreeWatch::start(folder.path()).expect("it is watched");
        let mut changes = watch.changes();
        fs::create_dir(folder.path().join("new")).expect("a folder");
        let told = tokio::time::timeout(Duration::from_secs(30), changes.changed()).await;
        told.expect("it is told").expect("the watch is there");
    }
}

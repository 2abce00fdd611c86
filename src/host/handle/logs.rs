//! Following the files below `LogFiles`: what is in them, and when to look again.

use std::sync::OnceLock;

use tokio::sync::watch;
use tracing::warn;

use super::HostHandle;
use crate::{host::view::Listening, os::watch::tree::TreeWatch, store::tails::Tails};

/// The watch on `LogFiles`, made for the first who asks; `None` where the system announces nothing.
#[derive(Debug, Default)]
pub struct LogWatch(OnceLock<Option<TreeWatch>>);

impl HostHandle {
    /// Returns what changes whenever a file below `LogFiles` may have; `None` where the system announces nothing. It may
    /// wait for the disk.
    pub fn log_changes(&self) -> Option<watch::Receiver<u64>> {
        let folder = self.layout().log_files();
        let watch = self.shared.log_watch.0.get_or_init(|| {
            let watch = TreeWatch::start(&folder).inspect_err(|error| {
                warn!(path = %folder.display(), %error, "log streams look for new lines from time to time");
            });
            watch.ok()
        });
        watch.as_ref().map(TreeWatch::changes)
    }

    /// Makes the host write the application log for as long as the answer is kept.
    pub fn listen(&self) -> Listening {
        self.view().app_log().listen()
    }

    /// Follows the files below a folder of `LogFiles`, which need not exist, from their ends on. It may wait for the disk.
    pub fn log_tails(&self, below: &[String]) -> Tails {
        Tails::open(self.layout().log_files(), below)
    }
}

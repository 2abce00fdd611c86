//! Holding a lock that other hosts of the root take for moments: tried again until it is free or the patience is over.

use std::{io, path::Path, time::Duration};

use crate::os::lock::FileLock;

/// Time between two tries. The holders read and write one small file each.
const BETWEEN: Duration = Duration::from_millis(20);

/// Takes the lock, or returns `None` when it was not free within `patience`.
///
/// # Errors
/// When it cannot be made or taken at all.
pub async fn hold(path: &Path, patience: Duration) -> io::Result<Option<FileLock>> {
    let tries = patience.as_millis() / BETWEEN.as_millis();
    for _ in 0..tries {
        if let Some(lock) = FileLock::try_exclusive(path)? {
            return Ok(Some(lock));
        }
        tokio::time::sleep(BETWEEN).await;
    }
    FileLock::try_exclusive(path)
}

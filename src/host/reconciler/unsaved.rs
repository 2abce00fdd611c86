//! A wish that is carried out although the disk did not take it: whoever asked is told.

use tokio::sync::oneshot;
use tracing::warn;

use crate::{
    host::{
        handle::{CommandError, Reply},
        run::chain,
    },
    model::id::JobId,
    os::file::FileError,
};

/// Answers a stop that is carried out, and that the disk did not take.
pub fn warning(job: &JobId, error: &FileError, reply: Reply<()>) -> Reply<()> {
    let why = chain(error);
    warn!(%job, error = %why, "a stop was not written");
    let text = format!("job `{job}` is stopped, but only until the host ends: {why}");
    let (told, done) = oneshot::channel();
    tokio::spawn(async move {
        let done = done.await.unwrap_or(Err(CommandError::Stopping));
        // Whoever no longer waits for an answer gets none.
        let _ = reply.send(done.and(Err(CommandError::Failed(text))));
    });
    told
}

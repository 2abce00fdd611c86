//! Hints: why a folder should be read again.
//!
//! A hint is never a fact about a folder, only a reason to look. Losing all hints but one per job loses nothing.

use crate::model::id::JobId;

/// Why something should be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// One job's folder.
    Job {
        /// Which job.
        id: JobId,
        /// What was seen.
        kind: HintKind,
        /// The first path that was seen to change, relative to the job's folder.
        path: Option<String>,
    },
    /// Every folder: events were lost, or a root came or went.
    Everything {
        /// Why, for people.
        why: String,
    },
    /// Changes no longer announce themselves, here or everywhere: folders must be read on a timer.
    Blind {
        /// Why, and what to do about it.
        why: String,
    },
}

/// What was seen of a job's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// The folder was made; it will be filled now.
    Created,
    /// The folder was moved in, whole.
    MovedIn,
    /// The folder is gone.
    Removed,
    /// A file in it is being written.
    Writing,
    /// Something in it changed, and nothing is known to be in the middle of changing.
    Changed,
}

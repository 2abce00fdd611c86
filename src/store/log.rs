//! The logs of jobs on disk: one current file that a person can tail, and rolled parts beside it.
//!
//! ```text
//!  job_log.00000000000000000000-00000000000010485712.txt.gz    packed part, bytes 0 to 10485712 of the log
//!  job_log.00000000000010485712-00000000000020971400.txt       part, to be packed
//!  job_log.txt                                                 current: goes on at byte 20971400
//!  job_log.lock                                                whose log it is, where several hosts share the folder
//! ```
//!
//! Every byte ever written to a log has one offset that never changes: parts carry theirs in their names, the current
//! file goes on where the newest part ends. So a run only remembers from where to where its lines go. A part of no length
//! keeps the count when everything before it is gone.
//!
//! [`LogWriter`] writes and rolls, [`Packer`] compresses in the background, [`LogView`] reads. A line is never torn, a
//! reader never needs the writer, and nothing here knows what a job is. From tokio only `sync::watch` is used, to tell
//! followers that a log has grown.

mod ahead;
mod current;
mod follow;
mod pack;
mod parts;
mod read;
mod search;
mod segment;
mod tail;
mod write;

pub use self::{
    follow::Follower,
    pack::Packer,
    parts::LogName,
    read::{Chunk, Line, LogView, Page},
    search::{Findings, Found, Order, Pattern, Search, Syntax},
    write::{Alike, LogFile, LogPosition, LogWriter, Sharing},
};

//! Unpacks the next part while the one before it is unpacked and read: a search through packed parts waits for little
//! else, and most machines have more than one processor.
//!
//! At most one part is unpacked ahead, on a thread that ends with it. Whoever no longer wants it lets it go.

use std::{
    io,
    ops::Range,
    path::Path,
    thread::{Builder, JoinHandle},
};

use super::{
    parts::{LogName, Part},
    segment::{self, Segment},
};

/// A part on its way into memory.
#[derive(Debug)]
pub struct Ahead {
    /// Its offsets in the log.
    pub range: Range<u64>,
    worker: JoinHandle<io::Result<Segment>>,
}

impl Ahead {
    /// Begins, if the part is a packed one that fits into memory; it is unpacked into `room`.
    pub fn begin(dir: &Path, name: &LogName, part: Part, room: Vec<u8>) -> Option<Self> {
        if part.is_plain || part.end - part.start > segment::UNPACKED_BYTES_MAX {
            return None;
        }
        let (dir, name) = (dir.to_owned(), name.clone());
        let work = move || Segment::part(&dir, &name, &part, room);
        let worker = Builder::new().name("log reader".to_owned()).spawn(work).ok()?;
        Some(Self { range: part.start..part.end, worker })
    }

    /// Waits until it is there; `None` when it could not be read.
    pub fn wait(self) -> Option<Segment> {
        self.worker.join().ok()?.ok()
    }
}

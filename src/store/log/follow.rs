//! Follows a log as it grows: what is new since the last look, over rolls and over a new start of the host.
//!
//! It waits for nothing: who follows waits for the writer's channel, or looks again from time to time.

use std::io;

use memchr::memrchr;

use super::read::{Chunk, LogView};

/// A reader's place in a log.
#[derive(Debug)]
pub struct Follower {
    view: LogView,
    at: u64,
}

impl Follower {
    /// Follows a log from an offset on.
    pub fn new(view: LogView, at: u64) -> Self {
        Self { view, at }
    }

    /// Returns the offset of the next byte; a new follower can go on from there.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Returns whole lines that came since, at most `bytes_max` bytes of them; none when nothing is new. A start later
    /// than the last end means that lines went before they were read.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next(&mut self, bytes_max: usize) -> io::Result<Chunk> {
        self.view.refresh()?;
        // A log that is shorter than it was has begun anew.
        self.at = self.at.min(self.view.end());
        let mut chunk = self.view.range(self.at, bytes_max)?;
        let whole = memrchr(b'\n', &chunk.bytes).map_or(0, |at| at + 1);
        // A single line longer than the bound goes out in pieces; a shorter one is still being written.
        if whole > 0 || chunk.bytes.len() < bytes_max {
            chunk.bytes.truncate(whole);
        }
        self.at = chunk.end();
        Ok(chunk)
    }
}

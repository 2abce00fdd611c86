//! Big buffers, lent for the time between a read and its write.
//!
//! As many exist as pumps run at the same moment, and of these at most [`KEPT_MAX`] are kept for the next borrower. Memory
//! that was never touched costs nothing, so a small read in a big buffer is cheap. A buffer never outlives an `await`.
//!
//! What is read into begins at a page. A large allocation begins 16 bytes after one, and there some processors copy what
//! the kernel hands over at a quarter of their speed (their `rep movsb` dislikes a target a little past its source).

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

/// Bytes of one read: with the lines made of it, little enough for a core's own cache.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of lines that are written at once.
pub const OUT_BYTES: usize = 512 * 1024;
const OUT_BYTES_KEPT: usize = 2 * OUT_BYTES;
const PAGE_BYTES: usize = 4096;
const KEPT_MAX: usize = 2;

static POOL: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// One buffer for what is read and one for the lines made of it.
#[derive(Default)]
pub struct Buffers {
    /// Holds the block, which begins at its first page.
    memory: Vec<u8>,
    /// Whole stamped lines.
    out: Vec<u8>,
}

impl Buffers {
    /// Lends a pair of buffers.
    pub fn borrow() -> Lent {
        let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = kept.unwrap_or_default();
        if buffers.memory.is_empty() {
            buffers.memory = vec![0; BLOCK_BYTES + PAGE_BYTES];
        }
        if buffers.out.capacity() == 0 {
            buffers.out = Vec::with_capacity(OUT_BYTES + OUT_BYTES / 8);
        }
        Lent(buffers)
    }
}

/// Gives its buffers back when it goes.
pub struct Lent(Buffers);

impl Lent {
    /// Returns what is read into, [`BLOCK_BYTES`] long, and what takes the lines.
    pub fn split(&mut self) -> (&mut [u8], &mut Vec<u8>) {
        let Buffers { memory, out } = &mut self.0;
        // Where the distance cannot be told, any place will do.
        let start = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        (&mut memory[start..start + BLOCK_BYTES], out)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffers = mem::take(&mut self.0);
        buffers.out.clear();
        if buffers.out.capacity() > OUT_BYTES_KEPT {
            buffers.out = Vec::new();
        }
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < KEPT_MAX {
            pool.push(buffers);
        }
    }
}

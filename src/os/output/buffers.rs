//! Big buffers, lent for the time between a read and its write.
//!
//! As many exist as pumps run at the same moment, and of these at most [`KEPT_MAX`] are kept for the next borrower. Memory
//! that was never touched costs nothing, so a small read in a big buffer is cheap. A buffer never outlives an `await`.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

/// Bytes of one read: as much as the largest pipe an ordinary user may ask for.
pub const BLOCK_BYTES: usize = 1024 * 1024;
/// Bytes of lines that are written at once.
pub const OUT_BYTES: usize = 1024 * 1024;
const OUT_BYTES_KEPT: usize = 2 * OUT_BYTES;
const KEPT_MAX: usize = 2;

static POOL: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// One buffer for what is read and one for the lines made of it.
#[derive(Default)]
pub struct Buffers {
    /// Read into; always [`BLOCK_BYTES`] long.
    pub block: Vec<u8>,
    /// Whole stamped lines.
    pub out: Vec<u8>,
}

impl Buffers {
    /// Lends a pair of buffers.
    pub fn borrow() -> Lent {
        let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = kept.unwrap_or_default();
        if buffers.block.is_empty() {
            buffers.block = vec![0; BLOCK_BYTES];
        }
        if buffers.out.capacity() == 0 {
            buffers.out = Vec::with_capacity(OUT_BYTES + OUT_BYTES / 8);
        }
        Lent(buffers)
    }
}

/// Gives its buffers back when it goes.
pub struct Lent(Buffers);

impl Deref for Lent {
    type Target = Buffers;

    fn deref(&self) -> &Buffers {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Buffers {
        &mut self.0
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

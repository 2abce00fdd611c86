//! How many follow something: what nobody follows need not be done.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts those who follow.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<AtomicUsize>);

/// One who follows, until this is dropped.
#[derive(Debug)]
pub struct Listening(Listeners);

impl Listeners {
    /// Begins to follow.
    pub fn listen(&self) -> Listening {
        self.0.fetch_add(1, Ordering::Relaxed);
        Listening(self.clone())
    }

    /// Tells whether anybody follows.
    pub fn are_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Where no start of our own is possible, every start is duct's.

use std::{io, time::Duration};

use crate::os::process::{launch::Program, spawn::OutputEnd};

/// Knows of nobody to reap.
pub(super) fn reap(_pid: u32) -> Option<Duration> {
    None
}

/// Never made.
#[derive(Debug)]
pub(super) enum Starter {}

impl Starter {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Is never called.
    pub(super) fn start(&mut self, _program: &Program, _stdout: &OutputEnd, _stderr: &OutputEnd) -> io::Result<u32> {
        match *self {}
    }
}

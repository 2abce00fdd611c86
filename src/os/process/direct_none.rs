//! Where no start of our own is possible, every start is duct's.

use std::io;

use crate::os::process::{launch::Program, spawn::OutputEnd};

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

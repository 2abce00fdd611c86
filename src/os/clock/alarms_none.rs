//! No alarms: this system does not tell of steps of the clock, so the clock is looked at now and then.

use std::{convert::Infallible, io, sync::Arc};

use tokio::sync::watch;

use crate::model::time::Wall;

/// Nobody waits here.
#[derive(Debug)]
pub(super) struct Alarms {
    none: Infallible,
    /// Counts the steps of the clock.
    pub(super) steps: watch::Sender<u64>,
}

/// A moment that is waited for.
#[derive(Debug)]
pub(super) struct Alarm(Infallible);

impl Alarms {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called.
    pub(super) fn are_attended(&self) -> bool {
        match self.none {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub(super) fn set(&self, _moment: Wall) -> io::Result<Alarm> {
        match self.none {}
    }
}

impl Alarm {
    /// Cannot be called.
    pub(super) async fn rung(&mut self) {
        match self.0 {}
    }
}

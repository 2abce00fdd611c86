//! How a job's actor begins: in its turn, where many do at once.
//!
//! What a start needs lies in the heap from the moment when it is ordered until one of the threads that start programs has come to
//! it. A thousand at once would leave that many holes there, among what stays.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::Supervisor;
use crate::{
    decide::supervise::Event,
    host::message::{Ending, JobMessage, Messages},
    model::run::Trigger,
};

/// Turns to start.
pub type Turns = Arc<Semaphore>;

/// One of them: it is over when it is dropped.
pub type Turn = OwnedSemaphorePermit;

/// What was heard while a turn was waited for: a message, or that there will be none.
pub type Early = Option<Box<JobMessage>>;

impl Supervisor {
    /// Waits for a turn to start. A job that starts nothing needs none, and one that is told something waits no longer for its.
    pub(super) async fn turn(&self, turns: Turns, inbox: &mut Messages) -> (Option<Turn>, Option<Early>) {
        if self.job.is_none() || self.barred().is_some() {
            return (None, None);
        }
        tokio::select! {
            biased;
            // Cancel-safe: a turn that is dropped goes back. The turns are never closed.
            turn = turns.acquire_owned() => (turn.ok(), None),
            // Cancel-safe: `recv` loses nothing.
            message = inbox.recv() => (None, Some(message.ok())),
        }
    }

    /// Starts the job, unless what it heard meanwhile is that it shall end.
    pub(super) fn start(&mut self, trigger: Trigger, early: Option<&Early>) {
        if let Some(job) = &self.job {
            self.keeper.prune(job);
            if let Err(error) = self.log.prune(self.machine.now()) {
                warn!(job = %self.id, %error, "could not remove old parts of a log");
            }
        }
        if self.barred().is_none() && early.is_none_or(starts) {
            self.all(&Event::Start(trigger));
        }
        self.publish();
    }
}

/// Tells whether a job starts before it takes in what it heard. Without anybody who could tell it anything it only ends.
fn starts(heard: &Early) -> bool {
    match heard.as_deref() {
        None | Some(JobMessage::End(Ending::Removed | Ending::HostStopping | Ending::HostKilled)) => false,
        Some(
            JobMessage::Update(..)
            | JobMessage::Run(_)
            | JobMessage::Start { .. }
            | JobMessage::Restart { .. }
            | JobMessage::Cancel { .. },
        ) => true,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

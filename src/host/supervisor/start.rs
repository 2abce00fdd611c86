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
    host::message::{JobMessage, Messages},
    model::run::Trigger,
};

/// Turns to start.
pub type Turns = Arc<Semaphore>;

/// One of them: it is over when it is dropped.
pub type Turn = OwnedSemaphorePermit;

/// Why a job's actor begins, and with whom it takes turns.
#[derive(Debug)]
pub struct Beginning {
    pub trigger: Trigger,
    pub turns: Turns,
}

/// What comes first.
enum First {
    Turn(Option<Turn>),
    /// A message, or that there will be none.
    Heard(Option<Box<JobMessage>>),
}

impl Supervisor {
    /// Waits for a turn to start, and starts the job. One that starts nothing needs no turn, and one that is told something waits no
    /// longer for its own: it starts, and takes that in, unless it is that it shall end.
    pub(super) async fn begin_life(&mut self, Beginning { trigger, turns }: Beginning, inbox: &mut Messages) {
        let first = if self.job.is_none() || self.barred().is_some() {
            First::Turn(None)
        } else {
            tokio::select! {
                biased;
                // Cancel-safe: a turn that is dropped goes back. The turns are never closed.
                turn = turns.acquire_owned() => First::Turn(turn.ok()),
                // Cancel-safe: `recv` loses nothing.
                message = inbox.recv() => First::Heard(message.ok()),
            }
        };
        match first {
            First::Turn(turn) => {
                self.turn = turn;
                self.start(trigger);
            }
            First::Heard(None) => self.hear_nobody(),
            First::Heard(Some(message)) => {
                if !matches!(*message, JobMessage::End(_)) {
                    self.start(trigger);
                }
                self.message(*message);
            }
        }
        self.publish();
    }

    fn start(&mut self, trigger: Trigger) {
        if let Some(job) = &self.job {
            self.keeper.prune(job);
            if let Err(error) = self.log.prune(self.machine.now()) {
                warn!(job = %self.id, %error, "could not remove old parts of a log");
            }
        }
        if self.barred().is_none() {
            self.all(&Event::Start(trigger));
        }
        self.publish();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

//! How a job's actor begins: in its turn, where many do at once.
//!
//! What a start needs lies in the heap from the moment when it is ordered until one of the threads that start programs has come to
//! it. A thousand at once would leave that many holes there, among what stays. So a job has its turn while the program of its first
//! start is being loaded. One whose working copy has to be made first gives it back: there is no telling how long that takes.

use std::{pin::pin, sync::Arc};

use tokio::sync::Semaphore;
use tracing::warn;

use super::{Supervisor, copy::Copy};
use crate::{decide::supervise::Event, host::message::Messages, model::run::Trigger};

/// Turns to start.
pub type Turns = Arc<Semaphore>;

/// Why a job's actor begins, and with whom it takes turns.
#[derive(Debug)]
pub struct Beginning {
    pub trigger: Trigger,
    pub turns: Turns,
}

impl Supervisor {
    /// Waits for a turn to start, takes in what it is told meanwhile, and starts the job. It waits no longer where that starts it by
    /// itself, or keeps it from being started.
    pub(super) async fn begin_life(&mut self, beginning: Box<Beginning>, inbox: &mut Messages) {
        let Beginning { trigger, turns } = *beginning;
        let mut turn = pin!(turns.acquire_owned());
        while self.waits_for_its_turn() {
            tokio::select! {
                biased;
                // Cancel-safe: `recv` loses nothing. First, so that nothing starts that shall not.
                message = inbox.recv() => match message {
                    Ok(message) => self.message(*message),
                    Err(_) => self.hear_nobody(),
                },
                // Asked again as it is; one that is dropped goes back. The turns are never closed.
                turn = turn.as_mut() => {
                    self.turn = turn.ok();
                    // Before it has a run: of a job that never had one nothing can go.
                    self.tidy();
                    self.all(&Event::Start(trigger));
                    return self.publish();
                }
            }
        }
        if !self.is_over() {
            self.publish();
            self.tidy();
        }
    }

    /// Tells whether there is something to start, which nothing has started yet or stopped.
    fn waits_for_its_turn(&self) -> bool {
        !self.copies.is_empty() && self.copies.iter().all(Copy::is_new)
    }

    /// Lets go what its policies no longer keep.
    fn tidy(&self) {
        if let Some(job) = &self.job {
            self.keeper.prune(job);
            if let Err(error) = self.log.prune(self.machine.now()) {
                warn!(job = %self.id, %error, "could not remove old parts of a log");
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

//! Rehearsals on disk: shortly before a due time, a look at what its run will need (`decide::rehearsal`).

use std::sync::{Arc, Mutex, PoisonError};

use super::Dispatcher;
use crate::{
    decide::rehearsal::Claims,
    host::machine::Machine,
    model::{job::Job, time::Wall},
    store::occurrences,
};

/// Which due times are rehearsed on this host, each by a job that has an actor.
#[derive(Debug, Default)]
pub struct Rehearsals(pub(in crate::host) Mutex<Claims>);

impl Dispatcher {
    /// Returns when to rehearse for what is due next.
    pub(super) fn rehearses_at(&mut self, now: Wall) -> Option<Wall> {
        let due = self.agenda.next().filter(|_| self.agenda.counts());
        self.rehearses_for(due, now)
    }

    /// Leaves it to others to rehearse.
    pub(super) fn rehearses_no_more(&mut self) {
        self.rehearses_for(None, self.machine.now().wall);
    }

    fn rehearses_for(&mut self, due: Option<Wall>, now: Wall) -> Option<Wall> {
        let mut claims = self.machine.rehearsals.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.rehearsal.begins_at(&mut claims, due, now)
    }

    /// Begins a look, on a thread that may wait for the disk.
    pub(super) fn rehearse(&self) {
        let Some(job) = self.job.clone() else { return };
        let machine = Arc::clone(&self.machine);
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(move || look(&machine, &job)));
    }
}

/// Reads the journal of due times, and makes the working copy where that takes next to nothing. What fails now is told when
/// it fails again.
fn look(machine: &Machine, job: &Job) {
    let _ = occurrences::served(&machine.layout.occurrences(&job.id));
    drop(machine.copies.at_once(job));
}

//! Rehearsals on disk: shortly before a due time, a look at what its run will need (`decide::rehearsal`).

use std::sync::{Mutex, PoisonError};

use super::Dispatcher;
use crate::model::time::Wall;

/// Which due time was rehearsed last. Where many jobs are due at one moment the first of them rehearses for all: most of what
/// they need is the same, and a look by each would be in the way of their starts.
#[derive(Debug, Default)]
pub struct Rehearsals(Mutex<Option<Wall>>);

impl Rehearsals {
    /// Tells whether somebody has to rehearse for what is due, and takes it as done.
    fn is_first(&self, due: Wall) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(due) != Some(due)
    }

    /// Returns the due time that was rehearsed last.
    #[cfg(test)]
    pub fn last(&self) -> Option<Wall> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher {
    /// Looks at the journal of due times and at other hosts, and makes the working copy where that takes next to nothing. What
    /// is seen is not kept: it is looked at again when the time has come.
    pub(super) fn rehearse(&self, due: Wall) {
        let Some(job) = self.job.as_deref().filter(|_| self.barred().is_none()) else { return };
        let machine = &self.machine;
        if machine.rehearsals.is_first(due) {
            self.agenda.look(machine, job);
            machine.gone_look.any(&machine.layout, machine.now().wall);
            drop(machine.copies.at_once(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_who_are_due_at_one_moment_the_first_rehearses() {
        let (rehearsals, at) = (Rehearsals::default(), |second| Wall::from_second(second).expect("a time"));
        let asked = [1, 1, 2, 2, 1];
        assert_eq!(asked.map(|second| rehearsals.is_first(at(second))), [true, false, true, false, true]);
        assert_eq!(rehearsals.last(), Some(at(1)));
    }
}

//! When a triggered job's schedules count, and when they rest.

use std::sync::Arc;

use super::{Dispatcher, agenda::Rest};
use crate::decide::pause;

impl Dispatcher {
    /// Takes over the schedules of the job as it is now.
    pub(super) fn plan(&mut self) {
        let Some(job) = self.job.clone() else { return };
        let rest = self.rest();
        self.agenda.plan(&self.machine, &job, rest);
    }

    /// Why the schedules rest. Of several reasons the one tells that has no end.
    fn rest(&self) -> Rest {
        let now = self.machine.now().wall;
        let ended = pause::ended(&self.wishes, now);
        if self.machine.engine().kudu.disable_schedule {
            let why = "schedules are off by WEBJOBS_DISABLE_SCHEDULE of the host".to_owned();
            return Rest { why: Some(why), end: None, ended };
        }
        let paused = pause::paused(&self.wishes, now);
        match (self.barred(), paused) {
            (Some(reason), _) => Rest { why: Some(reason.to_string()), end: None, ended },
            (None, Some(paused)) => Rest { why: Some(pause::why(&paused.pause, paused.all)), end: paused.until, ended },
            (None, None) => Rest { why: None, end: None, ended },
        }
    }

    /// Serves what is due; a pause that is over lets the schedules count again first.
    pub(super) fn occur(&mut self) {
        if self.ending.is_none() && self.agenda.is_rested(self.machine.now().wall) {
            self.plan();
        }
        let Some(job) = self.job.clone().filter(|_| self.ending.is_none()) else { return };
        let mut agenda = std::mem::take(&mut self.agenda);
        let machine = Arc::clone(&self.machine);
        agenda.serve(&machine, &job, |trigger, arguments| self.ask(trigger, arguments));
        self.agenda = agenda;
    }
}

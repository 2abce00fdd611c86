//! When a triggered job has an actor: from its first message on, or as long as there is something to wait for.
//!
//! Most jobs of a large host rest: no schedule, no run on its way, no retry that is owed. What there is to know of such a
//! job stands in the view, its newest run included, on disk and with the reconciler, so that nothing is kept for it beside. A job that has an
//! actor keeps it.

use std::sync::Arc;

use super::{Dispatcher, Told};
use crate::{
    decide::dispatch::Dispatch,
    host::{
        keeper::Past,
        machine::Machine,
        message::{Inbox, Living, Update},
        run::{Facts, FactsOfRuns},
        view::JobView,
    },
    model::{job::Job, run::Trigger, wish::Asked},
};

impl Dispatcher {
    /// Lets a job begin, and starts its actor where there is something for it to do; the actor ends by `JobMessage::End`
    /// when nothing of its job runs any more. `trigger` tells why the job is there: it may ask for a run at the host's start.
    pub fn born(machine: &Arc<Machine>, update: Update, trigger: Trigger, past: Past) -> Option<Living> {
        let (facts, heard) = Facts::open();
        let Update { found, wishes } = update;
        let (job, since) = (found.job.clone(), machine.now().wall);
        let mut actor = Self::new(machine, Told { found, job, wishes, past, since }, facts);
        if actor.job.as_deref().is_some_and(acts_by_itself) {
            actor.publish();
            return Some(actor.spawn(heard, Some(trigger)));
        }
        actor.begin_life(&trigger);
        actor.settle_down(heard)
    }

    /// Starts the actor of a job that rested; `view` is how it was published last.
    pub fn wake(machine: &Arc<Machine>, view: &JobView, wishes: Asked) -> Living {
        let (actor, heard) = Self::rested(machine, view, wishes);
        actor.spawn(heard, None)
    }

    /// Takes over what is new about a job that rested, and starts its actor where there is something for it to do.
    pub fn renew(machine: &Arc<Machine>, view: &JobView, wishes: Asked, update: Update) -> Option<Living> {
        let (mut actor, heard) = Self::rested(machine, view, wishes);
        actor.update(update);
        actor.settle_down(heard)
    }

    fn rested(machine: &Arc<Machine>, view: &JobView, wishes: Asked) -> (Self, FactsOfRuns) {
        let (facts, heard) = Facts::open();
        let (found, job, since) = (Arc::clone(&view.found), view.job.clone(), view.status.since);
        let past = Past::Shown(view.latest.clone());
        let mut actor = Self::new(machine, Told { found, job, wishes, past, since }, facts);
        // When it began, what waited had its answers, and a schedule that comes from now on is a new one.
        actor.agenda = std::mem::take(&mut actor.agenda).settled();
        actor.plan();
        (actor, heard)
    }

    /// Starts the actor, unless its job rests.
    fn settle_down(mut self, heard: FactsOfRuns) -> Option<Living> {
        self.settle();
        self.publish();
        (!self.rests()).then(|| self.spawn(heard, None))
    }

    fn rests(&self) -> bool {
        let waits = !self.bodies.is_empty() || !self.waiting.is_empty() || self.lock.is_some();
        !waits && self.dispatch == Dispatch::default() && !self.agenda.has_schedules()
    }

    fn spawn(self, heard: FactsOfRuns, born: Option<Trigger>) -> Living {
        let (inbox, messages) = Inbox::open();
        Living { inbox, life: tokio::spawn(self.live(messages, heard, born)) }
    }
}

/// Tells whether a job may have something to do that nobody asks for.
fn acts_by_itself(job: &Job) -> bool {
    let settings = &job.settings;
    settings.run_on_start || settings.run_at.is_some() || !settings.schedules.is_empty()
}

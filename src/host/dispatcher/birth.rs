//! When a triggered job has an actor: as long as it has something to do, and before it is due.
//!
//! Most jobs of a large host rest: no run on its way, no retry that is owed, and not due soon. What there is to know of such a
//! job stands in the view, its newest run included, on disk and with the reconciler, which keeps what is left of its schedules
//! ([`Resting`]) and lets an actor begin for its next message, and before it is due.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Dispatcher, Told, agenda::Agenda};
use crate::{
    decide::{
        admit::retry_owed,
        at_rest,
        dispatch::{Dispatch, Request},
    },
    host::{
        keeper::Past,
        machine::Machine,
        message::{Inbox, JobMessage, Living, Messages, Update},
        run::{Facts, FactsOfRuns},
        view::JobView,
    },
    model::{
        job::Job,
        run::{RunRecord, Trigger},
        time::{Mono, Now, Wall},
        wish::Asked,
    },
};

/// What is kept of a job that rests, besides what is shown of it.
#[derive(Debug, Default)]
pub struct Resting {
    /// Its schedules, where it has some.
    agenda: Option<Box<Agenda>>,
    /// Set until its first actor begins.
    birth: Option<Box<Birth>>,
    /// What its actor was told too late to hear it, oldest first.
    unheard: Vec<JobMessage>,
}

/// What a job's first actor has to know.
#[derive(Debug)]
struct Birth {
    trigger: Trigger,
    is_new: bool,
}

/// How an actor begins.
#[derive(Debug)]
pub(super) enum Beginning {
    /// With its job, for this reason.
    Birth(Trigger),
    /// It began before.
    Done,
}

/// A turn to begin, where many are to. It is over when this is dropped.
pub type Turn = OwnedSemaphorePermit;

impl Resting {
    /// Returns when its job has something to do next.
    pub fn due(&self) -> Option<Wall> {
        self.agenda.as_ref().and_then(|agenda| agenda.wake_at())
    }

    /// Tells whether its job has schedules, resting or not.
    pub const fn has_schedules(&self) -> bool {
        self.agenda.is_some()
    }

    /// Tells whether its job has to look at what it was told, or at a clock that was set, when nobody was there any more.
    pub fn is_needed(&self, machine: &Machine) -> bool {
        !self.unheard.is_empty() || self.agenda.as_ref().is_some_and(|agenda| agenda.is_stale(machine))
    }

    /// Tells whether its job has never had an actor.
    pub const fn is_unborn(&self) -> bool {
        self.birth.is_some()
    }

    /// Adds a message for its next actor.
    pub fn tell(&mut self, message: JobMessage) {
        self.unheard.push(message);
    }

    /// Answers whoever waits that the host is on its way down.
    pub fn refuse(self) {
        self.unheard.into_iter().for_each(JobMessage::refuse);
    }
}

impl Dispatcher {
    /// Lets a job begin, and starts its actor where there is something for it to do. `trigger` tells why the job is there:
    /// it may ask for a run at the host's start. One that may have something to do by itself is left unborn: its first actor
    /// looks for that, as soon as it has its turn.
    ///
    /// # Errors
    /// When the job rests.
    pub fn born(machine: &Arc<Machine>, update: Update, trigger: Trigger, past: Past) -> Result<Living, Resting> {
        let (facts, heard) = Facts::open();
        let Update { found, wishes } = update;
        let (job, since) = (found.job.clone(), machine.now().wall);
        let is_new = matches!(past, Past::None);
        let mut actor = Self::new(machine, Told { found, job, wishes, past, since, agenda: None }, facts);
        if actor.job.as_deref().is_some_and(acts_by_itself) {
            actor.publish();
            let birth = Some(Box::new(Birth { trigger, is_new }));
            let agenda = Some(Box::new(actor.agenda.begun(since)));
            return Err(Resting { agenda, birth, unheard: Vec::new() });
        }
        actor.begin_life(&trigger);
        actor.settle_down(heard)
    }

    /// Starts the actor of a job that rested; `view` is how it was published last. It gives `turn` back when it has begun.
    pub fn wake(machine: &Arc<Machine>, view: &JobView, wishes: Asked, resting: Resting, turn: Option<Turn>) -> Living {
        let Resting { agenda, birth, unheard } = resting;
        let is_new = birth.as_ref().is_some_and(|birth| birth.is_new);
        let past = if is_new { Past::None } else { Past::Shown(view.latest.clone()) };
        let (actor, heard) = Self::rested(machine, view, wishes, past, agenda);
        let beginning = match birth {
            Some(birth) => Beginning::Birth(birth.trigger),
            None => Beginning::Done,
        };
        actor.spawn(Inbox::with(unheard), heard, beginning, turn)
    }

    /// Takes over what is new about a job that rested and has no schedules, and starts its actor where there is something
    /// for it to do.
    ///
    /// # Errors
    /// When the job rests.
    pub fn renew(machine: &Arc<Machine>, view: &JobView, wishes: Asked, update: Update) -> Result<Living, Resting> {
        let past = Past::Shown(view.latest.clone());
        let (mut actor, heard) = Self::rested(machine, view, wishes, past, None);
        actor.update(update);
        actor.settle_down(heard)
    }

    pub(super) fn begin_life(&mut self, trigger: &Trigger) {
        let Some(job) = self.job.clone() else { return };
        self.keeper.prune(&job);
        self.plan();
        self.resume(&job);
        if job.settings.run_on_start && *trigger == Trigger::Startup && self.barred().is_none() {
            self.ask(Trigger::Startup, None);
        }
        // What was due while no host ran.
        self.occur();
    }

    /// Takes up a retry that was due when the last host ended.
    fn resume(&mut self, job: &Job) {
        let Some(newest) = self.latest.clone() else { return };
        let now = self.machine.now();
        // One of another host is left to that.
        let ours = newest.instance == *self.machine.layout.instance();
        let settings = &job.settings;
        let owed = retry_owed(settings.retries.as_ref(), &newest, settings.catch_up_window, now.wall);
        if let Some(delay) = owed.filter(|_| ours) {
            let RunRecord { id, trigger, arguments, attempt, .. } = (*newest).clone();
            self.dispatch.resume(id, Request { trigger, arguments, attempt }, delay, now);
        }
    }

    fn rested(
        machine: &Arc<Machine>,
        view: &JobView,
        wishes: Asked,
        past: Past,
        agenda: Option<Box<Agenda>>,
    ) -> (Self, FactsOfRuns) {
        let (facts, heard) = Facts::open();
        let (found, job, since) = (Arc::clone(&view.found), view.job.clone(), view.status.since);
        let is_kept = agenda.is_some();
        let mut actor = Self::new(machine, Told { found, job, wishes, past, since, agenda }, facts);
        if !is_kept {
            // When it began, what waited had its answers, and a schedule that comes from now on is a new one.
            actor.agenda = std::mem::take(&mut actor.agenda).settled();
            actor.plan();
        }
        (actor, heard)
    }

    /// Starts the actor, unless its job rests.
    fn settle_down(mut self, heard: FactsOfRuns) -> Result<Living, Resting> {
        self.settle();
        self.publish();
        let now = self.machine.now();
        if self.rests_at(now).is_some_and(|at| at <= now.mono) {
            return Err(self.at_rest(Vec::new()));
        }
        Ok(self.spawn(Inbox::open(), heard, Beginning::Done, None))
    }

    /// Returns when its actor may let go; `None` while there is something to do, or soon will be.
    pub(super) fn rests_at(&mut self, now: Now) -> Option<Mono> {
        let is_busy = !self.bodies.is_empty() || !self.waiting.is_empty() || self.lock.is_some();
        if is_busy || self.ending.is_some() || self.dispatch != Dispatch::default() {
            self.busy_until = None;
            self.is_busy = true;
            return None;
        }
        if std::mem::take(&mut self.is_busy) {
            self.busy_until = Some(now.mono);
        }
        at_rest::rests_at(self.busy_until, self.agenda.wake_at(), now)
    }

    /// Lets go, and tells the reconciler so. What has come meanwhile is kept for the next actor.
    pub(super) async fn rest_from_now(self, mut inbox: Messages) -> Resting {
        inbox.close();
        let mut unheard = Vec::new();
        // Until it is closed for the sender, too, who may be about to put a message into it.
        while let Ok(message) = inbox.recv().await {
            unheard.push(*message);
        }
        // Without a reconciler there is no host.
        let _ = self.machine.rests.send(self.id.clone());
        self.at_rest(unheard)
    }

    fn at_rest(mut self, unheard: Vec<JobMessage>) -> Resting {
        self.rehearses_no_more();
        let agenda = self.agenda.has_schedules().then(|| Box::new(self.agenda.set_aside()));
        Resting { agenda, birth: None, unheard }
    }

    fn spawn(
        self,
        (inbox, messages): (Inbox, Messages),
        heard: FactsOfRuns,
        beginning: Beginning,
        turn: Option<Turn>,
    ) -> Living {
        Living { inbox, life: tokio::spawn(self.live(messages, heard, beginning, turn)) }
    }
}

/// Tells whether a job may have something to do that nobody asks for.
fn acts_by_itself(job: &Job) -> bool {
    let settings = &job.settings;
    settings.run_on_start || settings.run_at.is_some() || !settings.schedules.is_empty()
}

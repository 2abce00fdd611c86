//! What a supervisor does when its state machine says so: claim and release the lease, begin and finish lives.

use std::{sync::Arc, time::Duration};

use tracing::warn;

use super::Supervisor;
use crate::{
    decide::{
        restart::Restart,
        supervise::{Action, Event, Policy},
    },
    host::{publish, run::Body, view::LiveLog},
    model::{
        event::News,
        job::Job,
        log::Level,
        run::{LogSpan, RunRecord, Trigger},
        time::Now,
    },
    os::lock::{Attempt, FileLock},
    store::{layout::JOB_LOG, log::LogPosition},
};

impl Supervisor {
    /// Does what follows from an event; returns what is known of it at once.
    pub(super) fn perform(&mut self, place: usize, action: Action, job: &Arc<Job>) -> Option<Event> {
        match action {
            Action::Claim => return Some(self.claim(job)),
            Action::Release => {
                // Whoever takes over reads the record.
                self.close_finished(job);
                self.release(place);
            }
            Action::Begin(trigger) => self.begin(place, trigger, job),
            Action::Life(action) => {
                return self.copies[place].body.as_mut().and_then(|body| body.perform(action)).map(Event::Life);
            }
            Action::Finish(end) => {
                self.copies[place].policy = None;
                if let Some(body) = self.copies[place].body.take() {
                    // One that could not even be started ends by the event that began it.
                    self.close_finished(job);
                    let finished = body.finish(&end);
                    self.latest = Some(Arc::clone(finished.record()));
                    self.finished = Some(finished);
                }
            }
            Action::SayBackoff(delay) => self.say_backoff(delay),
            Action::SayDone(why) => {
                self.log.sys(Level::Info, self.machine.now(), &format!("WebJob is not started again: {why}"));
            }
        }
        None
    }

    /// Writes the record of the life that is over, now that the next one is ordered where it follows at once.
    pub(super) fn close_finished(&mut self, job: &Job) {
        if let Some(finished) = self.finished.take() {
            self.keeper.ended(&finished.close(), job);
        }
    }

    fn say_backoff(&self, delay: Duration) {
        let now = self.machine.now();
        let seconds = (delay.as_secs_f64() * 10.0).round() / 10.0;
        self.log.sys(Level::Info, now, &format!("Process went down, waiting for {seconds} seconds"));
        self.log.sys(Level::Info, now, "Status changed to PendingRestart");
    }

    fn begin(&mut self, place: usize, trigger: Trigger, job: &Arc<Job>) {
        let now = self.machine.now();
        let run = self.keeper.fresh(now.wall);
        self.keeper.begun(run);
        if trigger == Trigger::Restart {
            self.restarts += 1;
        }
        let log = self.open_log(now);
        let accepted = RunRecord::accepted(run, self.id.clone(), self.machine.layout.instance().clone(), trigger);
        let copy = u32::try_from(place).unwrap_or(u32::MAX);
        let record = Arc::new(RunRecord { copy, started: now.wall, content: Some(job.content), log, ..accepted });
        self.machine.tell(News::RunBegan(Arc::clone(&record)));
        let body = Body::new(&self.machine, job, Arc::clone(&self.log), self.facts.clone(), record);
        self.copies[place].body = Some(body);
    }

    /// Tells followers which log grows, and returns where the next lines will stand in it.
    fn open_log(&self, now: Now) -> Option<LogSpan> {
        let LogPosition { name, offset } = self.log.position(now).ok()?;
        let file = name.current();
        let live = LiveLog { name, writer: Arc::downgrade(&self.log) };
        self.machine.view.publish_log(&self.id, None, Some(live));
        Some(LogSpan { name: (file != JOB_LOG).then_some(file), start: offset, end: None })
    }

    /// A job that is no singleton may always run here.
    fn claim(&mut self, job: &Job) -> Event {
        if !job.settings.is_singleton || self.lease.is_some() {
            return Event::Claimed;
        }
        let path = self.machine.layout.run_lock(&self.id);
        match FileLock::try_exclusive_as(&path, &publish::lock_text(&self.machine, &self.id)) {
            Ok(Attempt::Taken(lock)) => {
                self.log.sys(Level::Info, self.machine.now(), "WebJob singleton lock is acquired");
                self.lease = Some(lock);
                Event::Claimed
            }
            Ok(Attempt::Held(_)) => Event::Refused,
            Err(error) => {
                // Without a lock there is no telling whether another host runs it.
                warn!(job = %self.id, %error, "could not try for a singleton's lock");
                Event::Refused
            }
        }
    }

    fn release(&mut self, place: usize) {
        let others = self.copies.iter().enumerate().any(|(n, copy)| n != place && !copy.is_idle());
        if !others && self.lease.take().is_some() {
            self.log.sys(Level::Info, self.machine.now(), "WebJob singleton lock is released");
        }
    }

    /// What runs keeps the policy that it began with, now that its job gets other settings than those of `before`: its grace is
    /// the one that its content asked for. What the host's settings say counts as it is at this moment.
    pub(super) fn keep_policy(&mut self, before: &Job) {
        for place in 0..self.copies.len() {
            let copy = &self.copies[place];
            if copy.body.is_some() && copy.policy.is_none() {
                let policy = self.policy(before, copy.luck);
                self.copies[place].policy = Some(Box::new(policy));
            }
        }
    }

    /// What runs goes on under the settings as they are now: graces, bounds of time, what follows its end.
    pub(super) fn take_over_policy(&mut self) {
        self.copies.iter_mut().for_each(|copy| copy.policy = None);
        // A bound that is shorter now may have passed already.
        self.all(&Event::Tick);
    }

    /// Returns what of a job's settings matters to one copy.
    pub(super) fn policy(&self, job: &Job, luck: f64) -> Policy {
        let fixed_delay = self.machine.engine().kudu.restart_time;
        let restart = Restart { policy: job.settings.restart.clone(), fixed_delay };
        Policy { life: self.machine.life_policy(job), restart, luck }
    }
}

//! What a dispatcher does when its state machine says so: begin, hold and finish runs, and keep their records.

use std::sync::Arc;

use tracing::{info, warn};

use super::Dispatcher;
use crate::{
    decide::{
        agenda::Fate,
        dispatch::{Action, Answer, Event, Request},
        life::{End, LifeAction},
    },
    host::{run::Body, view::LiveLog},
    model::{event::News, id::RunId, job::Job, run::RunRecord, stop::StopReason},
    store::record,
};

impl Dispatcher {
    /// Does what follows from an event; returns what is known of it at once.
    pub(super) fn perform(&mut self, action: Action, job: &Arc<Job>) -> Option<Event> {
        match action {
            Action::Begin(id, request) => self.begin(id, request, job),
            Action::Hold(id, request) => self.hold(id, request, job),
            Action::Life(id, action) => return self.life(id, action),
            Action::Finish(id, end) => self.finish(id, &end, job),
            Action::SayRetry(id, delay) => {
                info!(job = %self.id, run = %id, ?delay, "a failed run is tried again");
            }
            Action::TryLock => return Some(Event::Lock { ours: matches!(self.elsewhere(), Ok(false)) }),
            // The lock goes when nothing is left, see `step`.
            Action::Unlock | Action::Answer(..) | Action::Again(_) => {}
        }
        None
    }

    fn life(&mut self, id: RunId, action: LifeAction) -> Option<Event> {
        let event = self.bodies.get_mut(&id)?.perform(action)?;
        Some(Event::Life(id, event))
    }

    /// Asks for the next attempt of a failed run.
    pub(super) fn again(&mut self, request: Request) {
        let of = request.trigger.clone();
        if self.barred().is_some() {
            return;
        }
        if let (_, Answer::Refused(refusal)) = self.request(request) {
            warn!(job = %self.id, trigger = %of, %refusal, "a retry was not started");
        }
    }

    fn hold(&mut self, id: RunId, request: Request, job: &Job) {
        let record = Arc::new(self.record(id, request, job));
        self.keeper.begun(id);
        self.machine.note_begin(&self.id, id, &record.trigger);
        self.machine.tell(News::RunBegan(Arc::clone(&record)));
        if let Err(error) = record::write(&self.machine.layout, &record) {
            warn!(job = %self.id, run = %id, %error, "could not write a run's record");
        }
        self.waiting.insert(id, record);
    }

    fn begin(&mut self, id: RunId, request: Request, job: &Arc<Job>) {
        let record = match self.waiting.remove(&id) {
            Some(waited) => {
                self.fates.push((id, Fate::Began));
                Arc::new(RunRecord { content: Some(job.content), ..(*waited).clone() })
            }
            None => {
                let record = Arc::new(self.record(id, request, job));
                self.machine.tell(News::RunBegan(Arc::clone(&record)));
                record
            }
        };
        self.keeper.begun(id);
        let log = self.machine.log(&self.id, id, &job.settings.log);
        let body = Body::new(&self.machine, job, Arc::clone(&log), self.facts.clone(), record);
        let live = LiveLog { name: log.name().clone(), writer: Arc::downgrade(&log) };
        self.machine.view.publish_log(&self.id, Some(id), Some(live));
        self.bodies.insert(id, body);
    }

    /// Tells the journal of due times what became of runs that waited.
    pub(super) fn settle(&mut self) {
        let fates = std::mem::take(&mut self.fates);
        if !fates.is_empty() {
            self.agenda.settle(&self.machine, &self.id, fates);
        }
    }

    fn record(&self, id: RunId, request: Request, job: &Job) -> RunRecord {
        let Request { trigger, arguments, attempt } = request;
        let (started, content) = (self.machine.now().wall, Some(job.content));
        let accepted = RunRecord::accepted(id, self.id.clone(), self.machine.layout.instance().clone(), trigger);
        RunRecord { attempt, arguments, started, content, ..accepted }
    }

    fn finish(&mut self, id: RunId, end: &End, job: &Arc<Job>) {
        let body = match (self.bodies.remove(&id), self.waiting.remove(&id)) {
            (Some(body), _) => body,
            (None, Some(record)) => {
                let why = end.stop.clone().unwrap_or(StopReason::HostStopping);
                self.fates.push((id, Fate::Dropped(why)));
                let log = self.machine.log(&self.id, id, &job.settings.log);
                Body::new(&self.machine, job, log, self.facts.clone(), record)
            }
            (None, None) => return,
        };
        let record = body.finish(end).close();
        self.machine.view.publish_log(&self.id, Some(id), None);
        self.keeper.ended(&record, job);
        // The newest counts, not the one that ended last.
        if self.latest.as_ref().is_none_or(|latest| latest.id <= record.id) {
            self.latest = Some(record);
        }
    }
}

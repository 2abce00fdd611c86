//! The end of a run: what its log says of it, and what its record says from then on.

use std::{fs, sync::Arc};

use super::{Body, shutdown_file};
use crate::{
    decide::life::End,
    model::{
        event,
        exit::Exit,
        log::Level,
        run::{Outcome, RunPhase, RunRecord},
    },
    store::record,
};

/// A run that is over, while its record does not say so yet.
#[derive(Debug)]
#[must_use]
pub struct Finished(Box<Body>);

impl Body {
    /// Says in the log how it ended, and what its record is from now on.
    pub fn finish(mut self, end: &End) -> Finished {
        let now = self.machine.now();
        self.say_end(end);
        self.machine.view.metrics().last_end(&self.job.id, end.outcome);
        let log = &self.log;
        let record = Arc::make_mut(&mut self.record);
        record.phase = RunPhase::Ended(end.outcome);
        record.ended = Some(now.wall.max(record.started));
        record.duration_ms = u64::try_from(now.mono.since(self.began).as_millis()).ok();
        record.exit = end.exit;
        record.reason = (!end.reason.is_empty()).then(|| end.reason.clone());
        if let Some(span) = &mut record.log {
            span.end = log.position(now).ok().map(|position| position.offset);
        }
        Finished(Box::new(self))
    }

    fn say_end(&self, end: &End) {
        let now = self.machine.now();
        match (end.exit, &end.stop) {
            (None, Some(_)) => {}
            (Some(Exit::Code(0)), _) if end.outcome != Outcome::Failed => {}
            (Some(exit), Some(_)) => self.log.sys_before(Level::Info, now, &format!("WebJob ended with {exit}")),
            (Some(Exit::Signal(_)), None) => {
                let text = format!("Job failed due to {}", end.reason);
                self.log.sys_before(Level::Err, now, &text);
            }
            (Some(exit @ Exit::Code(code)), None) => {
                let failed = !self.job.settings.success_exit_codes.contains(&code);
                let level = if failed { Level::Err } else { Level::Info };
                let word = if failed { "Job failed due to" } else { "Job succeeded with" };
                self.log.sys_before(level, now, &format!("{word} {exit}"));
            }
            (None, None) => self.log.sys_before(Level::Err, now, &format!("WebJob run failed due to: {}", end.reason)),
        }
        if let Some(stop) = &end.stop {
            self.log.sys_before(Level::Info, now, &format!("WebJob was {stop}"));
        }
        let word = record::status_word(RunPhase::Ended(end.outcome));
        self.log.sys(Level::Info, now, &format!("Status changed to {word}"));
    }
}

impl Finished {
    /// Returns its record.
    pub fn record(&self) -> &Arc<RunRecord> {
        &self.0.record
    }

    /// Writes its record, closes it in the journal and tells of its end.
    pub fn close(self) -> Arc<RunRecord> {
        let body = self.0;
        // A record that could not be closed stays in the journal: the next start closes it.
        if body.keep() {
            body.machine.note_closed(&body.record);
        }
        if body.is_stop_announced {
            // The job may have removed it.
            let _ = fs::remove_file(shutdown_file(&body.machine, &body.job.id, body.record.id));
        }
        body.machine.tell(event::News::RunEnded(Arc::clone(&body.record)));
        body.record
    }
}

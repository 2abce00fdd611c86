//! How a triggered job is shown.

use std::sync::Arc;

use super::Dispatcher;
use crate::{
    decide::pause::{self, Paused},
    host::{publish, view::JobView},
    model::{
        status::{StateWord, Status},
        stop::StopReason,
    },
};

impl Dispatcher {
    /// Publishes the job as it is now.
    pub(super) fn publish(&self) {
        let bodies = self.bodies.values().map(|body| &body.record);
        let active: Vec<_> = bodies.chain(self.waiting.values()).map(Arc::clone).collect();
        let view = JobView {
            found: Arc::clone(&self.found),
            job: self.job.clone(),
            status: self.status(),
            copies: Box::default(),
            latest: active.last().cloned().or_else(|| self.latest.clone()),
            active: active.into(),
            next: self.agenda.next(),
            restarts: 0,
            stopped_by: self.wishes.stopped.as_ref().map(|stopped| stopped.by.as_str().into()),
            paused: self.paused().map(Box::new),
        };
        self.machine.view.publish(view, self.machine.now().wall);
    }

    fn status(&self) -> Status {
        let (state, reason) = self.state();
        let since = match self.bodies.values().next() {
            Some(body) => body.record.started,
            None => self.latest.as_ref().and_then(|latest| latest.ended).unwrap_or(self.since),
        };
        let until = self.dispatch.next_retry().map(|retry| publish::wall_of(retry, self.machine.now()));
        let is_idle = self.dispatch.is_idle() && self.barred().is_none();
        let until = until.or_else(|| self.paused().filter(|_| is_idle)?.until);
        Status { state, reason: reason.map(Into::into), since, until }
    }

    fn state(&self) -> (StateWord, Option<String>) {
        let life = self.dispatch.lives().next().map(|(_, life)| life);
        if let Some(life) = life {
            let more = self.dispatch.lives().count() + self.waiting.len() - 1;
            let others = (more > 0).then(|| format!("{more} more on their way"));
            return (publish::life_word(life), publish::life_reason(life).or(others));
        }
        if self.job.is_none() {
            return (StateWord::Problem, Some(publish::worst(&self.found)));
        }
        match self.barred() {
            Some(reason @ StopReason::Disabled { .. }) => (StateWord::Disabled, Some(reason.to_string())),
            Some(reason) => (StateWord::Stopped, Some(reason.to_string())),
            None if !self.waiting.is_empty() => (StateWord::Idle, Some("another host runs it; a run waits".to_owned())),
            None => (StateWord::Idle, self.idle_reason()),
        }
    }

    fn idle_reason(&self) -> Option<String> {
        let retry = self.dispatch.next_retry().map(|_| "a retry is due".to_owned());
        retry.or_else(|| self.paused().map(|paused| pause::why(&paused.pause, paused.all)))
    }

    fn paused(&self) -> Option<Paused> {
        pause::paused(&self.wishes, self.machine.now().wall)
    }
}

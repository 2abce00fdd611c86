//! Another content of the folder while the job runs: new lives for those that are out of date.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::Supervisor;
use crate::{
    decide::supervise::Event,
    model::{
        job::{Found, Job},
        log::Level,
        run::Trigger,
        stop::StopReason,
    },
};

impl Supervisor {
    /// Tells the copies to stop, unless they are stopped already.
    pub(super) fn bar(&mut self, reason: StopReason) {
        let up = self.copies.iter().any(|copy| !copy.is_idle());
        if up {
            info!(job = %self.id, why = %reason, "stopping a job");
        }
        self.all(&Event::Stop(reason));
    }

    /// What a job is started by that was barred before.
    pub(super) fn freed_by(&self) -> Trigger {
        Trigger::Change { what: "it was started again".to_owned() }
    }

    /// Replaces what runs when its content is another.
    pub(super) fn renew(&mut self, before: Option<&Job>, job: &Job) {
        let Some(before) = before else {
            return self.all(&Event::Start(Trigger::Change { what: "the job was added".to_owned() }));
        };
        let verdict = self.writes.judge(before, job, self.age());
        for path in &verdict.new_own {
            warn!(job = %self.id, %path, "a job rewrites a file of its own folder");
            let text = format!("`{path}` keeps changing while the WebJob runs; it no longer restarts it");
            self.log.sys(Level::Warn, self.machine.now(), &text);
        }
        let change = verdict.change.map(|change| change.to_string());
        let fenced = job.settings.is_singleton && !before.settings.is_singleton;
        let change = change.or_else(|| fenced.then(|| "the setting `is_singleton` changed".to_owned()));
        let Some(change) = change else { return self.take_over_policy(job) };
        info!(job = %self.id, %change, "restarting a job");
        let text = format!("Detected WebJob file/s were updated, refreshing WebJob: {change}");
        self.log.sys(Level::Info, self.machine.now(), &text);
        self.all(&Event::Replace { what: change });
    }

    /// Adds to what the folder shows what only its lives show.
    pub(super) fn show_writes(&mut self) {
        if let Some(problem) = self.writes.problem() {
            let problems = self.found.problems.iter().cloned().chain([problem]).collect();
            self.found = Arc::new(Found { problems, ..(*self.found).clone() });
        }
    }

    /// Returns the time since the newest life began.
    fn age(&self) -> Option<Duration> {
        let active = self.copies.iter().filter_map(|copy| copy.body.as_ref()).map(|body| body.record.started);
        let newest = active.max().or(self.latest.as_ref().map(|latest| latest.started))?;
        Some(Duration::try_from(self.machine.now().wall.duration_since(newest)).unwrap_or_default())
    }
}

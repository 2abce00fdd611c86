//! Another content of the folder while the job runs: new lives for those that are out of date. And how many there are.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::{Supervisor, copy::Copy};
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
        let age = self.age();
        let verdict = self.writes.get_or_insert_default().judge(before, job, age);
        for path in &verdict.new_own {
            warn!(job = %self.id, %path, "a job rewrites a file of its own folder");
            let text = format!("`{path}` keeps changing while the WebJob runs; it no longer restarts it");
            self.log.sys(Level::Warn, self.machine.now(), &text);
        }
        let change = verdict.change.map(|change| change.to_string());
        let fenced = job.settings.is_singleton && !before.settings.is_singleton;
        let change = change.or_else(|| fenced.then(|| "the setting `is_singleton` changed".to_owned()));
        let Some(change) = change else { return self.take_over_policy() };
        info!(job = %self.id, %change, "restarting a job");
        let text = format!("Detected WebJob file/s were updated, refreshing WebJob: {change}");
        self.log.sys(Level::Info, self.machine.now(), &text);
        self.all(&Event::Replace { what: change });
    }

    /// Brings the number of copies to what the settings ask for; those beyond it stop and then go.
    pub(super) fn set_copies(&mut self) {
        let Some(job) = &self.job else { return };
        let wanted = job.settings.instances.max(1) as usize;
        if self.copies.iter().all(Copy::is_new) {
            // Nothing of them is there that would have to end.
            self.copies.truncate(wanted);
        }
        self.copies.reserve_exact(wanted.saturating_sub(self.copies.len()));
        let luck = |number: usize| crate::decide::jitter::luck(&self.id, number);
        for number in 0..wanted {
            match self.copies.get_mut(number) {
                Some(copy) => copy.is_back |= std::mem::take(&mut copy.is_leaving),
                None => self.copies.push(Copy::new(number, luck(number), self.machine.now().wall)),
            }
        }
        for number in wanted..self.copies.len() {
            self.copies[number].is_leaving = true;
            self.one(number, Event::Stop(StopReason::Changed { what: "`instances` became smaller".to_owned() }));
        }
        // Those that are new among others start as these did.
        if self.barred().is_none() && self.copies.iter().any(|copy| !copy.is_new()) {
            for number in 0..wanted {
                if self.copies[number].is_new() || std::mem::take(&mut self.copies[number].is_back) {
                    self.one(number, Event::Start(Trigger::Change { what: "`instances` became larger".to_owned() }));
                }
            }
        }
    }

    /// Adds to what the folder shows what only its lives show.
    pub(super) fn show_writes(&mut self) {
        if let Some(problem) = self.writes.as_ref().and_then(|writes| writes.problem()) {
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

//! What a handle reads: records and journals from disk, due times from the schedules.

use std::collections::BTreeMap;

use super::{COMING_MAX, Coming, CommandError, HostHandle, RunFilter};
use crate::{
    decide::{
        ncrontab::Expression,
        pause,
        schedule::{DstMark, Schedule},
        zone::Zone,
    },
    host::instances,
    model::{
        id::{Instance, JobId, RunId},
        run::{Occurrence, Outcome, RunPhase, RunRecord},
        settings::{ScheduleSetting, Settings},
        time::Wall,
    },
    store::{layout::Layout, occurrences, record},
};

impl HostHandle {
    /// Returns a job's runs, newest first: those on their way from the view, the others from their records.
    ///
    /// # Errors
    /// When the records cannot be listed.
    pub async fn history(&self, job: &JobId, filter: RunFilter) -> Result<Vec<RunRecord>, CommandError> {
        let (layout, job, active) = (self.layout().clone(), job.clone(), self.active(job));
        blocking(move || history(&layout, &job, &active, &filter))
            .await?
            .map_err(|error| CommandError::Failed(format!("the runs could not be listed: {error}")))
    }

    /// Returns one run, on its way or ended.
    pub async fn record(&self, job: &JobId, run: RunId) -> Option<RunRecord> {
        if let Some(active) = self.active(job).remove(&run) {
            return Some(active);
        }
        // The newest may have ended without a record, when the disk took none.
        let latest = self.view().job(job).and_then(|view| view.latest.clone());
        if let Some(latest) = latest.filter(|latest| latest.id == run && self.has_ended_here(latest)) {
            return Some((*latest).clone());
        }
        let (layout, job) = (self.layout().clone(), job.clone());
        blocking(move || record::read(&layout, &job, run)).await.ok()?
    }

    /// Returns what became of a job's latest due times, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn occurrences(&self, job: &JobId, limit: usize) -> Result<Vec<Occurrence>, CommandError> {
        let path = self.layout().occurrences(job);
        let read = blocking(move || occurrences::latest(&path, limit)).await?;
        read.map_err(|error| CommandError::Failed(format!("the due times could not be read: {error}")))
    }

    /// Returns a job's coming due times after `from`, or after now.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn next(&self, job: &JobId, from: Option<Wall>, count: usize) -> Result<Vec<Coming>, CommandError> {
        let view = self.view().job(job).ok_or_else(|| CommandError::NoJob(job.clone()))?;
        let Some(found) = &view.found.job else { return Ok(Vec::new()) };
        let from = from.unwrap_or_else(|| self.now());
        let mut coming = coming(&found.settings, &self.shared.settings.engine().zone, from, count.min(COMING_MAX));
        if let Some(paused) = &view.paused {
            let rests = |one: &&mut Coming| paused.until.is_none_or(|until| one.due < until);
            let why = pause::why(&paused.pause, paused.all);
            coming.iter_mut().filter(rests).for_each(|one| one.mark = Some(format!("{why}; it is not run")));
        }
        Ok(coming)
    }

    /// Lists the other hosts on this root that live. It reads the disk: ask on a thread that may wait.
    pub fn other_instances(&self) -> Vec<Instance> {
        instances::others(self.layout())
    }

    /// Returns what each of `others` does with a continuous job, in Kudu's words; it reads the disk, too.
    pub fn words_elsewhere(&self, job: &JobId, others: &[Instance]) -> Vec<(Instance, String)> {
        let words = others.iter().filter_map(|one| Some((one.clone(), instances::word(self.layout(), job, one)?)));
        words.collect()
    }

    fn has_ended_here(&self, record: &RunRecord) -> bool {
        matches!(record.phase, RunPhase::Ended(_)) && record.instance == *self.layout().instance()
    }

    fn active(&self, job: &JobId) -> BTreeMap<RunId, RunRecord> {
        let view = self.view().job(job);
        view.iter().flat_map(|view| &view.active).map(|record| (record.id, (**record).clone())).collect()
    }
}

/// Runs what may wait for the disk on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CommandError::Failed(format!("the question could not be answered: {error}")))
}

fn history(
    layout: &Layout,
    job: &JobId,
    active: &BTreeMap<RunId, RunRecord>,
    filter: &RunFilter,
) -> std::io::Result<Vec<RunRecord>> {
    let mut ids = record::list(layout, job)?;
    ids.extend(active.keys().copied());
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    // An id tells when its run began, so that no record older than asked for is read.
    let ids = ids.into_iter().take_while(|id| filter.since.is_none_or(|since| id.began() >= since));
    let records = ids.filter_map(|id| active.get(&id).cloned().or_else(|| record::read(layout, job, id)));
    let wanted = records.filter(|record| !filter.failed || is_failed(record.phase));
    Ok(wanted.take(filter.limit.unwrap_or(usize::MAX)).collect())
}

fn is_failed(phase: RunPhase) -> bool {
    match phase {
        RunPhase::Initializing | RunPhase::Running => false,
        RunPhase::Ended(outcome) => match outcome {
            Outcome::Succeeded | Outcome::Stopped => false,
            Outcome::Failed | Outcome::TimedOut | Outcome::Lost => true,
        },
    }
}

/// Lists what settings make due after `from`.
pub fn coming(settings: &Settings, zone: &Zone, from: Wall, count: usize) -> Vec<Coming> {
    let mut all: Vec<Coming> =
        settings.schedules.iter().flat_map(|setting| of_schedule(setting, zone, from, count)).collect();
    if let Some(due) = settings.run_at.filter(|due| *due > from) {
        let local = due.to_zoned(zone.tz().clone()).to_string();
        all.push(Coming { due, local, expression: "run_at".to_owned(), label: None, mark: None });
    }
    all.sort_by_key(|coming| coming.due);
    all.truncate(count);
    all
}

fn of_schedule(setting: &ScheduleSetting, zone: &Zone, from: Wall, count: usize) -> Vec<Coming> {
    let zone = match &setting.time_zone {
        Some(name) => Zone::parse(name).ok(),
        None => Some(zone.clone()),
    };
    // The texts were checked when the settings were read.
    let (Some(zone), Ok(expression)) = (zone, Expression::parse(&setting.expression)) else { return Vec::new() };
    let schedule = Schedule::new(expression, zone.clone());
    let occurrences = schedule.upcoming(from, count).into_iter();
    occurrences
        .map(|occurrence| Coming {
            due: occurrence.at,
            local: occurrence.at.to_zoned(zone.tz().clone()).to_string(),
            expression: setting.expression.clone(),
            label: setting.label.clone(),
            mark: mark(&occurrence.mark),
        })
        .collect()
}

fn mark(mark: &DstMark) -> Option<String> {
    match mark {
        DstMark::Plain => None,
        DstMark::GapShifted { instead_of } => Some(format!("{instead_of} does not exist that day")),
        DstMark::FoldFirst => Some("this local time comes twice; first".to_owned()),
        DstMark::FoldSecond => Some("this local time comes twice; second".to_owned()),
    }
}

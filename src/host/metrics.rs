//! Numbers about the host for a monitoring system, under the names of product.md 10.
//!
//! Two sorts: what is counted when it happens (runs, restarts, due times, bytes), and what is looked at when somebody asks
//! (states, running runs, memory). A job that goes takes its numbers with it. Nothing here is ever read back to decide.
//!
//! A state is shown as one series with the value 1 for the word that holds; the words that do not hold are absent.

mod labels;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use self::labels::{JobLabel, OccurrenceLabel, RestartLabel, RunLabel, StateLabel};
use crate::{
    host::view::JobView,
    model::{
        event::News,
        id::JobId,
        run::{Occurrence, OccurrenceOutcome, Outcome, RunRecord, Trigger},
        time::Wall,
    },
};

/// Upper ends of the buckets of run times, in seconds: from a quick script to a nightly batch.
const DURATIONS: [f64; 12] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// Upper ends of the buckets of delays, in seconds.
const DELAYS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0];

type Seconds = Counter<f64, AtomicU64>;
type Moment = Gauge<f64, AtomicU64>;

/// What one job uses now, as the machine tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobUsage {
    /// Bytes of memory of all processes of its runs.
    pub memory: u64,
    /// Processor time of the runs on their way.
    pub cpu: Duration,
}

/// The numbers of one host.
pub struct Metrics {
    registry: Registry,
    states: Family<StateLabel, Gauge>,
    restarts: Family<RestartLabel, Counter>,
    runs: Family<RunLabel, Counter>,
    durations: Family<JobLabel, Histogram>,
    running: Gauge,
    occurrences: Family<OccurrenceLabel, Counter>,
    delays: Histogram,
    next: Family<JobLabel, Moment>,
    last_success: Family<JobLabel, Moment>,
    log_bytes: Family<JobLabel, Counter>,
    survivors: Counter,
    memory: Family<JobLabel, Gauge>,
    cpu: Family<JobLabel, Seconds>,
    known: Mutex<BTreeMap<JobId, Known>>,
}

/// What must be remembered of a job between two events.
#[derive(Debug, Default)]
struct Known {
    /// How the last life ended: why the next one is a restart.
    last_end: Option<Outcome>,
    /// Processor time of runs that have ended.
    cpu_of_ended: Duration,
    last_success: Option<Wall>,
}

impl Metrics {
    /// Makes numbers that are all zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            states: Family::default(),
            restarts: Family::default(),
            runs: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            running: Gauge::default(),
            occurrences: Family::default(),
            delays: Histogram::new(DELAYS),
            next: Family::default(),
            last_success: Family::default(),
            log_bytes: Family::default(),
            survivors: Counter::default(),
            memory: Family::default(),
            cpu: Family::default(),
            known: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    /// A counter's name gets its `_total` from the encoder.
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("webjobd_build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        to.register("webjobd_job_state", "1 for the state that a job is in", self.states.clone());
        to.register(
            "webjobd_job_restarts",
            "Restarts of a continuous job since the host started",
            self.restarts.clone(),
        );
        to.register("webjobd_run", "Runs that have ended", self.runs.clone());
        to.register("webjobd_run_duration_seconds", "How long runs took", self.durations.clone());
        to.register("webjobd_runs_running", "Runs on their way", self.running.clone());
        to.register("webjobd_occurrence", "What became of due times", self.occurrences.clone());
        let delays = "How long after its due time a run was asked for";
        to.register("webjobd_occurrence_delay_seconds", delays, self.delays.clone());
        to.register("webjobd_next_occurrence_timestamp_seconds", "When a job is due next", self.next.clone());
        let success = "When a job's last successful run ended";
        to.register("webjobd_last_success_timestamp_seconds", success, self.last_success.clone());
        to.register("webjobd_log_bytes", "Bytes that a job's log took in", self.log_bytes.clone());
        let survivors = "Processes that outlived their run and were killed";
        to.register("webjobd_survivors", survivors, self.survivors.clone());
        to.register("webjobd_job_memory_bytes", "Memory of a job's processes now", self.memory.clone());
        to.register("webjobd_job_cpu_seconds", "Processor time of a job's processes", self.cpu.clone());
    }

    /// Counts what happened.
    pub fn note(&self, news: &News) {
        match news {
            News::RunBegan(run) => self.run_began(run),
            News::RunEnded(run) => self.run_ended(run),
            News::Occurred { job, occurrence } => self.occurred(job, occurrence),
            News::Removed { job } => self.forget(job),
            News::StateChanged { .. } | News::ProblemsChanged { .. } | News::RunStarted(_) => {}
        }
    }

    /// Returns the counter of what a job's log takes in, for whoever writes it.
    pub fn log_bytes(&self, job: &JobId) -> Counter {
        self.log_bytes.get_or_create_owned(&JobLabel::of(job))
    }

    /// Counts what the end of a run found: processes that had to be killed, and the processor time that it used.
    pub fn run_swept(&self, job: &JobId, n_survivors: usize, cpu: Duration) {
        self.survivors.inc_by(n_survivors as u64);
        self.known().entry(job.clone()).or_default().cpu_of_ended += cpu;
    }

    /// Writes all numbers as they are now, in the text form of OpenMetrics 1.0. `usage` tells what runs use.
    pub fn text(&self, jobs: &[std::sync::Arc<JobView>], usage: impl Fn(&JobView) -> Option<JobUsage>) -> String {
        let known = self.known();
        self.states.clear();
        self.next.clear();
        self.memory.clear();
        let mut n_running = 0;
        for job in jobs {
            let id = &job.found.id;
            let label = JobLabel::of(id);
            self.states.get_or_create(&StateLabel::of(id, job.status.state)).set(1);
            if let Some(next) = job.next {
                self.next.get_or_create(&label).set(next.as_duration().as_secs_f64());
            }
            n_running += job.active.len();
            let remembered = known.get(id);
            let latest = job.latest.as_deref().and_then(success);
            if let Some(success) = remembered.and_then(|known| known.last_success).or(latest) {
                self.last_success.get_or_create(&label).set(success.as_duration().as_secs_f64());
            }
            let usage = usage(job);
            if let Some(usage) = usage {
                self.memory.get_or_create(&label).set(i64::try_from(usage.memory).unwrap_or(i64::MAX));
            }
            let used = remembered.map_or(Duration::ZERO, |known| known.cpu_of_ended) + usage.unwrap_or_default().cpu;
            if remembered.is_some() || !job.active.is_empty() {
                // Shown as 0 until something is printed.
                drop(self.log_bytes.get_or_create(&label));
            }
            let cpu = self.cpu.get_or_create(&label);
            // What a process used that nobody waited for is lost at its end; a counter never goes back for it.
            cpu.inc_by((used.as_secs_f64() - cpu.get()).max(0.0));
        }
        self.running.set(i64::try_from(n_running).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    fn run_began(&self, run: &RunRecord) {
        if run.trigger == Trigger::Restart {
            let last_end = self.known().get(&run.job).and_then(|known| known.last_end);
            self.restarts.get_or_create(&RestartLabel::of(&run.job, last_end)).inc();
        }
    }

    /// Notes how a job's last run ended, for the reason of the restart that follows: it may be told of first.
    pub fn last_end(&self, job: &JobId, outcome: Outcome) {
        self.known().entry(job.clone()).or_default().last_end = Some(outcome);
    }

    fn run_ended(&self, run: &RunRecord) {
        let Some(outcome) = run.outcome() else { return };
        self.runs.get_or_create(&RunLabel::of(run, outcome)).inc();
        if let Some(ms) = run.duration_ms {
            self.durations.get_or_create(&JobLabel::of(&run.job)).observe(Duration::from_millis(ms).as_secs_f64());
        }
        let mut known = self.known();
        let known = known.entry(run.job.clone()).or_default();
        known.last_end = Some(outcome);
        known.last_success = success(run).or(known.last_success);
    }

    fn occurred(&self, job: &JobId, occurrence: &Occurrence) {
        // The line that corrects it is the one that counts.
        if occurrence.outcome == OccurrenceOutcome::Queued {
            return;
        }
        let label = OccurrenceLabel::of(job, occurrence.outcome);
        self.occurrences.get_or_create(&label).inc_by(occurrence.count.unwrap_or(1));
        match occurrence.outcome {
            OccurrenceOutcome::Ran | OccurrenceOutcome::CaughtUp => {
                let delay = occurrence.at.as_duration().saturating_sub(occurrence.due.as_duration());
                self.delays.observe(delay.as_secs_f64().max(0.0));
            }
            OccurrenceOutcome::Queued
            | OccurrenceOutcome::Skipped
            | OccurrenceOutcome::Missed
            | OccurrenceOutcome::Paused => {}
        }
    }

    fn forget(&self, job: &JobId) {
        self.known().remove(job);
        let label = JobLabel::of(job);
        for family in [&self.next, &self.last_success] {
            family.remove(&label);
        }
        self.durations.remove(&label);
        self.log_bytes.remove(&label);
        self.memory.remove(&label);
        self.cpu.remove(&label);
        labels::forget(job, &self.restarts, &self.runs, &self.occurrences);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<JobId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a run ended, if it succeeded.
fn success(run: &RunRecord) -> Option<Wall> {
    run.ended.filter(|_| run.outcome() == Some(Outcome::Succeeded))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;

//! A triggered job's schedules on disk: the journal of what became of each due time, and the log that tells of them.
//!
//! What is due is decided by `decide::agenda`. Several hosts on one root serve a due time once: it is looked up and
//! answered in the journal under one lock.

use std::sync::Arc;

use tracing::warn;

use crate::{
    decide::{
        agenda::{self, Fate, Remains, Told},
        dispatch::Answer,
        pause::last_moment,
    },
    host::{
        keeper::Past,
        machine::{Machine, log_policy},
    },
    model::{
        event::News,
        id::{JobId, RunId},
        job::Job,
        log::Level,
        run::{Line, Trigger},
        time::Wall,
    },
    os::lock::FileLock,
    store::{
        layout::SCHEDULER_LOG,
        log::{LogWriter, Sharing},
        occurrences, record,
    },
};

/// The schedules of one job.
#[derive(Debug, Default)]
pub struct Agenda {
    plan: agenda::Agenda,
    /// Whether what waited when the last host ended has its answers.
    is_settled: bool,
    log: Option<Arc<LogWriter>>,
    was_planned: bool,
    /// When the rest ends by itself that the schedules have now.
    rest_end: Option<Wall>,
    /// How often the clock had been set when it was looked at last.
    steps: u64,
}

/// Why schedules rest, or rested.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Why they do now.
    pub why: Option<String>,
    /// When that ends by itself.
    pub end: Option<Wall>,
    /// The pause that ended last by itself, and its last moment.
    pub ended: Option<(String, Wall)>,
}

impl Agenda {
    /// Makes an empty agenda that knows what the journal tells.
    pub fn new(machine: &Machine, job: &JobId, past: &Past) -> Self {
        let (served, is_settled) = match past {
            Past::None => (None, true),
            Past::OnDisk | Past::Shown(_) => (served(machine, job), false),
        };
        Self { plan: agenda::Agenda::new(served, machine.began), is_settled, ..Self::default() }
    }

    /// Returns the same where the first schedules count from `begin` on, unless the journal tells since when.
    pub fn begun(mut self, begin: Wall) -> Self {
        self.plan.begin(begin);
        self
    }

    /// Makes the empty agenda of a job that rested without a schedule: one that comes from now on is a new one.
    pub fn without_schedules(machine: &Machine) -> Self {
        Self { plan: agenda::Agenda::new(None, machine.began), is_settled: true, ..Self::default() }
    }

    /// Returns the same where what waited when the last host ended has had its answers.
    pub fn settled(self) -> Self {
        Self { is_settled: true, ..self }
    }

    /// Returns what is kept of it while its job rests.
    pub fn set_aside(mut self) -> Self {
        self.plan.set_aside();
        Self { log: None, ..self }
    }

    /// Tells whether the clock was set since it was looked at.
    pub fn is_stale(&self, machine: &Machine) -> bool {
        self.steps != machine.clock.steps_so_far()
    }

    /// Takes up what was kept.
    pub fn take_up(mut self, machine: &Machine, job: &Job) -> Self {
        self.open_log(machine, job);
        self
    }

    fn open_log(&mut self, machine: &Machine, job: &Job) {
        if self.plan.has_schedules() && self.log.is_none() {
            let dir = machine.layout.job(&job.id);
            let policy = log_policy(&job.settings.log);
            self.log = Some(machine.log_named(dir, SCHEDULER_LOG, Sharing::Shared, policy));
        }
    }

    /// Returns whether there are schedules, resting or not.
    pub fn has_schedules(&self) -> bool {
        self.plan.has_schedules()
    }

    /// Returns whether there are schedules that count now.
    pub fn counts(&self) -> bool {
        !self.plan.rests()
    }

    /// Forgets all schedules.
    pub fn clear(&mut self) {
        self.plan.clear();
    }

    /// Returns when the job is due next.
    pub fn next(&self) -> Option<Wall> {
        self.plan.next()
    }

    /// Returns when to wake up.
    pub fn wake_at(&self) -> Option<Wall> {
        self.plan.wake_at()
    }

    /// Tells whether the schedules rested until now.
    pub fn is_rested(&self, now: Wall) -> bool {
        self.rest_end.is_some_and(|end| end <= now)
    }

    /// Takes over a job's schedules. Those that it had before go on where they are.
    pub fn plan(&mut self, machine: &Machine, job: &Job, rest: Rest) {
        self.steps = machine.clock.steps_so_far();
        let now = machine.now().wall;
        let is_first = !std::mem::replace(&mut self.was_planned, true);
        let end = std::mem::replace(&mut self.rest_end, rest.end).filter(|end| *end <= now);
        self.plan.rest_until(rest.end);
        let planned = self.plan.plan(job, &machine.engine().zone, now, rest.why);
        self.open_log(machine, job);
        if let Some(why) = planned.freed {
            self.pass_over(machine, job, &why, end.map_or(now, last_moment));
        } else if let Some((why, end)) = rest.ended.filter(|_| is_first && self.has_schedules()) {
            // It ended while no host ran. What was due since is late, what was due before was paused.
            if served(machine, &job.id).is_some_and(|served| served < end) {
                self.pass_over(machine, job, &why, end);
            }
        }
        if planned.has_new {
            self.say_next(machine);
        }
    }

    /// Serves what is due now: `ask` asks for a run and tells what became of it.
    pub fn serve(
        &mut self,
        machine: &Machine,
        job: &Job,
        mut ask: impl FnMut(Trigger, Option<String>) -> (RunId, Answer),
    ) {
        self.steps = machine.clock.steps_so_far();
        self.is_settled = self.is_settled || remains(machine, job) == Remains::default();
        if self.plan.rests() && self.is_settled {
            return;
        }
        // Another host that serves the same due time holds this for as long as that takes.
        let Some(_lock) = self.lock(machine, job) else { return };
        let Remains { owed, lines } =
            if std::mem::replace(&mut self.is_settled, true) { Remains::default() } else { remains(machine, job) };
        append(machine, job, &lines);
        if self.plan.rests() {
            append(machine, job, &self.plan.give_up(&owed, machine.now().wall));
            return;
        }
        let mut batch = self.plan.due(job, Told { owed, ..self.told(machine, job) }, machine.now().wall);
        for note in std::mem::take(&mut batch.notes) {
            self.say(machine, Level::Warn, &note);
        }
        let calls = std::mem::take(&mut batch.calls);
        for call in &calls {
            let (run, answer) = ask(call.trigger.clone(), call.arguments.clone());
            self.say(machine, Level::Info, "WebJob invoked");
            self.plan.answer(&mut batch, call, run, &answer);
        }
        append(machine, job, &batch.into_lines());
        if !calls.is_empty() {
            self.say_next(machine);
        }
    }

    /// Tells the journal what became of runs that waited.
    pub fn settle(&mut self, machine: &Machine, job: &JobId, fates: Vec<(RunId, Fate)>) {
        let now = machine.now().wall;
        let lines: Vec<Line> = fates.iter().filter_map(|(run, fate)| self.plan.settle(*run, fate, now)).collect();
        if lines.is_empty() {
            return;
        }
        if let Err(error) = occurrences::correct(&machine.layout.occurrences(job), &lines) {
            warn!(%job, %error, "could not keep what became of due times");
        }
        tell(machine, job, &lines);
    }

    fn told(&self, machine: &Machine, job: &Job) -> Told {
        let moment = job.settings.run_at.filter(|_| self.plan.asks_for_moment());
        let knows = |moment: Wall| {
            let told = occurrences::latest(&machine.layout.occurrences(&job.id), usize::MAX);
            told.is_ok_and(|told| told.iter().any(|one| one.due == moment))
        };
        Told { served: served(machine, &job.id), owed: Vec::new(), knows_moment: moment.is_some_and(knows) }
    }

    /// Every due time since the job was barred, up to the end of that, is answered: it was paused.
    fn pass_over(&mut self, machine: &Machine, job: &Job, why: &str, end: Wall) {
        let Some(_lock) = self.lock(machine, job) else { return };
        let lines = self.plan.pass_over(job, why, &self.told(machine, job), end);
        append(machine, job, &lines);
    }

    fn lock(&mut self, machine: &Machine, job: &Job) -> Option<FileLock> {
        let path = machine.layout.occurrences_lock(&job.id);
        match FileLock::try_exclusive(&path) {
            Ok(Some(lock)) => return Some(lock),
            // Another host serves it right now. This one looks on at the next due time.
            Ok(None) => {}
            Err(error) => {
                warn!(job = %job.id, %error, "could not lock the journal of due times");
                let text = format!("A due time was not served: its journal cannot be locked: {error}");
                self.say(machine, Level::Err, &text);
            }
        }
        self.plan.look_ahead(job, machine.now().wall);
        None
    }

    fn say_next(&self, machine: &Machine) {
        match self.plan.next() {
            Some(next) => self.say(machine, Level::Info, &format!("Next schedule expected at {next}")),
            None => self.say(machine, Level::Info, "No further schedule is expected"),
        }
    }

    fn say(&self, machine: &Machine, level: Level, text: &str) {
        if let Some(log) = &self.log {
            log.sys(level, machine.now(), text);
            log.release();
        }
    }
}

fn served(machine: &Machine, job: &JobId) -> Option<Wall> {
    occurrences::served(&machine.layout.occurrences(job)).unwrap_or_else(|error| {
        warn!(%job, %error, "could not read which due times were served");
        None
    })
}

/// Returns what waited when its host ended.
fn remains(machine: &Machine, job: &Job) -> Remains {
    let layout = &machine.layout;
    let lines = occurrences::of_the_queue(&layout.occurrences(&job.id)).unwrap_or_else(|error| {
        warn!(job = %job.id, %error, "could not read which due times waited for their turn");
        Vec::new()
    });
    let record = |run: RunId| record::read(layout, &job.id, run);
    agenda::remains(lines, record, layout.instance(), machine.now().wall)
}

fn append(machine: &Machine, job: &Job, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    if let Err(error) = occurrences::append(&machine.layout.occurrences(&job.id), lines) {
        warn!(job = %job.id, %error, "could not keep what became of due times");
    }
    tell(machine, &job.id, lines);
}

fn tell(machine: &Machine, job: &JobId, lines: &[Line]) {
    for line in lines {
        if let Line::Occurrence(occurrence) = line {
            machine.tell(News::Occurred { job: job.clone(), occurrence: Box::new(occurrence.clone()) });
        }
    }
}

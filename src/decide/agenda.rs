//! All schedules of one triggered job: when it wakes next, what is due then, and what the journal is told of it.
//!
//! ```text
//!  settings ── plan ──> entries ──┐
//!  journal ─── served ────────────┼── due ──> Batch { calls, lines } ── answers ──> lines for the journal
//!  clock ───── now ───────────────┘
//! ```
//! Every due time from the moment on since which the host answers for it has exactly one line: it ran, was skipped, was
//! caught up, was missed, or passed while the job was paused. Several hosts on one root look at the same journal, one at
//! a time, so a due time is served once. One whose run must wait is told as queued, and its line is corrected later
//! ([`Fate`]).
//!
//! The next due time is always derived from the expressions and the clock, so nothing can stop a schedule. It reads no
//! journal itself and starts nothing.

mod entry;
mod line;
#[cfg(test)]
mod tests;
mod waiting;

use std::{collections::BTreeMap, time::Duration};

pub use self::waiting::{Fate, Owed, Remains, remains};
use self::{
    entry::{Entry, entries},
    line::{number, occurrence, reasons, several},
    waiting::Waiting,
};
use crate::{
    decide::{
        catchup::{self, CLOCK_BACK_MAX, CatchUpPolicy, Due, DueKind, Past},
        dispatch::Answer,
        jitter::jitter_of,
        pause::last_moment,
        zone::Zone,
    },
    model::{
        id::RunId,
        job::Job,
        run::{Line, Occurrence, OccurrenceOutcome, Trigger},
        settings::CatchUp,
        time::Wall,
    },
};

/// The schedules of one job.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    entries: Vec<Entry>,
    barred: Option<String>,
    /// When they rest no more, where that is known.
    rest_end: Option<Wall>,
    /// Since when the first schedules are answered for: the journal's last answer when the agenda was made, else when the job
    /// came; where neither is known, when they are planned.
    served: Option<Wall>,
    /// Until when no host was there, as long as what passed until then has no answer.
    away_until: Option<Wall>,
    was_planned: bool,
    next: Option<Wall>,
    waiting: Waiting,
}

/// What the journal tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Up to when due times have their answers; `None` when nobody was ever responsible.
    pub served: Option<Wall>,
    /// What is owed of runs that waited when their host ended.
    pub owed: Vec<Owed>,
    /// Whether the moment of `run_at` has its answer. It matters when that had passed before the job came.
    pub knows_moment: bool,
}

/// What taking over a job's schedules gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Why its schedules rested until now: what was due meanwhile is to be passed over.
    pub freed: Option<String>,
    /// Whether a schedule is there that was not before.
    pub has_new: bool,
}

/// What is due now, and the lines that tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The runs to ask for, in this order.
    pub calls: Vec<Call>,
    /// What people should be told of: due times that were missed, a clock that was wrong.
    pub notes: Vec<String>,
    lines: Vec<Line>,
    now: Wall,
    /// Where the journal counts anew from, when the clock was wrong.
    reset: Option<Wall>,
    /// Up to where it counts, when a moment is answered that lies before.
    counted: Option<Wall>,
}

/// A run to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Why it runs.
    pub trigger: Trigger,
    /// Its arguments as one text, when it brings some.
    pub arguments: Option<String>,
    due: Wall,
    kind: DueKind,
    corrects: Option<RunId>,
}

impl Agenda {
    /// Makes an empty agenda; `served` is up to when the journal has answers, and the host is there since `began`.
    pub fn new(served: Option<Wall>, began: Wall) -> Self {
        Self { served, away_until: Some(began), ..Self::default() }
    }

    /// Lets the first schedules count from `begin` on, where the journal does not tell: the job came then, and is planned later.
    pub fn begin(&mut self, begin: Wall) {
        self.served.get_or_insert(begin);
    }

    /// Forgets all schedules.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.next = None;
    }

    /// Keeps no more than it needs while nobody asks.
    pub fn set_aside(&mut self) {
        self.entries.iter_mut().for_each(Entry::set_aside);
    }

    /// Returns whether there is nothing to serve, now or later.
    pub fn rests(&self) -> bool {
        self.entries.is_empty() || self.barred.is_some()
    }

    /// Returns whether there are schedules, resting or not.
    pub fn has_schedules(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Returns whether a moment had passed when it came, so that it matters whether the journal knows it.
    pub fn asks_for_moment(&self) -> bool {
        self.entries.iter().any(|entry| entry.had_passed)
    }

    /// Returns when the job is due next.
    pub fn next(&self) -> Option<Wall> {
        self.next
    }

    /// Returns when to look again: when something is due, or when a rest ends.
    pub fn wake_at(&self) -> Option<Wall> {
        self.rest_end.filter(|_| self.barred.is_some() && self.has_schedules()).or(self.next)
    }

    /// Notes when the rest ends that the next plan tells of; `None` when nobody knows.
    pub fn rest_until(&mut self, end: Option<Wall>) {
        self.rest_end = end;
    }

    /// Takes over a job's schedules; `barred` tells why they rest. Those that it had before go on where they are.
    pub fn plan(&mut self, job: &Job, zone: &Zone, now: Wall, barred: Option<String>) -> Planned {
        // Only what was there when the host started may be late: a schedule that comes later begins when it comes.
        let is_first = !std::mem::replace(&mut self.was_planned, true);
        let start = self.served.filter(|_| is_first).unwrap_or(now);
        let known = std::mem::take(&mut self.entries);
        let old = |entry: &Entry| known.iter().find(|old| old.what == entry.what);
        let wanted = entries(job, zone, start);
        let has_new = wanted.iter().any(|entry| old(entry).is_none());
        let follow = |entry: Entry| match old(&entry) {
            Some(old) => Entry { since: old.since, had_passed: old.had_passed, ..entry },
            None => entry,
        };
        self.entries = wanted.into_iter().map(follow).collect();
        let freed = std::mem::replace(&mut self.barred, barred).filter(|_| self.barred.is_none());
        self.look_ahead(job, now);
        Planned { freed, has_new }
    }

    /// Derives anew when the job is due next.
    pub fn look_ahead(&mut self, job: &Job, now: Wall) {
        let jitter = jitter_of(&job.id, job.settings.jitter);
        let from = before(now, jitter);
        let rest_end = self.rest_end.filter(|_| self.barred.is_some());
        let from = rest_end.map_or(from, |end| from.max(last_moment(end)));
        let next = self.entries.iter().filter_map(|entry| entry.calendar().next_after(from.max(entry.since))).min();
        let later = |next: Wall| next.checked_add(jiff::SignedDuration::try_from(jitter).ok()?).ok();
        self.next = next.filter(|_| self.barred.is_none() || rest_end.is_some()).and_then(later);
    }

    /// Takes out what is due, by what the journal tells; the batch's lines are to be added to that.
    pub fn due(&mut self, job: &Job, told: Told, now: Wall) -> Batch {
        let mut batch =
            Batch { calls: Vec::new(), notes: Vec::new(), lines: Vec::new(), now, reset: None, counted: None };
        let Told { served, owed: mut left, .. } = told;
        if served.is_none() {
            let first = self.entries.iter().map(|entry| entry.since).min().unwrap_or(now);
            batch.lines.push(Line::Served { served: first });
        }
        let jitter = jitter_of(&job.id, job.settings.jitter);
        let asked = before(now, jitter);
        let away_until = self.away_until.take().map(|until| before(until, jitter));
        let policy = CatchUpPolicy { catch_up: job.settings.catch_up, window: job.settings.catch_up_window };
        for entry in &mut self.entries {
            let owed = waiting::take(&mut left, entry.calendar());
            let dues: Vec<Wall> = owed.keys().copied().collect();
            let is_late = std::mem::take(&mut entry.had_passed) && !told.knows_moment;
            let due = if is_late {
                batch.counted = served;
                let past = Past { last: Some(entry.before_moment()), away_until: Some(now), owed: &dues };
                catchup::due(now, past, entry.calendar(), &policy)
            } else {
                let past = Past { last: Some(entry.last(served, asked)), away_until, owed: &dues };
                catchup::due(asked, past, entry.calendar(), &policy)
            };
            entry.since = if is_late { entry.since } else { due.served };
            batch.reset = batch.reset.max(due.reset.map(|_| asked));
            batch.calls.extend(due.run.iter().map(|run| entry.call(run.due, run.kind, &owed)));
            batch.take_missed(&due, is_late.then_some("it had passed when the job came"));
            batch.take_given_up(&due, &owed);
        }
        batch.lines.extend(left.into_iter().map(|owed| waiting::orphaned(owed, now)));
        batch.calls.sort_by_key(|call| call.due);
        self.look_ahead(job, now);
        batch
    }

    /// Returns what the journal is told of what is owed while the schedules rest, or none is left.
    pub fn give_up(&self, owed: &[Owed], now: Wall) -> Vec<Line> {
        let line = |owed: &Owed| match &self.barred {
            Some(why) => waiting::paused(*owed, why, now),
            None => waiting::orphaned(*owed, now),
        };
        owed.iter().map(line).collect()
    }

    /// Notes what became of a call.
    pub fn answer(&mut self, batch: &mut Batch, call: &Call, run: RunId, answer: &Answer) {
        let (outcome, reason, run) = match answer {
            Answer::Refused(refusal) => (OccurrenceOutcome::Skipped, Some(refusal.to_string()), None),
            Answer::Queued => {
                self.waiting.hold(run, call.due, call.kind);
                (OccurrenceOutcome::Queued, Some("it waits for its turn".to_owned()), Some(run))
            }
            Answer::Started => (waiting::served(call.kind), None, Some(run)),
        };
        let told = Occurrence { run, corrects: call.corrects, ..occurrence(call.due, batch.now, outcome, reason) };
        batch.lines.push(Line::Occurrence(told));
    }

    /// Returns what the journal is told of a run that waited, when it serves a due time.
    pub fn settle(&mut self, run: RunId, fate: &Fate, now: Wall) -> Option<Line> {
        self.waiting.settle(run, fate, now)
    }

    /// Passes over everything that was due while the schedules rested: it was paused. Returns the lines for the journal.
    pub fn pass_over(&mut self, job: &Job, why: &str, told: &Told, now: Wall) -> Vec<Line> {
        let served = told.served;
        self.away_until = None;
        let policy = CatchUpPolicy { catch_up: CatchUp::None, window: Duration::ZERO };
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for entry in &mut self.entries {
            let is_late = std::mem::take(&mut entry.had_passed) && !told.knows_moment;
            let last = if is_late { entry.before_moment() } else { entry.last(served, now) };
            let past = Past { last: Some(last), ..Past::default() };
            let due = catchup::due(now, past, entry.calendar(), &policy);
            // What is on time now was due while the job was still paused.
            let missed = due.missed.as_ref();
            let count = due.run.len() as u64 + missed.map_or(0, |missed| number(missed.count));
            let newest = due.run.last().map(|run| run.due).max(missed.map(|missed| missed.last));
            let oldest = missed.map(|missed| missed.first).or(due.run.first().map(|run| run.due));
            if let (Some(newest), Some(oldest)) = (newest, oldest) {
                let (outcome, reason) = (OccurrenceOutcome::Paused, Some(why.to_owned()));
                lines.push(several(occurrence(newest, now, outcome, reason), oldest, count));
            }
        }
        lines.sort_by_key(Line::served);
        // What was served before the clock went back a little stays served. What was not is answered for from here on,
        // also by schedules that came when the clock was ahead.
        let served = served.filter(|served| !is_wrong(*served, now)).map_or(now, |served| served.max(now));
        self.entries.iter_mut().for_each(|entry| entry.since = served);
        lines.push(Line::Served { served });
        self.look_ahead(job, now);
        lines
    }
}

impl Batch {
    /// Returns the lines for the journal, the newest last.
    pub fn into_lines(self) -> Vec<Line> {
        let mut lines = self.lines;
        lines.sort_by_key(Line::served);
        // The clock was wrong when the journal was written: from here on it counts anew.
        let anew =
            self.reset.or(self.counted.filter(|counted| lines.iter().rev().find_map(Line::served) < Some(*counted)));
        lines.extend(anew.map(|served| Line::Served { served }));
        lines
    }

    fn take_missed(&mut self, due: &Due, why: Option<&str>) {
        if let Some(missed) = &due.missed {
            self.notes.push(format!("Missed {} schedules, most recent at {}", missed.count, missed.last));
            let why = why.map_or_else(|| reasons(missed), str::to_owned);
            let newest = occurrence(missed.last, self.now, OccurrenceOutcome::Missed, Some(why));
            self.lines.push(several(newest, missed.first, number(missed.count)));
        }
        self.notes.extend(due.reset.as_ref().map(ToString::to_string));
    }

    fn take_given_up(&mut self, due: &Due, owed: &BTreeMap<Wall, RunId>) {
        for missed in &due.given_up {
            let Some(run) = owed.get(&missed.due).copied() else { continue };
            self.lines.push(waiting::given_up(Owed { due: missed.due, run }, missed.why, self.now));
        }
    }
}

fn before(now: Wall, jitter: Duration) -> Wall {
    jiff::SignedDuration::try_from(jitter).ok().and_then(|jitter| now.checked_sub(jitter).ok()).unwrap_or(now)
}

fn is_wrong(served: Wall, now: Wall) -> bool {
    Duration::try_from(served.duration_since(now)).is_ok_and(|ahead| ahead > CLOCK_BACK_MAX)
}

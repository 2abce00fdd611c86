//! Due times whose runs wait in the queue: what the journal is told when one begins or is dropped, and what the next host
//! still owes of those that died there.
//!
//! ```text
//!  accepted ── queued ──┬── began ────────────> ran, caught up
//!                       ├── dropped ──────────> skipped, paused
//!                       ├── the host stops ───> missed ─┐
//!                       └── the host is gone ───────────┴── next host ──> by the catch-up policy
//! ```
//! A line that says so names the run whose line it corrects, so that each due time has one outcome: the latest.

use std::collections::BTreeMap;

use crate::{
    decide::catchup::{Calendar, DueKind, MissedWhy},
    model::{
        id::{Instance, RunId},
        journal,
        run::{Line, Occurrence, OccurrenceOutcome, RunPhase, RunRecord},
        stop::StopReason,
        time::Wall,
    },
};

/// Runs that wait, each with the due time that it serves.
#[derive(Clone, Debug, Default)]
pub struct Waiting(BTreeMap<RunId, (Wall, DueKind)>);

/// What became of a run that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its turn came.
    Began,
    /// It will never begin.
    Dropped(StopReason),
}

/// A due time that was answered by a run which then never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// When it was due.
    pub due: Wall,
    /// The run that was accepted for it.
    pub run: RunId,
}

/// What the journal's open lines come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// What is owed, oldest first.
    pub owed: Vec<Owed>,
    /// Corrections of lines whose runs did begin.
    pub lines: Vec<Line>,
}

impl Waiting {
    /// Notes that the run of a due time waits.
    pub fn hold(&mut self, run: RunId, due: Wall, kind: DueKind) {
        self.0.insert(run, (due, kind));
    }

    /// Returns what the journal is told of a run that waited; nothing of one that serves no due time.
    pub fn settle(&mut self, run: RunId, fate: &Fate, now: Wall) -> Option<Line> {
        let (due, kind) = self.0.remove(&run)?;
        let (outcome, reason) = match fate {
            Fate::Began => (served(kind), "it waited for its turn".to_owned()),
            Fate::Dropped(why) => (dropped(why), format!("{why}, while it waited in the queue")),
        };
        Some(correction(Owed { due, run }, Some(run), now, outcome, reason))
    }
}

/// Returns the outcome of a due time whose run begins.
pub const fn served(kind: DueKind) -> OccurrenceOutcome {
    match kind {
        DueKind::OnTime => OccurrenceOutcome::Ran,
        DueKind::CaughtUp => OccurrenceOutcome::CaughtUp,
    }
}

const fn dropped(why: &StopReason) -> OccurrenceOutcome {
    match why {
        // With its run named: the next host owes it.
        StopReason::HostStopping => OccurrenceOutcome::Missed,
        StopReason::Disabled { .. } => OccurrenceOutcome::Paused,
        StopReason::Request { .. }
        | StopReason::Changed { .. }
        | StopReason::Removed
        | StopReason::TimedOut { .. }
        | StopReason::Idle { .. }
        | StopReason::Replaced => OccurrenceOutcome::Skipped,
    }
}

/// Sorts out the journal's lines that speak of runs which waited, when no run of this instance waits any more. Of
/// `record`, only whether the run began and whether it is another host's matters.
pub fn remains(
    lines: Vec<Line>,
    record: impl Fn(RunId) -> Option<RunRecord>,
    instance: &Instance,
    now: Wall,
) -> Remains {
    let mut remains = Remains::default();
    for told in journal::corrected(lines).into_iter().filter(journal::is_open) {
        let Some(run) = told.run else { continue };
        let owed = Owed { due: told.due, run };
        match record(run) {
            Some(record) if is_elsewhere(&record, instance) => {}
            Some(record) if record.pid.is_some() => {
                let outcome = if record.trigger.is_caught_up() { DueKind::CaughtUp } else { DueKind::OnTime };
                let reason = "it waited for its turn".to_owned();
                remains.lines.push(correction(owed, Some(run), now, served(outcome), reason));
            }
            Some(_) | None => remains.owed.push(owed),
        }
    }
    remains.owed.sort_by_key(|owed| owed.due);
    remains
}

fn is_elsewhere(record: &RunRecord, instance: &Instance) -> bool {
    match record.phase {
        RunPhase::Initializing | RunPhase::Running => record.instance != *instance,
        RunPhase::Ended(_) => false,
    }
}

/// Takes out what is owed of one calendar, by due time. Two schedules may be due at once: each takes one.
pub fn take(left: &mut Vec<Owed>, calendar: Calendar<'_>) -> BTreeMap<Wall, RunId> {
    let mut taken = BTreeMap::new();
    let just_before = |due: Wall| due.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(due);
    left.retain(|owed| {
        let is_ours = !taken.contains_key(&owed.due) && calendar.next_after(just_before(owed.due)) == Some(owed.due);
        if is_ours {
            taken.insert(owed.due, owed.run);
        }
        !is_ours
    });
    taken
}

/// Returns the line for an owed due time that nothing is run for.
pub fn given_up(owed: Owed, why: MissedWhy, now: Wall) -> Line {
    let why = match why {
        MissedWhy::NoCatchUp => "catch_up is none",
        MissedWhy::TooOld => "that is longer ago than catch_up_window",
        MissedWhy::Covered => "one later run stands for it",
        MissedWhy::TooMany => "more runs are to be caught up than are allowed",
    };
    missed(owed, why, now)
}

/// Returns the line for an owed due time whose schedule is no longer there.
pub fn orphaned(owed: Owed, now: Wall) -> Line {
    missed(owed, "its schedule is no longer there", now)
}

/// Returns the line for an owed due time of a job that rests.
pub fn paused(owed: Owed, why: &str, now: Wall) -> Line {
    let reason = format!("its run waited in the queue when the host ended; {why}");
    correction(owed, None, now, OccurrenceOutcome::Paused, reason)
}

fn missed(owed: Owed, why: &str, now: Wall) -> Line {
    let reason = format!("its run waited in the queue when the host ended; {why}");
    correction(owed, None, now, OccurrenceOutcome::Missed, reason)
}

fn correction(owed: Owed, run: Option<RunId>, at: Wall, outcome: OccurrenceOutcome, reason: String) -> Line {
    let (due, corrects) = (owed.due, Some(owed.run));
    Line::Occurrence(Occurrence { due, at, outcome, reason: Some(reason), run, count: None, first: None, corrects })
}

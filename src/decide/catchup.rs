//! What is due now: on time, late but still run, or missed; and what comes next.
//!
//! ```text
//!  last served        now - window               now - 5 s      now          next
//!  -----+----------------+---------------------------+------------+------------+--->
//!       |  too old:      |  late: run by the         |  on time:  |
//!       |  missed        |  catch-up policy          |  run       |
//! ```
//! * Suspend and a clock put forward look the same: occurrences lie between `last` and `now`.
//! * What was due while no host was there (`away_until`) is late, however fresh: the policy alone says what becomes of
//!   it. So is what is `owed`: an occurrence that was answered by a run which then never began.
//! * A clock put back shows as `last` in the future: nothing up to it is served again. When it lies more than a day
//!   ahead, the clock was wrong when it was written: it is given up, and the answer says so.
//! * A first start owes nothing: with no `last`, the host is responsible from now on.
//!
//! The work is bounded whatever the downtime: at most [`LISTED_MAX`] occurrences are looked at, the newest; older ones
//! are known to exist but not counted.
//!
//! `last` is the occurrence served last, or, if later, the moment since which the host answers for the schedule: a new
//! or changed schedule starts there, or it would find itself late for times at which it did not exist. A job with
//! jitter asks for `now - jitter`.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt, iter,
    time::Duration,
};

use crate::{
    decide::schedule::Schedule,
    model::{settings::CatchUp, time::Wall},
};

/// An occurrence that is noticed less than this late is on time.
pub const ON_TIME_WITHIN: Duration = Duration::from_secs(5);

/// How many occurrences are looked at, counted from the newest back. More are missed without being listed.
pub const LISTED_MAX: usize = 1_000;

/// How many occurrences are caught up at most; half of those looked at, so that the rest is known as missed.
pub const CAUGHT_UP_MAX: usize = LISTED_MAX / 2;

/// How far ahead of the clock the last served occurrence may lie before it is taken for an error of the clock.
pub const CLOCK_BACK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The catch-up policy of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUpPolicy {
    /// What to do.
    pub catch_up: CatchUp,
    /// How late an occurrence may be for that.
    pub window: Duration,
}

/// What is known of the time before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past<'a> {
    /// Every occurrence up to here has its answer; with `None`, the host is responsible from now on.
    pub last: Option<Wall>,
    /// Until then no host was there.
    pub away_until: Option<Wall>,
    /// Occurrences whose runs were accepted and never began; they are answered anew.
    pub owed: &'a [Wall],
}

/// Where occurrences come from.
#[derive(Clone, Copy, Debug)]
pub enum Calendar<'a> {
    /// A schedule.
    Schedule(&'a Schedule),
    /// One moment (`run_at`).
    Once(Wall),
}

/// What is due, what was missed, what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The runs to start now, oldest first.
    pub run: Vec<DueRun>,
    /// The occurrences that nothing is run for.
    pub missed: Option<Missed>,
    /// Those of the owed ones that nothing is run for, oldest first.
    pub given_up: Vec<MissedOccurrence>,
    /// The next occurrence, later than now.
    pub next: Option<Wall>,
    /// What to remember as `last`: every occurrence up to here has its answer.
    pub served: Wall,
    /// Set when `last` was given up.
    pub reset: Option<ClockReset>,
}

/// A run that is to start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRun {
    /// The occurrence it serves.
    pub due: Wall,
    /// Whether it is late.
    pub kind: DueKind,
}

/// Whether a run is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// It starts when it should.
    OnTime,
    /// It starts late, by the catch-up policy.
    CaughtUp,
}

/// Occurrences that passed and get no run of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The oldest.
    pub first: Wall,
    /// The newest.
    pub last: Wall,
    /// How many.
    pub count: MissedCount,
    /// The newest of them, oldest first, each with its reason; at most [`LISTED_MAX`].
    pub listed: Vec<MissedOccurrence>,
}

/// How many occurrences were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedCount {
    /// So many.
    Exactly(usize),
    /// So many are listed, and there are older ones.
    MoreThan(usize),
}

/// One occurrence that gets no run of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissedOccurrence {
    /// When it was due.
    pub due: Wall,
    /// Why nothing is run for it.
    pub why: MissedWhy,
}

/// Why nothing is run for an occurrence that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedWhy {
    /// The policy is to catch up nothing.
    NoCatchUp,
    /// It is older than the window.
    TooOld,
    /// One newer run stands for it.
    Covered,
    /// More are to be caught up than [`CAUGHT_UP_MAX`].
    TooMany,
}

/// The clock was put back so far that the last served occurrence cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReset {
    /// The occurrence that was given up.
    pub last: Wall,
    /// How far ahead of the clock it lies.
    pub ahead: Duration,
}

/// Decides what is due at `now`, when every occurrence up to `past.last` has its answer, but for those that are owed.
///
/// The answer holds every occurrence in between, and every owed one, exactly once: as a run, as missed, or as given up.
/// Asking again with `last = Some(due.served)` at the same time gives nothing more.
pub fn due(now: Wall, past: Past<'_>, calendar: Calendar<'_>, policy: &CatchUpPolicy) -> Due {
    let reset = past.last.and_then(|last| clock_reset(now, last));
    let last = past.last.filter(|_| reset.is_none()).unwrap_or(now);
    let newest = calendar.newest(last, now);
    let served = newest.occurrences.back().copied().unwrap_or(last);
    let (run, listed) = sort_out(now, newest.occurrences, past, policy);
    let (given_up, listed) = listed.into_iter().partition(|missed| past.owed.contains(&missed.due));
    let missed = missed(newest.older, listed);
    Due { run, missed, given_up, next: calendar.next_after(now.max(last)), served, reset }
}

fn clock_reset(now: Wall, last: Wall) -> Option<ClockReset> {
    let ahead = Duration::try_from(last.duration_since(now)).ok()?;
    (ahead > CLOCK_BACK_MAX).then_some(ClockReset { last, ahead })
}

/// Gives each occurrence its answer, from the newest back, since a newer run stands for older ones.
fn sort_out(
    now: Wall,
    occurrences: VecDeque<Wall>,
    past: Past<'_>,
    policy: &CatchUpPolicy,
) -> (Vec<DueRun>, Vec<MissedOccurrence>) {
    let (mut run, mut missed) = (Vec::new(), Vec::new());
    let mut n_caught_up = 0;
    let was_away = |due: Wall| past.away_until.is_some_and(|until| due <= until) || past.owed.contains(&due);
    let all: BTreeSet<Wall> = occurrences.into_iter().chain(past.owed.iter().copied()).collect();
    for due in all.into_iter().rev() {
        let late = now.duration_since(due).unsigned_abs();
        let answer = if late < ON_TIME_WITHIN && !was_away(due) {
            Ok(DueKind::OnTime)
        } else if policy.catch_up == CatchUp::None {
            Err(MissedWhy::NoCatchUp)
        } else if late > policy.window {
            Err(MissedWhy::TooOld)
        } else if policy.catch_up == CatchUp::Once && !run.is_empty() {
            Err(MissedWhy::Covered)
        } else if n_caught_up == CAUGHT_UP_MAX {
            Err(MissedWhy::TooMany)
        } else {
            n_caught_up += 1;
            Ok(DueKind::CaughtUp)
        };
        match answer {
            Ok(kind) => run.push(DueRun { due, kind }),
            Err(why) => missed.push(MissedOccurrence { due, why }),
        }
    }
    run.reverse();
    missed.reverse();
    (run, missed)
}

/// Sums up what was missed; `older` is the first of those that are not listed.
fn missed(older: Option<Wall>, listed: Vec<MissedOccurrence>) -> Option<Missed> {
    let last = listed.last()?.due;
    let (first, count) = match older {
        None => (listed.first()?.due, MissedCount::Exactly(listed.len())),
        Some(older) => (older, MissedCount::MoreThan(listed.len())),
    };
    Some(Missed { first, last, count, listed })
}

impl fmt::Display for MissedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::MoreThan(count) => write!(f, "more than {count}"),
        }
    }
}

impl fmt::Display for MissedWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCatchUp => "it passed while the host was away, and catch_up is none",
            Self::TooOld => "it passed while the host was away, longer ago than catch_up_window",
            Self::Covered => "it passed while the host was away; one later run stands for it",
            Self::TooMany => "it passed while the host was away, and more runs are to be caught up than are allowed",
        })
    }
}

impl fmt::Display for ClockReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.ahead.as_secs() / 3_600;
        write!(
            f,
            "the clock was put back: the last occurrence, {}, lies {hours} hours ahead and is given up",
            self.last
        )
    }
}

impl Calendar<'_> {
    /// Returns the first occurrence later than `after`.
    pub fn next_after(self, after: Wall) -> Option<Wall> {
        match self {
            Self::Schedule(schedule) => schedule.next_after(after),
            Self::Once(at) => (at > after).then_some(at),
        }
    }

    /// Returns the newest occurrences later than `from` and not later than `to`.
    fn newest(self, from: Wall, to: Wall) -> Newest {
        let mut occurrences: VecDeque<Wall> = self.between(from, to).take(LISTED_MAX + 1).collect();
        if occurrences.len() <= LISTED_MAX {
            return Newest { occurrences, older: None };
        }
        let older = occurrences.front().copied();
        let near = match self {
            Self::Schedule(schedule) => schedule.moment_before(to, LISTED_MAX),
            Self::Once(_) => None,
        };
        occurrences.clear();
        for next in self.between(near.map_or(from, |near| near.max(from)), to) {
            if occurrences.len() == LISTED_MAX {
                occurrences.pop_front();
            }
            occurrences.push_back(next);
        }
        Newest { occurrences, older }
    }

    /// Walks the occurrences later than `from` and not later than `to`.
    fn between(self, from: Wall, to: Wall) -> impl Iterator<Item = Wall> {
        iter::successors(self.next_after(from), move |&at| self.next_after(at)).take_while(move |&at| at <= to)
    }
}

/// At most [`LISTED_MAX`] occurrences, oldest first.
struct Newest {
    occurrences: VecDeque<Wall>,
    /// The first of all, when there are more than these.
    older: Option<Wall>,
}

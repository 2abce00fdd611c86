//! How the journal is told of due times that get no run of their own: one line for many, with the reasons.

use std::collections::BTreeSet;

use crate::{
    decide::catchup::{Missed, MissedCount},
    model::{
        run::{Line, Occurrence, OccurrenceOutcome},
        time::Wall,
    },
};

/// Returns how many due times a line stands for.
pub fn number(count: MissedCount) -> u64 {
    match count {
        MissedCount::Exactly(count) | MissedCount::MoreThan(count) => count as u64,
    }
}

/// Returns why due times were missed, each reason once.
pub fn reasons(missed: &Missed) -> String {
    let reasons: BTreeSet<String> = missed.listed.iter().map(|one| one.why.to_string()).collect();
    let more = match missed.count {
        MissedCount::Exactly(_) => None,
        count @ MissedCount::MoreThan(_) => Some(format!("there were {count}")),
    };
    reasons.into_iter().chain(more).collect::<Vec<_>>().join("; ")
}

/// Returns what became of one due time.
pub fn occurrence(due: Wall, at: Wall, outcome: OccurrenceOutcome, reason: Option<String>) -> Occurrence {
    Occurrence { due, at, outcome, reason, run: None, count: None, first: None, corrects: None }
}

/// Makes the line that stands for all due times from `oldest` to the one that is told.
pub fn several(told: Occurrence, oldest: Wall, count: u64) -> Line {
    let (count, first) = if count > 1 { (Some(count), Some(oldest)) } else { (None, None) };
    Line::Occurrence(Occurrence { count, first, ..told })
}

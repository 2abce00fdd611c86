//! When a triggered job rests, so that it needs no actor, and when it has one again.
//!
//! ```text
//!  last run ends ──── QUIET ────> rests ─ ─ ─ ─ ─ ─ ─ ─> LEAD before it is due ──── due ──> run
//! ```
//! Most jobs of a large host have nothing to do most of the time. One that is due soon keeps its actor, and so does one that
//! ran a moment ago: who asked for a run may ask for the next.

use std::time::Duration;

use crate::model::time::{Mono, Now, Wall};

/// How long a job has had nothing to do when it rests, and how far away its next due time is at least.
pub const QUIET: Duration = Duration::from_secs(10);

/// How long before its due time a job has an actor again. Ten thousand jobs of one second are ready by then, and whoever calls
/// them may be busy for a while.
pub const LEAD: Duration = Duration::from_secs(5);

// Else a job would rest again that has just been called.
const _: () = assert!(LEAD.as_nanos() < QUIET.as_nanos());

/// Returns when a job that has nothing to do now may rest; `None` when it is due too soon after that.
///
/// `busy_until` is when it had something to do last, `None` when it had nothing since it has an actor; `due` is when it has
/// something to do next.
pub fn rests_at(busy_until: Option<Mono>, due: Option<Wall>, now: Now) -> Option<Mono> {
    let at = busy_until.map_or(now.mono, |busy| (busy + QUIET).max(now.mono));
    let awake_until = now.after(at.since(now.mono) + QUIET).wall;
    due.is_none_or(|due| due > awake_until).then_some(at)
}

/// Returns when a job that is due needs its actor.
pub fn wakes_at(due: Wall) -> Wall {
    let lead = jiff::SignedDuration::try_from(LEAD).unwrap_or_default();
    due.checked_sub(lead).unwrap_or(Wall::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: u64) -> Now {
        let wall = Wall::from_second(1_800_000_000).expect("a time");
        Now { mono: Mono::default(), wall }.after(Duration::from_secs(second))
    }

    #[test]
    fn a_job_rests_when_it_was_quiet_for_long_enough_and_is_not_due_soon() {
        let cases = [
            // It had nothing to do at all: at once.
            (None, None, Some(100)),
            (None, Some(111), Some(100)),
            (None, Some(110), None),
            (None, Some(90), None),
            // It had: a while later.
            (Some(100), None, Some(110)),
            (Some(95), None, Some(105)),
            (Some(90), None, Some(100)),
            (Some(20), None, Some(100)),
            (Some(95), Some(116), Some(105)),
            (Some(95), Some(115), None),
        ];
        for (busy, due, rests) in cases {
            let busy = busy.map(|second| moment(second).mono);
            let at = rests_at(busy, due.map(|second| moment(second).wall), moment(100));
            assert_eq!(at, rests.map(|second| moment(second).mono), "busy until {busy:?}, due {due:?}");
        }
    }

    #[test]
    fn a_job_wakes_before_it_is_due() {
        assert_eq!(wakes_at(moment(100).wall), moment(95).wall);
        assert_eq!(wakes_at(Wall::MIN), Wall::MIN);
    }
}

//! When a due time is rehearsed, and by whom: what its run will need is looked at once, shortly before.
//!
//! What nobody touched for a second is far away. Its memory may have to be fetched first, on a virtual machine from outside of
//! it, and the processor sleeps. A run that is due then begins late by what it takes to come near; a look beforehand lets that
//! happen while nobody waits. It decides nothing.
//!
//! Most of what runs need is the same for all. So of those that are due at about one moment the first to ask rehearses, and the
//! others are not even woken.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::model::time::Wall;

/// How long before a due time it is rehearsed: enough for a look where all is far away. There a run itself, its program included,
/// began 9 to 18 ms late.
const LEAD: SignedDuration = SignedDuration::from_millis(15);

/// For how long before and after its due time a rehearsal does for others.
const REACH: SignedDuration = SignedDuration::from_millis(100);

/// The due times that somebody rehearses, one a job at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeSet<Wall>);

/// What one job has to do with rehearsals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The due time that was asked about last.
    due: Option<Wall>,
    /// Whether it is this job's to rehearse.
    is_mine: bool,
}

impl Claims {
    /// Takes a due time to rehearse, and tells whether that was to be had.
    fn take(&mut self, due: Wall, now: Wall) -> bool {
        self.0 = self.0.split_off(&now);
        let (from, to) = (due.checked_sub(REACH).unwrap_or(Wall::MIN), due.checked_add(REACH).unwrap_or(Wall::MAX));
        let is_free = self.0.range(from..=to).next().is_none();
        is_free && self.0.insert(due)
    }
}

impl Part {
    /// Returns when to rehearse for what is `due`; `None` when somebody else does, or it is too late. A job that is asked about
    /// another due time, or about none, lets go of the last one: so one that rests, or ends, is asked about none.
    pub fn begins_at(&mut self, claims: &mut Claims, due: Option<Wall>, now: Wall) -> Option<Wall> {
        if self.due != due {
            if let Some(last) = self.due.filter(|_| self.is_mine) {
                claims.0.remove(&last);
            }
            self.due = due;
            self.is_mine = due.is_some_and(|due| claims.take(due, now));
        }
        due.filter(|_| self.is_mine)?.checked_sub(LEAD).ok().filter(|begin| *begin > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Wall {
        Wall::from_millisecond(1_800_000_000_000 + ms).expect("a time")
    }

    #[test]
    fn a_due_time_is_rehearsed_before_it_comes() {
        let cases = [
            (Some(1000), 0, Some(985)),
            (Some(1000), 984, Some(985)),
            // It begins now: from here on the due time itself is waited for.
            (Some(1000), 985, None),
            (Some(1000), 1000, None),
            (Some(1000), 5000, None),
            (None, 0, None),
        ];
        for (due, now, begins) in cases {
            let begin = Part::default().begins_at(&mut Claims::default(), due.map(at), at(now));
            assert_eq!(begin, begins.map(at), "due {due:?}, now {now}");
        }
        for due in [Wall::MIN, Wall::MAX] {
            let begin = Part::default().begins_at(&mut Claims::default(), Some(due), at(0));
            assert_eq!(begin.is_some(), due == Wall::MAX);
        }
    }

    #[test]
    fn of_those_who_are_due_at_about_one_moment_the_first_rehearses() {
        let (mut claims, mut parts) = (Claims::default(), [(); 6].map(|()| Part::default()));
        let dues = [10_000, 10_000, 10_100, 9_900, 10_101, 9_899];
        let mut ask = |now| -> Vec<bool> {
            let asked = parts.iter_mut().zip(dues);
            asked.map(|(part, due)| part.begins_at(&mut claims, Some(at(due)), at(now)).is_some()).collect()
        };
        let expected = [true, false, false, false, true, true];
        assert_eq!(ask(0), expected);
        // Whoever has it keeps it, however often it asks.
        assert_eq!(ask(500), expected);
    }

    #[test]
    fn a_job_that_is_due_anew_asks_anew_and_what_has_passed_is_forgotten() {
        let (mut claims, mut one, mut other) = (Claims::default(), Part::default(), Part::default());
        assert_eq!(one.begins_at(&mut claims, Some(at(1000)), at(0)), Some(at(985)));
        assert_eq!(other.begins_at(&mut claims, Some(at(1050)), at(0)), None);
        assert_eq!(other.begins_at(&mut claims, Some(at(2000)), at(1050)), Some(at(1985)));
        assert_eq!(claims, Claims([at(2000)].into()));
        assert_eq!(one.begins_at(&mut claims, Some(at(2000)), at(1060)), None);
        assert_eq!(one.begins_at(&mut claims, None, at(1070)), None);
        // One that rests lets go, and has it again when it is called.
        assert_eq!(other.begins_at(&mut claims, None, at(1070)), None);
        assert_eq!(claims, Claims::default());
        assert_eq!(Part::default().begins_at(&mut claims, Some(at(2000)), at(1080)), Some(at(1985)));
        // Whoever has none takes none away.
        assert_eq!(one.begins_at(&mut claims, Some(at(2000)), at(1080)), None);
        assert_eq!(one.begins_at(&mut claims, Some(at(9000)), at(1080)), Some(at(8985)));
        assert_eq!(claims, Claims([at(2000), at(9000)].into()));
    }
}

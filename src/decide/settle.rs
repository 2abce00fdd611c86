//! When to read a folder again: after a moment of quiet, but never later than a bound.
//!
//! | Hint | Read |
//! | --- | --- |
//! | the folder was moved in, whole | at once |
//! | something changed, came or went | after [`QUIET`] without another hint |
//! | the same in a folder that was never seen | after [`QUIET_NEW`] without another hint |
//! | the last that was seen is a file being written | after [`QUIET_WRITING`] without another hint |
//! | any, without end | [`PATIENCE`] after the first |
//! | everything (events were lost) | at once |
//!
//! A read that finds the folder still changing is put off by [`Settle::put_off`], under the same last bound: then the
//! folder is taken as it is, since something that never rests (a job that writes into its own folder) must not hide a
//! change for ever.
//!
//! A folder that is new may be half a copy that looks whole: whoever copies it by hand, file by file, gets a longer rest,
//! so that it does not begin without its settings. One that was moved in is whole by nature.
//!
//! Memory is bounded by the number of folders: one entry each, however many hints come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::{
    hint::{Hint, HintKind},
    id::JobId,
    job::Desired,
    time::Mono,
};

/// Quiet after which a folder is read.
pub const QUIET: Duration = Duration::from_millis(250);
/// Quiet after which a folder is read that was never seen before: short enough to run within a second of the last write.
pub const QUIET_NEW: Duration = Duration::from_millis(600);
/// Quiet after which a folder is read although a file in it was not closed after its last write.
pub const QUIET_WRITING: Duration = Duration::from_millis(1500);
/// Longest time from a folder's first hint to its reading.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Hints that wait for quiet.
#[derive(Clone, Debug, Default)]
pub struct Settle {
    waiting: BTreeMap<JobId, Waiting>,
    queue: BTreeSet<(Mono, JobId)>,
    everything: Option<String>,
}

/// What should be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// One job's folder.
    Job(DueJob),
    /// Every folder, and why.
    Everything(String),
}

/// A job's folder that should be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueJob {
    /// Which job.
    pub id: JobId,
    /// When the first of its hints came.
    pub since: Mono,
    /// How long the folder must have been at rest to be taken; zero when it was moved in, whole.
    pub quiet: Duration,
    /// The first path that was seen to change, relative to the job's folder.
    pub path: Option<String>,
}

#[derive(Clone, Debug)]
struct Waiting {
    since: Mono,
    due: Mono,
    quiet: Duration,
    path: Option<String>,
}

/// Returns how long a folder must be at rest to be taken when all are read: as long as if it had been announced. What the
/// first picture finds was there before the host.
pub fn quiet_of(id: &JobId, last: &Desired) -> Duration {
    rest(!last.is_read || last.jobs.contains_key(id))
}

/// Of a folder that was never seen, more may follow.
fn rest(is_known: bool) -> Duration {
    if is_known { QUIET } else { QUIET_NEW }
}

impl Settle {
    /// Takes in a hint; `is_known` tells whether a job's folder was seen before. `Hint::Blind` asks for nothing by itself:
    /// the host reads on a timer then.
    pub fn hint(&mut self, hint: Hint, now: Mono, is_known: impl Fn(&JobId) -> bool) {
        match hint {
            Hint::Job { id, kind, path } => {
                let quiet = match kind {
                    HintKind::MovedIn => Duration::ZERO,
                    HintKind::Created | HintKind::Removed | HintKind::Changed => rest(is_known(&id)),
                    HintKind::Writing => QUIET_WRITING,
                };
                // The file that is being written tells nothing of the rest that its folder needs.
                let rest = if quiet == QUIET_WRITING { rest(is_known(&id)) } else { quiet };
                self.wait(id, now, (now, quiet), rest, path);
            }
            Hint::Everything { why } => {
                self.everything.get_or_insert(why);
            }
            Hint::Blind { .. } => {}
        }
    }

    /// Puts off a job whose folder was found still changing. Returns false when it has waited long enough, so that it
    /// should be taken as it is.
    pub fn put_off(&mut self, job: &DueJob, now: Mono) -> bool {
        let waits = now < job.since + PATIENCE;
        if waits {
            self.wait(job.id.clone(), job.since, (now, QUIET), job.quiet.max(QUIET), job.path.clone());
        }
        waits
    }

    /// Returns when `take_due` has something to give; in the past when it has already.
    pub fn next_deadline(&self) -> Option<Mono> {
        let first = self.queue.first().map(|(due, _)| *due);
        if self.everything.is_some() { Some(Mono::default()) } else { first }
    }

    /// Removes and returns what should be read now. Everything comes first; jobs that wait for quiet go on waiting.
    pub fn take_due(&mut self, now: Mono) -> Vec<Due> {
        let mut due: Vec<_> = self.everything.take().map(Due::Everything).into_iter().collect();
        while self.queue.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.queue.pop_first() else { break };
            if let Some(Waiting { since, quiet, path, .. }) = self.waiting.remove(&id) {
                due.push(Due::Job(DueJob { id, since, quiet, path }));
            }
        }
        due
    }

    /// Returns whether a job waits to be read: a reading of everything should leave it alone until then.
    pub fn is_waiting(&self, id: &JobId) -> bool {
        self.waiting.contains_key(id)
    }

    /// Lets a job wait from `now` on for as long as `pause`; it is to be at rest for `quiet` then.
    fn wait(&mut self, id: JobId, since: Mono, (now, pause): (Mono, Duration), quiet: Duration, path: Option<String>) {
        let waiting = self.waiting.entry(id.clone()).or_insert(Waiting { since, due: now, quiet, path: None });
        self.queue.remove(&(waiting.due, id.clone()));
        waiting.since = waiting.since.min(since);
        waiting.quiet = quiet;
        waiting.due = (now + pause).min(waiting.since + PATIENCE);
        waiting.path = waiting.path.take().or(path);
        self.queue.insert((waiting.due, id));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        decide::discover,
        model::{
            id::{JobKind, JobName},
            listing::{Unusable, UnusableWhy},
        },
    };

    #[test]
    fn each_sort_of_hint_has_its_quiet() {
        use HintKind::{Changed, Created, MovedIn, Removed, Writing};
        for (hints, read_at) in [
            (&[(0, MovedIn)][..], 0),
            (&[(0, Created)], 250),
            (&[(0, Created), (100, Changed), (300, Changed)], 550),
            (&[(0, Created), (100, Writing)], 1600),
            (&[(0, Created), (100, Writing), (900, Changed)], 1150),
            (&[(0, Removed), (20, MovedIn)], 20),
            (&[(0, MovedIn), (0, Writing)], 1500),
            (&[(0, Removed), (20, Created), (200, Changed)], 450),
        ] {
            let mut settle = Settle::default();
            for (at, kind) in hints {
                settle.hint(hint("a", *kind, None), ms(*at), |_| true);
            }
            assert_eq!(settle.next_deadline(), Some(ms(read_at)), "{hints:?}");
            let due = settle.take_due(ms(read_at));
            let whole = hints.last().is_some_and(|(_, kind)| *kind == MovedIn);
            let quiet = if whole { Duration::ZERO } else { QUIET };
            assert!(matches!(&due[..], [Due::Job(job)] if job.quiet == quiet), "{hints:?}: {due:?}");
        }
    }

    #[test]
    fn a_folder_that_was_never_seen_rests_longer_unless_it_was_moved_in() {
        use HintKind::{Changed, Created, MovedIn, Writing};
        for (hints, read_at, quiet) in [
            (&[(0, Created), (10, Changed)][..], 610, QUIET_NEW),
            // Its settings come half a second after its script.
            (&[(0, Created), (10, Changed), (510, Changed)], 1110, QUIET_NEW),
            (&[(0, Writing)], 1500, QUIET_NEW),
            (&[(0, MovedIn)], 0, Duration::ZERO),
        ] {
            let mut settle = Settle::default();
            for (at, kind) in hints {
                settle.hint(hint("a", *kind, None), ms(*at), |_| false);
            }
            assert_eq!(settle.next_deadline(), Some(ms(read_at)), "{hints:?}");
            let due = settle.take_due(ms(read_at));
            assert!(matches!(&due[..], [Due::Job(job)] if job.quiet == quiet), "{hints:?}: {due:?}");
        }
    }

    #[test]
    fn a_reading_of_everything_asks_a_new_folder_for_the_rest_of_one_that_was_announced() {
        let (known, new) = (id("known"), id("new"));
        let mut last = Desired::default();
        assert_eq!(quiet_of(&new, &last), QUIET, "it was there before the host");
        let unusable = Unusable { path: "/x".into(), why: UnusableWhy::Dangling };
        last.jobs.insert(known.clone(), discover::unusable(&known, &unusable).into());
        last.is_read = true;
        assert_eq!([&known, &new].map(|id| quiet_of(id, &last)), [QUIET, QUIET_NEW]);
    }

    #[test]
    fn hints_without_end_are_answered_after_the_last_bound() {
        let mut settle = Settle::default();
        let mut read = None;
        for at in (0..).step_by(100) {
            settle.hint(hint("a", HintKind::Changed, None), ms(at), |_| true);
            if !settle.take_due(ms(at)).is_empty() {
                read = Some(at);
                break;
            }
        }
        assert_eq!(read, Some(30_000));
    }

    #[test]
    fn a_folder_that_is_still_changing_is_put_off_until_it_has_waited_long_enough() {
        let mut settle = Settle::default();
        settle.hint(hint("a", HintKind::Changed, Some("run.sh")), ms(0), |_| true);
        let mut now = 250;
        let mut n_reads = 0;
        loop {
            let due = settle.take_due(ms(now));
            let [Due::Job(job)] = &due[..] else { panic!("{due:?}") };
            assert_eq!((job.since, job.path.as_deref()), (ms(0), Some("run.sh")));
            n_reads += 1;
            if !settle.put_off(job, ms(now)) {
                break;
            }
            now += 250;
        }
        assert_eq!((now, n_reads), (30_000, 120));
        assert_eq!(settle.next_deadline(), None);
    }

    #[test]
    fn a_burst_is_one_reading_and_names_its_first_path() {
        let mut settle = Settle::default();
        for (at, path) in [(0, "lib/a.py"), (10, "run.py"), (20, "lib/a.py")] {
            settle.hint(hint("a", HintKind::Changed, Some(path)), ms(at), |_| true);
        }
        settle.hint(hint("b", HintKind::Changed, None), ms(15), |_| true);
        let due = settle.take_due(ms(269));
        assert!(matches!(&due[..], [Due::Job(job)] if job.id == id("b")), "{due:?}");
        let due = settle.take_due(ms(270));
        assert!(matches!(&due[..], [Due::Job(job)] if job.path.as_deref() == Some("lib/a.py")), "{due:?}");
    }

    #[test]
    fn lost_events_are_answered_at_once_and_once() {
        let mut settle = Settle::default();
        settle.hint(Hint::Everything { why: "first".to_owned() }, ms(5), |_| true);
        settle.hint(Hint::Everything { why: "second".to_owned() }, ms(6), |_| true);
        assert!(settle.next_deadline().is_some_and(|deadline| deadline <= ms(6)));
        assert_eq!(settle.take_due(ms(6)), [Due::Everything("first".to_owned())]);
        assert_eq!(settle.next_deadline(), None);
    }

    proptest! {
        #[test]
        fn every_hint_is_answered_between_its_bounds(
            hints in prop::collection::vec((0_u64..3, 0_u64..3000, 0_usize..5), 1..80),
        ) {
            use HintKind::{Changed, Created, MovedIn, Removed, Writing};
            let kinds = [Changed, Created, MovedIn, Removed, Writing];
            let names = ["a", "b", "c"];
            let mut settle = Settle::default();
            let mut now = 0;
            let mut first: BTreeMap<JobId, u64> = BTreeMap::new();
            let mut last: BTreeMap<JobId, (u64, HintKind)> = BTreeMap::new();
            let check = |settle: &mut Settle, until: u64, first: &mut BTreeMap<JobId, u64>, last: &BTreeMap<JobId, (u64, HintKind)>| {
                while let Some(deadline) = settle.next_deadline().filter(|deadline| *deadline <= ms(until)) {
                    let due = settle.take_due(deadline);
                    assert!(!due.is_empty(), "a deadline that gives nothing");
                    for due in due {
                        let Due::Job(job) = due else { panic!("nothing was lost") };
                        let (hinted, kind) = last[&job.id];
                        let began = first.remove(&job.id).expect("read without a hint");
                        let quiet = deadline.since(ms(hinted));
                        assert!(quiet <= Duration::from_secs(2) && deadline.since(ms(began)) <= PATIENCE);
                        assert!(kind == MovedIn || quiet >= QUIET || deadline.since(ms(began)) >= PATIENCE);
                    }
                }
            };
            for (job, pause, kind) in hints {
                check(&mut settle, now + pause, &mut first, &last);
                now += pause;
                let name = names[usize::try_from(job).expect("small")];
                first.entry(id(name)).or_insert(now);
                last.insert(id(name), (now, kinds[kind]));
                settle.hint(hint(name, kinds[kind], None), ms(now), |_| true);
            }
            check(&mut settle, now + 60_000, &mut first, &last);
            prop_assert!(first.is_empty(), "hints without an answer: {first:?}");
            prop_assert!(settle.waiting.is_empty() && settle.queue.is_empty());
        }
    }

    fn hint(name: &str, kind: HintKind, path: Option<&str>) -> Hint {
        Hint::Job { id: id(name), kind, path: path.map(str::to_owned) }
    }

    fn id(name: &str) -> JobId {
        JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") }
    }

    fn ms(at: u64) -> Mono {
        Mono::at(Duration::from_millis(at))
    }
}

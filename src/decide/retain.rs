//! Which records are kept: so many, and not older than so long. What has not ended is never pruned.

use std::time::Duration;

use crate::model::{id::RunId, time::Wall};

/// One record, as far as keeping it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its run.
    pub id: RunId,
    /// When it ended; `None` while it is on its way.
    pub ended: Option<Wall>,
}

/// How much history a job keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainPolicy {
    /// How many runs, those on their way included.
    pub runs: u32,
    /// How old an ended run may become.
    pub max_age: Option<Duration>,
}

/// Returns the runs whose records go, oldest first. `records` may come in any order.
pub fn prune(records: &[Kept], policy: RetainPolicy, now: Wall) -> Vec<RunId> {
    prune_oldest(records, 0, policy, now)
}

/// Returns the same where `records` are only the oldest ones, and `newer` others are there besides.
pub fn prune_oldest(records: &[Kept], newer: usize, policy: RetainPolicy, now: Wall) -> Vec<RunId> {
    let mut newest_first = records.to_vec();
    newest_first.sort_by_key(|run| std::cmp::Reverse(run.id));
    let oldest = oldest(policy, now);
    let goes = |(place, record): &(usize, Kept)| match record.ended {
        None => false,
        Some(ended) => newer + *place >= policy.runs.max(1) as usize || oldest.is_some_and(|oldest| ended < oldest),
    };
    let mut gone: Vec<RunId> = newest_first.into_iter().enumerate().filter(goes).map(|(_, record)| record.id).collect();
    gone.reverse();
    gone
}

/// Returns how many of `total` runs, the oldest ones, have to be looked at for their number alone.
pub fn beyond(total: u64, policy: RetainPolicy) -> u64 {
    total.saturating_sub(u64::from(policy.runs.max(1)))
}

/// Returns the moment before which a run that is kept has not ended; one that began after it need not be looked at.
pub fn oldest(policy: RetainPolicy, now: Wall) -> Option<Wall> {
    policy.max_age.and_then(|age| now.checked_sub(jiff::SignedDuration::try_from(age).ok()?).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(number: u64, ended: Option<&str>) -> Kept {
        let id = RunId::parse(&format!("{number:018}")).expect("18 digits");
        Kept { id, ended: ended.map(|text| text.parse().expect("a time")) }
    }

    #[test]
    fn the_newest_stay_and_the_old_go() {
        let now = "2026-03-01T00:00:00Z".parse().expect("a time");
        let records = [
            run(4, Some("2026-02-28T00:00:00Z")),
            run(1, None),
            run(2, Some("2026-02-28T00:00:00Z")),
            run(3, Some("2026-02-01T00:00:00Z")),
        ];
        let ids = |runs, max_age| -> Vec<String> {
            let policy = RetainPolicy { runs, max_age };
            prune(&records, policy, now).iter().map(|id| id.to_string().trim_start_matches('0').to_owned()).collect()
        };
        assert_eq!(ids(2, None), ["2"]);
        assert_eq!(ids(9, Some(Duration::from_secs(7 * 86_400))), ["3"]);
        assert_eq!(ids(1, Some(Duration::from_secs(7 * 86_400))), ["2", "3"]);
        assert_eq!(ids(0, None), ["2", "3"], "at least one stays");
    }

    proptest! {
        #[test]
        fn the_oldest_alone_tell_as_much_as_all(
            ended in prop::collection::vec(any::<bool>(), 0..40),
            runs in 0..10u32,
        ) {
            let all: Vec<Kept> = ended
                .iter()
                .enumerate()
                .map(|(n, ended)| run(n as u64, ended.then_some("2020-01-01T00:00:00Z")))
                .collect();
            let now = "2026-03-01T00:00:00Z".parse().expect("a time");
            let policy = RetainPolicy { runs, max_age: None };
            let beyond = usize::try_from(beyond(all.len() as u64, policy)).expect("few");
            let some = prune_oldest(&all[..beyond], all.len() - beyond, policy, now);
            prop_assert_eq!(some, prune(&all, policy, now));
        }

        #[test]
        fn an_unfinished_run_is_never_pruned(ended in prop::collection::vec(any::<bool>(), 0..40), runs in 0..10u32) {
            let records: Vec<Kept> = ended
                .iter()
                .enumerate()
                .map(|(n, ended)| run(n as u64, ended.then_some("2020-01-01T00:00:00Z")))
                .collect();
            let now = "2026-03-01T00:00:00Z".parse().expect("a time");
            let policy = RetainPolicy { runs, max_age: Some(Duration::from_secs(60)) };
            for id in prune(&records, policy, now) {
                prop_assert!(records.iter().any(|record| record.id == id && record.ended.is_some()));
            }
        }
    }
}

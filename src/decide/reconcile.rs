//! What is against what should be: the changes that lead from one to the other, those that take away first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    id::JobId,
    job::{Found, Job},
};

/// What each supervisor was last told, by job.
pub type Observed = BTreeMap<JobId, Arc<Found>>;

/// One step towards what should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The folder is gone: stop the job and forget it.
    Retire(JobId),
    /// The folder is new.
    Add(Arc<Found>),
    /// The folder says something else than before: tell its supervisor.
    Update(Arc<Found>),
}

/// Compares the two, for every job or for `some` alone, so that a round that tells of one folder among thousands looks at no
/// other. Carrying out the result makes a second comparison empty.
pub fn plan(observed: &Observed, desired: &BTreeMap<JobId, Arc<Found>>, some: Option<&BTreeSet<JobId>>) -> Vec<Change> {
    match some {
        None => {
            let gone = observed.keys().filter(|id| !desired.contains_key(id)).map(|id| Change::Retire(id.clone()));
            gone.chain(desired.iter().filter_map(|(id, found)| step(observed.get(id), found))).collect()
        }
        Some(some) => {
            let gone = some.iter().filter(|id| observed.contains_key(id) && !desired.contains_key(id));
            let there = some.iter().filter_map(|id| step(observed.get(id), desired.get(id)?));
            gone.map(|id| Change::Retire(id.clone())).chain(there).collect()
        }
    }
}

fn step(known: Option<&Arc<Found>>, found: &Arc<Found>) -> Option<Change> {
    match known {
        None => Some(Change::Add(Arc::clone(found))),
        Some(known) if is_same(known, found) => None,
        Some(_) => Some(Change::Update(Arc::clone(found))),
    }
}

/// Returns whether two folders say the same. Most are one and the same value.
fn is_same(one: &Arc<Found>, other: &Arc<Found>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Returns the job to run when a folder says `found`: a broken one never takes the place of a good one that is known.
pub fn valid(known: Option<&Arc<Job>>, found: &Found) -> Option<Arc<Job>> {
    found.job.as_ref().or(known).cloned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        id::{JobKind, JobName},
        job::Problem,
        settings::WrittenSettings,
    };

    fn found(name: u8, version: u8) -> (JobId, Arc<Found>) {
        let id = JobId { kind: JobKind::Triggered, name: JobName::parse(&format!("j{name}")).expect("a name") };
        let problem = Problem {
            code: "no_script".to_owned(),
            message: format!("version {version}"),
            file: None,
            line: None,
            column: None,
            fatal: true,
        };
        let found = Found {
            id: id.clone(),
            root: Path::new("/x").into(),
            dir: Path::new("").into(),
            job: None,
            problems: vec![problem],
            raw_settings: WrittenSettings::default(),
        };
        (id, Arc::new(found))
    }

    fn carry_out(observed: &mut Observed, plan: Vec<Change>) {
        for change in plan {
            match change {
                Change::Retire(id) => drop(observed.remove(&id)),
                Change::Add(found) | Change::Update(found) => drop(observed.insert(found.id.clone(), found)),
            }
        }
    }

    proptest! {
        #[test]
        fn carrying_out_a_plan_makes_the_next_one_empty(
            before in prop::collection::btree_map(0..9u8, 0..3u8, 0..9),
            after in prop::collection::btree_map(0..9u8, 0..3u8, 0..9),
            more in 0..3usize,
        ) {
            let all = |jobs: BTreeMap<u8, u8>| jobs.into_iter().map(|(name, version)| found(name, version)).collect();
            let (mut observed, desired): (Observed, Observed) = (all(before), all(after));
            let changes = plan(&observed, &desired, None);
            let retires = changes.iter().take_while(|change| matches!(change, Change::Retire(_))).count();
            prop_assert!(changes[retires..].iter().all(|change| !matches!(change, Change::Retire(_))));
            // To look at those that differ, and at any others, is as good as to look at all.
            let differs = |id: &JobId| observed.get(id) != desired.get(id);
            let ids = || observed.keys().chain(desired.keys());
            let some: BTreeSet<JobId> = ids().enumerate().filter(|(n, id)| differs(id) || n % 3 == more).map(|(_, id)| id.clone()).collect();
            prop_assert_eq!(&plan(&observed, &desired, Some(&some)), &changes);
            prop_assert_eq!(plan(&observed, &desired, Some(&BTreeSet::new())), vec![]);
            carry_out(&mut observed, changes);
            prop_assert_eq!(plan(&observed, &desired, None), vec![]);
        }
    }
}

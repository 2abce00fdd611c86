//! Whose turn it is to change a job's folder: one who puts, deletes or sets at a time, the others wait for theirs.
//!
//! A job is known here by its name without regard to case, before there is any. Only jobs whose turn is taken or waited
//! for are kept, so there are no more of them than requests on their way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::model::id::JobKind;

/// The turns of all jobs.
#[derive(Debug, Default)]
pub struct Turns {
    jobs: Mutex<BTreeMap<Key, Arc<Lock>>>,
}

type Key = (JobKind, String);
type Lock = tokio::sync::Mutex<()>;

/// A job's turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    key: Key,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn of a job.
    pub async fn take(&self, kind: JobKind, name: &str) -> Turn<'_> {
        let key = (kind, name.to_lowercase());
        let lock = Arc::clone(self.jobs().entry(key.clone()).or_default());
        // Made before the wait, so that one who gives up waiting leaves nothing behind.
        let mut turn = Turn { turns: self, key, held: None };
        turn.held = Some(lock.lock_owned().await);
        turn
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Lock>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut jobs = self.turns.jobs();
        // Whoever waits has a handle of its own.
        if jobs.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            jobs.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::future::poll_immediate;

    use super::*;

    #[tokio::test]
    async fn a_job_has_one_turn_at_a_time_without_regard_to_case() {
        let turns = Turns::default();
        let first = turns.take(JobKind::Triggered, "Web").await;
        let mut second = pin!(turns.take(JobKind::Triggered, "WEB"));
        assert!(poll_immediate(second.as_mut()).await.is_none());
        let _others = (turns.take(JobKind::Continuous, "web").await, turns.take(JobKind::Triggered, "x").await);
        drop(first);
        drop(second.await);
        assert_eq!(turns.jobs().len(), 2);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_one_who_gives_up_waiting() {
        let turns = Turns::default();
        let first = turns.take(JobKind::Triggered, "web").await;
        {
            let mut second = pin!(turns.take(JobKind::Triggered, "web"));
            assert!(poll_immediate(second.as_mut()).await.is_none());
        }
        assert_eq!(turns.jobs().len(), 1);
        drop(first);
        assert!(turns.jobs().is_empty());
    }
}

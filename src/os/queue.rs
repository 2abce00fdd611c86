//! A queue from many threads to a few that wait for work.
//!
//! Whoever waits sleeps at once: a thread that looks again and again before it does takes a processor from the program that
//! it has just started. The lock is not held while somebody is woken, who would run on the same processor and wait for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// The end that takes up work; clones mean the same queue. Without bound: its users say what bounds it.
#[derive(Debug)]
pub(super) struct Queue<T>(Arc<End<T>>);

/// The end that gives it out; clones mean the same queue.
#[derive(Debug)]
pub(super) struct Work<T>(Arc<End<T>>);

/// Closes the queue when the last clone of either end is dropped.
#[derive(Debug)]
struct End<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    state: Mutex<State<T>>,
    came: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Makes a queue.
pub(super) fn queue<T>() -> (Queue<T>, Work<T>) {
    let state = Mutex::new(State { waiting: VecDeque::new(), is_closed: false });
    let inner = Arc::new(Inner { state, came: Condvar::new() });
    (Queue(Arc::new(End(Arc::clone(&inner)))), Work(Arc::new(End(inner))))
}

impl<T> Queue<T> {
    /// Adds an item at the end, and wakes one who waits; tells whether it is the only one. Where nobody takes it any more,
    /// it is dropped.
    pub(super) fn push(&self, item: T) -> bool {
        let inner = &self.0.0;
        let mut state = inner.lock();
        if state.is_closed {
            return false;
        }
        state.waiting.push_back(item);
        let is_only = state.waiting.len() == 1;
        drop(state);
        inner.came.notify_one();
        is_only
    }
}

impl<T> Work<T> {
    /// Waits for the next item; `None` when there is none left and nobody can add one.
    pub(super) fn next(&self) -> Option<T> {
        let inner = &self.0.0;
        let mut state = inner.lock();
        while state.waiting.is_empty() && !state.is_closed {
            state = inner.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.pop_front()
    }

    /// Tells whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.0.lock().waiting.is_empty()
    }
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Work<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.came.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn work_comes_in_order_and_ends_with_the_last_giver() {
        let (queue, work) = queue();
        assert!(work.is_empty());
        assert!(queue.push(1), "nothing else waits");
        assert!(!queue.push(2));
        let other = queue.clone();
        drop(queue);
        assert!(!other.push(3), "a clone is the same queue");
        drop(other);
        assert_eq!([work.next(), work.next(), work.next(), work.next()], [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        let (queue, work) = queue();
        drop(work);
        let item = Arc::new(());
        let left = Arc::downgrade(&item);
        assert!(!queue.push(item));
        assert!(left.upgrade().is_none());
    }

    #[test]
    fn everything_is_given_to_somebody_once() {
        let (queue, work) = queue();
        let worker = |work: Work<u32>| move || std::iter::from_fn(|| work.next()).collect::<Vec<_>>();
        let workers: Vec<_> = (0..3).map(|_| thread::spawn(worker(work.clone()))).collect();
        let givers: Vec<_> = (0..4)
            .map(|giver| {
                let queue = queue.clone();
                thread::spawn(move || (0..1000).filter(|n| queue.push(giver * 1000 + n)).count())
            })
            .collect();
        drop(queue);
        let n_only: usize = givers.into_iter().map(|giver| giver.join().expect("it went well")).sum();
        assert!(n_only > 0, "the first one found nothing else");
        let mut all: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().expect("it went well")).collect();
        all.sort_unstable();
        assert_eq!(all, (0..4000).collect::<Vec<_>>());
    }
}

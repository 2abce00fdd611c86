//! The latest events of the host, numbered: told by the actors, read by whoever follows, each at its own pace.
//!
//! Telling never waits. The newest [`EVENTS_MAX`] are kept; whoever comes too late for some learns that it is so, and
//! reads the state again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::model::{
    event::{Event, EventId, News},
    time::Wall,
};

/// Events that are kept; the oldest go.
pub const EVENTS_MAX: usize = 10_000;

/// The latest events of a host.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<Kept>,
    last: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    last: EventId,
    /// The number of the newest event that is no longer here, or was before this life.
    gone: EventId,
}

/// Events after a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// Whether some after that number are no longer here.
    pub is_gap: bool,
}

impl Events {
    /// Begins after `first`; see `EventId::before_start`.
    pub fn begin(first: EventId) -> Self {
        let kept = Kept { events: VecDeque::new(), last: first, gone: first };
        Self { kept: Mutex::new(kept), last: watch::Sender::new(first) }
    }

    /// Tells of something.
    pub fn tell(&self, at: Wall, news: News) {
        let mut kept = self.kept();
        let id = kept.last.next();
        kept.last = id;
        if kept.events.len() == EVENTS_MAX
            && let Some(oldest) = kept.events.pop_front()
        {
            kept.gone = oldest.id;
        }
        kept.events.push_back(Arc::new(Event { id, at, news }));
        // Under the lock, so that a follower never hears of a number that is not here yet, nor of two out of order.
        self.last.send_replace(id);
    }

    /// Returns what was told after `id`, at most `limit`, oldest first.
    pub fn since(&self, id: EventId, limit: usize) -> Since {
        let kept = self.kept();
        let from = kept.events.partition_point(|event| event.id <= id);
        let events = kept.events.range(from..).take(limit).cloned().collect();
        Since { events, is_gap: id < kept.gone || id > kept.last }
    }

    /// Returns a watch on the number of the newest event.
    pub fn last(&self) -> watch::Receiver<EventId> {
        self.last.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, JobKind, JobName};

    fn removed(events: &Events) {
        let job = JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") };
        events.tell(Wall::UNIX_EPOCH, News::Removed { job });
    }

    fn ids(since: &Since) -> Vec<u64> {
        since.events.iter().map(|event| event.id.0).collect()
    }

    #[test]
    fn a_follower_gets_each_event_once_and_in_order() {
        let events = Events::begin(EventId(100));
        let last = events.last();
        assert_eq!(events.since(EventId(100), 10), Since { events: Vec::new(), is_gap: false });
        for _ in 0..3 {
            removed(&events);
        }
        assert_eq!(*last.borrow(), EventId(103));
        assert_eq!(ids(&events.since(EventId(100), 2)), [101, 102]);
        assert_eq!(ids(&events.since(EventId(102), 2)), [103]);
        assert!(!events.since(EventId(100), 2).is_gap);
    }

    #[test]
    fn who_comes_too_late_or_from_another_life_learns_it() {
        let events = Events::begin(EventId(100));
        removed(&events);
        assert!(events.since(EventId(7), 10).is_gap, "of an earlier life");
        assert!(events.since(EventId(200), 10).is_gap, "of a life whose clock was ahead");
        for _ in 0..EVENTS_MAX {
            removed(&events);
        }
        let since = events.since(EventId(100), usize::MAX);
        assert!(since.is_gap && since.events.len() == EVENTS_MAX);
        assert!(!events.since(EventId(101), 1).is_gap);
    }
}

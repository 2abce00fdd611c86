//! The latest events of the host, numbered: told by the actors, read by whoever follows, each at its own pace.
//!
//! Telling never waits. The newest [`EVENTS_MAX`] are kept, of those that are older than [`OLD`] the newest [`OLD_EVENTS_MAX`];
//! whoever comes too late for some learns that it is so, and reads the state again.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::model::{
    event::{Event, EventId, News},
    time::Wall,
};

/// Events that are kept; the oldest go. With the records of their runs they take some 5 MiB.
pub const EVENTS_MAX: usize = 10_000;
/// Whoever follows and was cut off is back sooner than this, or reads the state.
pub const OLD: Duration = Duration::from_secs(10 * 60);
/// Events that are kept although they are old.
pub const OLD_EVENTS_MAX: usize = 1_000;

/// The latest events of a host.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<Kept>,
    last: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Kept {
    /// In one piece: one by one, those that go would leave holes among what stays of their jobs.
    events: VecDeque<Event>,
    last: EventId,
    /// The number of the newest event that is no longer here, or was before this life.
    gone: EventId,
    /// The number of the newest event that hooks were told of: before that, none goes for its age.
    hooked: EventId,
    is_starting: bool,
}

/// Events after a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Whether some after that number are no longer here.
    pub is_gap: bool,
}

impl Events {
    /// Begins after `first`; see `EventId::before_start`.
    pub fn begin(first: EventId) -> Self {
        let kept = Kept { events: VecDeque::new(), last: first, gone: first, hooked: first, is_starting: true };
        Self { kept: Mutex::new(kept), last: watch::Sender::new(first) }
    }

    /// Tells of something.
    pub fn tell(&self, at: Wall, news: News) {
        let mut kept = self.kept();
        let id = kept.last.next();
        kept.last = id;
        kept.forget(at, self.is_followed());
        kept.events.push_back(Event { id, at, news });
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

    /// Notes that hooks were told of all events up to `id`.
    pub fn note_hooked(&self, id: EventId) {
        self.kept().hooked = id;
    }

    /// Ends the start of the host. Until then events that hooks were told of are kept only while somebody else follows: those
    /// of a thousand jobs that begin are asked for by nobody who comes later.
    pub fn end_start(&self, now: Wall) {
        let mut kept = self.kept();
        kept.forget(now, self.is_followed());
        kept.events.shrink_to_fit();
        kept.is_starting = false;
    }

    /// Returns a watch on the number of the newest event.
    pub fn last(&self) -> watch::Receiver<EventId> {
        self.last.subscribe()
    }

    /// Whether somebody follows besides the one who tells hooks.
    fn is_followed(&self) -> bool {
        self.last.receiver_count() > 1
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Lets go, at `now`, what need not be kept when one more comes.
    fn forget(&mut self, now: Wall, is_followed: bool) {
        while let Some(oldest) = self.events.front()
            && self.may_go(oldest, now, is_followed)
        {
            self.gone = oldest.id;
            self.events.pop_front();
        }
    }

    fn may_go(&self, oldest: &Event, now: Wall, is_followed: bool) -> bool {
        let is_of_start = self.is_starting && !is_followed;
        let is_old = || Duration::try_from(now.duration_since(oldest.at)).is_ok_and(|age| age > OLD);
        let is_over = || self.events.len() >= OLD_EVENTS_MAX && is_old();
        self.events.len() >= EVENTS_MAX || (oldest.id <= self.hooked && (is_of_start || is_over()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, JobKind, JobName};

    fn removed(events: &Events) {
        removed_at(events, Wall::UNIX_EPOCH);
    }

    fn started() -> Events {
        let events = Events::begin(EventId(100));
        events.end_start(Wall::UNIX_EPOCH);
        events
    }

    fn removed_at(events: &Events, at: Wall) {
        let job = JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") };
        events.tell(at, News::Removed { job });
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

    #[test]
    fn old_events_go_down_to_a_few_once_hooks_were_told() {
        let kept = |events: &Events| events.since(EventId(0), usize::MAX).events.len();
        let events = started();
        for _ in 0..OLD_EVENTS_MAX + 9 {
            removed(&events);
        }
        let late = Wall::UNIX_EPOCH + OLD;
        removed_at(&events, late);
        removed_at(&events, late + Duration::from_nanos(1));
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 11, "hooks know nothing yet");
        events.note_hooked(EventId(103));
        removed_at(&events, late);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 12, "none is old enough");
        removed_at(&events, late + Duration::from_nanos(1));
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 10, "hooks know three");
        assert!(events.since(EventId(102), 1).is_gap && !events.since(EventId(103), 1).is_gap);
        events.note_hooked(EventId(100 + OLD_EVENTS_MAX as u64 + 13));
        removed_at(&events, late + Duration::from_nanos(1));
        assert_eq!(kept(&events), OLD_EVENTS_MAX);
        removed_at(&events, late - OLD);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 1, "the clock was set back");
    }

    #[test]
    fn what_was_told_while_the_host_started_goes_unless_hooks_or_somebody_else_may_want_it() {
        let events = Events::begin(EventId(100));
        let _hooks = events.last();
        let is_first_there = || !events.since(EventId(100), 1).is_gap;
        for _ in 0..5 {
            removed(&events);
        }
        events.end_start(Wall::UNIX_EPOCH);
        assert!(is_first_there(), "hooks know nothing yet");

        let events = Events::begin(EventId(100));
        let _hooks = events.last();
        let is_first_there = || !events.since(EventId(100), 1).is_gap;
        for _ in 0..5 {
            removed(&events);
        }
        events.note_hooked(EventId(104));
        let follower = events.last();
        removed(&events);
        assert!(is_first_there(), "somebody follows");
        drop(follower);
        removed(&events);
        assert_eq!(ids(&events.since(EventId(104), 9)), [105, 106, 107]);
        assert!(events.since(EventId(103), 9).is_gap && !events.since(EventId(104), 9).is_gap);

        events.note_hooked(EventId(106));
        events.end_start(Wall::UNIX_EPOCH);
        assert_eq!(ids(&events.since(EventId(106), 9)), [107]);
        events.note_hooked(EventId(107));
        removed(&events);
        assert_eq!(ids(&events.since(EventId(106), 9)), [107, 108], "the start is over");
    }
}

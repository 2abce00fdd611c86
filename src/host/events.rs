//! The latest events of the host, numbered: told by the actors, read by whoever follows, each at its own pace.
//!
//! Telling never waits. The newest [`EVENTS_MAX`] are kept; of those that are older than [`OLD_AFTER`], the oldest go as others
//! come, until [`OLD_EVENTS_MAX`] are left in all. Whoever comes too late for some learns that it is so, and reads the state again.
//!
//! What happened before anybody followed is kept for hooks alone: nobody knows a number of it to go on after. A thousand jobs
//! that begin tell five thousand events. Where hooks cannot be told, because neither was the API announced nor is there a
//! `public_url`, nothing goes but for its number.

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
/// Whoever follows and was cut off is back sooner than this, or reads the state. By the wall clock, as events are: one that is set
/// makes them go sooner or later.
pub const OLD_AFTER: Duration = Duration::from_secs(10 * 60);
/// Events, old or not, with which none goes for its age.
pub const OLD_EVENTS_MAX: usize = 1_000;
/// Events that may go when one comes: who tells of it does not wait for thousands.
const GO_AT_ONCE_MAX: usize = 64;

/// Room for so many is not given back.
const ROOM_LEAST: usize = 256;

/// The latest events of a host.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<Kept>,
    last: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Kept {
    /// In one piece of the heap: one by one, those that go would leave holes among what stays of their jobs.
    events: VecDeque<Event>,
    last: EventId,
    /// The number of the newest event that is no longer here, or was before this life.
    gone: EventId,
    /// The number of the newest event that hooks were told of: none after it goes for its age, or because nobody followed.
    hooked: EventId,
    /// The number of the newest event when somebody followed for the first time; nothing until then.
    followed_after: Option<EventId>,
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
        let kept = Kept { events: VecDeque::new(), last: first, gone: first, hooked: first, followed_after: None };
        Self { kept: Mutex::new(kept), last: watch::Sender::new(first) }
    }

    /// Tells of something.
    pub fn tell(&self, at: Wall, news: News) {
        let mut kept = self.kept();
        let id = kept.last.next();
        kept.last = id;
        let gone = kept.take(GO_AT_ONCE_MAX, |kept, oldest| kept.is_too_much(oldest, at) || kept.is_unasked(oldest));
        kept.events.push_back(Event { id, at, news });
        // Under the lock, so that a follower never hears of a number that is not here yet, nor of two out of order.
        self.last.send_replace(id);
        drop(kept);
        drop(gone);
    }

    /// Returns what was told after `id`, at most `limit`, oldest first.
    pub fn since(&self, id: EventId, limit: usize) -> Since {
        let kept = self.kept();
        let from = kept.events.partition_point(|event| event.id <= id);
        let events = kept.events.range(from..).take(limit).cloned().collect();
        Since { events, is_gap: id < kept.gone || id > kept.last }
    }

    /// Returns a watch on the number of the newest event, for one who may be cut off and come back: from now on events are kept.
    pub fn follow(&self) -> watch::Receiver<EventId> {
        let mut kept = self.kept();
        let last = kept.last;
        kept.followed_after.get_or_insert(last);
        self.last.subscribe()
    }

    /// Returns a watch on the number of the newest event, for the one who tells hooks: see [`Self::note_hooked`].
    pub fn last(&self) -> watch::Receiver<EventId> {
        self.last.subscribe()
    }

    /// Notes that hooks were told of all events up to `id`.
    pub fn note_hooked(&self, id: EventId) {
        let mut kept = self.kept();
        kept.hooked = id;
        let gone = kept.take(usize::MAX, Kept::is_unasked);
        drop(kept);
        drop(gone);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes the oldest events out as long as they are to go, to be dropped where nobody waits for it.
    fn take(&mut self, n_max: usize, goes: impl Fn(&Self, &Event) -> bool) -> Vec<Event> {
        let mut taken = Vec::new();
        while taken.len() < n_max
            && let Some(oldest) = self.events.front()
            && goes(self, oldest)
        {
            self.gone = oldest.id;
            taken.extend(self.events.pop_front());
        }
        if !taken.is_empty() && self.events.capacity() > ROOM_LEAST.max(4 * self.events.len()) {
            self.events.shrink_to(ROOM_LEAST.max(2 * self.events.len()));
        }
        taken
    }

    /// Whether the oldest goes before another comes at `at`.
    fn is_too_much(&self, oldest: &Event, at: Wall) -> bool {
        let is_old = || Duration::try_from(at.duration_since(oldest.at)).is_ok_and(|age| age > OLD_AFTER);
        let n_kept = self.events.len();
        n_kept >= EVENTS_MAX || (n_kept >= OLD_EVENTS_MAX && oldest.id <= self.hooked && is_old())
    }

    /// Whether the oldest goes because nobody followed when it was told.
    fn is_unasked(&self, oldest: &Event) -> bool {
        oldest.id <= self.hooked && self.followed_after.is_none_or(|last| oldest.id <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, JobKind, JobName};

    fn removed(events: &Events) {
        removed_at(events, Wall::UNIX_EPOCH);
    }

    fn followed() -> Events {
        let events = Events::begin(EventId(100));
        events.follow();
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
    fn old_events_go_as_others_come_until_a_few_are_left_once_hooks_were_told() {
        let kept = |events: &Events| events.since(EventId(0), usize::MAX).events.len();
        let events = followed();
        for _ in 0..OLD_EVENTS_MAX + 199 {
            removed(&events);
        }
        let late = Wall::UNIX_EPOCH + OLD_AFTER;
        let later = late + Duration::from_nanos(1);
        removed_at(&events, later);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 200, "hooks know nothing yet");
        events.note_hooked(EventId(103));
        removed_at(&events, late);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 201, "none is old enough");
        removed_at(&events, later);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 199, "hooks know three");
        assert!(events.since(EventId(102), 1).is_gap && !events.since(EventId(103), 1).is_gap);
        events.note_hooked(EventId(100 + OLD_EVENTS_MAX as u64 + 202));
        removed_at(&events, later);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 200 - GO_AT_ONCE_MAX, "not all at once");
        for _ in 0..9 {
            removed_at(&events, later);
        }
        assert_eq!(kept(&events), OLD_EVENTS_MAX);
        removed_at(&events, Wall::UNIX_EPOCH);
        assert_eq!(kept(&events), OLD_EVENTS_MAX + 1, "the clock was set back");
    }

    #[test]
    fn what_was_told_before_anybody_followed_goes_once_hooks_were_told() {
        let events = Events::begin(EventId(100));
        for _ in 0..5 {
            removed(&events);
        }
        assert!(!events.since(EventId(100), 1).is_gap, "hooks know nothing yet");
        events.note_hooked(EventId(103));
        assert_eq!(ids(&events.since(EventId(103), 9)), [104, 105]);
        assert!(events.since(EventId(102), 9).is_gap && !events.since(EventId(103), 9).is_gap);

        let place = *events.follow().borrow();
        assert_eq!(place, EventId(105));
        removed(&events);
        events.note_hooked(EventId(106));
        assert!(events.since(EventId(104), 9).is_gap, "what hooks did not know by then goes, too");
        drop(events.follow());
        removed(&events);
        events.note_hooked(EventId(107));
        assert_eq!(ids(&events.since(place, 9)), [106, 107]);
        assert!(!events.since(place, 9).is_gap, "one that was cut off goes on where it was");
    }

    #[test]
    fn what_goes_leaves_no_room_behind() {
        let events = Events::begin(EventId(100));
        for _ in 0..EVENTS_MAX {
            removed(&events);
        }
        events.note_hooked(EventId(100 + EVENTS_MAX as u64));
        let kept = events.kept();
        assert!(kept.events.is_empty() && kept.events.capacity() <= 2 * ROOM_LEAST);
    }
}

//! One `epoll` for all, edge by edge: each place remembers what was heard of its descriptor until it is read.

use std::{
    io, mem,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
};
use tokio::{io::unix::AsyncFd, task::AbortHandle};

use crate::os::readiness;

/// Descriptors that are asked for at once.
const EVENTS_MAX: usize = 64;

/// How long is waited for something to come: not at all.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Watches descriptors. Clones share the watch, which ends with the last of them and the last descriptor.
#[derive(Clone, Debug)]
pub struct Poller(Arc<Shared>);

/// A descriptor that is watched, until this is dropped.
#[derive(Debug)]
pub struct Watched {
    /// `None` when it was taken out.
    fd: Option<OwnedFd>,
    key: Key,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    places: Mutex<Places>,
    attends: AbortHandle,
}

/// A place, and which of its uses: what is heard late of a descriptor that is gone says nothing about the next one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    place: u32,
    used: u32,
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Place {
    /// How often it was given away.
    used: u32,
    /// Whether something came that was not read yet.
    is_ready: bool,
    /// Whether the other end is closed, which is told only once.
    is_closed: bool,
    waker: Option<Waker>,
}

impl Poller {
    /// Begins to watch, with a task that tells who waits. Called within a runtime.
    ///
    /// # Errors
    /// When the system gives no `epoll`.
    pub fn start() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let heard = readiness::register(epoll.try_clone()?)?;
        Ok(Self(Arc::new_cyclic(|shared| {
            let attends = tokio::spawn(attend(heard, Weak::clone(shared))).abort_handle();
            Shared { epoll, places: Mutex::default(), attends }
        })))
    }

    /// Watches a descriptor until what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be watched, or too many are; the error gives it back.
    pub(in crate::os) fn watch(&self, fd: OwnedFd) -> Result<Watched, (OwnedFd, io::Error)> {
        let shared = Arc::clone(&self.0);
        let key = shared.places().give();
        match epoll::add(&shared.epoll, &fd, key.into(), EventFlags::IN | EventFlags::ET) {
            Ok(()) => Ok(Watched { fd: Some(fd), key, shared }),
            Err(error) => {
                shared.places().take_back(key);
                Err((fd, error.into()))
            }
        }
    }
}

impl Watched {
    /// Waits until it is readable or its other end is closed, as far as was heard. Who asked last is woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut places = self.shared.places();
        let place = places.of(self.key);
        if place.is_told() {
            return Poll::Ready(());
        }
        let before = match &mut place.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            waker => waker.replace(cx.waker().clone()),
        };
        drop(places);
        // What a waker keeps may be watched as well.
        drop(before);
        Poll::Pending
    }

    /// Tries to read, if it is readable as far as was heard; one that would block is not until more is heard.
    ///
    /// # Errors
    /// Those of `read`, and `WouldBlock` when nothing was heard.
    pub fn try_io<T>(&self, read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        {
            let mut places = self.shared.places();
            let place = places.of(self.key);
            if !place.is_told() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // Forgotten first: what comes after the reading is told anew.
            place.is_ready = false;
        }
        let got = read(self.as_fd());
        if !got.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.shared.places().of(self.key).is_ready = true;
        }
        got
    }

    /// Watches it no longer.
    pub fn into_inner(mut self) -> OwnedFd {
        self.shared.forget(self.key, self.as_fd());
        self.fd.take().expect("it is taken out only here")
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("it is taken out only when this is dropped").as_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(fd) = &self.fd {
            self.shared.forget(self.key, fd.as_fd());
        }
    }
}

impl Shared {
    /// Takes in what came, and wakes who waits for it; tells whether there may be more.
    fn hear(&self) -> bool {
        let mut room = [const { MaybeUninit::<Event>::uninit() }; EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut room, Some(&AT_ONCE)) {
            Ok((events, _)) => events,
            // There is no other way for it to fail, with a descriptor that is ours.
            Err(error) => return error == Errno::INTR,
        };
        for &Event { flags, data } in &*events {
            let waker = self.places().hear(Key::from(data), flags);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        events.len() == EVENTS_MAX
    }

    fn forget(&self, key: Key, fd: BorrowedFd<'_>) {
        // One that is no longer there needs no taking out.
        let _ = epoll::delete(&self.epoll, fd);
        let waker = self.places().take_back(key);
        drop(waker);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.attends.abort();
    }
}

impl Places {
    /// Gives a place away.
    fn give(&mut self) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(Place::default());
            u32::try_from(self.all.len() - 1).expect("fewer descriptors than that")
        });
        let used = self.all[place as usize].used;
        Key { place, used }
    }

    /// Takes a place back, with who waited there.
    fn take_back(&mut self, key: Key) -> Option<Waker> {
        let used = key.used.wrapping_add(1);
        let place = mem::replace(self.of(key), Place { used, ..Place::default() });
        self.free.push(key.place);
        place.waker
    }

    /// Returns the place of a descriptor that is watched.
    fn of(&mut self, key: Key) -> &mut Place {
        &mut self.all[key.place as usize]
    }

    /// Notes what was heard, and returns who waits for it.
    fn hear(&mut self, key: Key, flags: EventFlags) -> Option<Waker> {
        let place = self.all.get_mut(key.place as usize).filter(|place| place.used == key.used)?;
        place.is_ready = true;
        place.is_closed |= flags.intersects(EventFlags::HUP | EventFlags::ERR);
        place.waker.take()
    }
}

impl Place {
    fn is_told(&self) -> bool {
        self.is_ready || self.is_closed
    }
}

impl From<Key> for EventData {
    fn from(key: Key) -> Self {
        Self::new_u64(u64::from(key.used) << 32 | u64::from(key.place))
    }
}

impl From<EventData> for Key {
    #[expect(clippy::cast_possible_truncation, reason = "each half is one of the two numbers")]
    fn from(data: EventData) -> Self {
        Self { place: data.u64() as u32, used: (data.u64() >> 32) as u32 }
    }
}

/// Attends to the `epoll` until nobody has it.
async fn attend(heard: AsyncFd<OwnedFd>, shared: Weak<Shared>) {
    while let Ok(mut ready) = heard.readable().await {
        let Some(there) = shared.upgrade() else { return };
        let may_be_more = there.hear();
        drop(there);
        if may_be_more {
            // After those who were woken.
            tokio::task::yield_now().await;
        } else {
            // What came after the look has told the runtime again.
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_late_says_nothing_about_the_next_one_there() {
        let mut places = Places::default();
        let (first, other) = (places.give(), places.give());
        assert_eq!(Key::from(EventData::from(other)), other);
        assert!(places.hear(first, EventFlags::IN).is_none() && places.of(first).is_told());
        places.take_back(first);
        let next = places.give();
        assert!(next.place == first.place && next != first);
        places.hear(first, EventFlags::IN | EventFlags::HUP);
        assert!(!places.of(next).is_told() && !places.of(other).is_told());
        places.hear(next, EventFlags::HUP);
        assert!(places.of(next).is_told());
    }

    #[tokio::test]
    async fn the_place_of_what_cannot_be_watched_is_free_again() {
        let poller = Poller::start().expect("a poller");
        for _ in 0..3 {
            let file = tempfile::tempfile().expect("a file");
            assert!(poller.watch(file.into()).is_err(), "a file of a disk is always ready");
        }
        let places = poller.0.places();
        assert_eq!((places.all.len(), places.free.len()), (1, 1));
    }

    #[tokio::test]
    async fn the_watch_ends_with_the_last_who_has_it() {
        let poller = Poller::start().expect("a poller");
        let attends = poller.0.attends.clone();
        let (reader, _writer) = io::pipe().expect("a pipe");
        let watched = poller.watch(reader.into()).expect("it is watched");
        drop(poller);
        tokio::task::yield_now().await;
        assert!(!attends.is_finished());
        drop(watched);
        let ended = async {
            while !attends.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it ends in time");
    }
}

//! Moments of the wall clock that somebody waits for, and steps of that clock: one timer of the kernel for the whole
//! process.
//!
//! ```text
//!  until ── set ──> Waiting ── the earliest ──> timer ── rings ────> those who are due
//!                                                 └───── cancelled ─> steps: everybody looks again
//! ```
//! The runtime's own timer counts whole milliseconds and rounds up, so that a job would begin half a millisecond late on
//! average, and it sees no step of the clock.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use rustix::{
    io::Errno,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime},
};
use tokio::{
    io::unix::AsyncFd,
    sync::{oneshot, watch},
};

use crate::model::time::Wall;

/// Those who wait for moments of the wall clock or for its steps.
#[derive(Debug)]
pub(super) struct Alarms {
    timer: Arc<AsyncFd<OwnedFd>>,
    waiting: Mutex<Waiting>,
    /// Counts the steps of the clock.
    pub(super) steps: watch::Sender<u64>,
}

/// A moment that is waited for; forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Alarm<'a> {
    alarms: &'a Alarms,
    key: Key,
    rung: oneshot::Receiver<()>,
}

/// A moment, and a number of its own.
type Key = (Wall, u64);

/// Who is told at which moment.
#[derive(Debug, Default)]
struct Waiting {
    bells: BTreeMap<Key, oneshot::Sender<()>>,
    last: u64,
    /// Whether nobody attends to the timer any more.
    is_over: bool,
}

impl Alarms {
    /// Makes the timer, and a task that attends to it as long as somebody has what is returned. Called within a runtime.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let timer = Arc::new(crate::os::readiness::register(timer)?);
        let (waiting, steps) = (Mutex::default(), watch::Sender::new(0));
        let alarms = Arc::new(Self { timer: Arc::clone(&timer), waiting, steps });
        alarms.arm(&alarms.waiting())?;
        tokio::spawn(attend(timer, Arc::downgrade(&alarms)));
        Ok(alarms)
    }

    /// Begins to wait for a moment.
    ///
    /// # Errors
    /// When the timer cannot be set, or nobody attends to it any more.
    pub(super) fn set(&self, moment: Wall) -> io::Result<Alarm<'_>> {
        let mut waiting = self.waiting();
        if waiting.is_over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let (key, rung) = waiting.add(moment);
        let alarm = Alarm { alarms: self, key, rung };
        let armed = if waiting.next() == Some(key) { self.arm(&waiting) } else { Ok(()) };
        // Before the alarm goes, which needs it.
        drop(waiting);
        armed.map(|()| alarm)
    }

    /// Tells whether somebody attends to the timer.
    pub(super) fn are_attended(&self) -> bool {
        !self.waiting().is_over
    }

    /// Tells everybody that the clock was set.
    pub(super) fn step(&self) {
        self.steps.send_modify(|count| *count += 1);
    }

    fn ring(&self) -> io::Result<()> {
        let mut waiting = self.waiting();
        let due = waiting.take_due(crate::os::clock::wall_now());
        let armed = self.arm(&waiting);
        // Whoever is told comes back here to forget its alarm.
        drop(waiting);
        for bell in due {
            // Whoever no longer waits hears nothing.
            let _ = bell.send(());
        }
        armed
    }

    /// Sets the timer to the earliest moment; without one it is only cancelled by a step.
    fn arm(&self, waiting: &Waiting) -> io::Result<()> {
        let never = Timespec { tv_sec: i64::from(u32::MAX) * 2, tv_nsec: 0 };
        let at = waiting.next().map_or(never, |(moment, _)| Timespec {
            tv_sec: moment.as_second(),
            tv_nsec: moment.subsec_nanosecond().into(),
        });
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        match timerfd_settime(&*self.timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once) {
            Ok(_) => Ok(()),
            // It is set all the same, and whoever reads it next would not be told of the step any more.
            Err(Errno::CANCELED) => {
                self.step();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm<'_> {
    /// Waits until the moment has come, or nobody attends to the timer any more. Cancel-safe.
    pub(super) async fn rung(&mut self) {
        // An end that was dropped is a reason to look at the clock, too.
        let _ = (&mut self.rung).await;
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        // The timer may ring in vain once.
        self.alarms.waiting().bells.remove(&self.key);
    }
}

impl Waiting {
    fn add(&mut self, moment: Wall) -> (Key, oneshot::Receiver<()>) {
        let (bell, rung) = oneshot::channel();
        self.last += 1;
        let key = (moment, self.last);
        self.bells.insert(key, bell);
        (key, rung)
    }

    fn next(&self) -> Option<Key> {
        self.bells.first_key_value().map(|(key, _)| *key)
    }

    /// Lets everybody go, and takes nobody any more.
    fn give_up(&mut self) {
        self.is_over = true;
        self.bells.clear();
    }

    /// Takes out those whose moment has come.
    fn take_due(&mut self, now: Wall) -> impl Iterator<Item = oneshot::Sender<()>> + use<> {
        let later = self.bells.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.bells, later).into_values()
    }
}

/// Attends to the timer until nobody has the alarms. Should the timer fail, everybody is let go, to wait by other means.
async fn attend(timer: Arc<AsyncFd<OwnedFd>>, alarms: Weak<Alarms>) {
    while let Ok(mut ready) = timer.readable().await {
        let Some(alarms) = alarms.upgrade() else { return };
        // Forgotten first: what comes after the reading is told anew.
        ready.clear_ready();
        let read = rustix::io::read(&*timer, &mut [0; 8]);
        if read == Err(Errno::CANCELED) {
            alarms.step();
        }
        if alarms.ring().is_err() {
            return alarms.waiting().give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_told_whose_moment_has_come() {
        let wall = |second| Wall::from_second(second).expect("a time");
        let mut waiting = Waiting::default();
        let mut hears: Vec<_> = [30, 10, 20, 10].map(|second| waiting.add(wall(second)).1).into();
        assert_eq!(waiting.next(), Some((wall(10), 2)));
        assert_eq!(waiting.take_due(wall(9)).count(), 0);
        waiting.take_due(wall(20)).for_each(|bell| bell.send(()).expect("somebody waits"));
        let told: Vec<_> = hears.iter_mut().map(|rung| rung.try_recv().is_ok()).collect();
        assert_eq!(told, [false, true, true, true]);
        assert_eq!(waiting.next(), Some((wall(30), 1)));
    }

    #[tokio::test]
    async fn without_anybody_at_the_timer_nobody_begins_to_wait_for_it() {
        let alarms = Alarms::start().expect("a timer");
        let tomorrow = crate::os::clock::wall_now() + std::time::Duration::from_secs(86_400);
        let mut alarm = alarms.set(tomorrow).expect("it is set");
        alarms.waiting().give_up();
        alarm.rung().await;
        alarms.set(tomorrow).expect_err("nobody would ring");
    }

    #[tokio::test]
    async fn who_waits_no_longer_leaves_nothing_behind() {
        let alarms = Alarms::start().expect("a timer");
        let soon = crate::os::clock::wall_now() + std::time::Duration::from_millis(20);
        let mut alarm = alarms.set(soon).expect("it is set");
        drop(alarms.set(soon).expect("it is set"));
        alarm.rung().await;
        assert!(crate::os::clock::wall_now() >= soon);
        drop(alarm);
        assert!(alarms.waiting().next().is_none());
    }
}

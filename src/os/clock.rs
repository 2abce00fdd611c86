//! The two clocks, and sleeping to a moment of either.
//!
//! Nothing else in the crate reads a clock. The monotonic one goes on while the machine is suspended (on Linux), so that
//! a grace of ten seconds is over after a night's sleep. The wall clock may be set forth and back at any time: whoever
//! sleeps until a moment of it is woken when that happens, to look again.
//!
//! Nothing polls: on Linux one timer of the kernel tells the whole process of due moments, to the microsecond, and of steps
//! (`alarms`). Elsewhere sleeps are cut into slices of at most a minute and a step is noticed at the end of a slice.

#[cfg_attr(not(target_os = "linux"), path = "clock/alarms_none.rs")]
mod alarms;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use self::alarms::Alarms;
use crate::model::time::{Mono, Now, Wall};

/// Longest part of a sleep where the system does not report clock steps.
const SLICE_MAX: Duration = Duration::from_secs(60);

/// How far the wall clock may run away from the monotonic one within a slice before it counts as set.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Why a sleep until a moment of the wall clock is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// The moment has come.
    Due,
    /// The clock was set, or the machine was suspended: look again.
    ClockStepped,
}

/// Hears of every step of the wall clock, also of one between two calls; where the system does not report them, within a
/// minute.
#[derive(Debug)]
pub struct Steps {
    clock: Clock,
    heard: Option<watch::Receiver<u64>>,
    seen: u64,
}

/// Steps of the wall clock that were seen by comparing it with the monotonic one.
#[derive(Debug)]
struct Compared {
    last: Now,
    steps: u64,
}

/// Tells the time.
pub trait Ticks {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

impl Ticks for Clock {
    fn now(&self) -> Now {
        self.now()
    }
}

impl<F: Fn() -> Now> Ticks for F {
    fn now(&self) -> Now {
        self()
    }
}

/// Reads both clocks. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    start: Duration,
    /// Tell of moments and steps of the wall clock; `None` where the system does not report them.
    alarms: Option<Arc<Alarms>>,
    compared: Mutex<Compared>,
}

impl Clock {
    /// Starts the monotonic clock at zero. Called within a runtime, it also listens for steps of the wall clock.
    pub fn start() -> Self {
        let alarms = tokio::runtime::Handle::try_current().is_ok().then(Alarms::start).and_then(Result::ok);
        Self::with(since_boot(), alarms)
    }

    fn with(start: Duration, alarms: Option<Arc<Alarms>>) -> Self {
        let last = Now { mono: Mono::at(since_boot().saturating_sub(start)), wall: wall_now() };
        Self(Arc::new(Parts { start, alarms, compared: Mutex::new(Compared { last, steps: 0 }) }))
    }

    /// Returns one that is only read: it has a part in no file of the host's.
    pub fn to_read(&self) -> Self {
        Self::with(self.0.start, None)
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        Now { mono: Mono::at(since_boot().saturating_sub(self.0.start)), wall: to_ticks(wall_now()) }
    }

    /// Sleeps until the monotonic clock shows `deadline`.
    pub async fn sleep_until(&self, deadline: Mono) {
        let mut steps = self.listener();
        loop {
            let left = deadline.since(self.now().mono);
            if left.is_zero() {
                return;
            }
            // A resume from suspension is a step of the wall clock: the runtime's own timer has slept through it.
            let slice = self.slice(left);
            tokio::select! {
                // Both arms are cancel-safe and only lead to another look at the clock.
                () = tokio::time::sleep(slice) => {}
                () = stepped(&mut steps) => {}
            }
        }
    }

    /// Sleeps until the wall clock shows `moment`, or until it is set.
    pub async fn until(&self, moment: Wall) -> Woke {
        let mut steps = self.listener();
        loop {
            let before = self.now();
            let Ok(left) = Duration::try_from(moment.duration_since(before.wall)) else { return Woke::Due };
            if left.is_zero() {
                return Woke::Due;
            }
            tokio::select! {
                // Cancel-safe: a sleep that is dropped leaves nothing behind, the clock is read again.
                () = self.pass(moment, left) => {
                    if !self.hears_steps() && ran_apart(before, self.now()) {
                        return Woke::ClockStepped;
                    }
                }
                // Cancel-safe: a step that is not seen here is seen by whoever reads the clock next.
                () = stepped(&mut steps) => return Woke::ClockStepped,
            }
        }
    }

    /// Returns how often the wall clock was set since the start.
    pub fn steps_so_far(&self) -> u64 {
        let told = self.0.alarms.as_ref().map_or(0, |alarms| *alarms.steps.borrow());
        told + if self.hears_steps() { 0 } else { self.compare(self.now()) }
    }

    /// Tells everybody that the clock was set, without setting it.
    #[cfg(all(test, target_os = "linux"))]
    pub fn pretend_step(&self) {
        self.0.alarms.as_ref().expect("the kernel agrees to report steps").step();
    }

    /// Begins to listen for steps of the wall clock.
    pub fn steps(&self) -> Steps {
        Steps { seen: self.steps_so_far(), heard: self.listener(), clock: self.clone() }
    }

    /// Compares both clocks with what they showed last, and returns how often they had run apart so far.
    fn compare(&self, now: Now) -> u64 {
        let mut compared = self.0.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if ran_apart(compared.last, now) {
            *compared = Compared { last: now, steps: compared.steps + 1 };
        }
        compared.steps
    }

    /// Lets the time until a moment pass, or a part of it.
    async fn pass(&self, moment: Wall, left: Duration) {
        match self.0.alarms.as_ref().and_then(|alarms| alarms.set(moment).ok()) {
            Some(mut alarm) => alarm.rung().await,
            None => tokio::time::sleep(self.slice(left)).await,
        }
    }

    fn listener(&self) -> Option<watch::Receiver<u64>> {
        self.0.alarms.as_ref().map(|alarms| alarms.steps.subscribe())
    }

    fn slice(&self, left: Duration) -> Duration {
        if self.hears_steps() { left } else { left.min(SLICE_MAX) }
    }

    fn hears_steps(&self) -> bool {
        self.0.alarms.as_ref().is_some_and(|alarms| alarms.are_attended())
    }
}

impl Steps {
    /// Waits until the wall clock is set. Cancel-safe.
    pub async fn next(&mut self) {
        loop {
            let so_far = self.clock.steps_so_far();
            if std::mem::replace(&mut self.seen, so_far) != so_far {
                return;
            }
            if self.clock.hears_steps() {
                stepped(&mut self.heard).await;
            } else {
                tokio::time::sleep(SLICE_MAX).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_now() -> Wall {
    Wall::now()
}

/// Cuts a time to 100 ns, the finest that Kudu's records and answers tell.
fn to_ticks(wall: Wall) -> Wall {
    let nanos = wall.subsec_nanosecond();
    Wall::new(wall.as_second(), nanos - nanos % 100).unwrap_or(wall)
}

/// Waits for the next step; for ever without a listener.
async fn stepped(steps: &mut Option<watch::Receiver<u64>>) {
    let heard = match steps {
        Some(steps) => steps.changed().await.is_ok(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}

/// Tells whether the wall clock went another way than the monotonic one.
fn ran_apart(before: Now, after: Now) -> bool {
    let mono = jiff::SignedDuration::try_from(after.mono.since(before.mono)).unwrap_or(jiff::SignedDuration::MAX);
    let apart = after.wall.duration_since(before.wall).saturating_sub(mono);
    apart.unsigned_abs() >= STEP_MIN
}

#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn since_boot() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_no_more_than_records_tell() {
        for (told, cut) in [
            ("2026-11-28T20:00:00.123456789Z", "2026-11-28T20:00:00.1234567Z"),
            ("2026-11-28T20:00:00.0000001Z", "2026-11-28T20:00:00.0000001Z"),
            ("2026-11-28T20:00:00.000000099Z", "2026-11-28T20:00:00Z"),
        ] {
            assert_eq!(to_ticks(told.parse().expect("a time")).to_string(), cut);
        }
    }

    #[tokio::test]
    async fn a_sleep_is_never_over_too_early() {
        let clock = Clock::start();
        let now = clock.now();
        clock.sleep_until(now.mono + Duration::from_millis(20)).await;
        assert!(clock.now().mono.since(now.mono) >= Duration::from_millis(20));

        let moment = clock.now().after(Duration::from_millis(20)).wall;
        assert_eq!(clock.until(moment).await, Woke::Due);
        assert!(clock.now().wall >= moment);
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_due_at_once() {
        let clock = Clock::start();
        assert_eq!(clock.until(Wall::MIN).await, Woke::Due);
        clock.sleep_until(Mono::default()).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_step_of_the_clock_wakes_whoever_waits_for_it() {
        let clock = Clock::start();
        let alarms = clock.0.alarms.clone().expect("the kernel agrees to report steps");
        let tomorrow = clock.now().after(Duration::from_secs(86_400)).wall;
        let sleeper = tokio::spawn(async move { clock.until(tomorrow).await });
        while alarms.steps.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        alarms.step();
        assert_eq!(sleeper.await.expect("the sleeper ends"), Woke::ClockStepped);
    }

    #[test]
    fn clocks_that_run_apart_are_a_step_in_either_direction() {
        let clock = Clock::with(since_boot(), None);
        let now = clock.now();
        let later = now.after(Duration::from_secs(60));
        assert!(!ran_apart(now, later));
        assert!(ran_apart(now, Now { wall: now.wall, ..later }));
        assert!(ran_apart(now, Now { mono: now.mono, ..later }));
        // Seen once each, however long after.
        assert_eq!(clock.compare(later), 0);
        assert_eq!(clock.compare(Now { mono: now.mono, ..later }), 1);
        assert_eq!(clock.compare(Now { mono: now.mono, ..later }.after(Duration::from_secs(600))), 1);
        assert_eq!(clock.compare(later.after(Duration::from_secs(600))), 2);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_step_between_two_calls_is_heard() {
        let clock = Clock::start();
        let (mut steps, before) = (clock.steps(), clock.steps_so_far());
        clock.pretend_step();
        steps.next().await;
        assert_eq!(clock.steps_so_far(), before + 1);
        assert!(futures_util::FutureExt::now_or_never(steps.next()).is_none(), "it is heard once");
    }
}

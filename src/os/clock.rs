//! The two clocks, and sleeping to a moment of either.
//!
//! Nothing else in the crate reads a clock. The monotonic one goes on while the machine is suspended (on Linux), so that
//! a grace of ten seconds is over after a night's sleep. The wall clock may be set forth and back at any time: whoever
//! sleeps until a moment of it is woken when that happens, to look again.
//!
//! Nothing polls: on Linux the kernel reports a step through one timer descriptor for the whole process. Elsewhere
//! sleeps are cut into slices of at most a minute and a step is noticed at the end of a slice.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::watch;

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

/// Reads both clocks. Clones share their start.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Duration,
    /// Counts the steps of the wall clock; `None` where the system does not report them.
    steps: Option<Arc<watch::Sender<u64>>>,
}

impl Clock {
    /// Starts the monotonic clock at zero. Called within a runtime, it also listens for steps of the wall clock.
    pub fn start() -> Self {
        let steps = tokio::runtime::Handle::try_current().is_ok().then(listen_for_steps).and_then(Result::ok);
        Self { start: since_boot(), steps }
    }

    /// Reads both clocks.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Now {
        Now { mono: Mono(since_boot().saturating_sub(self.start)), wall: to_ticks(Wall::now()) }
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
                () = tokio::time::sleep(self.slice(left)) => {
                    if self.steps.is_none() && ran_apart(before, self.now()) {
                        return Woke::ClockStepped;
                    }
                }
                // Cancel-safe: a step that is not seen here is seen by whoever reads the clock next.
                () = stepped(&mut steps) => return Woke::ClockStepped,
            }
        }
    }

    /// Waits until the wall clock is set, for ever where the system does not report that.
    pub async fn step(&self) {
        stepped(&mut self.listener()).await;
    }

    fn listener(&self) -> Option<watch::Receiver<u64>> {
        self.steps.as_ref().map(|steps| steps.subscribe())
    }

    fn slice(&self, left: Duration) -> Duration {
        if self.steps.is_some() { left } else { left.min(SLICE_MAX) }
    }
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

/// Starts a task that counts the steps of the wall clock, as long as somebody has the sender.
#[cfg(target_os = "linux")]
fn listen_for_steps() -> io::Result<Arc<watch::Sender<u64>>> {
    let timer = steps::Timer::new()?;
    let steps = Arc::new(watch::Sender::new(0));
    let weak = Arc::downgrade(&steps);
    tokio::spawn(async move {
        while timer.step().await.is_ok() {
            let Some(steps) = weak.upgrade() else { return };
            steps.send_modify(|count| *count += 1);
        }
    });
    Ok(steps)
}

#[cfg(not(target_os = "linux"))]
fn listen_for_steps() -> io::Result<Arc<watch::Sender<u64>>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod steps {
    use std::{io, os::fd::OwnedFd};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// A timer that never rings, but is cancelled by the kernel whenever the wall clock is set.
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let fd = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
            arm(&fd)?;
            Ok(Self(crate::os::readiness::register(fd)?))
        }

        /// Waits for the next step.
        pub(super) async fn step(&self) -> io::Result<()> {
            loop {
                let mut ready = self.0.readable().await?;
                match rustix::io::read(&self.0, &mut [0; 8]) {
                    Err(rustix::io::Errno::CANCELED) => {
                        ready.clear_ready();
                        return arm(self.0.get_ref());
                    }
                    Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                    Err(error) => return Err(error.into()),
                    Ok(_) => arm(self.0.get_ref())?,
                }
            }
        }
    }

    fn arm(fd: &OwnedFd) -> io::Result<()> {
        let never = Timespec { tv_sec: i64::from(u32::MAX) * 2, tv_nsec: 0 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
        timerfd_settime(fd, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake() -> (Clock, Arc<watch::Sender<u64>>) {
        let steps = Arc::new(watch::Sender::new(0));
        (Clock { start: since_boot(), steps: Some(steps.clone()) }, steps)
    }

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

    #[tokio::test]
    async fn a_step_of_the_clock_wakes_whoever_waits_for_it() {
        let (clock, steps) = fake();
        let tomorrow = clock.now().after(Duration::from_secs(86_400)).wall;
        let sleeper = tokio::spawn(async move { clock.until(tomorrow).await });
        while steps.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        steps.send_modify(|count| *count += 1);
        assert_eq!(sleeper.await.expect("the sleeper ends"), Woke::ClockStepped);
    }

    #[test]
    fn clocks_that_run_apart_are_a_step_in_either_direction() {
        let clock = Clock { start: since_boot(), steps: None };
        let now = clock.now();
        let later = now.after(Duration::from_secs(60));
        assert!(!ran_apart(now, later));
        assert!(ran_apart(now, Now { wall: now.wall, ..later }));
        assert!(ran_apart(now, Now { mono: now.mono, ..later }));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_agrees_to_report_steps() {
        assert!(Clock::start().steps.is_some());
    }
}

//! A nap shorter than a millisecond, for which the runtime's own timers are too coarse.
//!
//! On Linux a timer descriptor rings; it exists only while a job is busy. Elsewhere, or where there is none, a nap takes as
//! long as the runtime's shortest sleep.

use tokio::time;

use super::pace::NAP;

/// Naps for one busy job.
#[derive(Debug, Default)]
pub struct Napper {
    #[cfg(target_os = "linux")]
    bell: Option<bell::Bell>,
}

impl Napper {
    /// Sleeps for [`NAP`].
    pub async fn nap(&mut self) {
        #[cfg(target_os = "linux")]
        {
            self.bell = self.bell.take().or_else(|| bell::Bell::new().ok());
            if let Some(bell) = &self.bell
                && bell.ring_after(NAP).await.is_ok()
            {
                return;
            }
        }
        // Boxed, for a task keeps room for all that it may wait for.
        Box::pin(time::sleep(NAP)).await;
    }
}

#[cfg(target_os = "linux")]
mod bell {
    use std::{io, os::fd::OwnedFd, time::Duration};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use crate::os::readiness;

    /// A timer that the runtime watches.
    #[derive(Debug)]
    pub struct Bell(AsyncFd<OwnedFd>);

    impl Bell {
        pub fn new() -> io::Result<Self> {
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
            Ok(Self(readiness::register(fd)?))
        }

        /// Waits for `time`. Setting the timer takes back that it rang before, so that it need not be read.
        pub async fn ring_after(&self, time: Duration) -> io::Result<()> {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let it_value = Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: never, it_value })?;
            readiness::readable(&self.0).await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::os::clock::Clock;

    #[tokio::test]
    async fn each_nap_takes_its_time() {
        let (clock, mut napper) = (Clock::start(), Napper::default());
        let begun = clock.now().mono;
        for n in 1..=20 {
            napper.nap().await;
            assert!(clock.now().mono.since(begun) >= NAP * n);
        }
        assert!(clock.now().mono.since(begun) < Duration::from_secs(10));
    }
}

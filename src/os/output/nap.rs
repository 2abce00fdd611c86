//! A nap shorter than a millisecond, for which the runtime's own timers are too coarse.
//!
//! On Linux a timer descriptor rings; it exists only while a job is busy. Elsewhere, or where there is none, a nap takes as
//! long as the runtime's shortest sleep.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{self, Sleep};

use super::pace::NAP;

/// Naps for one busy job. They are asked for by hand: a task keeps room for all that it may ever wait for.
#[derive(Debug, Default)]
pub struct Napper(Option<Box<Timer>>);

/// What tells when a nap is over.
#[derive(Debug)]
enum Timer {
    #[cfg(target_os = "linux")]
    Bell(bell::Bell),
    Sleep(Pin<Box<Sleep>>),
}

impl Napper {
    /// Begins to sleep for [`NAP`].
    pub fn begin(&mut self) {
        #[cfg(target_os = "linux")]
        {
            if !matches!(self.0.as_deref(), Some(Timer::Bell(_))) {
                self.0 = bell::Bell::new().ok().map(|bell| Box::new(Timer::Bell(bell)));
            }
            if let Some(Timer::Bell(bell)) = self.0.as_deref()
                && bell.ring_after(NAP).is_ok()
            {
                return;
            }
        }
        self.0 = Some(Box::new(Timer::Sleep(Box::pin(time::sleep(NAP)))));
    }

    /// Waits until the nap that has begun is over.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.as_deref_mut() {
            #[cfg(target_os = "linux")]
            Some(Timer::Bell(bell)) => bell.poll_rung(cx),
            Some(Timer::Sleep(sleep)) => sleep.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

#[cfg(target_os = "linux")]
mod bell {
    use std::{
        io,
        os::fd::OwnedFd,
        task::{Context, Poll, ready},
        time::Duration,
    };

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

        /// Begins to wait for `time`. Setting the timer takes back that it rang before, so that it need not be read.
        pub fn ring_after(&self, time: Duration) -> io::Result<()> {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let it_value = Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: never, it_value })?;
            Ok(())
        }

        /// Waits until it rings. A runtime on its way down wakes nobody.
        pub fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<()> {
            match ready!(self.0.poll_read_ready(cx)) {
                Ok(mut rung) => {
                    rung.clear_ready();
                    Poll::Ready(())
                }
                Err(_) => Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;
    use crate::os::clock::Clock;

    #[tokio::test]
    async fn each_nap_takes_its_time() {
        let (clock, mut napper) = (Clock::start(), Napper::default());
        let begun = clock.now().mono;
        for n in 1..=20 {
            napper.begin();
            poll_fn(|cx| napper.poll_over(cx)).await;
            assert!(clock.now().mono.since(begun) >= NAP * n);
        }
        assert!(clock.now().mono.since(begun) < Duration::from_secs(10));
    }
}

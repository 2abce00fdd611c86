//! Time as a value: two clocks, read in `os::clock` only and passed on as arguments.
//!
//! Durations (grace, backoff, timeouts) are measured on the monotonic clock, calendars (schedules, records) on the wall
//! clock. A wall clock may jump; a monotonic one never goes back.

use std::{fmt, num::NonZeroU64, ops, time::Duration};

/// A moment of the wall clock, in UTC.
pub type Wall = jiff::Timestamp;

/// A moment of the monotonic clock: time since an arbitrary start that is the same for the whole process. To the nanosecond, and
/// in one word also where there may be none: a job that runs keeps some ten. Five hundred years from the start is as far as it goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(NonZeroU64);

impl Mono {
    /// The start.
    const ZERO: NonZeroU64 = NonZeroU64::MIN;

    /// Returns the moment so long after the start.
    pub fn at(since_start: Duration) -> Self {
        let nanos = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        Self(Self::ZERO.saturating_add(nanos))
    }

    /// Returns how long after the start it is.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0.get() - Self::ZERO.get())
    }

    /// Returns how long `earlier` is ago, zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Mono {
    fn default() -> Self {
        Self(Self::ZERO)
    }
}

impl fmt::Debug for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mono").field(&self.since_start()).finish()
    }
}

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub mono: Mono,
    /// For calendars.
    pub wall: Wall,
}

impl ops::Add<Duration> for Mono {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Now {
    /// Returns the moment `duration` later on both clocks.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let wall = jiff::SignedDuration::try_from(duration)
            .ok()
            .and_then(|d| self.wall.checked_add(d).ok())
            .unwrap_or(Wall::MAX);
        Self { mono: self.mono + duration, wall }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_are_as_durations_since_the_start(one in 0..u64::MAX / 4, other in 0..u64::MAX / 4) {
            let [one, other] = [one, other].map(Duration::from_nanos);
            let [early, late] = [one, other].map(Mono::at);
            prop_assert_eq!([early.since_start(), late.since_start()], [one, other]);
            prop_assert_eq!(early.cmp(&late), one.cmp(&other));
            prop_assert_eq!(early + other, Mono::at(one + other));
            prop_assert_eq!(late.since(early), other.saturating_sub(one));
        }
    }

    #[test]
    fn what_is_too_far_ahead_is_the_last_moment() {
        let last = Mono::at(Duration::MAX);
        assert_eq!(Mono::default() + Duration::MAX, last);
        assert_eq!(last + Duration::from_secs(1), last);
        assert!(last.since_start() > Duration::from_secs(500 * 365 * 24 * 3600));
        assert_eq!(Mono::default().since(last), Duration::ZERO);
        assert_eq!(Mono::at(Duration::ZERO), Mono::default());
        assert_eq!(size_of::<Option<Mono>>(), size_of::<u64>());
    }
}

//! Time as a value: two clocks, read in `os::clock` only and passed on as arguments.
//!
//! Durations (grace, backoff, timeouts) are measured on the monotonic clock, calendars (schedules, records) on the wall
//! clock. A wall clock may jump; a monotonic one never goes back.

use std::{ops, time::Duration};

/// A moment of the wall clock, in UTC.
pub type Wall = jiff::Timestamp;

/// A moment of the monotonic clock: time since an arbitrary start that is the same for the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub mono: Mono,
    /// For calendars.
    pub wall: Wall,
}

impl Mono {
    /// Returns how long `earlier` is ago, zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl ops::Add<Duration> for Mono {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
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

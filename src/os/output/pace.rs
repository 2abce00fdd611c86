//! When the next look at the pipes is worth it: pure, with the time as an argument.
//!
//! ```text
//!            a large read, or many reads close together
//!   calm ──────────────────────────────────────────────> busy: much came ── look again at once
//!    ^   waits for the poller to tell of bytes            │   little came ── nap, then look
//!    └──────────────── nothing came in a nap ──────────────┘
//! ```
//!
//! A pipe that is watched wakes a thread at every write of its job. That is right for a job that prints now and then: its
//! line is in the log at once. One that prints all the time would be slowed by it, so while it is busy nobody watches its
//! pipes; they are looked at between naps too short for them to fill. A quiet job is never napped for: nothing ticks.

use std::time::Duration;

use crate::model::time::Mono;

/// How long a busy job's lines gather.
pub const NAP: Duration = Duration::from_micros(500);

/// Reads with less than this between them follow each other closely.
const CLOSE: Duration = Duration::from_millis(1);
/// As many close reads make a job busy.
const CLOSE_READS_BUSY: u8 = 8;
/// A read of this many bytes makes a job busy, and says that more is there already.
pub const LARGE_BYTES: usize = 32 * 1024;

/// Bytes and looks after which other tasks get their turn.
const TURN_BYTES: usize = 2 * 1024 * 1024;
const TURN_ROUNDS: u32 = 64;

/// What to do after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look again.
    Look,
    /// Look again after [`NAP`].
    Nap,
    /// Wait until the poller tells of bytes.
    Wait,
}

/// How busy a job prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Its pipes are watched.
    Calm {
        /// When the latest bytes came.
        last: Option<Mono>,
        /// How many reads followed the one before closely.
        close_reads: u8,
    },
    /// Nobody watches its pipes.
    Busy {
        /// A nap came before the latest look.
        has_napped: bool,
    },
}

impl Default for Pace {
    fn default() -> Self {
        Self::Calm { last: None, close_reads: 0 }
    }
}

impl Pace {
    /// Says whether its pipes are watched.
    pub fn is_calm(self) -> bool {
        matches!(self, Self::Calm { .. })
    }

    /// Learns what a look at both pipes brought, and says what comes next.
    pub fn step(&mut self, bytes: usize, now: Mono) -> Next {
        let (pace, next) = match *self {
            Self::Calm { last, close_reads } => match bytes {
                0 => (*self, Next::Wait),
                LARGE_BYTES.. => (Self::Busy { has_napped: false }, Next::Look),
                1..LARGE_BYTES => {
                    let is_close = last.is_some_and(|last| now.since(last) < CLOSE);
                    let close_reads = if is_close { close_reads + 1 } else { 0 };
                    match close_reads >= CLOSE_READS_BUSY {
                        true => (Self::Busy { has_napped: true }, Next::Nap),
                        false => (Self::Calm { last: Some(now), close_reads }, Next::Wait),
                    }
                }
            },
            Self::Busy { has_napped } => match bytes {
                0 if has_napped => (Self::default(), Next::Wait),
                LARGE_BYTES.. => (Self::Busy { has_napped: false }, Next::Look),
                0..LARGE_BYTES => (Self::Busy { has_napped: true }, Next::Nap),
            },
        };
        *self = pace;
        next
    }
}

/// Counts what a task did since others had their turn.
#[derive(Debug, Default)]
pub struct Turn {
    bytes: usize,
    rounds: u32,
}

impl Turn {
    /// Says whether others get their turn after so many more bytes.
    pub fn is_over(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.rounds += 1;
        let is_over = self.bytes >= TURN_BYTES || self.rounds >= TURN_ROUNDS;
        if is_over {
            *self = Self::default();
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps through looks as (microsecond, bytes) and returns what came next after each.
    fn transcript(pace: &mut Pace, looks: &[(u64, usize)]) -> Vec<Next> {
        let now = |us| Mono::at(Duration::from_micros(us));
        looks.iter().map(|(us, bytes)| pace.step(*bytes, now(*us))).collect()
    }

    #[test]
    fn a_job_that_prints_now_and_then_is_waited_for_after_each_line() {
        let mut pace = Pace::default();
        for n in 0..1000 {
            let us = n * 1000;
            assert_eq!(transcript(&mut pace, &[(us, 100)]), [Next::Wait]);
        }
        assert!(pace.is_calm());
    }

    #[test]
    fn a_few_lines_at_once_do_not_make_a_job_busy() {
        let mut pace = Pace::default();
        for n in 0..100 {
            let looks: Vec<_> = (0..8).map(|line| (n * 2000 + line * 10, 100)).collect();
            transcript(&mut pace, &looks);
            assert!(pace.is_calm());
        }
    }

    #[test]
    fn a_job_that_prints_line_after_line_is_napped_for_until_a_nap_brings_nothing() {
        let mut pace = Pace::default();
        let close: Vec<_> = (0..8).map(|n| (n * 900, 100)).collect();
        assert_eq!(transcript(&mut pace, &close), [Next::Wait; 8]);
        let next = transcript(&mut pace, &[(7200, 1), (8000, 9000), (9000, 1), (9500, 0)]);
        assert_eq!(next, [Next::Nap, Next::Nap, Next::Nap, Next::Wait]);
        assert_eq!(pace, Pace::default());
    }

    #[test]
    fn a_large_read_is_followed_by_another_and_only_a_nap_tells_that_all_is_over() {
        let mut pace = Pace::default();
        let next = transcript(&mut pace, &[(0, 65_536), (1, 65_536), (2, 0), (500, 65_536), (501, 0), (1000, 0)]);
        assert_eq!(next, [Next::Look, Next::Look, Next::Nap, Next::Look, Next::Nap, Next::Wait]);
    }
}

//! How long the end of a begun line is waited for, on either stream of a run.

use std::time::Duration;

use crate::model::time::Mono;

/// A line without an end is written as a piece when its stream was quiet for so long, or when it began so long ago.
const QUIET: Duration = Duration::from_secs(1);
const PIECE_AGE_MAX: Duration = Duration::from_secs(10);

/// The pauses of two streams. Made for the first line that is begun: most programs print whole ones.
#[derive(Debug, Default)]
pub struct Pauses(Option<Box<[Option<Pause>; 2]>>);

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Mono,
    began: Mono,
}

impl Pauses {
    /// Tells whether the end of a stream's line was waited for long enough.
    pub fn is_due(&self, stream: usize, now: Mono) -> bool {
        self.of(stream).is_some_and(|pause| pause.until <= now)
    }

    /// Returns when the next one is due.
    pub fn next_due(&self) -> Option<Mono> {
        self.0.iter().flat_map(|pauses| pauses.iter()).flatten().map(|pause| pause.until).min()
    }

    /// Takes note that a stream was read, which now waits for the end of a line, or not.
    pub fn read(&mut self, stream: usize, is_waiting: bool, now: Mono) {
        let pause = is_waiting.then(|| {
            let began = self.of(stream).filter(|pause| pause.until > now).map_or(now, |pause| pause.began);
            Pause { until: (now + QUIET).min(began + PIECE_AGE_MAX), began }
        });
        if self.0.is_some() || pause.is_some() {
            self.0.get_or_insert_default()[stream] = pause;
        }
    }

    /// Takes note that a piece was written.
    pub fn is_over(&mut self, stream: usize) {
        if let Some(pauses) = &mut self.0 {
            pauses[stream] = None;
        }
    }

    fn of(&self, stream: usize) -> Option<Pause> {
        self.0.as_ref().and_then(|pauses| pauses[stream])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::at(Duration::from_millis(ms))
    }

    #[test]
    fn a_line_is_waited_for_until_its_stream_is_quiet_or_it_is_old() {
        let mut pauses = Pauses::default();
        pauses.read(0, false, at(0));
        assert!(pauses.0.is_none() && pauses.next_due().is_none(), "whole lines need none");
        pauses.read(0, true, at(0));
        pauses.read(1, true, at(500));
        assert_eq!(pauses.next_due(), Some(at(1000)));
        assert!(pauses.is_due(0, at(1000)) && !pauses.is_due(0, at(999)) && !pauses.is_due(1, at(1000)));
        // It goes on, in pieces that come soon enough, for ten seconds.
        for second in 1..=11 {
            pauses.read(1, true, at(500 + second * 900));
        }
        assert!(pauses.is_due(1, at(10_500)) && !pauses.is_due(1, at(10_499)));
        pauses.is_over(1);
        assert_eq!(pauses.next_due(), Some(at(1000)));
        // What comes after its time, and before it was looked at, begins anew.
        pauses.read(0, true, at(3000));
        pauses.read(0, true, at(3900));
        for second in 1..=10 {
            pauses.read(0, true, at(3900 + second * 900));
        }
        assert!(pauses.is_due(0, at(13_000)) && !pauses.is_due(0, at(12_999)));
        pauses.read(0, false, at(12_950));
        assert!(!pauses.is_due(0, at(20_000)) && pauses.next_due().is_none());
    }
}

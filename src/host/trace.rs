//! The latest lines of what webjobd says about itself. A process has one trace, so there is one place for them.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::model::trace::TraceLine;

/// Lines that are kept; the oldest go.
pub const LINES_MAX: usize = 1000;

/// Longest message that is kept, in bytes; the rest is cut off.
pub const MESSAGE_BYTES_MAX: usize = 4096;

static LINES: Mutex<VecDeque<TraceLine>> = Mutex::new(VecDeque::new());

/// Keeps a line.
pub fn note(mut line: TraceLine) {
    if line.message.len() > MESSAGE_BYTES_MAX {
        let mut ends = (0..=MESSAGE_BYTES_MAX).rev();
        let end = ends.find(|end| line.message.is_char_boundary(*end)).unwrap_or(0);
        line.message.truncate(end);
    }
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Returns the latest lines, newest first, at most `count`.
pub fn latest(count: usize) -> Vec<TraceLine> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().rev().take(count).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{time::Wall, trace::Weight};

    #[test]
    fn the_latest_lines_are_kept_and_long_ones_cut() {
        let line = |message: String| TraceLine { at: Wall::UNIX_EPOCH, weight: Weight::Warning, message };
        for n in 0..LINES_MAX + 5 {
            note(line(n.to_string()));
        }
        note(line("ü".repeat(MESSAGE_BYTES_MAX)));
        let latest = latest(LINES_MAX + 10);
        assert_eq!(latest.len(), LINES_MAX);
        assert_eq!(latest[0].message.len(), MESSAGE_BYTES_MAX);
        assert_eq!(latest[1].message, (LINES_MAX + 4).to_string());
    }
}

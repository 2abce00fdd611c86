//! What a handle tells of the host itself.

use super::HostHandle;
use crate::{host::trace, model::trace::TraceLine};

impl HostHandle {
    /// Returns what the host said about itself of late, newest first, at most `count` lines.
    pub fn recent_trace(&self, count: usize) -> Vec<TraceLine> {
        trace::latest(count)
    }

    /// Returns the name of the zone of schedules that name none.
    pub fn time_zone(&self) -> String {
        self.shared.settings.engine().zone.name().to_owned()
    }
}

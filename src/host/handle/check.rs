//! Settings checked before they are used: what is wrong with a text, and what it would make due.

use super::{COMING_MAX, Coming, HostHandle, read::coming};
use crate::{
    decide::settings,
    model::{id::JobKind, job::Problem},
};

/// What a text would mean as a `settings.job`.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Every problem, in the order of the text.
    pub problems: Vec<Problem>,
    /// The next due times; none while a problem is fatal.
    pub coming: Vec<Coming>,
}

impl HostHandle {
    /// Reads a text as the `settings.job` of a job of a kind. Nothing is written.
    pub fn check_settings(&self, kind: JobKind, text: &str, count: usize) -> Checked {
        let reading = settings::read(text, kind);
        let is_planned = reading.is_usable() && kind == JobKind::Triggered;
        let count = if is_planned { count.min(COMING_MAX) } else { 0 };
        let coming = coming(&reading.settings, &self.shared.settings.engine().zone, self.now(), count);
        Checked { problems: reading.problems, coming }
    }
}

//! Due times whose runs wait, as `host::dispatcher::agenda` tells the journal of them.

use webjobd::{
    decide::agenda::{self, Owed, Remains},
    model::{id::RunId, run::Line, time::Wall},
};

use super::Dispatcher;
use crate::machine::Machine;

impl Dispatcher {
    /// Returns what waited when the last host ended; nothing when its job rests, which is told.
    pub(super) fn owed(&mut self, machine: &mut Machine, now: Wall) -> Option<Vec<Owed>> {
        if std::mem::replace(&mut self.is_settled, true) {
            return Some(Vec::new());
        }
        let lines = machine.disk.journals.get(&self.id).cloned().unwrap_or_default();
        let record = |run: RunId| machine.disk.records.get(&(self.id.clone(), run)).cloned();
        let Remains { owed, mut lines } = agenda::remains(lines, record, &self.me.instance(), now);
        let rests = self.agenda.rests();
        if rests {
            lines.extend(self.agenda.give_up(&owed, now));
        }
        self.correct(machine, lines);
        (!rests).then_some(owed)
    }

    /// Tells the journal what became of runs that waited.
    pub(super) fn settle(&mut self, machine: &mut Machine) {
        let now = machine.now().wall;
        let fates = std::mem::take(&mut self.fates);
        let lines = fates.iter().filter_map(|(run, fate)| self.agenda.settle(*run, fate, now)).collect();
        self.correct(machine, lines);
    }

    fn correct(&self, machine: &mut Machine, lines: Vec<Line>) {
        if !lines.is_empty() && machine.writes() {
            machine.disk.journals.entry(self.id.clone()).or_default().extend(lines);
        }
    }
}

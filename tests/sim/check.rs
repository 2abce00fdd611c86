//! What must hold, whatever happens.

use webjobd::{
    decide::{
        catchup::{CLOCK_BACK_MAX, LISTED_MAX},
        ncrontab::Expression,
        schedule::Schedule,
        zone::Zone,
    },
    model::{
        id::JobId,
        job::Job,
        run::Line,
        time::{Mono, Wall},
    },
};

use crate::machine::Machine;

/// Something that must hold at a certain moment.
#[derive(Clone, Debug)]
pub enum Check {
    /// Hosts that were awake since then work with what this folder holds, if nobody has changed it since.
    Content { job: JobId, since: Mono },
    /// Nothing of a job that was stopped then on this host lives any more.
    Dead { job: JobId, host: usize, epoch: u32, since: Mono },
    /// Nothing of a host that was stopped then lives any more.
    Gone { host: usize, epoch: u32, since: Mono },
}

/// Checks that lines for the journal answer for each due time after `before` exactly once. `journal` is its newest line.
pub fn batch(machine: &Machine, job: &Job, journal: Option<Wall>, before: Wall, lines: &[Line]) {
    // What corrects an earlier line answers for nothing new.
    let lines: Vec<&Line> = lines.iter().filter(|line| line.served().is_some()).collect();
    let Some(after) = lines.last().and_then(|line| line.served()) else { return };
    let now = machine.now().wall;
    if let Some(journal) = journal.filter(|journal| after < *journal) {
        let jitter = jiff::SignedDuration::try_from(job.settings.jitter).expect("short");
        let back = journal.duration_since(now.saturating_sub(jitter).expect("in range")).unsigned_abs();
        assert!(back > CLOCK_BACK_MAX, "{}: the journal goes back by {back:?}: {lines:?}", job.id);
        return;
    }
    if after < before {
        return;
    }
    let (mut n_told, mut has_more) = (0, false);
    for line in &lines {
        let Line::Occurrence(told) = line else { continue };
        let count = told.count.unwrap_or(1);
        n_told += count;
        // More than are listed: their number is not known.
        has_more |= told.run.is_none() && count >= (LISTED_MAX / 2) as u64;
        let is_due = calendars(job).iter().any(|schedule| is_due(schedule, told.due));
        assert!(is_due, "{}: {} is no due time: {told:?}", job.id, told.due);
        assert!(told.due > before, "{}: answered again: {told:?}", job.id);
    }
    if has_more {
        return;
    }
    let n_due: u64 = calendars(job).iter().map(|schedule| number(schedule, before, after)).sum();
    assert_eq!(n_told, n_due, "{}: due times in ({before}, {after}] and their answers: {lines:?}", job.id);
}

/// Returns the schedules of a job.
pub fn calendars(job: &Job) -> Vec<Schedule> {
    let read = |setting: &webjobd::model::settings::ScheduleSetting| {
        let zone = setting.time_zone.as_deref().map_or_else(Zone::utc, |name| Zone::parse(name).expect("a zone"));
        Schedule::new(Expression::parse(&setting.expression).expect("an expression"), zone)
    };
    job.settings.schedules.iter().map(read).collect()
}

/// Returns how many due times lie after `from` and not after `to`.
pub fn number(schedule: &Schedule, from: Wall, to: Wall) -> u64 {
    let (mut at, mut number) = (from, 0);
    while let Some(next) = schedule.next_after(at).filter(|next| *next <= to) {
        (at, number) = (next, number + 1);
    }
    number
}

fn is_due(schedule: &Schedule, at: Wall) -> bool {
    schedule.next_after(at - jiff::SignedDuration::from_nanos(1)) == Some(at)
}

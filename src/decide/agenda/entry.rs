//! One schedule or one moment of a job, and since when it is answered for.

use std::{collections::BTreeMap, time::Duration};

use super::{Call, before, is_wrong};
use crate::{
    decide::{
        catchup::{Calendar, DueKind},
        ncrontab::Expression,
        schedule::Schedule,
        zone::Zone,
    },
    model::{args, id::RunId, job::Job, run::Trigger, settings::ScheduleSetting, time::Wall},
};

/// One schedule, or one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) what: What,
    pub(super) arguments: Option<String>,
    /// It is answered for since then: when it came or was changed, or its last answer.
    pub(super) since: Wall,
    /// It is a moment that had passed when it came; unless the journal knows it, it is late.
    pub(super) had_passed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Schedule(Box<Schedule>, String),
    Once(Wall),
}

impl Entry {
    /// Returns up to when it has its answers.
    pub(super) fn last(&self, served: Option<Wall>, now: Wall) -> Wall {
        match served {
            None => self.since,
            // A host that noticed the wrong clock first has begun to count anew: this one follows.
            Some(served) if is_wrong(self.since, now) && !is_wrong(served, now) => served,
            Some(served) => served.max(self.since),
        }
    }

    pub(super) fn calendar(&self) -> Calendar<'_> {
        match &self.what {
            What::Schedule(schedule, _) => Calendar::Schedule(schedule),
            What::Once(moment) => Calendar::Once(*moment),
        }
    }

    /// Keeps no more than it needs while nobody asks.
    pub(super) fn set_aside(&mut self) {
        if let What::Schedule(schedule, _) = &mut self.what {
            schedule.set_aside();
        }
    }

    /// Returns a moment before which nothing of it can be due.
    pub(super) fn before_moment(&self) -> Wall {
        match &self.what {
            What::Schedule(..) => self.since,
            What::Once(moment) => before(*moment, Duration::from_nanos(1)),
        }
    }

    pub(super) fn call(&self, due: Wall, kind: DueKind, owed: &BTreeMap<Wall, RunId>) -> Call {
        let caught_up = kind == DueKind::CaughtUp;
        let trigger = match &self.what {
            What::Schedule(_, expression) => Trigger::Schedule { due, expression: expression.clone(), caught_up },
            What::Once(_) => Trigger::RunAt { due, caught_up },
        };
        Call { trigger, arguments: self.arguments.clone(), due, kind, corrects: owed.get(&due).copied() }
    }
}

/// Returns what a job's settings ask for; it is answered for since `since`.
pub(super) fn entries(job: &Job, zone: &Zone, since: Wall) -> Vec<Entry> {
    let schedules = job.settings.schedules.iter().filter_map(|setting| entry(setting, zone, since));
    let once = job.settings.run_at.map(|moment| Entry {
        what: What::Once(moment),
        arguments: None,
        since,
        had_passed: moment <= since,
    });
    let mut entries: Vec<Entry> = schedules.chain(once).collect();
    entries.shrink_to_fit();
    entries
}

/// The texts were checked when the settings were read.
fn entry(setting: &ScheduleSetting, zone: &Zone, since: Wall) -> Option<Entry> {
    let expression = Expression::parse(&setting.expression).ok()?;
    let zone = match &setting.time_zone {
        Some(name) => Zone::parse(name).ok()?,
        None => zone.clone(),
    };
    let text = expression.normalised();
    let what = What::Schedule(Box::new(Schedule::new(expression, zone)), text);
    let arguments = setting.args.as_ref().map(|arguments| args::join(arguments));
    Some(Entry { what, arguments, since, had_passed: false })
}

//! When a schedule occurs: an expression on the calendar of a zone, turned into moments.
//!
//! The `cron` crate does the calendar arithmetic, on local times without a zone; which moment a local time is, is
//! decided here, by two rules for the two nights in a year on which a calendar is not a time line.
//!
//! * **An interval schedule** is one whose hour field holds every hour (`0 */15 * * * *`). It follows the time line:
//!   a moment is an occurrence when the clock on the wall shows a matching time. Where the clock jumps forward, the
//!   times it jumps over are not made up for; where it jumps back, the repeated times occur in both passes. So
//!   every 15 minutes stays every 15 real minutes.
//! * **Fixed times** are all others (`0 30 2 * * *`). Each matching local time occurs once. A time that does not exist
//!   occurs at the next moment that does, and several such times make one occurrence; a doubled time occurs at its
//!   first pass.
//!
//! ```text
//! Europe/Berlin       jumps 02:00 -> 03:00              repeats 02:00-03:00
//! every 15 minutes    01:45 03:00 03:15                 02:45 02:00 02:15 02:30 02:45 03:00
//! daily at 02:30      03:00 (said as: instead of 02:30) 02:30, first pass only
//! ```
//! The same holds for gaps of half an hour (Lord Howe), at midnight (Sao Paulo) and of a whole day (Apia 2011).
//!
//! The answer is always later than the question, and always derived from expression and clock alone, so that a schedule
//! cannot die. It ends with the year 2100, as the `cron` crate does.

#[cfg(test)]
mod tests;

use std::{str::FromStr as _, sync::OnceLock};

use jiff::{
    civil,
    tz::{AmbiguousOffset, Offset},
};

use crate::{
    decide::{
        ncrontab::{Expression, Field},
        zone::Zone,
    },
    model::time::Wall,
};

/// An expression and the zone on whose calendar it is read.
#[derive(Clone, Debug)]
pub struct Schedule {
    expression: Expression,
    zone: Zone,
    /// Made from the expression when it is first asked.
    calendar: OnceLock<Box<cron::Schedule>>,
}

/// One due time of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The moment.
    pub at: Wall,
    /// How it stands to a change of the clock.
    pub mark: DstMark,
}

/// How an occurrence stands to a change of the clock, such as the begin or end of daylight saving time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DstMark {
    /// Its local time exists once.
    Plain,
    /// It stands for a local time that does not exist, and possibly for more that follow it.
    GapShifted {
        /// The first local time it stands for.
        instead_of: civil::DateTime,
    },
    /// The first pass of a local time that exists twice.
    FoldFirst,
    /// The second pass of a local time that exists twice; interval schedules only.
    FoldSecond,
}

/// Seconds since 1970 of a clock on the wall, as if it were in UTC. Not a moment.
type LocalSecond = i64;

/// The last second before 1970, the first year of the `cron` crate.
const LOCAL_BEFORE_FIRST: LocalSecond = -1;

impl Schedule {
    /// Puts an expression on the calendar of a zone.
    pub fn new(expression: Expression, zone: Zone) -> Self {
        Self { expression, zone, calendar: OnceLock::new() }
    }

    /// Keeps no more than it needs while nobody asks.
    pub fn set_aside(&mut self) {
        self.calendar.take();
    }

    /// Returns the expression.
    pub const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Returns the zone.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Tells which of the two rules applies: follows the time line, or occurs at fixed times.
    pub fn is_interval(&self) -> bool {
        self.expression.is_full(Field::Hour)
    }

    /// Returns the first occurrence later than `after`; `None` when there is none until the end of the year 2100.
    pub fn next_after(&self, after: Wall) -> Option<Wall> {
        self.occurrence_after(after).map(|occurrence| occurrence.at)
    }

    /// Returns the next `count` occurrences later than `after`, with their marks.
    pub fn upcoming(&self, after: Wall, count: usize) -> Vec<Occurrence> {
        let next = |last: &Occurrence| self.occurrence_after(last.at);
        std::iter::successors(self.occurrence_after(after), next).take(count).collect()
    }

    /// Returns the first occurrence later than `after`, with its mark.
    pub fn occurrence_after(&self, after: Wall) -> Option<Occurrence> {
        let next = if self.is_interval() { self.next_on_time_line(after) } else { self.next_fixed_time(after) };
        if let Some(next) = next {
            assert!(next.at > after, "an occurrence lies after the moment it was asked for");
        }
        next
    }

    /// Returns a moment from which up to and including `to` lie about `count` occurrences, give or take those of one
    /// change of the clock. `None` when there are fewer since 1970.
    pub fn moment_before(&self, to: Wall, count: usize) -> Option<Wall> {
        let end = chrono::DateTime::from_timestamp(self.local_of(to) + 1, 0)?;
        let mut moments = self.calendar().after(&end).rev().map_while(|local| self.resolve(local.timestamp()));
        let mut first = moments.next()?.at;
        for _ in 1..count {
            first = moments.find(|earlier| earlier.at < first)?.at;
        }
        Some(first.saturating_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(first).min(to))
    }

    /// Walks the stretches between changes of the clock, until one shows a matching time.
    fn next_on_time_line(&self, after: Wall) -> Option<Occurrence> {
        let tz = self.zone.tz();
        let mut offset = i64::from(tz.to_offset(after).seconds());
        let mut local = after.as_second() + offset;
        let mut next = self.next_local(local)?;
        let mut changes = tz.following(after);
        loop {
            let at = next - offset;
            let Some(change) = changes.next().filter(|change| change.timestamp().as_second() <= at) else {
                return self.marked(Wall::from_second(at).ok()?);
            };
            offset = i64::from(change.offset().seconds());
            let changed = change.timestamp().as_second() - 1 + offset;
            // Nothing matches between `local` and `next`, so within it the answer stands.
            if !(local..next).contains(&changed) {
                next = self.next_local(changed)?;
            }
            local = changed;
        }
    }

    /// Walks the matching local times, until one stands for a moment that is late enough.
    fn next_fixed_time(&self, after: Wall) -> Option<Occurrence> {
        let mut local = self.local_before_next(after);
        loop {
            local = self.next_local(local)?;
            let occurrence = self.resolve(local)?;
            if occurrence.at > after {
                return Some(occurrence);
            }
        }
    }

    /// Returns the local time after which the next fixed time is to be sought. In a second pass that is its end, since
    /// all its times have occurred in the first.
    fn local_before_next(&self, after: Wall) -> LocalSecond {
        let local = self.local_of(after);
        let Some(AmbiguousOffset::Fold { before, after: now }) = self.ambiguity(local) else { return local };
        let tz = self.zone.tz();
        if tz.to_offset(after) != now {
            return local;
        }
        let mut changes = tz.preceding(after.saturating_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(after));
        let jumped_back = changes.find(|change| change.offset() == now);
        jumped_back.map_or(local, |change| change.timestamp().as_second() + i64::from(before.seconds()) - 1).max(local)
    }

    /// Finds the moment that a local time stands for when it occurs once.
    fn resolve(&self, local: LocalSecond) -> Option<Occurrence> {
        let moment = |offset: Offset| Wall::from_second(local - i64::from(offset.seconds())).ok();
        match self.ambiguity(local)? {
            AmbiguousOffset::Unambiguous { offset } => Some(Occurrence { at: moment(offset)?, mark: DstMark::Plain }),
            AmbiguousOffset::Fold { before, .. } => Some(Occurrence { at: moment(before)?, mark: DstMark::FoldFirst }),
            AmbiguousOffset::Gap { after, .. } => {
                let mut changes = self.zone.tz().following(moment(after)?);
                let at = changes.find(|change| change.offset() == after)?.timestamp();
                Some(Occurrence { at, mark: DstMark::GapShifted { instead_of: civil_of(local)? } })
            }
        }
    }

    /// Marks a moment whose local time exists.
    fn marked(&self, at: Wall) -> Option<Occurrence> {
        let mark = match self.ambiguity(self.local_of(at))? {
            AmbiguousOffset::Fold { before, .. } if self.zone.tz().to_offset(at) == before => DstMark::FoldFirst,
            AmbiguousOffset::Fold { .. } => DstMark::FoldSecond,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => DstMark::Plain,
        };
        Some(Occurrence { at, mark })
    }

    fn ambiguity(&self, local: LocalSecond) -> Option<AmbiguousOffset> {
        Some(self.zone.tz().to_ambiguous_timestamp(civil_of(local)?).offset())
    }

    fn local_of(&self, at: Wall) -> LocalSecond {
        at.as_second() + i64::from(self.zone.tz().to_offset(at).seconds())
    }

    fn calendar(&self) -> &cron::Schedule {
        self.calendar.get_or_init(|| Box::new(calendar_of(&self.expression)))
    }

    fn next_local(&self, after: LocalSecond) -> Option<LocalSecond> {
        let after = chrono::DateTime::from_timestamp(after.max(LOCAL_BEFORE_FIRST), 0)?;
        self.calendar().after(&after).next().map(|local| local.timestamp())
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.expression, &self.zone) == (&other.expression, &other.zone)
    }
}

fn civil_of(local: LocalSecond) -> Option<civil::DateTime> {
    Wall::from_second(local).ok().map(|dressed| Offset::UTC.to_datetime(dressed))
}

/// Hands the sets of an expression to the `cron` crate, whose weekdays count from 1 for Sunday.
fn calendar_of(expression: &Expression) -> cron::Schedule {
    let list = |field: Field| {
        if expression.is_full(field) {
            return "*".to_owned();
        }
        let first = u32::from(field == Field::Weekday);
        expression.set(field).values().map(|value| (value + first).to_string()).collect::<Vec<_>>().join(",")
    };
    cron::Schedule::from_str(&Field::ALL.map(list).join(" ")).expect("lists of values in range are a cron schedule")
}

//! Questions about runs over all jobs, and where a run stands in the order of their answers.
//!
//! History is told newest first: by id, which is the moment a run began, and by job where several began in the same tenth
//! of a millisecond. A position names a run, not a number of runs, so it stays where it is while new runs come.

use std::{cmp::Ordering, collections::BTreeSet, fmt, str::FromStr};

use crate::model::{
    id::{JobId, JobKind, JobName, RunId},
    run::{Outcome, RunPhase},
    time::Wall,
};

/// How a run stands, in one word: on its way, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunStatus {
    /// It has not ended.
    Running,
    /// It has ended.
    Ended(Outcome),
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Ended(Outcome::Succeeded),
        Self::Ended(Outcome::Failed),
        Self::Ended(Outcome::TimedOut),
        Self::Ended(Outcome::Stopped),
        Self::Ended(Outcome::Lost),
    ];

    /// Those that a person has to look after.
    pub const FAILED: [Self; 3] =
        [Self::Ended(Outcome::Failed), Self::Ended(Outcome::TimedOut), Self::Ended(Outcome::Lost)];

    /// Returns the word as the API shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

impl From<RunPhase> for RunStatus {
    fn from(phase: RunPhase) -> Self {
        match phase {
            RunPhase::Initializing | RunPhase::Running => Self::Running,
            RunPhase::Ended(outcome) => Self::Ended(outcome),
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no status of a run: use running, succeeded, failed, timed_out, stopped or lost")]
pub struct StatusError(String);

impl FromStr for RunStatus {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| StatusError(text.to_owned()))
    }
}

/// Where a run stands in history. A smaller position is a newer run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The run.
    pub run: RunId,
    /// Whose it is.
    pub job: JobId,
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        other.run.cmp(&self.run).then_with(|| self.job.cmp(&other.job))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.run, self.job)
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it names no run")]
pub struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (run, job) = text.split_once(' ').ok_or(PositionError)?;
        let (kind, name) = job.split_once('/').ok_or(PositionError)?;
        let run = RunId::parse(run).map_err(|_| PositionError)?;
        let kind: JobKind = kind.parse().map_err(|_| PositionError)?;
        let name = JobName::parse(name).map_err(|_| PositionError)?;
        Ok(Self { run, job: JobId { kind, name } })
    }
}

/// Which runs are asked for. What is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those of jobs of this kind.
    pub kind: Option<JobKind>,
    /// Only those that stand like this.
    pub statuses: Option<BTreeSet<RunStatus>>,
    /// Only those that began at or after this moment.
    pub since: Option<Wall>,
    /// Only those that began before this moment.
    pub until: Option<Wall>,
    /// Only those that come after this one in the order of history.
    pub after: Option<Position>,
}

impl RunQuery {
    /// Tells whether a run of this job may be meant.
    pub fn wants_job(&self, job: &JobId) -> bool {
        self.job.as_ref().is_none_or(|own| own == job) && self.kind.is_none_or(|kind| kind == job.kind)
    }

    /// Tells whether a run that stands like this may be meant.
    pub fn wants_status(&self, status: RunStatus) -> bool {
        self.statuses.as_ref().is_none_or(|own| own.contains(&status))
    }

    /// Tells whether a run at this position may be meant.
    pub fn wants(&self, position: &Position) -> bool {
        let (oldest, newest) = self.range();
        let run = position.run.number();
        let is_after = self.after.as_ref().is_none_or(|after| position > after);
        self.wants_job(&position.job) && (oldest..=newest).contains(&run) && is_after
    }

    /// Returns the smallest and the largest number that the id of a run may have; no run when the first is larger.
    pub fn range(&self) -> (u64, u64) {
        let oldest = self.since.map_or(0, first_at);
        let before = self.until.map_or(u64::MAX, first_at);
        let after = self.after.as_ref().map_or(u64::MAX, |after| after.run.number());
        match before.checked_sub(1) {
            Some(newest) => (oldest, newest.min(after)),
            None => (1, 0),
        }
    }
}

/// Returns the smallest id of a run that begins at this moment; runs before 1970 have none.
fn first_at(moment: Wall) -> u64 {
    if moment <= Wall::UNIX_EPOCH { 0 } else { RunId::at(moment, None).number() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(run: u64, job: &str) -> Position {
        format!("{run:018} {job}").parse().expect("a position")
    }

    #[test]
    fn history_is_told_newest_first_and_by_name_within_a_moment() {
        let mut all = [position(1, "triggered/a"), position(2, "triggered/b"), position(2, "continuous/z")];
        all.sort();
        let told: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["000000000000000002 continuous/z", "000000000000000002 triggered/b", "000000000000000001 triggered/a"]
        );
        for bad in ["", "1 triggered/a", "000000000000000001 a", "000000000000000001 other/a", "000000000000000001"] {
            assert_eq!(bad.parse::<Position>(), Err(PositionError), "{bad}");
        }
        assert_eq!(position(7, "triggered/a b").to_string().parse(), Ok(position(7, "triggered/a b")));
    }

    #[test]
    fn a_window_of_time_takes_its_first_moment_and_leaves_its_last() {
        let wall = |text: &str| text.parse().expect("a time");
        let query = RunQuery {
            since: Some(wall("2026-01-01T00:00:00.12345Z")),
            until: Some(wall("2026-01-01T00:00:01Z")),
            ..RunQuery::default()
        };
        let wants = |run: u64| query.wants(&position(run, "triggered/a"));
        // A run's id knows tenths of milliseconds only: one that began at the moment asked for is meant.
        assert!(wants(202601010000001234));
        assert!(!wants(202601010000001233));
        assert!(wants(202601010000009999));
        assert!(!wants(202601010000010000));
        let past = RunQuery { until: Some(wall("-000044-03-15T12:00:00Z")), ..RunQuery::default() };
        assert!(!past.wants(&position(0, "triggered/a")));
        let since = RunQuery { since: Some(wall("-000044-03-15T12:00:00Z")), ..RunQuery::default() };
        assert!(since.wants(&position(0, "triggered/a")));
    }

    #[test]
    fn statuses_are_words() {
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        let error = "broken".parse::<RunStatus>().expect_err("no status").to_string();
        assert!(error.contains("running, succeeded, failed, timed_out, stopped or lost"), "{error}");
    }
}
